//! A large picture leaves over a part of its frame's time and not in one burst: a terminal that is busy for a moment, or a thin
//! switch before it, has room for some 60 kB.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The packets of one m-line that are still to go. Never more than those of one frame.
#[derive(Debug)]
pub(super) struct Pace {
    held: VecDeque<Vec<u8>>,
    gap: Duration,
    next: Instant,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { held: VecDeque::new(), gap: GAP, next: now }
    }

    /// A frame of these packets is to go; gives those that go now: what is left of the frame before, and the first of this one.
    pub(super) fn frame(&mut self, now: Instant, packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut out: Vec<_> = self.held.drain(..).collect();
        self.held = packets.into();
        let first = self.held.len().min(BURST);
        out.extend(self.held.drain(..first));
        let left = u32::try_from(self.held.len()).unwrap_or(u32::MAX).max(1);
        self.gap = (SPREAD / left).min(GAP);
        self.next = now + self.gap;
        out
    }

    /// What is due, in order.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        while self.next <= now
            && let Some(packet) = self.held.pop_front()
        {
            out.push(packet);
            self.next += self.gap;
        }
        out
    }

    /// When the next packet goes; `None` while there is none.
    pub(super) fn next(&self) -> Option<Instant> {
        self.held.front().map(|_| self.next)
    }

    /// Nothing more is to go of what is held.
    pub(super) fn clear(&mut self) {
        self.held.clear();
    }
}

/// Packets that go at once: most frames are no larger, 10 kB.
const BURST: usize = 8;
/// From one packet to the next of a larger one, or less where so many would take too long: 20 Mbit/s.
const GAP: Duration = Duration::from_micros(500);
/// The last packet of the largest frame goes so long after the first, half of a frame's time at 25 a second.
const SPREAD: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of so many packets of 1,200 bytes, the number of the packet in each.
    fn frame(packets: u8) -> Vec<Vec<u8>> {
        (0..packets).map(|n| vec![n; 1_200]).collect()
    }

    /// What goes in each millisecond from `start` on, by numbers.
    fn schedule(pace: &mut Pace, start: Instant, millis: u64) -> Vec<Vec<u8>> {
        let numbers = |packets: Vec<Vec<u8>>| packets.iter().map(|packet| packet[0]).collect();
        (1..=millis).map(|ms| numbers(pace.due(start + Duration::from_millis(ms)))).collect()
    }

    #[test]
    fn a_key_frame_of_60_kb_goes_in_order_within_20_ms_and_never_more_than_10_kb_at_once() {
        let (start, packets) = (Instant::now(), 50);
        let mut pace = Pace::new(start);
        let first = pace.frame(start, frame(packets));
        assert_eq!((first.len(), first[7][0]), (8, 7));
        let sent = schedule(&mut pace, start, 20);
        assert!(sent.iter().all(|packets| (2..=3).contains(&packets.len())), "{sent:?}");
        assert_eq!(sent.concat(), (8..packets).collect::<Vec<_>>());
        assert_eq!(pace.next(), None);
    }

    #[test]
    fn the_largest_frame_takes_no_longer_and_one_of_a_few_packets_no_time_at_all() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.frame(start, frame(255));
        assert_eq!(schedule(&mut pace, start, 20).concat().len(), 247);
        assert_eq!((pace.frame(start, frame(8)).len(), pace.next()), (8, None));
        pace.frame(start, frame(12));
        assert_eq!(schedule(&mut pace, start, 3), [vec![8, 9], vec![10, 11], vec![]]);
    }

    #[test]
    fn what_is_left_of_a_frame_goes_before_the_next_one_so_that_nothing_piles_up() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for frames in 0..100 {
            let out = pace.frame(start, frame(50));
            assert_eq!(out.len(), if frames == 0 { 8 } else { 50 });
        }
        assert_eq!(schedule(&mut pace, start, 20).concat().len(), 42);
        pace.frame(start, frame(50));
        pace.clear();
        assert_eq!((pace.next(), schedule(&mut pace, start, 20).concat()), (None, vec![]));
    }

    #[test]
    fn a_task_that_was_late_sends_all_that_is_due_and_then_goes_on_in_step() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.frame(start, frame(48));
        assert_eq!(pace.due(start + Duration::from_millis(10)).len(), 20);
        assert_eq!(pace.next(), Some(start + Duration::from_micros(10_500)));
    }
}
