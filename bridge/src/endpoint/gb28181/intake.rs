//! What a device sends: from RTP packets over a program stream to packets of tracks. Told the time, so that tests have their own.

use std::time::Instant;

use hearing_config::{Codec, Kind, Timestamp};
use hearing_proto::ps::{self, Counts, Demuxer, Unit};
use hearing_signaling::hearing::SeatQuality;
use metrics::counter;

use super::order::{Order, Piece};
use super::rate::Rate;
use super::track::Track;
use crate::endpoint::source::Tally;
use crate::net::rtp::Header;
use crate::router::Packet;

/// The media of one call.
pub(super) struct Intake {
    /// The payload type of the program stream.
    payload: u8,
    order: Order,
    demuxer: Demuxer,
    seen: Counts,
    tracks: Vec<Track>,
    bad: Rate,
    tally: Tally,
    /// Something was lost since it was asked for last.
    lost: bool,
}

/// Packets of a track.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Got {
    pub(super) kind: Kind,
    pub(super) codec: Codec,
    pub(super) packets: Vec<Packet>,
}

/// Why nothing more is taken from a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cut {
    #[error("it sends more than a hundred malformed packets a second")]
    Rubbish,
    #[error("it changed its codec")]
    Codec,
}

impl Intake {
    pub(super) fn new(payload: u8, now: Instant) -> Self {
        Self {
            payload,
            order: Order::default(),
            demuxer: Demuxer::default(),
            seen: Counts::default(),
            tracks: Vec::new(),
            bad: Rate::default(),
            tally: Tally::new(now),
            lost: false,
        }
    }

    /// A packet came.
    pub(super) fn take(&mut self, (now, arrival): (Instant, Timestamp), packet: &[u8]) -> Result<Vec<Got>, Cut> {
        let Some((header, place)) = Header::read(packet).filter(|(header, _)| header.payload_type == self.payload)
        else {
            counter!("hearing_gb28181_rtp_ignored_total").increment(1);
            return if self.bad.add(1, now) { Err(Cut::Rubbish) } else { Ok(Vec::new()) };
        };
        let mut got = Vec::new();
        for piece in self.order.push(header, &packet[place]) {
            self.tally.count(piece.payload.len(), piece.lost);
            self.piece(&piece);
            while let Some(unit) = self.demuxer.poll() {
                self.unit(&unit, arrival, &mut got)?;
            }
        }
        let broken = self.broken();
        if self.bad.add(broken, now) { Err(Cut::Rubbish) } else { Ok(got) }
    }

    /// True once after something that the device sent was lost.
    pub(super) const fn has_lost(&mut self) -> bool {
        std::mem::replace(&mut self.lost, false)
    }

    /// The figures of the last second.
    pub(super) fn quality(&mut self, now: Instant) -> Option<SeatQuality> {
        self.tally.poll(now)
    }

    fn piece(&mut self, piece: &Piece) {
        if piece.lost > 0 {
            counter!("hearing_gb28181_packets_lost_total").increment(piece.lost);
            self.demuxer.lose();
            self.lost = true;
        }
        self.demuxer.push(&piece.payload);
        if piece.marker {
            self.demuxer.end_of_frame();
        }
    }

    fn unit(&mut self, unit: &Unit, arrival: Timestamp, got: &mut Vec<Got>) -> Result<(), Cut> {
        let codec = carried(unit.codec);
        let kind = if unit.codec.is_picture() { Kind::Video } else { Kind::Audio };
        let beside = self.tracks.iter().find(|track| track.kind() != kind).and_then(Track::earliest);
        let track = match self.tracks.iter_mut().position(|track| track.kind() == kind) {
            Some(at) => &mut self.tracks[at],
            None => {
                self.tracks.push(Track::new(codec, unit.stream));
                self.tracks.last_mut().expect("one was pushed")
            }
        };
        if track.stream() != unit.stream {
            // A second stream of the kind: the first one stays.
            counter!("hearing_gb28181_units_refused_total").increment(1);
            return Ok(());
        }
        if track.codec() != codec {
            return Err(Cut::Codec);
        }
        got.push(Got { kind, codec, packets: track.cut(unit, arrival, beside) });
        Ok(())
    }

    /// How much was malformed since the last time.
    fn broken(&mut self) -> u64 {
        let (before, counts) = (std::mem::replace(&mut self.seen, self.demuxer.counts()), self.demuxer.counts());
        let since = |of: fn(&Counts) -> u64| of(&counts) - of(&before);
        // What is not known yet, as for whoever joins in the middle, is no fault of the device.
        let broken = since(|c| c.malformed) + since(|c| c.too_long);
        if broken > 0 {
            counter!("hearing_gb28181_ps_malformed_total").increment(broken);
        }
        broken
    }
}

/// What a node calls it.
const fn carried(codec: ps::Codec) -> Codec {
    match codec {
        ps::Codec::H264 => Codec::H264,
        ps::Codec::H265 => Codec::H265,
        ps::Codec::Pcma => Codec::Pcma,
        ps::Codec::Pcmu => Codec::Pcmu,
        ps::Codec::Aac => Codec::Aac,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearing_proto::ps::Muxer;

    use super::*;

    const KEY: [u8; 16] = [0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 1, 0x65, 7, 8, 9, 10];
    const DELTA: [u8; 7] = [0, 0, 0, 1, 0x41, 5, 6];

    /// A device in its own time.
    struct Device {
        start: Instant,
        intake: Intake,
        muxer: Muxer,
        sequence: u16,
        ssrc: u32,
    }

    impl Device {
        fn new() -> Self {
            let (start, muxer) = (Instant::now(), Muxer::new(ps::Codec::H264, Some(ps::Codec::Pcma)));
            Self { start, intake: Intake::new(96, start), muxer, sequence: 0, ssrc: 1 }
        }

        fn at(&self, millis: u64) -> (Instant, Timestamp) {
            (self.start + Duration::from_millis(millis), Timestamp(1_000_000 + millis as i64 * 1_000))
        }

        fn rtp(&mut self, marker: bool, payload: &[u8]) -> Vec<u8> {
            let Self { sequence, ssrc, .. } = *self;
            self.sequence = self.sequence.wrapping_add(1);
            Header { marker, payload_type: 96, sequence, timestamp: 0, ssrc }.write(payload)
        }

        /// The tracks' kinds, media times and key marks of what a picture makes.
        fn picture(&mut self, millis: u64, key: bool) -> Result<Vec<(Kind, i64, bool)>, Cut> {
            let frame: &[u8] = if key { &KEY } else { &DELTA };
            let stream = self.muxer.picture(millis * 90, key, frame);
            let packet = self.rtp(true, &stream);
            self.take(millis, &packet)
        }

        fn take(&mut self, millis: u64, packet: &[u8]) -> Result<Vec<(Kind, i64, bool)>, Cut> {
            let at = self.at(millis);
            let got = self.intake.take(at, packet)?;
            let shown = |got: &Got| got.packets.iter().map(|p| (got.kind, p.media_time, p.key)).next();
            Ok(got.iter().filter_map(shown).collect())
        }
    }

    #[test]
    fn whoever_joins_in_the_middle_gets_pictures_and_sound_in_their_times_from_the_next_key_frame_on() {
        let mut device = Device::new();
        let stream = device.muxer.picture(0, true, &KEY);
        // The end of a picture that began before us.
        let packet = device.rtp(true, &stream[stream.len() - 8..]);
        assert_eq!(device.take(0, &packet), Ok(vec![]));
        assert_eq!(device.picture(40, false), Ok(vec![]), "nothing has told yet what it is");
        assert_eq!(device.picture(80, true), Ok(vec![(Kind::Video, 7_200, true)]));
        let sound = device.muxer.sound(90 * 80, &[0xd5; 320]);
        let packet = device.rtp(false, &sound);
        assert_eq!(device.take(80, &packet), Ok(vec![(Kind::Audio, 640, true)]));
    }

    #[test]
    fn a_picture_of_which_a_packet_is_lost_is_left_out_and_the_order_has_a_gap() {
        let mut device = Device::new();
        device.picture(0, true).unwrap();
        device.sequence += 1;
        let mut indices = Vec::new();
        for n in 1..=20 {
            let stream = device.muxer.picture(n * 3_600, false, &DELTA);
            let packet = device.rtp(true, &stream);
            let at = device.at(n * 40);
            let got = device.intake.take(at, &packet).unwrap();
            indices.extend(got.iter().flat_map(|got| &got.packets).map(|packet| packet.index));
        }
        assert_eq!((indices.len(), indices[0]), (20, 3), "{indices:?}");
    }

    #[test]
    fn a_device_that_sends_rubbish_is_cut_off_after_a_hundred_a_second_and_not_before() {
        let mut device = Device::new();
        for _ in 0..100 {
            assert_eq!(device.take(0, b"no RTP at all"), Ok(vec![]));
        }
        assert_eq!(device.take(1_000, b"no RTP at all"), Ok(vec![]));
        // A packet of a picture whose header contradicts itself.
        let broken = [0, 0, 1, 0xe0, 0, 4, 0, 0, 0, 0];
        let cut = (0..100).map(|_| device.rtp(false, &broken)).collect::<Vec<_>>();
        let results: Vec<_> = cut.iter().map(|packet| device.take(1_000, packet)).collect();
        assert_eq!(results[98], Ok(vec![]));
        assert_eq!(results[99], Err(Cut::Rubbish));
    }

    #[test]
    fn aac_is_taken_with_its_headers_and_its_times_at_48_khz() {
        let mut device = Device::new();
        device.muxer = Muxer::new(ps::Codec::H264, Some(ps::Codec::Aac));
        device.picture(0, true).unwrap();
        let adts = [0xff, 0xf1, 0x4c, 0x40, 0x01, 0x5f, 0xfc, 1, 2, 3];
        let mut got = Vec::new();
        for (n, two) in [[adts, adts].concat(), adts.to_vec()].iter().enumerate() {
            let sound = device.muxer.sound(n as u64 * 3_840, two);
            let packet = device.rtp(false, &sound);
            let at = device.at(n as u64 * 42);
            got.extend(device.intake.take(at, &packet).unwrap());
        }
        let packets: Vec<_> = got.iter().flat_map(|got| &got.packets).collect();
        assert!(
            got.iter().all(|got| got.codec == Codec::Aac) && packets.iter().all(|packet| packet.payload[..] == adts)
        );
        assert_eq!(packets.iter().map(|packet| packet.media_time).collect::<Vec<_>>(), [0, 1_024, 2_048]);
    }

    #[test]
    fn another_codec_ends_the_call() {
        let mut device = Device::new();
        device.picture(0, true).unwrap();
        let h265 = [0, 0, 0, 1, 0x40, 1, 7, 0, 0, 0, 1, 0x42, 1, 7, 0, 0, 0, 1, 0x26, 1, 9, 9];
        device.muxer = Muxer::new(ps::Codec::H265, None);
        let mut results = Vec::new();
        for n in 1..3 {
            let stream = device.muxer.picture(n * 3_600, true, &h265);
            let packet = device.rtp(true, &stream);
            results.push(device.take(n * 40, &packet));
        }
        assert!(results.contains(&Err(Cut::Codec)), "{results:?}");
    }
}
