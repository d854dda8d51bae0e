//! The system calls that a decoding child may make: three stacked filters, of which the strictest word counts.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// Puts the filters around all threads.
pub(super) fn apply() -> Result<(), seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refused = refused();
    // glibc falls back from clone3 to clone, whose flags a filter can read.
    let filters = [
        deny(&[libc::SYS_clone3], libc::ENOSYS, arch)?,
        deny(&refused, libc::EACCES, arch)?,
        allow_only(allowed(&refused)?, arch)?,
    ];
    filters.iter().try_for_each(|filter| seccompiler::apply_filter_all_threads(filter))
}

fn deny(calls: &[i64], errno: i32, arch: TargetArch) -> Result<BpfProgram, seccompiler::Error> {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let action = SeccompAction::Errno(errno.unsigned_abs());
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()?)
}

fn allow_only(rules: BTreeMap<i64, Vec<SeccompRule>>, arch: TargetArch) -> Result<BpfProgram, seccompiler::Error> {
    Ok(SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()?)
}

/// Calls that libraries make and survive without; they are answered with EACCES.
fn refused() -> Vec<i64> {
    let mut calls = REFUSED.to_vec();
    // Other architectures never had these older forms.
    #[cfg(target_arch = "x86_64")]
    calls.extend([libc::SYS_open, libc::SYS_stat, libc::SYS_access, libc::SYS_readlink, libc::SYS_unlink]);
    calls
}

fn allowed(refused: &[i64]) -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().chain(refused).map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_poll, Vec::new());
    let no_code = |protection| condition(protection, SeccompCmpOp::MaskedEq(bits(libc::PROT_EXEC)), 0);
    rules.insert(libc::SYS_mmap, vec![no_code(2)?]);
    rules.insert(libc::SYS_mprotect, vec![no_code(2)?]);
    let thread = bits(libc::CLONE_THREAD | libc::CLONE_VM);
    rules.insert(libc::SYS_clone, vec![condition(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    let equal = |place, value| condition(place, SeccompCmpOp::Eq, bits(value));
    rules.insert(libc::SYS_prctl, vec![equal(0, libc::PR_SET_NAME)?, equal(0, libc::PR_SET_VMA)?]);
    rules.insert(libc::SYS_socketpair, vec![equal(0, libc::AF_UNIX)?]);
    let fcntl = [libc::F_DUPFD_CLOEXEC, libc::F_GETFL, libc::F_SETFL, libc::F_GETFD, libc::F_SETFD];
    rules.insert(libc::SYS_fcntl, fcntl.into_iter().map(|what| equal(1, what)).collect::<Result<_, _>>()?);
    Ok(rules)
}

fn condition(place: u8, operation: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(place, SeccompCmpArgLen::Dword, operation, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

fn bits(flags: i32) -> u64 {
    u64::from(flags.cast_unsigned())
}

const REFUSED: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_umask,
    libc::SYS_unlinkat,
    libc::SYS_sched_setattr,
    libc::SYS_sched_getattr,
    libc::SYS_sched_setscheduler,
    libc::SYS_setpriority,
];

const ALLOWED: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_futex,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sigaltstack,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_tgkill,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
