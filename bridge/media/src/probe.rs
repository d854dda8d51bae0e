//! Tries from inside the sandbox what must not work, so that a machine on which the walls are thin is found out before a
//! hearing is.

use std::fs::File;
use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use rustix::process::Signal;

use crate::{codec, sandbox, selftest};

/// One forbidden act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Reads a file.
    Open,
    /// Makes a network socket.
    Socket,
    /// Starts another program in its place.
    Exec,
    /// Starts a process.
    Spawn,
    /// Signals its parent.
    Kill,
    /// Traces its parent.
    Trace,
    /// Makes memory that can be executed.
    Code,
}

impl Probe {
    /// Every probe.
    pub const ALL: [Self; 7] = [Self::Open, Self::Socket, Self::Exec, Self::Spawn, Self::Kill, Self::Trace, Self::Code];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Socket => "socket",
            Self::Exec => "exec",
            Self::Spawn => "spawn",
            Self::Kill => "kill",
            Self::Trace => "trace",
            Self::Code => "code",
        }
    }

    /// True when the act succeeded, which it must not; killed probes never come back.
    fn succeeds(self) -> bool {
        match self {
            Self::Open => File::open("/etc/passwd").is_ok(),
            Self::Socket => UdpSocket::bind(("127.0.0.1", 0)).is_ok(),
            Self::Exec => Command::new("/bin/true").exec().raw_os_error().is_none(),
            Self::Spawn => Command::new("/bin/true").status().is_ok(),
            Self::Kill => rustix::process::getppid()
                .is_some_and(|parent| rustix::process::kill_process(parent, Signal::CONT).is_ok()),
            Self::Trace => trace_parent(),
            Self::Code => map_code(),
        }
    }
}

/// Goes through all walls and then tries the act. Exit code 0: refused; 1: it worked; 2: the walls don't stand.
#[must_use]
pub fn run(name: &str) -> ExitCode {
    let probe = Probe::ALL.into_iter().find(|probe| probe.name() == name);
    let inside = || {
        sandbox::enter().ok()?;
        codec::load(&selftest::TASKS).ok()?;
        sandbox::shut().ok()
    };
    match probe.zip(inside()) {
        Some((probe, ())) if probe.succeeds() => ExitCode::FAILURE,
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(2),
    }
}

#[expect(unsafe_code, reason = "there is no safe way to try what must be refused")]
fn trace_parent() -> bool {
    // SAFETY: the call takes no pointers of ours; in the sandbox it ends this process.
    unsafe { libc::ptrace(libc::PTRACE_ATTACH, libc::getppid(), 0, 0) == 0 }
}

#[expect(unsafe_code, reason = "there is no safe way to try what must be refused")]
fn map_code() -> bool {
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    // SAFETY: a new anonymous mapping that nothing refers to; in the sandbox the call ends this process.
    unsafe {
        libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
            != libc::MAP_FAILED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_the_sandbox_the_probed_acts_work() {
        // Not tried here: exec would replace this process, trace would stop its parent.
        for probe in [Probe::Open, Probe::Socket, Probe::Spawn, Probe::Code] {
            assert!(probe.succeeds(), "{probe:?}");
        }
    }
}
