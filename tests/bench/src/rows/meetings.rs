//! Many hearings at a time in which everybody sends to everybody.

use anyhow::Result;

use super::Bench;
use crate::load::{Figures, Room, Shape};
use crate::table::Row;

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let shape = Shape { rooms: 20, room: Room::Meeting(6), rate: 0.1, deaf: true, storming: 0 };
    let (ours, peer) = bench.compare(shape)?;
    let row = |name: &str, unit, figure: fn(&Figures) -> f64| Row::of(name, unit, &ours, &peer, figure);
    Ok(vec![
        row("meetings-20x6", "us/packet", |figures| figures.us_per_packet),
        row("meetings-memory", "kB/seat", |figures| figures.kb_per_receiver),
        row("meetings-latency-p99", "ms", |figures| figures.latency_ms(99.0)),
        row("meetings-loss", "of 1", |figures| figures.loss),
    ])
}
