//! Latency under load: as many receivers as keep the node's threads busy for a share of one core.

use std::io::{self, Write as _};

use anyhow::Result;

use super::Bench;
use crate::load::{Figures, Shape};
use crate::plot::Plot;
use crate::table::Row;

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let lectures = |receivers| Shape { deaf: true, ..Shape::lectures(receivers) };
    // What one receiver takes of a core, to know how many make a share.
    let calm = bench.ours(lectures(40))?;
    let each = calm.cores / 40.0;
    let (mut rows, mut curves) = (Vec::new(), Vec::new());
    for percent in LOADS {
        let receivers = ((f64::from(percent) / 100.0 / each) as usize).clamp(1, MOST);
        let shape = lectures(receivers);
        let rounds = match (0..bench.rounds).map(|_| bench.ours(shape)).collect::<Result<Vec<_>>>() {
            Ok(rounds) => rounds,
            // The clients need more of the machine than the node: the highest load may be out of their reach.
            Err(error) => {
                writeln!(io::stderr(), "latency-{percent}%: {receivers} receivers: {error:#}")?;
                break;
            }
        };
        let row = |name: &str, unit, figure: fn(&Figures) -> f64| {
            Row::of(&format!("latency-{percent}%-{name}"), unit, &rounds, &[], figure)
        };
        rows.extend([
            row("load", "cores", |figures| figures.cores),
            row("waited", "ms/s", |figures| figures.waited_ms),
            row("p50", "ms", |figures| figures.latency_ms(50.0)),
            row("p90", "ms", |figures| figures.latency_ms(90.0)),
            row("p99", "ms", |figures| figures.latency_ms(99.0)),
            row("p99.9", "ms", |figures| figures.latency_ms(99.9)),
            row("loss", "of 1", |figures| figures.loss),
        ]);
        let curve = |figures: &Figures| {
            (1..1_000).map(|at| (figures.latency_ms(f64::from(at) / 10.0), f64::from(at) / 10.0)).collect()
        };
        curves.push((format!("{percent} % ({receivers} receivers)"), rounds.last().map(curve).unwrap_or_default()));
    }
    bench.plots.push(Plot::curves("latency", "packets that came within, %", "ms", curves));
    Ok(rows)
}

const LOADS: [u32; 3] = [30, 60, 90];
/// Receivers that this end can serve.
const MOST: usize = 1_000;
