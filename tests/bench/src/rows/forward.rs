//! Forwarding: one sender and many receivers in each of few rooms.

use anyhow::Result;

use super::Bench;
use crate::bare;
use crate::load::{Figures, Shape};
use crate::plot::Plot;
use crate::table::Row;

pub(super) fn to_20(bench: &mut Bench) -> Result<Vec<Row>> {
    measure(bench, 20, Shape::lectures(20))
}

pub(super) fn to_50(bench: &mut Bench) -> Result<Vec<Row>> {
    measure(bench, 50, Shape::lectures(50))
}

pub(super) fn to_100(bench: &mut Bench) -> Result<Vec<Row>> {
    measure(bench, 100, Shape::lectures(100))
}

pub(super) fn to_500(bench: &mut Bench) -> Result<Vec<Row>> {
    measure(bench, 500, Shape { rate: 0.1, deaf: true, ..Shape::lectures(500) })
}

/// Ours alone.
pub(super) fn ours(bench: &mut Bench) -> Result<Vec<Row>> {
    let peer = std::mem::replace(&mut bench.peer, false);
    let rows = measure(bench, 50, Shape::lectures(50));
    bench.peer = peer;
    rows
}

fn measure(bench: &mut Bench, receivers: usize, shape: Shape) -> Result<Vec<Row>> {
    let (ours, peer) = bench.compare(shape)?;
    let cost = bare::measure(receivers.min(100), bench.rounds)?;
    let row = |name: &str, unit, limit: &[f64], figure: fn(&Figures) -> f64| {
        let name = format!("{name}-{receivers}");
        Row::of(&name, unit, &ours, &peer, figure).limited(limit)
    };
    let rows = vec![
        row("forward", "us/packet", &cost.sendto, |figures| figures.us_per_packet),
        row("forward-segments", "us/packet", &cost.segments, |figures| figures.us_per_packet),
        row("tracks-per-core", "720p tracks", &[], |figures| 1e6 / (figures.us_per_packet * PACKETS_OF_720P)),
        row("memory", "kB/receiver", &[], |figures| figures.kb_per_receiver),
        row("latency-p50", "ms", &[], |figures| figures.latency_ms(50.0)),
        row("latency-p99", "ms", &[], |figures| figures.latency_ms(99.0)),
        row("waited", "ms/s", &[], |figures| figures.waited_ms),
        row("loss", "of 1", &[], |figures| figures.loss),
    ];
    bench.plots.push(Plot::bars(&format!("forward-{receivers}"), "CPU for one packet, µs", &rows[..1]));
    Ok(rows)
}

/// A second of video at 720p, as the load sends it.
const PACKETS_OF_720P: f64 = 270.0;
