//! The plots of docs/performance, drawn as SVG.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use plotters::prelude::*;

use crate::table::{Row, median};

/// Something to draw, under the name of its file.
#[derive(Debug)]
pub(crate) struct Plot {
    name: String,
    title: String,
    what: What,
}

#[derive(Debug)]
enum What {
    /// (name, height).
    Bars(Vec<(String, f64)>),
    /// The unit of the other axis, and lines by name.
    Curves(String, Vec<Curve>),
}

/// A line and its name.
pub(crate) type Curve = (String, Vec<(f64, f64)>);

impl Plot {
    /// Ours, the peer's and the limit's medians of rows side by side.
    pub(crate) fn bars(name: &str, title: &str, rows: &[Row]) -> Self {
        let bars = rows.iter().flat_map(|row| {
            let bar = |of: &str, figures: &[f64]| Some((of.to_owned(), median(figures)?));
            [bar("hearing", &row.ours), bar("Janus", &row.peer), bar("limit", &row.limit)].into_iter().flatten()
        });
        Self { name: name.to_owned(), title: title.to_owned(), what: What::Bars(bars.collect()) }
    }

    /// Lines over a logarithmic axis in `unit`.
    pub(crate) fn curves(name: &str, title: &str, unit: &str, curves: Vec<Curve>) -> Self {
        Self { name: name.to_owned(), title: title.to_owned(), what: What::Curves(unit.to_owned(), curves) }
    }

    /// Writes `NAME.svg` into a directory.
    pub(crate) fn draw(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        let file = directory.join(format!("{}.svg", self.name));
        let drawn = match &self.what {
            What::Bars(bars) => self.draw_bars(&file, bars),
            What::Curves(unit, curves) => self.draw_curves(&file, unit, curves),
        };
        drawn.with_context(|| file.display().to_string())
    }

    fn draw_bars(&self, file: &Path, bars: &[(String, f64)]) -> Result<()> {
        let root = SVGBackend::new(file, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let most = bars.iter().map(|(_, height)| *height).fold(0.0, f64::max) * 1.15;
        let names: Vec<&str> = bars.iter().map(|(name, _)| name.as_str()).collect();
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(30)
            .y_label_area_size(50)
            .build_cartesian_2d((0..bars.len().max(1)).into_segmented(), 0.0..most.max(f64::MIN_POSITIVE))?;
        let name = |at: &SegmentValue<usize>| match at {
            SegmentValue::CenterOf(at) | SegmentValue::Exact(at) => {
                names.get(*at).map_or_else(String::new, |n| (*n).to_owned())
            }
            SegmentValue::Last => String::new(),
        };
        chart.configure_mesh().disable_x_mesh().x_label_formatter(&name).x_labels(bars.len()).draw()?;
        chart.draw_series(bars.iter().enumerate().map(|(at, (_, height))| {
            let corners = [(SegmentValue::Exact(at), 0.0), (SegmentValue::Exact(at + 1), *height)];
            let mut bar = Rectangle::new(corners, COLOURS[at % COLOURS.len()].filled());
            bar.set_margin(0, 0, 30, 30);
            bar
        }))?;
        chart.draw_series(bars.iter().enumerate().map(|(at, (_, height))| {
            Text::new(format!("{height:.2}"), (SegmentValue::CenterOf(at), height + most * 0.05), ("sans-serif", 16))
        }))?;
        root.present()?;
        Ok(())
    }

    fn draw_curves(&self, file: &Path, unit: &str, curves: &[Curve]) -> Result<()> {
        let root = SVGBackend::new(file, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let all = || curves.iter().flat_map(|(_, points)| points).map(|(x, _)| *x).filter(|x| *x > 0.0);
        let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
        let (least, most) = if least < most { (least, most) } else { (0.1, 1.0) };
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d((least..most).log_scale(), 0.0..100.0)?;
        chart.configure_mesh().x_desc(unit).draw()?;
        for (number, (name, points)) in curves.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let line = LineSeries::new(points.iter().copied().filter(|(x, _)| *x > 0.0), colour.stroke_width(2));
            chart
                .draw_series(line)?
                .label(name.as_str())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        }
        let place = SeriesLabelPosition::LowerRight;
        chart.configure_series_labels().position(place).background_style(WHITE).border_style(BLACK).draw()?;
        root.present()?;
        Ok(())
    }
}

const SIZE: (u32, u32) = (720, 400);
const COLOURS: [RGBColor; 4] =
    [RGBColor(0x1c, 0x7a, 0x4b), RGBColor(0xd5, 0x28, 0x1b), RGBColor(0x5b, 0x3f, 0xa0), RGBColor(0x8a, 0x5a, 0x00)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_is_an_svg_that_names_what_it_shows() {
        let directory = tempfile::tempdir().unwrap();
        let row = Row::of("forward", "us", &[3.0], &[20.0], |figure| *figure).limited(&[1.0]);
        Plot::bars("bars", "CPU", &[row]).draw(directory.path()).unwrap();
        Plot::curves("curves", "came", "ms", vec![("30 %".to_owned(), vec![(0.5, 10.0), (2.0, 90.0)])])
            .draw(directory.path())
            .unwrap();
        let read = |name| fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(read("bars.svg").contains("Janus") && read("bars.svg").contains("20.00"));
        assert!(read("curves.svg").contains("30 %"));
    }
}
