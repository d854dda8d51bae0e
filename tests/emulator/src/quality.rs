//! How bad a direction of a line is, and how that is written.

use std::str::FromStr;
use std::time::Duration;

use crate::Loss;

/// How bad one direction of a line is. The default is a perfect one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quality {
    /// How long every packet takes.
    pub delay: Duration,
    /// A packet takes up to this much longer, drawn evenly; the order stays.
    pub jitter: Duration,
    /// Which packets are lost.
    pub loss: Loss,
    /// The chance that a packet is held back, so that others overtake it.
    pub reorder: f64,
    /// How long such a packet is held back.
    pub held: Duration,
    /// Bytes in a second; `None`: no limit.
    pub rate: Option<f64>,
    /// Bytes that may wait for their turn; a packet that finds no room is dropped. `None`: no limit.
    pub queue: Option<usize>,
    /// True while nothing passes.
    pub cut: bool,
}

/// A quality that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{part:?} says nothing about a line; known: delay=20ms jitter=5ms loss=5% burst=5%/4 reorder=1% held=30ms rate=20M queue=100k cut, with commas between"
)]
pub struct Unreadable {
    /// The part.
    pub part: String,
}

/// `delay=20ms,jitter=5ms,loss=5%,rate=20M,queue=100k`. `burst=5%/4`: 5 % lost, in bursts of 4 on average. `rate` in bits a
/// second, `queue` in bytes. Nothing (or `good`): a perfect line.
impl FromStr for Quality {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut quality = Self { held: HELD, ..Self::default() };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "good") {
            quality.read(part).ok_or_else(|| Unreadable { part: part.to_owned() })?;
        }
        Ok(quality)
    }
}

impl Quality {
    fn read(&mut self, part: &str) -> Option<()> {
        if part == "cut" {
            self.cut = true;
            return Some(());
        }
        let (key, value) = part.split_once('=')?;
        match key {
            "delay" => self.delay = duration(value)?,
            "jitter" => self.jitter = duration(value)?,
            "loss" => self.loss = Loss::Random(share(value)?),
            "burst" => {
                let (lost, length) = value.split_once('/')?;
                self.loss = Loss::bursts(share(lost)?, number(length)?);
            }
            "reorder" => self.reorder = share(value)?,
            "held" => self.held = duration(value)?,
            "rate" => self.rate = Some(scaled(value)? / 8.0).filter(|rate| *rate > 0.0),
            "queue" => self.queue = Some(scaled(value)? as usize),
            _ => return None,
        }
        Some(())
    }
}

fn duration(text: &str) -> Option<Duration> {
    let milliseconds = number(text.strip_suffix("ms")?)?;
    Duration::try_from_secs_f64(milliseconds / 1e3).ok()
}

fn share(text: &str) -> Option<f64> {
    let percent = number(text.strip_suffix('%')?)?;
    (percent <= 100.0).then_some(percent / 100.0)
}

fn scaled(text: &str) -> Option<f64> {
    let scales = [("k", 1e3), ("M", 1e6), ("G", 1e9)];
    let scaled = scales.iter().find_map(|(unit, scale)| Some(number(text.strip_suffix(unit)?)? * scale));
    scaled.or_else(|| number(text))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

const HELD: Duration = Duration::from_millis(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_described_in_words() {
        let text = "delay=20ms, jitter=5ms,loss=5%,reorder=1%,held=40ms,rate=20M,queue=100k";
        let quality: Quality = text.parse().unwrap();
        let wanted = Quality {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(5),
            loss: Loss::Random(0.05),
            reorder: 0.01,
            held: Duration::from_millis(40),
            rate: Some(2_500_000.0),
            queue: Some(100_000),
            cut: false,
        };
        assert_eq!(quality, wanted);
        assert_eq!("good".parse(), Ok(Quality { held: HELD, ..Quality::default() }));
        assert_eq!("burst=10%/4".parse::<Quality>().unwrap().loss, Loss::bursts(0.1, 4.0));
        assert!("cut".parse::<Quality>().unwrap().cut);
    }

    #[test]
    fn what_says_nothing_about_a_line_is_named() {
        for part in ["speed=3", "loss=5", "loss=101%", "delay=20", "delay=-1ms", "rate=fast", "burst=5%", "loss=NaN%"] {
            let text = format!("delay=1ms,{part}");
            assert_eq!(text.parse::<Quality>(), Err(Unreadable { part: part.to_owned() }));
        }
    }
}
