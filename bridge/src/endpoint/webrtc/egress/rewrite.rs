//! One continuous RTP stream out of what may be several: layers, restarts of the publisher, gaps.

use std::collections::VecDeque;
use std::time::Instant;

use hearing_config::Timestamp;

use super::super::clock::{ticks, ticks_micros};
use super::super::rtp::Seen;
use crate::router::Packet;

/// Sequence numbers and timestamps of one slot.
#[derive(Debug)]
pub(super) struct Rewrite {
    /// Added to an index.
    sequence: i64,
    /// Added to a media time.
    time: i64,
    seen: Seen,
    last: Option<Last>,
    /// Indices that were left out lately, first and last of each run: those after them have moved down.
    skipped: VecDeque<Skipped>,
}

#[derive(Debug, Clone, Copy)]
struct Skipped {
    first: i64,
    last: i64,
    media_time: i64,
}

/// The newest packet that went out.
#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: i64,
    index: i64,
    timestamp: i64,
    media_time: i64,
    captured: Timestamp,
    at: Instant,
}

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) sequence: u16,
    /// The sequence number with how often it began anew (RFC 3711 section 3.3.1).
    pub(super) index: u64,
    pub(super) timestamp: u32,
}

impl Rewrite {
    /// `first` is the sequence number of the first packet.
    pub(super) const fn new(first: u16) -> Self {
        Self { sequence: first as i64, time: 0, seen: Seen::new(), last: None, skipped: VecDeque::new() }
    }

    /// True when the packet cannot belong to what went before: the publisher began anew without saying so.
    pub(super) fn breaks(&self, packet: &Packet, rate: u32) -> bool {
        self.last.is_some_and(|last| {
            let media = ticks_micros(packet.media_time - last.media_time, rate);
            (media - packet.captured.since(last.captured)).abs() > BREAK
        })
    }

    /// The packet begins another layer, or the publisher's stream anew.
    pub(super) fn join(&mut self, now: Instant, packet: &Packet, rate: u32, anew: bool) {
        let index = packet.index as i64;
        self.skipped.clear();
        let Some(last) = self.last else {
            self.sequence -= index;
            return;
        };
        self.sequence = last.sequence + 1 - index;
        if anew {
            let captured = packet.captured.since(last.captured);
            let elapsed = now.saturating_duration_since(last.at).as_micros() as i64;
            let passed = if (1..LONGEST).contains(&captured) { captured } else { elapsed };
            self.time = last.timestamp + ticks(passed, rate).max(1) - packet.media_time;
        } else if packet.media_time + self.time <= last.timestamp {
            self.time = last.timestamp + 1 - packet.media_time;
        }
    }

    /// Places a packet; `None` when its place was taken or is too far back.
    pub(super) fn place(&mut self, now: Instant, packet: &Packet) -> Option<Placed> {
        let index = packet.index as i64;
        if let Some(last) = self.last
            && index > last.index + WIDEST_GAP
            && index + self.sequence > last.sequence + WIDEST_GAP
        {
            // So much is lost that nobody will ask for it; a wide gap would only upset the receiver's counters.
            self.sequence = last.sequence + 2 - index;
        }
        let sequence = index + self.sequence + self.left_out_after(index)?;
        // A number is never used twice: SRTP would encrypt two packets alike.
        let full = u64::try_from(sequence).ok()?;
        if !self.seen.insert(sequence) {
            return None;
        }
        let timestamp = packet.media_time + self.time;
        if self.last.is_none_or(|last| sequence > last.sequence) {
            let (media_time, captured) = (packet.media_time, packet.captured);
            self.last = Some(Last { sequence, index, timestamp, media_time, captured, at: now });
        }
        Some(Placed { sequence: sequence as u16, index: full, timestamp: timestamp as u32 })
    }

    /// Leaves a packet out so that nobody misses it; where something must go in its place because others were placed behind it.
    pub(super) fn skip(&mut self, packet: &Packet) -> Option<Placed> {
        let (index, media_time) = (packet.index as i64, packet.media_time);
        let last = self.last?;
        let newest = self.skipped.back().map_or(last.index, |skipped| skipped.last.max(last.index));
        if index <= newest {
            let sequence = index + self.sequence + self.left_out_after(index)?;
            let (full, timestamp) = (u64::try_from(sequence).ok()?, (media_time + self.time) as u32);
            return self.seen.insert(sequence).then_some(Placed { sequence: sequence as u16, index: full, timestamp });
        }
        match self.skipped.back_mut() {
            // What is missing within a frame that is left out is left out as well.
            Some(run) if run.last == newest && (run.media_time == media_time || run.last + 1 == index) => {
                self.sequence -= index - run.last;
                (run.last, run.media_time) = (index, media_time);
            }
            Some(_) | None => {
                if self.skipped.len() == RUNS {
                    self.skipped.pop_front();
                }
                self.sequence -= 1;
                self.skipped.push_back(Skipped { first: index, last: index, media_time });
            }
        }
        None
    }

    /// By how much a late packet must be moved up; `None` when it was left out itself, or that is not known any more.
    fn left_out_after(&self, index: i64) -> Option<i64> {
        let mut after = 0;
        for run in self.skipped.iter().rev() {
            if index > run.last {
                return Some(after);
            }
            if index >= run.first {
                return None;
            }
            after += run.last - run.first + 1;
        }
        (self.skipped.len() < RUNS).then_some(after)
    }

    /// What the RTP clock shows at the capture time `wall`.
    pub(super) fn timestamp_at(&self, wall: Timestamp, rate: u32) -> Option<u32> {
        self.last.map(|last| (last.timestamp + ticks(wall.since(last.captured), rate)) as u32)
    }
}

/// Microseconds by which media time and capture time may part.
const BREAK: i64 = 500_000;
/// Microseconds that a publisher may be away and still be placed by its capture times.
const LONGEST: i64 = 60_000_000;
const WIDEST_GAP: i64 = 1_000;
/// Runs of packets left out that are remembered: more than a second of a stream at half its frame rate.
const RUNS: usize = 32;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::router::Layer;

    fn packet(index: u64, media_time: i64, ms: i64) -> Packet {
        Packet {
            index,
            layer: Layer(0),
            media_time,
            captured: Timestamp(ms * 1000),
            frame_start: true,
            frame_end: true,
            key: true,
            generation: 0,
            temporal: Default::default(),
            level: None,
            payload: Bytes::new(),
        }
    }

    fn begun() -> (Rewrite, Instant) {
        let now = Instant::now();
        let mut rewrite = Rewrite::new(65_534);
        rewrite.join(now, &packet(7_000, 90_000, 0), 90_000, true);
        (rewrite, now)
    }

    #[test]
    fn a_gap_of_the_index_is_a_gap_of_the_sequence_and_can_be_filled() {
        let (mut rewrite, now) = begun();
        let mut place = |index| rewrite.place(now, &packet(index, 90_000, 0)).map(|placed| placed.sequence);
        assert_eq!([place(7_000), place(7_003), place(7_001)], [Some(65_534), Some(1), Some(65_535)]);
        assert_eq!(place(7_001), None, "no number twice");
    }

    #[test]
    fn another_layer_goes_on_with_the_next_number_and_a_later_time() {
        let (mut rewrite, now) = begun();
        rewrite.place(now, &packet(7_000, 90_000, 0)).unwrap();
        let other = packet(31, 93_000, 33);
        rewrite.join(now, &other, 90_000, false);
        assert_eq!(rewrite.place(now, &other), Some(Placed { sequence: 65_535, index: 65_535, timestamp: 93_000 }));
        let earlier = packet(900, 92_000, 22);
        rewrite.join(now, &earlier, 90_000, false);
        assert_eq!(rewrite.place(now, &earlier), Some(Placed { sequence: 0, index: 65_536, timestamp: 93_001 }));
    }

    #[test]
    fn frames_that_are_left_out_leave_no_gap() {
        let (mut rewrite, now) = begun();
        let at = |index: u64| packet(7_000 + index, 90_000 + 3_000 * (index as i64 / 2), 0);
        let place = |rewrite: &mut Rewrite, index| rewrite.place(now, &at(index)).map(|placed| placed.sequence);
        assert_eq!(place(&mut rewrite, 0), Some(65_534));
        assert_eq!([2, 3].map(|index| rewrite.skip(&at(index))), [None, None]);
        assert_eq!(place(&mut rewrite, 4), Some(0), "1 is lost and may still come");
        assert_eq!(place(&mut rewrite, 1), Some(65_535));
        assert_eq!(place(&mut rewrite, 3), None, "it was left out");
        assert_eq!(rewrite.skip(&at(6)), None);
        assert_eq!(place(&mut rewrite, 8), Some(3));
        assert_eq!(rewrite.skip(&at(7)).map(|placed| placed.sequence), Some(2), "it was waited for");
        assert_eq!(place(&mut rewrite, 5), Some(1));
    }

    #[test]
    fn what_is_lost_within_a_frame_that_is_left_out_is_not_missed() {
        let (mut rewrite, now) = begun();
        rewrite.place(now, &packet(7_000, 90_000, 0)).unwrap();
        assert_eq!([7_001, 7_004].map(|index| rewrite.skip(&packet(index, 93_000, 33))), [None, None]);
        assert_eq!(rewrite.skip(&packet(7_002, 93_000, 33)), None);
        assert_eq!(rewrite.place(now, &packet(7_005, 96_000, 66)).map(|placed| placed.sequence), Some(65_535));
    }

    #[test]
    fn a_restart_is_placed_by_its_capture_time() {
        let (mut rewrite, now) = begun();
        rewrite.place(now, &packet(7_000, 90_000, 0)).unwrap();
        let anew = packet(1, 5, 2_000);
        assert!(rewrite.breaks(&anew, 90_000));
        rewrite.join(now, &anew, 90_000, true);
        assert_eq!(rewrite.place(now, &anew), Some(Placed { sequence: 65_535, index: 65_535, timestamp: 270_000 }));
        assert_eq!(rewrite.timestamp_at(Timestamp(3_000_000), 90_000), Some(360_000));
    }

    #[test]
    fn steady_media_never_breaks() {
        let (mut rewrite, now) = begun();
        for n in 0..1000 {
            let packet = packet(7_000 + n, 90_000 + 3_000 * n as i64, n as i64 * 100 / 3);
            assert!(!rewrite.breaks(&packet, 90_000));
            rewrite.place(now, &packet).unwrap();
        }
    }

    proptest! {
        #[test]
        fn no_sequence_number_is_used_twice(moves in proptest::collection::vec((0_u64..4_000, 0..4), 1..300)) {
            let (mut rewrite, now) = begun();
            let mut used = std::collections::HashSet::new();
            for (index, what) in moves {
                let packet = packet(index, index as i64 * 3_000, index as i64 * 100 / 3);
                if what == 0 {
                    rewrite.join(now, &packet, 90_000, false);
                }
                let placed = if what == 1 { rewrite.skip(&packet) } else { rewrite.place(now, &packet) };
                if let Some(placed) = placed {
                    prop_assert!(used.insert(placed.sequence));
                }
            }
        }
    }
}
