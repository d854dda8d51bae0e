//! Rows of the trunk: what a packet costs, what comes through a line that loses, is too narrow, or is cut; ours, and raw UDP
//! with the same load over the same line.

mod load;
mod plain;
mod rig;

use std::time::{Duration, Instant};

use anyhow::Result;
use hearing_config::Role;
use hearing_emulator::Quality;

use super::Bench;
use crate::process;
use crate::table::Row;
use load::{Shape, Tally};
use rig::Rig;

/// CPU for a packet of those that are handed on at a rate that raw UDP would reach as well.
pub(super) fn cost(bench: &mut Bench) -> Result<Vec<Row>> {
    let span = bench.time;
    let rig = Rig::start(&[(Role::Judge, Shape::flood())], 10_000_000)?;
    rig.wait_for_media()?;
    let (before, began) = (rig.tally(), process::usage_of_threads(&["trunk-tx", "media-0"])?);
    let received = process::usage_of_threads(&["trunk-rx", "media-1"])?;
    std::thread::sleep(span);
    let (after, used) = (rig.tally(), process::usage_of_threads(&["trunk-tx", "media-0"])? - began);
    let received = process::usage_of_threads(&["trunk-rx", "media-1"])? - received;
    let packets = (after.packets - before.packets) as f64;
    let per_packet = |cpu: Duration| cpu.as_secs_f64() * 1e6 / packets;
    let plain = plain::sendto()?;
    Ok(vec![
        row("trunk-send", Some(per_packet(used)), Some(plain.send), "us/packet"),
        row("trunk-receive", Some(per_packet(received)), Some(plain.receive), "us/packet"),
        row("trunk-rate", Some(packets / span.as_secs_f64()), None, "packets/s"),
    ])
}

/// Every packet is lost with the same chance.
pub(super) fn loss(bench: &mut Bench) -> Result<Vec<Row>> {
    each(bench, &[("loss-1", "loss=1%"), ("loss-5", "loss=5%"), ("loss-10", "loss=10%"), ("loss-20", "loss=20%")])
}

/// Three packets in a row are lost on average; every packet takes up to 10 ms longer; a hundredth is overtaken by others.
pub(super) fn rough(bench: &mut Bench) -> Result<Vec<Row>> {
    each(bench, &[("burst-5", "burst=5%/3"), ("jitter-10", "jitter=10ms"), ("reorder-1", "reorder=1%,held=30ms")])
}

fn each(bench: &Bench, lines: &[(&str, &str)]) -> Result<Vec<Row>> {
    let rows = lines.iter().map(|(name, line)| faces(name, line, bench.time));
    Ok(rows.collect::<Result<Vec<_>>>()?.concat())
}

/// Eight pictures, 17 Mb/s, round trip 40 ms: frames complete within 150 ms, in percent.
fn faces(name: &str, line: &str, span: Duration) -> Result<Vec<Row>> {
    let quality: Quality = format!("delay=20ms,{line}").parse()?;
    let rig = Rig::start(&[(Role::Party, Shape::face()); 8], 60_000)?;
    rig.wait_for_media()?;
    rig.line().set(quality);
    std::thread::sleep(SETTLE);
    let tally = rig.measure(span);
    let plain = plain::frames(quality, span)?;
    Ok(vec![
        row(&format!("trunk-{name}"), Some(100.0 * tally.in_time_share()), Some(100.0 * plain), "% < 150 ms"),
        row(&format!("trunk-{name}-whole"), Some(100.0 * tally.whole_share()), None, "% came"),
        row(&format!("trunk-{name}-sound"), Some(100.0 * tally.sound_share()), None, "% came"),
    ])
}

/// Twelve pictures, 26 Mb/s, on a line of 20 Mb/s that was booked for 26, half of them protected.
pub(super) fn narrow(bench: &mut Bench) -> Result<Vec<Row>> {
    let quality: Quality = "delay=20ms,rate=20M,queue=100k".parse()?;
    let seats: Vec<_> = (0..12).map(|n| (if n < 6 { Role::Defendant } else { Role::Party }, Shape::face())).collect();
    let rig = Rig::start(&seats, 26_000)?;
    rig.wait_for_media()?;
    rig.line().set(quality);
    std::thread::sleep(SETTLE);
    let each = rig.measure_each(bench.time);
    let sum = |range: std::ops::Range<usize>| each[range].iter().copied().fold(Tally::default(), Tally::and);
    let (protected, others, all) = (sum(0..6), sum(6..12), sum(0..12));
    Ok(vec![
        row("trunk-narrow-protected", Some(100.0 * protected.whole_share()), None, "% came"),
        row("trunk-narrow-others", Some(100.0 * others.whole_share()), None, "% came"),
        row("trunk-narrow-sound", Some(100.0 * all.sound_share()), None, "% came"),
    ])
}

/// A cut of 30 s: from the repair to the first frame, and how old the oldest frame after it was.
pub(super) fn cut(_: &mut Bench) -> Result<Vec<Row>> {
    let rig = Rig::start(&[(Role::Judge, Shape::face()); 2], 20_000)?;
    rig.wait_for_media()?;
    rig.line().set("delay=20ms".parse()?);
    std::thread::sleep(SETTLE);
    rig.line().cut();
    std::thread::sleep(CUT);
    rig.forget();
    rig.line().repair();
    let repaired = Instant::now();
    rig.wait_for_media()?;
    let back = repaired.elapsed();
    std::thread::sleep(SETTLE);
    let oldest = rig.tally().oldest_ms;
    Ok(vec![
        row("trunk-cut-back", Some(back.as_secs_f64() * 1e3), None, "ms"),
        row("trunk-cut-oldest", Some(oldest), None, "ms old"),
    ])
}

fn row(name: &str, ours: Option<f64>, limit: Option<f64>, unit: &'static str) -> Row {
    let list = |figure: Option<f64>| figure.into_iter().collect();
    Row { name: name.to_owned(), unit, ours: list(ours), peer: Vec::new(), limit: list(limit) }
}

const SETTLE: Duration = Duration::from_secs(3);
const CUT: Duration = Duration::from_secs(30);
