//! Does the queue on the way grow? Packets are taken in groups that were sent together; the slope of their delay over time tells
//! (draft-ietf-rmcat-gcc-02, section 5, with a trendline in place of the Kalman filter).

use std::collections::VecDeque;

/// What the delay does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// It falls: a queue is draining.
    Under,
    /// It stays.
    Normal,
    /// It grows: more is sent than the line carries.
    Over,
}

/// Watches the delay of one client's packets. All times are in microseconds, of any epoch.
#[derive(Debug)]
pub(super) struct Trend {
    group: Option<Group>,
    before: Option<Group>,
    /// Milliseconds, the sum of all changes, and smoothed.
    delay: (f64, f64),
    /// (arrival in milliseconds, smoothed delay in milliseconds).
    points: VecDeque<(f64, f64)>,
    count: u32,
    threshold: f64,
    judged: Option<i64>,
    over_since: Option<i64>,
    slope: f64,
    usage: Usage,
}

/// Packets that were sent together: when the first and the last were sent, and when the last came.
#[derive(Debug, Clone, Copy)]
struct Group {
    first: i64,
    sent: i64,
    came: i64,
}

impl Trend {
    pub(super) fn new() -> Self {
        Self {
            group: None,
            before: None,
            delay: (0.0, 0.0),
            points: VecDeque::with_capacity(WINDOW + 1),
            count: 0,
            threshold: 12.5,
            judged: None,
            over_since: None,
            slope: 0.0,
            usage: Usage::Normal,
        }
    }

    /// What the delay does, by the packets so far.
    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    /// A packet that was sent at `sent` came at `came`; in the order of sending.
    pub(super) fn add(&mut self, sent: i64, came: i64) {
        match &mut self.group {
            Some(group) if sent < group.first => {}
            Some(group) if sent - group.first <= TOGETHER => {
                group.sent = group.sent.max(sent);
                group.came = group.came.max(came);
            }
            Some(_) | None => {
                let done = self.group.replace(Group { first: sent, sent, came });
                if let (Some(before), Some(done)) = (self.before, done) {
                    self.change(before, done);
                }
                self.before = done.or(self.before);
            }
        }
    }

    fn change(&mut self, before: Group, group: Group) {
        let (sent, came) = (group.sent - before.sent, group.came - before.came);
        if !(-FAR..FAR).contains(&(came - sent)) {
            // The client's clock jumped, or it slept.
            *self = Self { threshold: self.threshold, ..Self::new() };
            return;
        }
        self.count += 1;
        self.delay.0 += (came - sent) as f64 / 1e3;
        self.delay.1 += (self.delay.0 - self.delay.1) * SMOOTHING;
        if self.points.len() == WINDOW {
            self.points.pop_front();
        }
        self.points.push_back((group.came as f64 / 1e3, self.delay.1));
        if self.points.len() == WINDOW {
            self.judge(group.came);
        }
    }

    fn judge(&mut self, came: i64) {
        let slope = slope(&self.points);
        let weighed = f64::from(self.count.min(60)) * slope * GAIN;
        if weighed > self.threshold {
            let since = *self.over_since.get_or_insert(came);
            if came - since > LASTING && slope >= self.slope {
                self.usage = Usage::Over;
            }
        } else {
            self.over_since = None;
            self.usage = if weighed < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.slope = slope;
        self.adapt(came, weighed.abs());
    }

    /// The threshold follows slowly what is usual on this line, so that jitter is not taken for a queue.
    fn adapt(&mut self, came: i64, weighed: f64) {
        let passed = self.judged.replace(came).map_or(0.0, |at| ((came - at) as f64 / 1e3).clamp(0.0, 100.0));
        if weighed > self.threshold + 15.0 {
            return;
        }
        let gain = if weighed < self.threshold { 0.039 } else { 0.0087 };
        self.threshold = (self.threshold + gain * (weighed - self.threshold) * passed).clamp(6.0, 600.0);
    }
}

/// The slope of the line that fits the points best.
fn slope(points: &VecDeque<(f64, f64)>) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    let (x, y) = (x / count, y / count);
    let (over, under) = points.iter().fold((0.0, 0.0), |sum, point| {
        let away = point.0 - x;
        (sum.0 + away * (point.1 - y), sum.1 + away * away)
    });
    if under > 0.0 { over / under } else { 0.0 }
}

/// Packets sent within so many microseconds are one group.
const TOGETHER: i64 = 5_000;
/// Groups that the line is fitted to.
const WINDOW: usize = 20;
const SMOOTHING: f64 = 0.1;
const GAIN: f64 = 4.0;
/// How long the delay must grow before it counts, microseconds.
const LASTING: i64 = 10_000;
/// A change of delay that no line causes, microseconds.
const FAR: i64 = 3_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of two packets every 20 ms whose delay is told in microseconds; what the trend says last.
    fn usage(delay: impl Fn(i64) -> i64) -> Usage {
        let mut trend = Trend::new();
        for n in 0..60 {
            trend.add(n * 20_000, n * 20_000 + delay(n));
            trend.add(n * 20_000 + 1_000, n * 20_000 + 1_000 + delay(n));
        }
        trend.usage()
    }

    #[test]
    fn a_growing_queue_is_overuse_and_a_draining_one_underuse() {
        assert_eq!(usage(|n| n * 2_000), Usage::Over);
        assert_eq!(usage(|n| 200_000 - n * 2_000), Usage::Under);
    }

    #[test]
    fn a_steady_queue_and_jitter_are_neither() {
        assert_eq!(usage(|_| 80_000), Usage::Normal);
        assert_eq!(usage(|n| (n * 7 % 5) * 3_000), Usage::Normal);
    }

    #[test]
    fn a_clock_that_was_set_is_no_queue() {
        assert_eq!(usage(|n| if n < 40 { 0 } else { 3_600_000_000 }), Usage::Normal);
    }
}
