//! Start: from the order to hold a hearing to its links, and from joining to the first decoded picture, by the rehearsal's own report.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::table::{Row, median};

pub(crate) fn measure(hearing: &Path, rounds: usize) -> Result<Vec<Row>> {
    let reports = (0..rounds).map(|_| rehearse(hearing)).collect::<Result<Vec<_>>>()?;
    let row = |name: &str, figure: fn(&Value) -> Option<f64>| {
        let figures = reports.iter().filter_map(figure).collect();
        Row { name: name.to_owned(), ours: median(figures), peer: None, limit: None, unit: "ms" }
    };
    Ok(vec![row("start", |report| report["start_ms"].as_f64()), row("first-frame", slowest)])
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
