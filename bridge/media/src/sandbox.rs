//! The walls around a child, in the one order that works: namespaces, limits, identity, death signal, no new privileges,
//! Landlock (all while the process has one thread), and seccomp once every library is loaded.

mod seccomp;

use std::fmt;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

/// One wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Own network, IPC, host name and mounts.
    Namespaces,
    /// Memory, files, core dumps.
    Limits,
    /// User and group nobody, no capabilities.
    Identity,
    /// The child dies with its node.
    DeathSignal,
    /// No set-user-id program gains anything.
    NoNewPrivileges,
    /// Reading of libraries and fonts only.
    Landlock,
    /// The system calls that decoding needs, and no other.
    Seccomp,
}

/// A wall that doesn't stand; the child must not start.
#[derive(Debug, thiserror::Error)]
#[error("sandbox step {step} failed: {reason}")]
pub struct Broken {
    /// Which.
    pub step: Step,
    /// Why.
    pub reason: String,
}

/// All walls but the last. Call it first, while the process has one thread.
///
/// # Errors
/// The first wall that can't be put up.
pub fn enter() -> Result<(), Broken> {
    let root = rustix::process::geteuid().is_root();
    namespaces(root).map_err(Step::Namespaces.broken())?;
    limits().map_err(Step::Limits.broken())?;
    identity(root).map_err(Step::Identity.broken())?;
    // Changing the user clears the signal, so it is set after that.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(Step::DeathSignal.broken())?;
    rustix::thread::set_no_new_privs(true).map_err(Step::NoNewPrivileges.broken())?;
    landlock()
}

/// The last wall, around all threads. Call it when every library is loaded and before the first foreign byte is decoded.
///
/// # Errors
/// The filters can't be built or installed.
pub fn shut() -> Result<(), Broken> {
    seccomp::apply().map_err(Step::Seccomp.broken())
}

#[expect(
    unsafe_code,
    reason = "unshare is unsafe only for file descriptor tables (UnshareFlags::FILES), which stay shared"
)]
fn namespaces(root: bool) -> rustix::io::Result<()> {
    let own = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWNS;
    // Without privileges the others come only together with a user namespace; unmapped, everybody in it is nobody.
    let flags = if root { own } else { own | UnshareFlags::NEWUSER };
    // SAFETY: the flags don't contain FILES, and no other thread exists yet.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}

fn limits() -> rustix::io::Result<()> {
    for (resource, most) in LIMITS {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

fn identity(root: bool) -> rustix::io::Result<()> {
    if root {
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)?;
    }
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, none)
}

fn landlock() -> Result<(), Broken> {
    let status = restrict().map_err(Step::Landlock.broken())?;
    match status {
        // Partly: a kernel older than this code lacks what was asked for as a bonus; the hard part failed otherwise.
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(Step::Landlock.broken()("the kernel has no Landlock")),
    }
}

/// Reading of libraries and fonts. Files (ABI 2, as Debian 12's kernel has it) are required; later kinds of access, network and
/// signals are taken along where the kernel knows them, for the network namespace and seccomp forbid those as well.
fn restrict() -> Result<RulesetStatus, landlock::RulesetError> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V2))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rules(path_beneath_rules(READABLE, read))?
        .restrict_self()?;
    Ok(status.ruleset)
}

impl Step {
    fn broken<E: fmt::Display>(self) -> impl FnOnce(E) -> Broken {
        move |reason| Broken { step: self, reason: reason.to_string() }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespaces => "namespaces",
            Self::Limits => "limits",
            Self::Identity => "identity",
            Self::DeathSignal => "death signal",
            Self::NoNewPrivileges => "no new privileges",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        })
    }
}

const NOBODY: u32 = 65_534;
/// Address space for 16 decoders with room to spare; no core dumps; few files; nothing is ever written to a file.
const LIMITS: [(Resource, u64); 5] = [
    (Resource::As, 4 << 30),
    (Resource::Core, 0),
    (Resource::Nofile, 256),
    (Resource::Fsize, 0),
    (Resource::Memlock, 0),
];
const READABLE: [&str; 8] = [
    "/usr/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/dev/urandom",
    "/sys/devices/system/cpu",
    "/proc/self",
    "/usr/share/fonts",
];
