//! One large hearing: on one media worker, and with its sessions spread over two.

use anyhow::{Context as _, Result};

use super::Bench;
use crate::load::{self, Figures, Room, Shape};
use crate::node::Node;
use crate::table::Row;

/// In turns, as ours and a peer otherwise. Which thread carries a session shows in nothing but these figures.
pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let shape = Shape { deaf: true, rooms: 1, room: Room::Lecture(RECEIVERS), ..Shape::lectures(RECEIVERS) };
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..bench.rounds {
        for (workers, figures) in (1..).zip(&mut rounds) {
            let mut node = Node::start_on(workers, &bench.hearing, shape.rooms, shape.seats()).context("our node")?;
            figures.push(load::run(&mut node, shape, bench.time).with_context(|| format!("{workers} workers"))?);
        }
    }
    Ok((1..).zip(&rounds).flat_map(|(workers, figures)| rows(workers, figures)).collect())
}

fn rows(workers: usize, rounds: &[Figures]) -> Vec<Row> {
    let row = |name: &str, unit, figure: fn(&Figures) -> f64| {
        Row::of(&format!("hall-{RECEIVERS}{name}-on-{workers}"), unit, rounds, &[], figure)
    };
    vec![
        row("", "us/packet", |figures| figures.us_per_packet),
        row("-busiest", "cores", |figures| figures.busiest),
        row("-all", "cores", |figures| figures.cores),
        row("-p50", "ms", |figures| figures.latency_ms(50.0)),
        row("-p99", "ms", |figures| figures.latency_ms(99.0)),
        row("-memory", "kB/receiver", |figures| figures.kb_per_receiver),
        row("-loss", "of 1", |figures| figures.loss),
    ]
}

/// With the sender 61 of the 64 seats of a hearing.
const RECEIVERS: usize = 60;
