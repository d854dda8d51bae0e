//! The limit alone.

use anyhow::Result;

use super::Bench;
use crate::bare;
use crate::table::Row;

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let cost = bare::measure(50, bench.rounds)?;
    let row = |name: &str, figures: &[f64]| Row::of::<()>(name, "us/packet", &[], &[], |()| f64::NAN).limited(figures);
    Ok(vec![row("bare-sendto", &cost.sendto), row("bare-segments", &cost.segments)])
}
