//! The rate of a trunk: a booked capacity that random loss never slows down and a standing queue does.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

/// What the line was booked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Booking {
    /// Bytes in a second.
    pub(super) rate: f64,
}

impl ControllerFactory for Booking {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Booked::new(self.rate, now, mtu))
    }
}

/// Once in a round trip: a queue (smoothed less smallest round trip) of more than 25 ms makes the window smaller, one of
/// less than 12 ms larger, up to the booked rate. A queue that stays although next to nothing is sent is the line's new length. Of losses only more than a quarter in half a second counts.
#[derive(Debug, Clone)]
struct Booked {
    rate: f64,
    window: f64,
    min_rtt: Duration,
    /// The line's own round trip where it has become longer than it ever was, such as on another route.
    longer: Option<Duration>,
    /// Round trips in a row with a queue although next to nothing is sent.
    starved: u32,
    /// True while the window is far too small, because a longer line was taken for a queue: it grows fast until one is seen.
    searching: bool,
    mtu: u64,
    next_change: Instant,
    count_since: Instant,
    sent: u64,
    lost: u64,
}

impl Booked {
    fn new(rate: f64, now: Instant, mtu: u16) -> Self {
        let mut booked = Self {
            rate,
            window: f64::INFINITY,
            min_rtt: GUESSED_RTT,
            longer: None,
            starved: 0,
            searching: false,
            mtu: u64::from(mtu),
            next_change: now,
            count_since: now,
            sent: 0,
            lost: 0,
        };
        booked.clamp();
        booked
    }

    fn round(&mut self, srtt: Duration, min_rtt: Duration, app_limited: bool) {
        self.longer = self.longer.map(|longer| longer.min(srtt));
        self.min_rtt = self.longer.unwrap_or_default().max(min_rtt);
        let queue = srtt.saturating_sub(self.min_rtt);
        if queue > QUEUE_LIMIT {
            self.window *= 0.85;
        } else if queue < QUEUE_GOOD {
            self.window *= match (app_limited, self.searching) {
                (true, _) => 1.02,
                (false, false) => 1.06,
                (false, true) => 1.25,
            };
        }
        self.searching &= queue < QUEUE_GOOD && self.window < self.rate * srtt.as_secs_f64();
        self.clamp();
        let starved = queue > QUEUE_LIMIT && self.window <= self.least();
        self.starved = if starved { self.starved + 1 } else { 0 };
        // So little makes no queue: what is left is the line itself.
        if self.starved == STARVED {
            (self.longer, self.searching) = (Some(srtt), true);
        }
    }

    fn count(&mut self, now: Instant) {
        if now.duration_since(self.count_since) < BREAKER_SPAN {
            return;
        }
        if self.sent > 20 * self.mtu && self.lost as f64 > self.sent as f64 * BREAKER_LOSS {
            self.window *= 0.7;
            self.clamp();
        }
        (self.count_since, self.sent, self.lost) = (now, 0, 0);
    }

    fn clamp(&mut self) {
        let mtu = self.mtu as f64;
        let most = self.rate * (self.min_rtt.as_secs_f64() + SLACK.as_secs_f64()) * 1.5;
        self.window = self.window.clamp(self.least(), most.max(32.0 * mtu));
    }

    const fn least(&self) -> f64 {
        16.0 * self.mtu as f64
    }
}

impl Controller for Booked {
    fn on_sent(&mut self, now: Instant, bytes: u64, _last_packet_number: u64) {
        self.sent += bytes;
        self.count(now);
    }

    fn on_ack(&mut self, now: Instant, _sent: Instant, _bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        if now >= self.next_change {
            self.next_change = now + rtt.get();
            self.round(rtt.get(), rtt.min(), app_limited);
        }
    }

    fn on_congestion_event(&mut self, _now: Instant, _sent: Instant, _persistent: bool, lost_bytes: u64) {
        self.lost += lost_bytes;
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.mtu = u64::from(new_mtu);
    }

    fn window(&self) -> u64 {
        self.window as u64
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.window as u64
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

const GUESSED_RTT: Duration = Duration::from_millis(50);
const SLACK: Duration = Duration::from_millis(50);
const QUEUE_LIMIT: Duration = Duration::from_millis(25);
const QUEUE_GOOD: Duration = Duration::from_millis(12);
const STARVED: u32 = 4;
const BREAKER_SPAN: Duration = Duration::from_millis(500);
const BREAKER_LOSS: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn booked() -> (Booked, Instant) {
        let now = Instant::now();
        (Booked::new(2_500_000.0, now, 1_280), now)
    }

    #[test]
    fn loss_below_a_quarter_does_not_slow_it() {
        let (mut booked, now) = booked();
        let before = booked.window();
        booked.on_sent(now, 100_000, 1);
        booked.on_congestion_event(now, now, true, 24_000);
        booked.on_sent(now + MS(501), 0, 2);
        assert_eq!(booked.window(), before);
    }

    #[test]
    fn the_breaker_slows_it_when_more_than_a_quarter_is_lost() {
        let (mut booked, now) = booked();
        let before = booked.window();
        booked.on_sent(now, 100_000, 1);
        booked.on_congestion_event(now, now, false, 26_000);
        booked.on_sent(now + MS(501), 0, 2);
        assert!(booked.window() < before * 3 / 4);
    }

    #[test]
    fn a_line_that_becomes_longer_for_good_is_not_taken_for_a_queue_for_ever() {
        let (mut booked, _) = booked();
        booked.round(MS(1), MS(1), false);
        let rounds = (1..200).find(|_| {
            booked.round(MS(41), MS(1), false);
            booked.starved == STARVED
        });
        assert!(rounds.is_some_and(|rounds| rounds < 40), "{rounds:?}");
        for _ in 0..100 {
            booked.round(MS(41), MS(1), false);
        }
        assert!(booked.window() as f64 > booked.rate * 0.041, "{}", booked.window());
        booked.round(MS(2), MS(1), false);
        booked.round(MS(40), MS(1), false);
        assert_eq!(booked.min_rtt, MS(2), "a shorter one is believed at once");
    }

    #[test]
    fn after_a_step_to_a_longer_line_it_is_as_fast_as_before_within_ten_round_trips() {
        let (mut booked, _) = booked();
        booked.round(MS(1), MS(1), false);
        while booked.longer.is_none() {
            booked.round(MS(41), MS(1), false);
        }
        let rounds = (1..100).find(|_| {
            booked.round(MS(41), MS(1), false);
            booked.window() as f64 >= booked.rate * 0.041
        });
        assert!(rounds.is_some_and(|rounds| rounds <= 10), "{rounds:?}");
        booked.round(MS(60), MS(1), false);
        let before = booked.window();
        booked.round(MS(45), MS(1), false);
        assert!(booked.window() < before * 11 / 10, "the search is over");
    }

    #[test]
    fn a_standing_queue_slows_it_and_its_end_lets_it_recover_up_to_the_booked_rate() {
        let (mut booked, _) = booked();
        booked.round(MS(40), MS(40), false);
        let full = booked.window();
        for _ in 0..5 {
            booked.round(MS(70), MS(40), false);
        }
        assert!(booked.window() < full / 2);
        for _ in 0..100 {
            booked.round(MS(45), MS(40), false);
        }
        assert_eq!(booked.window(), full);
    }

    #[test]
    fn it_never_stops_altogether() {
        let (mut booked, mut now) = booked();
        for _ in 0..100 {
            booked.on_sent(now, 100_000, 1);
            booked.on_congestion_event(now, now, false, 90_000);
            now += MS(501);
            booked.on_sent(now, 0, 2);
        }
        assert_eq!(booked.window(), 16 * 1_280);
    }
}
