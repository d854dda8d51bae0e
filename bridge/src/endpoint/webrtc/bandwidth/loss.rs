//! Loss over the last second, and how much of it is the line's own.

/// Counts what came and what did not. Times are in microseconds.
#[derive(Debug, Default)]
pub(super) struct Loss {
    lost: u32,
    came: u32,
    begun: i64,
    fraction: f64,
    /// Loss that stayed when less was sent: less would not help.
    own: f64,
    acted: Option<f64>,
}

impl Loss {
    pub(super) const fn add(&mut self, came: bool) {
        if came { self.came += 1 } else { self.lost += 1 }
    }

    /// What was lost of the packets of the last second, 0.0 to 1.0.
    pub(super) const fn fraction(&self) -> f64 {
        self.fraction
    }

    /// True when so much is lost that more should not be tried.
    pub(super) fn is_high(&self) -> bool {
        self.fraction > HIGH + self.own
    }

    /// True once a second while less should be sent.
    pub(super) fn judge(&mut self, now: i64) -> bool {
        let all = self.lost + self.came;
        if now - self.begun < WINDOW || all < LEAST {
            return false;
        }
        self.fraction = f64::from(self.lost) / f64::from(all);
        (self.lost, self.came, self.begun) = (0, 0, now);
        if let Some(before) = self.acted.take() {
            let stayed = self.fraction > 0.8 * before;
            self.own = if stayed { self.own.max(self.fraction.min(MOST_OWN)) } else { self.own / 2.0 };
        }
        self.own = self.own.min(self.fraction.max(self.own * 0.98));
        if self.is_high() {
            self.acted = Some(self.fraction);
        }
        self.is_high()
    }
}

/// Loss above what is the line's own that less traffic may mend.
const HIGH: f64 = 0.1;
const MOST_OWN: f64 = 0.3;
const WINDOW: i64 = 1_000_000;
/// Packets by which loss can be judged.
const LEAST: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// A second with `lost` of 100 packets; true when less should be sent.
    fn second(loss: &mut Loss, at: i64, lost: u32) -> bool {
        (0..100).for_each(|n| loss.add(n >= lost));
        loss.judge(at * WINDOW)
    }

    #[test]
    fn a_lossy_radio_is_left_alone_once_sending_less_did_not_help() {
        let mut loss = Loss::default();
        assert!(!second(&mut loss, 1, 5));
        assert!(second(&mut loss, 2, 15));
        assert!((3..20).all(|at| !second(&mut loss, at, 15)));
        assert!(second(&mut loss, 20, 40));
    }

    #[test]
    fn loss_that_less_traffic_mends_is_answered_again() {
        let mut loss = Loss::default();
        assert!(second(&mut loss, 1, 30));
        assert!(!second(&mut loss, 2, 2));
        assert!(second(&mut loss, 3, 30));
    }
}
