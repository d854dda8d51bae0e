//! What comes in over one m-line: its order, its times, and what is reported of it (RFC 3550).

use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{Codec, Timestamp};
use metrics::counter;

use super::level::Ear;
use super::payload::fit;
use crate::endpoint::media::clock::ntp_micros;
use crate::endpoint::media::frames::Frames;
use crate::endpoint::media::timeline::{SenderClock, SourceClock};
use crate::endpoint::media::{Jitter, Unwrap};
use crate::net::rtp::{Block, Header};
use crate::router::{Layer, Packet};

/// What comes in.
#[derive(Debug)]
pub(super) struct Inward {
    codec: Codec,
    frames: Frames,
    clock: SourceClock,
    jitter: Jitter,
    ear: Ear,
    source: Option<Source>,
    /// The index that no packet had yet.
    next: u64,
    received: u64,
    /// Lost before the last report, in 1/256.
    lost: u8,
    report: Option<(u32, Instant)>,
}

/// What a terminal sends until it begins anew.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    unwrap: Unwrap,
    first: i64,
    highest: i64,
    received: u64,
    /// Its first packet's index less its sequence number; packets that were cut make it grow.
    shift: i64,
    /// Expected and received at the last report.
    before: (u64, u64),
    /// Since when more is missing than was given up.
    hole: Option<Timestamp>,
    /// How many packets were given up.
    lost: u64,
}

impl Source {
    const fn expected(&self) -> u64 {
        (self.highest - self.first + 1) as u64
    }

    const fn missing(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

impl Inward {
    pub(super) fn new(codec: Codec) -> Self {
        Self {
            codec,
            frames: Frames::new(codec),
            clock: SourceClock::new(codec.clock_rate()),
            jitter: Jitter::default(),
            ear: Ear::new(codec),
            source: None,
            next: 0,
            received: 0,
            lost: 0,
            report: None,
        }
    }

    /// Who sends, once somebody does.
    pub(super) fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// Packets that came.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// What was lost before the last report, in 1/256.
    pub(super) const fn lost(&self) -> u8 {
        self.lost
    }

    /// Packets that came, and that did not, of whoever sends; the jitter in ticks.
    pub(super) fn figures(&self) -> (u64, u64, u32) {
        let of = |source: &Source| (source.received, source.missing());
        let (received, lost) = self.source.as_ref().map_or((0, 0), of);
        (received, lost, self.jitter.ticks())
    }

    /// A packet came: what it carries, in packets as a node carries them.
    pub(super) fn take(
        &mut self,
        wall: Timestamp,
        header: Header,
        payload: Bytes,
        sender: &SenderClock,
    ) -> Vec<Packet> {
        let Some(sequence) = self.sequence(header) else {
            counter!("hearing_sip_rtp_ignored_total").increment(1);
            return Vec::new();
        };
        let time = self.clock.arrive(header.timestamp, wall);
        self.jitter.arrive(wall, time, self.codec.clock_rate());
        let Some(piece) = self.frames.look(sequence, time, header.marker, payload) else {
            counter!("hearing_sip_payloads_malformed_total").increment(1);
            return Vec::new();
        };
        let parts = fit(piece.payload, self.codec);
        let last = parts.len().saturating_sub(1);
        let captured = self.clock.captured(time, sender);
        let index = self.index(sequence, last);
        let level = self.ear.level(&parts[0]);
        let packet = |(n, payload): (usize, Bytes)| Packet {
            index: index + n as u64,
            layer: Layer(0),
            media_time: time,
            captured,
            frame_start: piece.frame_start && n == 0,
            frame_end: piece.frame_end && n == last,
            key: piece.key,
            generation: piece.generation,
            temporal: piece.temporal,
            level,
            payload,
        };
        parts.into_iter().enumerate().map(packet).collect()
    }

    /// A packet of whoever sends came that is no sound: it is not missing, and leaves no gap.
    pub(super) fn pass_over(&mut self, header: Header) {
        if self.ssrc() == Some(header.ssrc)
            && self.sequence(header).is_some()
            && let Some(source) = &mut self.source
        {
            source.shift -= 1;
        }
    }

    /// True once after something was lost: it has been missing for longer than packets come late, and terminals send nothing again.
    pub(super) fn has_lost(&mut self, wall: Timestamp) -> bool {
        let Some(source) = self.source.as_mut() else { return false };
        let missing = source.missing();
        if missing <= source.lost {
            (source.lost, source.hole) = (missing, None);
            return false;
        }
        let since = *source.hole.get_or_insert(wall);
        let over = wall.since(since) >= LATE.as_micros() as i64;
        if over {
            (source.lost, source.hole) = (missing, None);
        }
        over
    }

    /// Takes a sender report of whoever sends.
    pub(super) fn report(&mut self, now: Instant, ntp: u64, rtp: u32) {
        self.clock.report(ntp_micros(ntp), rtp);
        self.report = Some(((ntp >> 16) as u32, now));
    }

    /// The reception report since the last one (RFC 3550, section 6.4.1).
    pub(super) fn block(&mut self, now: Instant) -> Option<Block> {
        let source = self.source.as_mut()?;
        let expected = source.expected();
        let since = (expected - source.before.0, source.received - source.before.1);
        source.before = (expected, source.received);
        let missing = since.0.saturating_sub(since.1);
        self.lost = (missing * 256).checked_div(since.0).map_or(0, |share| share.min(255) as u8);
        let (last_report, delay) = self.report.map_or((0, 0), |(report, at)| {
            (report, (now.saturating_duration_since(at).as_secs_f64() * 65_536.0) as u32)
        });
        Some(Block {
            ssrc: source.ssrc,
            fraction: self.lost,
            lost: source.missing().min(0x7f_ffff) as u32,
            highest: source.highest as u32,
            jitter: self.jitter.ticks(),
            last_report,
            delay,
        })
    }

    /// The unwrapped sequence number; `None` when it lies before the first one of this source.
    fn sequence(&mut self, header: Header) -> Option<i64> {
        self.received += 1;
        if self.source.as_ref().is_none_or(|source| source.ssrc != header.ssrc) {
            // A terminal that began anew: its numbers and times have nothing to do with those before.
            let first = i64::from(header.sequence);
            self.clock = SourceClock::new(self.codec.clock_rate());
            self.jitter = Jitter::default();
            self.report = None;
            self.source = Some(Source {
                ssrc: header.ssrc,
                unwrap: Unwrap::DEFAULT,
                first,
                highest: first,
                received: 0,
                shift: self.next as i64 - first,
                before: (0, 0),
                hole: None,
                lost: 0,
            });
        }
        let source = self.source.as_mut()?;
        let sequence = source.unwrap.unwrap(header.sequence.into(), 16);
        if sequence < source.first {
            return None;
        }
        source.highest = source.highest.max(sequence);
        source.received += 1;
        Some(sequence)
    }

    /// The index of the first of `1 + more` packets that one became.
    fn index(&mut self, sequence: i64, more: usize) -> u64 {
        let index = self.source.as_ref().map_or(0, |source| source.shift + sequence) as u64;
        if let Some(source) = &mut self.source {
            source.shift += more as i64;
        }
        self.next = self.next.max(index + more as u64 + 1);
        index
    }
}

/// By how much packets overtake each other where nothing is lost.
const LATE: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    fn header(ssrc: u32, sequence: u16) -> Header {
        let timestamp = u32::from(sequence) * 160;
        Header { marker: false, payload_type: 8, sequence, timestamp, ssrc }
    }

    fn take(inward: &mut Inward, ssrc: u32, sequence: u16) -> Option<u64> {
        let payload = Bytes::from_static(&[0xd5; 160]);
        let packets = inward.take(
            Timestamp(i64::from(sequence) * 20_000),
            header(ssrc, sequence),
            payload,
            &SenderClock::default(),
        );
        packets.first().map(|packet| packet.index)
    }

    #[test]
    fn a_terminal_that_begins_anew_goes_on_without_a_gap_and_is_reported_as_itself() {
        let mut inward = Inward::new(Codec::Pcma);
        assert_eq!([1_000, 1_001, 1_002].map(|n| take(&mut inward, 1, n)), [Some(0), Some(1), Some(2)]);
        assert_eq!([40_000, 40_001].map(|n| take(&mut inward, 2, n)), [Some(3), Some(4)]);
        let block = inward.block(Instant::now()).unwrap();
        assert_eq!((block.ssrc, block.highest, block.lost, block.fraction), (2, 40_001, 0, 0));
    }

    #[test]
    fn numbers_before_the_first_one_are_ignored_and_those_over_the_end_are_not() {
        let mut inward = Inward::new(Codec::Pcma);
        assert_eq!(take(&mut inward, 1, 0), Some(0));
        assert_eq!(take(&mut inward, 1, 65_535), None);
        let mut inward = Inward::new(Codec::Pcma);
        assert_eq!([65_535, 0, 1].map(|n| take(&mut inward, 1, n)), [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn keys_that_are_pressed_are_neither_sound_nor_loss() {
        let mut inward = Inward::new(Codec::Pcma);
        inward.pass_over(header(1, 5));
        assert_eq!(inward.ssrc(), None, "nobody sends sound yet");
        assert_eq!(take(&mut inward, 1, 10), Some(0));
        (11..14).for_each(|n| inward.pass_over(header(1, n)));
        assert_eq!(take(&mut inward, 1, 14), Some(1));
        assert_eq!(inward.block(Instant::now()).unwrap().lost, 0);
    }

    #[test]
    fn what_is_missing_for_40_ms_is_lost_once_and_what_only_came_late_is_not() {
        let mut inward = Inward::new(Codec::Pcma);
        let mut at = |millis: i64, numbers: &[u16]| {
            numbers.iter().for_each(|number| _ = take(&mut inward, 1, *number));
            inward.has_lost(Timestamp(millis * 1_000))
        };
        assert!(!at(0, &[10, 12]));
        assert!(!at(30, &[11, 13]), "it was overtaken");
        assert!(!at(40, &[15]));
        assert!(!at(79, &[16]));
        assert!(at(80, &[17]), "it comes no more");
        assert!(!at(200, &[18]), "that was said");
        assert!(!at(210, &[20]) && at(250, &[21]), "another one");
    }

    #[test]
    fn a_report_tells_what_was_lost_since_the_last_one() {
        let mut inward = Inward::new(Codec::Pcma);
        assert_eq!([10, 11, 13].map(|n| take(&mut inward, 1, n)), [Some(0), Some(1), Some(3)]);
        let block = inward.block(Instant::now()).unwrap();
        assert_eq!((block.fraction, block.lost, inward.lost()), (64, 1, 64));
        take(&mut inward, 1, 14);
        assert_eq!(inward.block(Instant::now()).unwrap().fraction, 0);
    }
}
