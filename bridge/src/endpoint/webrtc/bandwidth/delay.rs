//! How long packets wait in queues on their way: their delay above the least that was seen lately.

/// Watches delays. All times are in microseconds.
#[derive(Debug, Default)]
pub(super) struct Delay {
    /// The least difference between sending and arrival, of the present stretch and of the one before.
    least: [Option<i64>; 2],
    begun: i64,
    /// The least of the last moments: when its stretch began, and the stretch before.
    recent: [Option<i64>; 2],
    moment: i64,
}

impl Delay {
    /// A packet that was sent at `sent` came at `came`, by another clock.
    pub(super) fn add(&mut self, sent: i64, came: i64) {
        let delay = came - sent;
        if self.recent[0].is_some_and(|known| delay - known > JUMP) {
            // No queue is that long: the client's clock was set, or it slept.
            *self = Self::default();
        }
        roll(&mut self.least, &mut self.begun, sent, STRETCH);
        roll(&mut self.recent, &mut self.moment, sent, MOMENT);
        for least in [&mut self.least[0], &mut self.recent[0]] {
            *least = Some(least.map_or(delay, |known| known.min(delay)));
        }
    }

    /// Microseconds that the packets of the last moments waited at the least.
    pub(super) fn queue(&self) -> i64 {
        let least = |of: &[Option<i64>; 2]| of.iter().flatten().min().copied();
        match (least(&self.recent), least(&self.least)) {
            (Some(now), Some(ever)) => now - ever,
            _ => 0,
        }
    }
}

fn roll(stretches: &mut [Option<i64>; 2], begun: &mut i64, now: i64, len: i64) {
    if now - *begun >= len {
        let before = if now - *begun < 2 * len { stretches[0] } else { None };
        *stretches = [None, before];
        *begun = now;
    }
}

/// Routes change and clocks drift: what was seen before that is forgotten after one to two of these.
const STRETCH: i64 = 15_000_000;
/// Microseconds by which the delay does not change from one packet to the next.
const JUMP: i64 = 3_000_000;
/// Long enough to look past the queue that a picture makes of itself.
const MOMENT: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_what_the_quickest_packet_of_the_last_moments_waited() {
        let mut delay = Delay::default();
        (0..100).for_each(|n| delay.add(n * 10_000, n * 10_000 + 500_000 + (n % 3) * 7_000));
        assert!(delay.queue() < 8_000);
        (100..200).for_each(|n| delay.add(n * 10_000, n * 10_000 + 580_000 + (n % 3) * 7_000));
        assert_eq!(delay.queue(), 80_000);
    }

    #[test]
    fn another_route_is_the_measure_after_a_while_and_a_clock_that_was_set_at_once() {
        let mut delay = Delay::default();
        (0..6_000).for_each(|n| delay.add(n * 10_000, n * 10_000 + if n < 1_000 { 0 } else { 50_000 }));
        assert_eq!(delay.queue(), 0);
        (6_000..6_010).for_each(|n| delay.add(n * 10_000, n * 10_000 + 3_600_000_000));
        assert_eq!(delay.queue(), 0);
    }
}
