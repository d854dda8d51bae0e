//! What the neighbours of a client feel that asks for everything: every packet again, key frames, and says that all was lost, ten
//! thousand times a second. The limit is the same room with nobody who does.

use anyhow::Result;

use super::Bench;
use crate::load::{Figures, Shape};
use crate::table::Row;

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let calm = (0..bench.rounds).map(|_| bench.ours(Shape::lectures(ROOM))).collect::<Result<Vec<_>>>()?;
    let (ours, peer) = bench.compare(Shape { storming: 1, ..Shape::lectures(ROOM) })?;
    let row = |name: &str, unit, figure: fn(&Figures) -> f64| {
        let limit: Vec<f64> = calm.iter().map(figure).collect();
        Row::of(&format!("storm-{name}"), unit, &ours, &peer, figure).limited(&limit)
    };
    Ok(vec![
        row("cpu", "cores", |figures| figures.cores),
        row("latency-p50", "ms", |figures| figures.latency_ms(50.0)),
        row("latency-p99", "ms", |figures| figures.latency_ms(99.0)),
        row("loss", "of 1", |figures| figures.loss),
    ])
}

const ROOM: usize = 20;
