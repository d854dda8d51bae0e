//! The table that is printed.

use std::io::{self, Write as _};

use serde_json::{Value, json};

/// One figure: ours, the peer's, and the least that any program would need.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ours: Option<f64>,
    pub(crate) peer: Option<f64>,
    pub(crate) limit: Option<f64>,
    pub(crate) unit: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn extend(&mut self, rows: Vec<Row>) {
        self.0.extend(rows);
    }

    pub(crate) fn print(&self, as_json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if as_json {
            return writeln!(out, "{}", self.json());
        }
        writeln!(
            out,
            "{:<22}{:>10}{:>10}{:>10}{:>12}{:>12}  unit",
            "row", "ours", "peer", "limit", "ours/peer", "ours/limit"
        )?;
        self.0.iter().try_for_each(|row| {
            let (of_peer, of_limit) = (ratio(row.ours, row.peer), ratio(row.ours, row.limit));
            let figures = [row.ours, row.peer, row.limit].map(text);
            let [ours, peer, limit] = &figures;
            let name = &row.name;
            writeln!(
                out,
                "{name:<22}{ours:>10}{peer:>10}{limit:>10}{:>12}{:>12}  {}",
                text(of_peer),
                text(of_limit),
                row.unit
            )
        })
    }

    fn json(&self) -> Value {
        let row = |r: &Row| json!({"name": r.name, "ours": r.ours, "peer": r.peer, "limit": r.limit, "unit": r.unit});
        json!({ "rows": self.0.iter().map(row).collect::<Vec<_>>() })
    }
}

/// The middle one; none of none.
pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn ratio(ours: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(ours? / other?).filter(|ratio| ratio.is_finite())
}

fn text(figure: Option<f64>) -> String {
    figure.map_or_else(
        || "-".to_owned(),
        |figure| if figure < 100.0 { format!("{figure:.2}") } else { format!("{figure:.0}") },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_the_agreed_shape() {
        let row = Row { name: "forward".into(), ours: Some(7.5), peer: Some(34.0), limit: None, unit: "us/packet" };
        let table = Table(vec![row]);
        let wanted = json!({"rows":[{"name":"forward","ours":7.5,"peer":34.0,"limit":null,"unit":"us/packet"}]});
        assert_eq!(table.json(), wanted);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![]), None);
    }
}
