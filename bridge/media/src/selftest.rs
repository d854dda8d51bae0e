//! `--selftest`: do the walls stand on this machine, and are the codecs there?

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, Stdio};

use hearing_proto::child::{Codec, PictureShape, SoundTarget, Target, VERSION};
use serde::Serialize;

use crate::codec::{self, Film, Pipeline, Task};
use crate::probe::Probe;
use crate::sandbox;

#[derive(Serialize)]
struct Report {
    ok: bool,
    wire: u16,
    arch: &'static str,
    probes: Vec<Tried>,
    codecs: Vec<String>,
    faults: Vec<String>,
}

#[derive(Serialize)]
struct Tried {
    act: &'static str,
    refused: bool,
}

/// Prints one line of JSON; exit code 0 only if all is well.
#[must_use]
pub fn run() -> ExitCode {
    let (mut faults, mut probes, mut codecs) = (Vec::new(), Vec::new(), Vec::new());
    for probe in Probe::ALL {
        let refused = refused(probe);
        if let Err(fault) = &refused {
            faults.push(fault.clone());
        }
        probes.push(Tried { act: probe.name(), refused: refused.is_ok() });
    }
    match codecs_inside() {
        Ok(found) => codecs = found,
        Err(fault) => faults.push(fault),
    }
    let report = Report { ok: faults.is_empty(), wire: VERSION, arch: std::env::consts::ARCH, probes, codecs, faults };
    let written = serde_json::to_string(&report).ok().and_then(|line| writeln!(std::io::stdout(), "{line}").ok());
    if report.ok && written.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a probe in a process of its own; killed for a forbidden call counts as refused.
fn refused(probe: Probe) -> Result<(), String> {
    let name = probe.name();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let status = Command::new(program)
        .args(["--probe", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("probe {name}: {error}"))?;
    match (status.code(), status.signal()) {
        (Some(0), _) | (_, Some(libc::SIGSYS)) => Ok(()),
        (Some(1), _) => Err(format!("the sandbox let {name} pass")),
        (Some(2), _) => Err(format!("the sandbox doesn't stand (probe {name})")),
        _ => Err(format!("probe {name} ended with {status}")),
    }
}

/// The codecs that a process of its own finds inside the sandbox.
fn codecs_inside() -> Result<Vec<String>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output =
        Command::new(program).arg("--codecs").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        Ok(said.split(' ').map(str::to_owned).collect())
    } else {
        Err(format!("codecs in the sandbox: {said} ({})", output.status))
    }
}

/// `--codecs`: goes inside, builds one pipeline of each sort and prints their names, or what is wrong.
#[must_use]
pub fn codecs() -> ExitCode {
    let (text, code) = match inside() {
        Ok(names) => (names.join(" "), ExitCode::SUCCESS),
        Err(fault) => (fault, ExitCode::FAILURE),
    };
    // Without a reader there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{text}");
    code
}

fn inside() -> Result<Vec<&'static str>, String> {
    sandbox::enter().map_err(|error| error.to_string())?;
    codec::load(&TASKS).map_err(|error| error.to_string())?;
    for (name, task) in NAMES.into_iter().zip(TASKS) {
        Pipeline::start(task, |_| ()).map_err(|error| format!("{name}: {error}"))?;
    }
    sandbox::shut().map_err(|error| error.to_string())?;
    Ok(NAMES.to_vec())
}

const fn picture(codec: Codec) -> Task {
    Task::EncodePicture(PictureShape { codec, width: 640, height: 360, fps: 15, kbps: 300 })
}

const fn sound(codec: Codec) -> Task {
    Task::EncodeLive(Target::Sound(SoundTarget { codec, treat: true }))
}

/// One task of each sort.
pub(crate) const TASKS: [Task; 14] = [
    Task::Decode(Codec::Vp8),
    Task::Decode(Codec::H264),
    Task::Decode(Codec::Opus),
    Task::Still(Codec::Vp8),
    picture(Codec::Vp8),
    picture(Codec::H264),
    Task::EncodeSound,
    Task::EncodeFilm(Film { width: 1280, height: 720, fps: 25, threads: 2 }),
    Task::EncodeAac,
    Task::Decode(Codec::G722),
    Task::Decode(Codec::Aac),
    sound(Codec::Opus),
    sound(Codec::G722),
    sound(Codec::Aac),
];
const NAMES: [&str; 14] = [
    "vp8-decode",
    "h264-decode",
    "opus-decode",
    "jpeg-encode",
    "vp8-encode",
    "h264-encode",
    "opus-encode",
    "film-encode",
    "aac-encode",
    "g722-decode",
    "aac-decode",
    "live-opus",
    "live-g722",
    "live-aac",
];
