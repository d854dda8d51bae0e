//! The estimate on lines of every kind, in virtual time.

use super::line::Line;
use super::*;

/// A sender that uses what it may of what it wants, in pictures of 30 a second with sound beside.
struct Sender {
    bandwidth: Bandwidth,
    line: Line,
    number: u16,
    wants: f64,
    now: i64,
    /// The longest that a sound packet took on its way in the present second.
    slowest: i64,
}

impl Sender {
    fn new(line: Line, wants: f64) -> Self {
        let mut bandwidth = Bandwidth::new(true);
        bandwidth.desire(wants);
        Self { bandwidth, line, number: 0, wants, now: 0, slowest: 0 }
    }

    fn send(&mut self, bytes: usize) -> Option<i64> {
        self.number = self.number.wrapping_add(1);
        self.bandwidth.sent(self.now, self.number, bytes as u16);
        self.line.send(self.now, self.number, bytes)
    }

    fn millisecond(&mut self) {
        self.now += 1_000;
        if self.now % 20_000 == 0
            && let Some(came) = self.send(130)
        {
            self.slowest = self.slowest.max(came - self.now - self.line.delay);
        }
        if self.now % 33_000 == 0 {
            let rate = self.bandwidth.estimate(self.now).unwrap_or(300_000.0).min(self.wants) - 60_000.0;
            let bytes = (rate.max(0.0) * 0.033 / 8.0) as usize;
            (0..bytes).step_by(1_150).for_each(|at| _ = self.send((bytes - at).min(1_150)));
        }
        let mut padding = self.bandwidth.padding(self.now);
        while padding > 0 {
            self.send(1_000);
            padding = padding.saturating_sub(1_000);
        }
        while let Some(body) = self.line.feedback(self.now) {
            assert!(self.bandwidth.feedback(self.now, 62_000, &body));
        }
    }

    /// The estimates at the end of so many seconds, in kbit/s, and the slowest sound packet of each, in milliseconds.
    fn seconds(&mut self, count: usize) -> Vec<(i64, i64)> {
        let second = |_| {
            self.slowest = 0;
            (0..1_000).for_each(|_| self.millisecond());
            (self.bandwidth.estimate(self.now).unwrap_or_default() as i64 / 1_000, self.slowest / 1_000)
        };
        (0..count).map(second).collect()
    }
}

fn assert_within(seconds: &[(i64, i64)], range: std::ops::RangeInclusive<i64>) {
    assert!(seconds.iter().all(|(kbps, _)| range.contains(kbps)), "{range:?}: {seconds:?}");
}

#[test]
fn a_thin_line_is_found_within_3_seconds_and_held() {
    let mut sender = Sender::new(Line::of(600e3), 3e6);
    let seconds = sender.seconds(60);
    assert_within(&seconds[2..], 420..=640);
    assert!(seconds[3..].iter().all(|(_, slowest)| *slowest < 250), "{seconds:?}");
}

#[test]
fn a_line_of_two_megabits_is_found_within_5_seconds_and_held() {
    let mut sender = Sender::new(Line::of(2e6), 3e6);
    let seconds = sender.seconds(60);
    assert_within(&seconds[4..], 1_400..=2_150);
    assert!(seconds[3..].iter().all(|(_, slowest)| *slowest < 250), "{seconds:?}");
}

#[test]
fn what_is_wanted_is_found_within_3_seconds_when_the_line_has_it() {
    let mut sender = Sender::new(Line::of(50e6), 4e6);
    let seconds = sender.seconds(20);
    assert!(seconds[2].0 >= 4_000, "{seconds:?}");
}

#[test]
fn a_line_that_becomes_thin_is_followed_in_2_seconds_without_undershoot_and_its_return_in_8() {
    let mut sender = Sender::new(Line::of(2e6), 3e6);
    sender.seconds(20);
    sender.line.bps = 600e3;
    let thin = sender.seconds(30);
    assert_within(&thin[2..], 400..=660);
    sender.line.bps = 2e6;
    let back = sender.seconds(30);
    assert_within(&back[8..], 1_300..=2_150);
}

#[test]
fn random_loss_of_5_percent_costs_no_bandwidth() {
    let mut sender = Sender::new(Line::of(4e6).losing(0.05), 3e6);
    let seconds = sender.seconds(40);
    assert!(seconds[5..].iter().all(|(kbps, _)| *kbps >= 2_400), "{seconds:?}");
}

#[test]
fn jitter_is_not_taken_for_a_queue() {
    let mut sender = Sender::new(Line::of(4e6).trembling(30_000), 3e6);
    let seconds = sender.seconds(40);
    assert!(seconds[8..].iter().all(|(kbps, _)| *kbps >= 2_000), "{seconds:?}");
}

#[test]
fn a_client_that_can_t_be_sent_padding_is_thought_to_have_a_wide_line_until_a_queue_says_otherwise() {
    let mut wide = Sender::new(Line::of(4e6), 3e6);
    wide.bandwidth = Bandwidth::new(false);
    assert!(wide.bandwidth.estimate(0).unwrap() > 3e6);
    let mut thin = Sender::new(Line::of(1e6), 3e6);
    thin.bandwidth = Bandwidth::new(false);
    thin.bandwidth.desire(3e6);
    let seconds = thin.seconds(20);
    assert!(thin.bandwidth.estimate(20_000_000).unwrap() < 1.2e6, "{seconds:?}");
}

#[test]
fn malformed_feedback_is_refused_and_stray_feedback_changes_nothing() {
    let mut bandwidth = Bandwidth::new(true);
    assert!(!bandwidth.feedback(0, 0, &[0; 15]));
    let mut stray = vec![0; 8];
    stray.extend_from_slice(&[0x12, 0x34, 0, 2, 0, 0, 9, 0, 0x20, 2, 0, 0]);
    assert!(bandwidth.feedback(0, 0, &stray));
    assert_eq!(bandwidth.estimate(0), Bandwidth::new(true).estimate(0));
}
