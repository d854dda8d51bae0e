//! A server as a child process, and what the system says of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A child that ends with its owner. Its output goes to a file that errors name.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> Result<Self> {
        let output = fs::File::create(&log).context("log of the server")?;
        let command = command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
        let child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, log })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL; it is gone when this returns.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Tries until `ready` says yes; an error names the end of the log.
    pub(crate) fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !ready() {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(20).collect();
                bail!(
                    "{what}: the server does not answer; the end of its log:\n{}",
                    end.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time that all threads of a process have used, and its memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// How long its threads were ready to run and had no processor.
    pub(crate) waited: Duration,
    pub(crate) resident_kb: f64,
}

/// Reads both from /proc. Threads that ended are not counted: servers must keep theirs while they are measured.
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let (mut cpu, mut waited) = (Duration::ZERO, Duration::ZERO);
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the reading.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        cpu += nanos(&text, 0);
        waited += nanos(&text, 1);
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    Ok(Usage { cpu, waited, resident_kb: resident.context("no VmRSS in /proc")? })
}

/// CPU time of each thread of a process.
pub(crate) fn threads(pid: u32) -> Result<BTreeMap<PathBuf, Duration>> {
    let mut threads = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        threads.insert(task, nanos(&text, 0));
    }
    Ok(threads)
}

/// CPU time of those of this process's threads that have one of these names.
pub(crate) fn usage_of_threads(names: &[&str]) -> Result<Duration> {
    let mut cpu = Duration::ZERO;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
        if names.contains(&name.trim_end()) {
            cpu += fs::read_to_string(task.join("schedstat")).map_or(Duration::ZERO, |text| nanos(&text, 0));
        }
    }
    Ok(cpu)
}

/// CPU time of the calling thread.
pub(crate) fn own_thread() -> Result<Duration> {
    Ok(nanos(&fs::read_to_string("/proc/thread-self/schedstat")?, 0))
}

/// A number of a schedstat: first the nanoseconds on a CPU, then those of waiting for one.
fn nanos(schedstat: &str, place: usize) -> Duration {
    Duration::from_nanos(schedstat.split_whitespace().nth(place).and_then(|word| word.parse().ok()).unwrap_or(0))
}

const PATIENCE: Duration = Duration::from_secs(20);
