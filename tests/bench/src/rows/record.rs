//! What recording costs, and what a kill takes of it: participants who send, a node that records, and a program that writes
//! as many bytes in the same rhythm and does nothing else.

use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use hearing_proto::matroska::{Item, Reader};
use serde_json::Value;

use super::Bench;
use crate::load::Chorus;
use crate::node::Node;
use crate::process;
use crate::table::Row;

/// CPU for each recorded participant: all that the node uses in session, what of it recording adds, and the limit.
pub(super) fn cost(bench: &mut Bench) -> Result<Vec<Row>> {
    let (time, mut all, mut added, mut limit) = (bench.time, Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let mut node = Node::start(&bench.hearing, 1, usize::from(PARTICIPANTS))?;
        let mut chorus = Chorus::join(&mut node, usize::from(PARTICIPANTS))?;
        chorus.sing(WARM_UP)?;
        let before = cpu(&node, &mut chorus, time)?;
        open(&node, &mut chorus)?;
        chorus.sing(WARM_UP)?;
        let written = size(&node.record())?;
        let recorded = cpu(&node, &mut chorus, time)?;
        let written = size(&node.record())? - written;
        all.push(recorded);
        added.push(recorded - before);
        limit.push(write_as_much(written, time.as_secs())?);
    }
    let row = |name: &str, ours: &[f64]| Row::of(name, "cores/participant", ours, &[], |cores| *cores);
    Ok(vec![row("record", &all), row("record-added", &added).limited(&limit)])
}

/// What a kill of the node in session takes of each track, milliseconds.
pub(super) fn loss(bench: &mut Bench) -> Result<Vec<Row>> {
    let mut lost = Vec::new();
    for kill in 0..bench.kills {
        let mut node = Node::start(&bench.hearing, 1, usize::from(SENDERS))?;
        let mut chorus = Chorus::join(&mut node, usize::from(SENDERS))?;
        chorus.sing(WARM_UP)?;
        open(&node, &mut chorus)?;
        // Another moment of the recorder's rhythm each time.
        chorus.sing(WARM_UP + Duration::from_millis(37 * kill as u64))?;
        node.kill()?;
        let killed = now();
        for track in tracks(&node.record())? {
            lost.push((killed - last_captured(&node.record(), &track)?) as f64 / 1e3);
        }
    }
    let worst: Vec<f64> = lost.iter().copied().max_by(f64::total_cmp).into_iter().collect();
    let row = |name: &str, ours: &[f64]| Row::of(name, "ms/track", ours, &[], |lost| *lost);
    Ok(vec![row("kill-loss", &lost), row("kill-loss-worst", &worst)])
}

/// Opens it once every track has arrived. They sing on meanwhile: a pause would look like pictures that came late.
fn open(node: &Node, chorus: &mut Chorus) -> Result<()> {
    for _ in 0..OPENINGS {
        let opened = thread::scope(|scope| {
            let opening = scope.spawn(|| node.open());
            while !opening.is_finished() {
                chorus.sing(Duration::from_millis(5))?;
            }
            opening.join().map_err(|_| anyhow!("the opening panicked"))
        })?;
        if opened.is_ok() {
            return Ok(());
        }
        chorus.sing(Duration::from_millis(100))?;
    }
    node.open().context("the hearing can't be opened")
}

/// Cores that the node uses for each participant while they send for `time`.
fn cpu(node: &Node, chorus: &mut Chorus, time: Duration) -> Result<f64> {
    use crate::load::Host as _;
    let before = process::usage(node.process())?.cpu;
    chorus.sing(time)?;
    let used = process::usage(node.process())?.cpu - before;
    Ok(used.as_secs_f64() / time.as_secs_f64() / f64::from(PARTICIPANTS))
}

/// Writes `bytes` as the recorder does over `seconds`: two files a participant, every 50 ms a piece, durable every 100 ms.
fn write_as_much(bytes: u64, seconds: u64) -> Result<f64> {
    let directory = tempfile::tempdir()?;
    let names = (0..2 * PARTICIPANTS).map(|number| directory.path().join(number.to_string()));
    let mut files = names.map(File::create).collect::<Result<Vec<_>, _>>()?;
    let turns = seconds * 20;
    let piece = vec![0x55; usize::try_from(bytes / turns / files.len() as u64)?];
    let before = process::own_thread()?;
    for turn in 0..turns {
        for file in &mut files {
            file.write_all(&piece)?;
            if turn % 2 == 1 {
                file.sync_data()?;
            }
        }
    }
    let used = process::own_thread()? - before;
    Ok(used.as_secs_f64() / seconds as f64 / f64::from(PARTICIPANTS))
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        sum += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(sum)
}

fn tracks(record: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(record)?.filter_map(Result::ok).filter(|entry| entry.path().is_dir());
    Ok(entries.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// When the last frame of a track was captured that is in its last file, microseconds since 1970.
fn last_captured(record: &Path, track: &str) -> Result<i64> {
    let sheet: Value = serde_json::from_slice(&fs::read(record.join("hearing.json"))?)?;
    let epoch = sheet["epoch"].as_i64().context("the record has not begun")?;
    let entries = fs::read_dir(record.join(track))?.filter_map(Result::ok).map(|entry| entry.path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "mkv"));
    let file = files.max().with_context(|| format!("nothing of {track} is recorded"))?;
    let mut reader = Reader::new(BufReader::new(File::open(file)?), 0);
    let mut last = 0;
    // The file ends where the node died, perhaps in the middle of a frame.
    while let Ok(Some(item)) = reader.next_item() {
        if let Item::Block(block) = item {
            last = i64::try_from(block.ms)? * 1_000;
        }
    }
    Ok(epoch + last)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Who is recorded when the cost is measured.
const PARTICIPANTS: u8 = 8;
/// Who is recorded when the node is killed.
const SENDERS: u8 = 4;
const WARM_UP: Duration = Duration::from_secs(2);
/// How often an opening is tried, ten times a second.
const OPENINGS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_writes_what_it_is_told_and_says_what_that_costs() {
        let cost = write_as_much(1_000_000, 1).unwrap();
        assert!(cost > 0.0 && cost < 1.0, "{cost} cores");
    }

    #[test]
    fn every_file_below_a_folder_counts() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("a")).unwrap();
        fs::write(directory.path().join("a/b"), [0; 10]).unwrap();
        fs::write(directory.path().join("c"), [0; 5]).unwrap();
        assert_eq!(size(directory.path()).unwrap(), 15);
    }
}
