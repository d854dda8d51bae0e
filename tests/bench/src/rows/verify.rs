//! How fast a record is verified: ours over the bytes of a record, against `openssl dgst -sha256` over the same files.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use hearing_proto::manifest::{Chain, Der, Entry, HashAlg, HearingKeys, Node, NodeKey, Opening, Span, Stamp};

use super::Bench;
use crate::table::Row;

/// Megabytes a second by the wall clock, and per second of CPU: each round ours, then the limit.
pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let record = directory.path().join("record");
    make(&bench.hearing, directory.path(), &record)?;
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..=bench.rounds {
        let mut verify = Command::new(&bench.hearing);
        verify.args(["record", "verify", "--trust"]).arg(directory.path().join("root.pem")).arg(&record);
        ours.push(timed(&mut verify)?);
        let mut digest = Command::new("openssl");
        digest.args(["dgst", "-sha256"]).args((0..TRACKS).map(|n| record.join(name(n))));
        limit.push(timed(&mut digest)?);
    }
    // The first round reads the files into memory.
    let row = |name: &str, what: fn(&Speed) -> f64| {
        let least: Vec<f64> = limit[1..].iter().map(what).collect();
        Row::of(name, "MB/s", &ours[1..], &[], what).limited(&least)
    };
    Ok(vec![row("verify", |speed| speed.wall), row("verify-cpu", |speed| speed.cpu)])
}

struct Speed {
    wall: f64,
    cpu: f64,
}

fn timed(command: &mut Command) -> Result<Speed> {
    let (before, began) = (children()?, Instant::now());
    let status = command.stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?}: {status}");
    let (wall, cpu) = (began.elapsed().as_secs_f64(), children()? - before);
    let megabytes = (TRACKS * SECONDS * 2 * SPAN) as f64 / 1e6;
    Ok(Speed { wall: megabytes / wall, cpu: megabytes / cpu })
}

/// Seconds of CPU that all children that ended have used.
fn children() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().context("no stat")?.split(' ').collect();
    let ticks = |n: usize| -> Result<f64> { Ok(fields.get(n).context("a short stat")?.parse::<f64>()?) };
    Ok((ticks(13)? + ticks(14)?) / 100.0)
}

/// A sealed record of [`TRACKS`] tracks of 2 Mb/s, with an entry each half second.
fn make(hearing: &Path, directory: &Path, record: &Path) -> Result<()> {
    let pki = |arguments: &[&str]| -> Result<()> {
        let output = Command::new(hearing).arg("pki").args(arguments).args(["--dir"]).arg(directory).output()?;
        ensure!(output.status.success(), "hearing pki: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    pki(&["init"])?;
    pki(&["issue", "--zone", "gov", "--node", "bench"])?;
    let block = |file: &str| -> Result<Vec<u8>> {
        use rustls::pki_types::pem::PemObject as _;
        let path = directory.join(file);
        Ok(match file.ends_with(".key") {
            true => rustls::pki_types::PrivateKeyDer::from_pem_file(path)?.secret_der().to_vec(),
            false => rustls::pki_types::CertificateDer::from_pem_file(path)?.to_vec(),
        })
    };
    let signer = Arc::new(NodeKey::from_pkcs8(&block("bench.key")?)?);
    let node = Node { node: "bench".into(), zone: "gov".into(), chain: vec![Der(block("bench.pem")?)], signer };
    let utc = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros() as i64;
    let at = |half: usize| Stamp { utc: utc + half as i64 * 500_000, mono: half as i64 * 500_000 };
    let mut chain = Chain::open(b"", opening(), node, HearingKeys::generate()?, at(0))?.chain;
    let mut files = Vec::new();
    for track in 0..TRACKS {
        let path = record.join(name(track));
        fs::create_dir_all(path.parent().context("a folder")?)?;
        files.push(File::create(path)?);
    }
    let mut bytes = vec![0; SPAN];
    rand::fill(&mut bytes[..]);
    for half in 0..SECONDS * 2 {
        let mut spans = Vec::new();
        for (track, file) in files.iter_mut().enumerate() {
            bytes[..8].copy_from_slice(&((half * TRACKS + track) as u64).to_be_bytes());
            file.write_all(&bytes)?;
            let (from, hash) = ((half * SPAN) as u64, HashAlg::Sha256.hash(&[&bytes]));
            let time = Some(at(half).utc);
            spans.push(Span { file: name(track), from, to: from + SPAN as u64, hash, first: time, last: time });
        }
        chain.append(Entry::Data { spans }, at(half))?;
        if half % 60 == 59 {
            chain.checkpoint(at(half))?;
        }
    }
    chain.close("closed", at(SECONDS * 2))?;
    fs::write(record.join("manifest.jsonl"), chain.seal(at(SECONDS * 2))?.bytes)?;
    Ok(())
}

fn name(track: usize) -> String {
    format!("seat{track}-video/0001.mkv")
}

fn opening() -> Opening {
    Opening {
        hearing: "0198c0de-0000-7000-8000-000000000001".into(),
        case: "bench".into(),
        hash: HashAlg::Sha256,
        software: "hearing-bench".into(),
        build: None,
        policy: HashAlg::Sha256.hash(&[]),
        previous: None,
        boot: "bench".into(),
    }
}

const TRACKS: usize = 4;
/// A quarter of an hour.
const SECONDS: usize = 900;
/// Half a second at 2 Mb/s.
const SPAN: usize = 125_000;
