//! The table that is printed.

use std::io::{self, Write as _};

use serde_json::{Value, json};

/// One figure of every round: ours, the peer's, and the least that any program would need.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Vec<f64>,
    pub(crate) peer: Vec<f64>,
    pub(crate) limit: Vec<f64>,
}

impl Row {
    /// A figure of every round of ours and of the peer's.
    pub(crate) fn of<T>(name: &str, unit: &'static str, ours: &[T], peer: &[T], figure: fn(&T) -> f64) -> Self {
        let all = |rounds: &[T]| rounds.iter().map(figure).filter(|figure| figure.is_finite()).collect();
        Self { name: name.to_owned(), unit, ours: all(ours), peer: all(peer), limit: Vec::new() }
    }

    pub(crate) fn limited(self, limit: &[f64]) -> Self {
        Self { limit: limit.to_vec(), ..self }
    }
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
        let head = ["row", "ours", "spread", "peer", "spread", "limit", "ours/peer", "ours/limit"];
        write_line(&mut out, &head.map(str::to_owned), "unit")?;
        self.0.iter().try_for_each(|row| {
            let [ours, peer, limit] = [&row.ours, &row.peer, &row.limit].map(|figures| median(figures));
            let cells = [
                row.name.clone(),
                text(ours),
                spread(&row.ours),
                text(peer),
                spread(&row.peer),
                text(limit),
                text(ratio(ours, peer)),
                text(ratio(ours, limit)),
            ];
            write_line(&mut out, &cells, row.unit)
        })
    }

    fn json(&self) -> Value {
        let row = |r: &Row| {
            json!({"name": r.name, "ours": median(&r.ours), "peer": median(&r.peer), "limit": median(&r.limit), "unit": r.unit,
                "rounds": {"ours": r.ours, "peer": r.peer, "limit": r.limit}})
        };
        json!({ "rows": self.0.iter().map(row).collect::<Vec<_>>() })
    }
}

fn write_line(out: &mut impl io::Write, cells: &[String; 8], unit: &str) -> io::Result<()> {
    let [name, ours, spread, peer, peer_spread, limit, of_peer, of_limit] = cells;
    writeln!(
        out,
        "{name:<24}{ours:>9}{spread:>14}{peer:>9}{peer_spread:>14}{limit:>9}{of_peer:>11}{of_limit:>11}  {unit}"
    )
}

/// The middle one; none of none.
pub(crate) fn median(figures: &[f64]) -> Option<f64> {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn spread(figures: &[f64]) -> String {
    let least = figures.iter().copied().min_by(f64::total_cmp);
    let most = figures.iter().copied().max_by(f64::total_cmp);
    match (least, most) {
        (Some(least), Some(most)) if figures.len() > 1 => format!("{}..{}", text(Some(least)), text(Some(most))),
        _ => "-".to_owned(),
    }
}

fn ratio(ours: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(ours? / other?).filter(|ratio| ratio.is_finite())
}

fn text(figure: Option<f64>) -> String {
    figure.map_or_else(
        || "-".to_owned(),
        |figure| match figure.abs() {
            small if small < 0.1 => format!("{figure:.4}"),
            middle if middle < 100.0 => format!("{figure:.2}"),
            _ => format!("{figure:.0}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_the_agreed_shape() {
        let rows: Vec<Row> = vec![Row::of("forward", "us/packet", &[7.5, 8.0, 7.0], &[34.0], |figure| *figure)];
        let wanted = json!({"rows":[{"name":"forward","ours":7.5,"peer":34.0,"limit":null,"unit":"us/packet",
            "rounds":{"ours":[7.5,8.0,7.0],"peer":[34.0],"limit":[]}}]});
        assert_eq!(Table(rows).json(), wanted);
    }

    #[test]
    fn the_median_is_the_middle_one_and_the_spread_its_ends() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), "1.00..3.00");
        assert_eq!(spread(&[3.0]), "-");
    }
}
