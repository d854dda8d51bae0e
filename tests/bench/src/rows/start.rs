//! Start: from the order to hold a hearing to its links, and from joining to the first decoded picture, by the rehearsal's own report.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Bench;
use crate::table::Row;

pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let reports = (0..bench.rounds).map(|_| rehearse(&bench.hearing)).collect::<Result<Vec<_>>>()?;
    let row = |name: &str, figure: fn(&Value) -> f64| Row::of(name, "ms", &reports, &[], figure);
    let start = row("start", |report| report["start_ms"].as_f64().unwrap_or(f64::NAN));
    Ok(vec![start, row("first-frame", |report| slowest(report).unwrap_or(f64::NAN))])
}

/// Three nodes, a hearing, headless participants in every seat. The report counts even if it finds a fault: this is about time.
fn rehearse(hearing: &Path) -> Result<Value> {
    let output = Command::new(hearing).args(["demo", "--rehearse", "--json"]).output()?;
    let report = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&report)
        .with_context(|| format!("hearing demo --rehearse --json: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The seat that waited longest for its first picture.
fn slowest(report: &Value) -> Option<f64> {
    report["seats"].as_array()?.iter().filter_map(|seat| seat["first_frame_ms"].as_f64()).max_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_slowest_seat_counts() {
        let seats = json!([{"first_frame_ms": 300}, {"first_frame_ms": 900}, {"first_frame_ms": null}]);
        assert_eq!(slowest(&json!({ "seats": seats })), Some(900.0));
        assert_eq!(slowest(&json!({"seats": []})), None);
    }
}
