//! `hearing-media`: one job on the socket at standard input, or a self-test.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use hearing_media::{job, probe, selftest};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let run: Box<dyn FnOnce() -> ExitCode> = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Box::new(job::run),
        ["--selftest"] => Box::new(selftest::run),
        ["--codecs"] => Box::new(selftest::codecs),
        ["--probe", name] => Box::new({
            let name = (*name).to_owned();
            move || probe::run(&name)
        }),
        _ => {
            complain("usage: hearing-media [--selftest]; without an argument it is started by a node");
            return ExitCode::from(2);
        }
    };
    if std::env::var_os(CLEAN).is_some() { run() } else { restart_clean(&arguments) }
}

/// Replaces this process by itself with an environment that holds nothing of the caller's, and without standard error:
/// libraries write warnings there, and where that is a file, the file size limit of the sandbox ends the process.
fn restart_clean(arguments: &[String]) -> ExitCode {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            complain(&format!("the program's own path is unknown: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let error = Command::new(program).args(arguments).env_clear().envs(ENVIRONMENT).stderr(Stdio::null()).exec();
    complain(&format!("the program can't start itself: {error}"));
    ExitCode::FAILURE
}

fn complain(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "hearing-media: {text}");
}

const CLEAN: &str = "HEARING_MEDIA_CLEAN";
/// No registry: the plug-ins are loaded by name. Two malloc arenas: each reserves address space, which is limited.
const ENVIRONMENT: [(&str, &str); 4] =
    [(CLEAN, "1"), ("GST_REGISTRY_DISABLE", "yes"), ("GST_REGISTRY_FORK", "no"), ("MALLOC_ARENA_MAX", "2")];
