//! One source (SSRC) of a participant: order, loss, time and frames of one layer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{Codec, Timestamp};
use rtc_rtcp::reception_report::ReceptionReport;

use super::super::clock::ntp_micros;
use super::super::rtp::{Header, Seen, Unwrap};
use super::frames::{Frames, Piece};
use super::nack::Missing;
use super::timeline::{SenderClock, SourceClock};
use crate::endpoint::media::Jitter;

/// One packet of a source, its header read and its payload opened.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Bytes,
    /// True when it came over RTX.
    pub(super) repair: bool,
}

impl Arrived {
    /// A packet as it came.
    pub(super) fn of(header: &Header, payload: Bytes) -> Self {
        Self { sequence: header.sequence, timestamp: header.timestamp, marker: header.marker, payload, repair: false }
    }

    /// The packet inside an RTX packet (RFC 4588 section 4); `None` for probes, which repeat nothing.
    pub(super) fn repaired(header: &Header, payload: &Bytes) -> Option<Self> {
        let sequence = payload.first_chunk::<2>().map(|bytes| u16::from_be_bytes(*bytes))?;
        let repaired = Self { sequence, repair: true, ..Self::of(header, payload.slice(2..)) };
        (!repaired.payload.is_empty()).then_some(repaired)
    }
}

/// A packet in its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) index: u64,
    /// Unwrapped RTP time.
    pub(super) time: i64,
    pub(super) captured: Timestamp,
    pub(super) piece: Piece,
    /// True when more is missing before it than asking can mend.
    pub(super) torn: bool,
}

/// A source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) ssrc: u32,
    pub(super) clock: SourceClock,
    pub(super) missing: Missing,
    pub(super) last_arrival: Instant,
    sequence: Unwrap,
    seen: Seen,
    highest: i64,
    /// What turns unwrapped sequence numbers into indices.
    base: i64,
    /// Numbers that carried only padding; those after them move down by as many.
    padding: VecDeque<i64>,
    frames: Frames,
    reception: Reception,
    heard: Option<(u32, Instant)>,
}

/// Counts for receiver reports and quality.
#[derive(Debug, Default)]
struct Reception {
    first: i64,
    received: i64,
    repaired: i64,
    told_expected: i64,
    told_received: i64,
    jitter: Jitter,
}

impl Source {
    /// `next` is the index of its first packet.
    pub(super) fn new(ssrc: u32, codec: Codec, first: u16, next: u64, now: Instant) -> Self {
        let mut sequence = Unwrap::DEFAULT;
        let first = sequence.unwrap(u32::from(first), 16);
        Self {
            ssrc,
            clock: SourceClock::new(codec.clock_rate()),
            missing: Missing::default(),
            last_arrival: now,
            sequence,
            seen: Seen::new(),
            highest: first - 1,
            base: next as i64 - first,
            padding: VecDeque::new(),
            frames: Frames::new(codec),
            reception: Reception { first, ..Reception::default() },
            heard: None,
        }
    }

    /// The index after the highest given out.
    pub(super) fn next_index(&self) -> u64 {
        (self.highest + 1 + self.base - self.padding.len() as i64).max(0) as u64
    }

    /// Puts a packet in its place; `Ok(None)` when it carries nothing.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        wall: Timestamp,
        sender: &SenderClock,
        packet: Arrived,
    ) -> Result<Option<Placed>, &'static str> {
        let sequence = self.sequence.peek(u32::from(packet.sequence), 16);
        if sequence < self.reception.first || sequence < self.highest - LATE {
            return Err("rtp_late");
        }
        if !self.seen.insert(sequence) {
            return Err("rtp_duplicate");
        }
        let torn = !self.advance(now, sequence, packet.repair);
        if !packet.repair {
            self.last_arrival = now;
        }
        if packet.payload.is_empty() {
            self.skip(sequence);
            return Ok(None);
        }
        let time = if packet.repair {
            self.clock.repaired(packet.timestamp)
        } else {
            let time = self.clock.arrive(packet.timestamp, wall);
            self.reception.jitter.arrive(wall, time, self.clock.rate());
            time
        };
        let piece = self.frames.look(sequence, time, packet.marker, packet.payload).ok_or("rtp_payload")?;
        if piece.payload.len() > PAYLOAD_LIMIT {
            return Err("rtp_oversize");
        }
        let before = self.padding.iter().filter(|padding| **padding < sequence).count() as i64;
        let index = (sequence + self.base - before).max(0) as u64;
        let captured = self.clock.captured(time, sender);
        Ok(Some(Placed { index, time, captured, piece, torn }))
    }

    /// True when the packet with this number is one of ours and did not come.
    pub(super) fn lacks(&self, sequence: u16) -> bool {
        let sequence = self.sequence.peek(u32::from(sequence), 16);
        sequence >= self.reception.first && self.seen.lacks(sequence)
    }

    fn advance(&mut self, now: Instant, sequence: i64, repair: bool) -> bool {
        let mended = self.missing.found(sequence);
        if repair {
            self.reception.repaired += i64::from(mended);
        } else {
            self.reception.received += 1;
        }
        if sequence <= self.highest {
            return true;
        }
        let from = self.highest + 1;
        self.highest = sequence;
        self.sequence.unwrap(sequence as u32 & 0xffff, 16);
        from == sequence || self.missing.gap(now, from, sequence)
    }

    fn skip(&mut self, sequence: i64) {
        // Only the newest can be taken out: later ones have been counted already.
        if sequence == self.highest {
            if self.padding.len() == PADDING {
                self.padding.pop_front();
                self.base -= 1;
            }
            self.padding.push_back(sequence);
        }
    }

    /// Takes a sender report.
    pub(super) fn report(&mut self, now: Instant, ntp: u64, rtp: u32) {
        self.clock.report(ntp_micros(ntp), rtp);
        self.heard = Some((super::super::clock::compact(ntp), now));
    }

    /// The reception report since the last one.
    pub(super) fn reception(&mut self, now: Instant) -> ReceptionReport {
        let expected = self.highest - self.reception.first + 1;
        let since = expected - self.reception.told_expected;
        let lost = since - (self.reception.received - self.reception.told_received);
        self.reception.told_expected = expected;
        self.reception.told_received = self.reception.received;
        let delay = self.heard.map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(at));
        ReceptionReport {
            ssrc: self.ssrc,
            fraction_lost: if lost <= 0 || since <= 0 { 0 } else { (lost * 256 / since).min(255) as u8 },
            total_lost: (expected - self.reception.received).clamp(0, 0x7f_ffff) as u32,
            last_sequence_number: (self.highest as u64 & 0xffff_ffff) as u32,
            jitter: self.reception.jitter.ticks(),
            last_sender_report: self.heard.map_or(0, |(compact, _)| compact),
            delay: (delay.as_micros() * 65_536 / 1_000_000).min(u128::from(u32::MAX)) as u32,
        }
    }

    /// (packets that should have come, packets that came or were mended), since the beginning.
    pub(super) const fn totals(&self) -> (i64, i64) {
        (self.highest - self.reception.first + 1, self.reception.received + self.reception.repaired)
    }
}

/// Packets that come later than this many others are of no use to anybody.
const LATE: i64 = 2_000;
/// The largest payload that a router's packet carries.
const PAYLOAD_LIMIT: usize = 1_200;
/// Padding packets that are remembered one by one.
const PADDING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn source(first: u16) -> Source {
        Source::new(7, Codec::Opus, first, 1_000, Instant::now())
    }

    fn arrived(sequence: u16, payload: &'static [u8]) -> Arrived {
        let payload = Bytes::from_static(payload);
        Arrived { sequence, timestamp: u32::from(sequence) * 960, marker: false, payload, repair: false }
    }

    fn index(source: &mut Source, packet: Arrived) -> Option<u64> {
        let placed = source.accept(source.last_arrival, Timestamp(0), &SenderClock::default(), packet).unwrap();
        placed.map(|placed| placed.index)
    }

    #[test]
    fn indices_follow_sequence_numbers_over_their_end() {
        let mut source = source(65_535);
        let got: Vec<_> = [65_535, 1, 0, 2].map(|n| index(&mut source, arrived(n, b"x")).unwrap()).to_vec();
        assert_eq!(got, [1_000, 1_002, 1_001, 1_003]);
        assert_eq!(source.next_index(), 1_004);
    }

    #[test]
    fn padding_leaves_no_gap_in_the_index() {
        let mut source = source(10);
        assert_eq!(index(&mut source, arrived(10, b"x")), Some(1_000));
        assert_eq!(index(&mut source, arrived(11, b"")), None);
        assert_eq!(index(&mut source, arrived(12, b"x")), Some(1_001));
        for n in 0..500_u16 {
            index(&mut source, arrived(13 + 2 * n, b""));
            assert_eq!(index(&mut source, arrived(14 + 2 * n, b"x")), Some(1_002 + u64::from(n)));
        }
    }

    #[test]
    fn repair_fills_the_gap_and_is_not_reported_as_reception() {
        let mut source = source(1);
        index(&mut source, arrived(1, b"x"));
        index(&mut source, arrived(3, b"x"));
        let repair = Arrived { repair: true, ..arrived(2, b"x") };
        assert_eq!(index(&mut source, repair), Some(1_001));
        let report = source.reception(source.last_arrival);
        assert_eq!((report.total_lost, report.fraction_lost), (1, 85));
        assert_eq!(source.totals(), (3, 3));
    }

    #[test]
    fn what_is_too_late_or_too_large_is_refused() {
        let mut source = source(1);
        let now = source.last_arrival;
        index(&mut source, arrived(1, b"x"));
        index(&mut source, arrived(3, b"x"));
        let mut take = |packet| source.accept(now, Timestamp(0), &SenderClock::default(), packet).err();
        let large = Arrived { payload: Bytes::from(vec![0; 1_300]), ..arrived(4, b"") };
        assert_eq!(take(large), Some("rtp_oversize"));
        assert_eq!(take(arrived(0, b"x")), Some("rtp_late"));
        assert_eq!(take(arrived(3, b"x")), Some("rtp_duplicate"));
    }
}
