//! A hearing of five seats over lines of every kind to one client, in virtual time: real packets, real feedback.

use bytes::Bytes;
use hearing_config::{Codec, Kind, SeatId, Timestamp};
use hearing_signaling::hearing::SeatSet;

use super::super::bandwidth::line::Line;
use super::super::ice::tests::path;
use super::super::rtp::Header;
use super::super::sdp::{Agreed, Extensions, Outbound};
use super::super::srtp::{PROFILES, tests::pair};
use super::*;
use crate::router::Temporal;

const WALL: Timestamp = Timestamp(1_800_000_000_000_000);
const SEATS: u8 = 5;
const JUDGE: SeatId = SeatId(0);
const SPEAKER: SeatId = SeatId(1);
/// Bits a second of the two layers of every camera.
const RATES: [u32; 2] = [240_000, 1_500_000];

/// What one client got in one second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    /// Sound packets that were lost, and the longest way of those that came, milliseconds.
    sound_lost: u32,
    sound_slowest: i64,
    /// Pictures that came whole, by seat.
    frames: [u32; SEATS as usize],
    /// Bits of the pictures, by seat.
    bits: [u32; SEATS as usize],
    /// Sound packets that carried the sound before them.
    redundant: u32,
}

struct Court {
    egress: Egress,
    srtp: Srtp,
    batch: Batch,
    out: VecDeque<Output>,
    line: Line,
    start: Instant,
    now: i64,
    /// By seat and layer.
    cameras: [[Camera; 2]; SEATS as usize],
    sound: u64,
    second: Second,
}

#[derive(Debug, Clone, Copy, Default)]
struct Camera {
    index: u64,
    frame: i64,
    /// When the key frame that was asked for comes.
    key: Option<i64>,
}

impl Court {
    fn new(line: Line) -> Self {
        let agreed = |codec, payload_type, rtx| {
            let red = (codec == Codec::Opus).then_some(63);
            Agreed { codec, payload_type, rtx, red, feedback: Vec::new() }
        };
        let section = |seat, kind, codec, ssrc| Accepted {
            mid: String::new(),
            what: String::new(),
            protocol: String::new(),
            codecs: vec![codec],
            extensions: Extensions { transport: Some(3), ..Extensions::default() },
            inbound: None,
            outbound: Some(Outbound { seat: SeatId(seat), kind, ssrc, rtx_ssrc: ssrc + 1 }),
        };
        let sections: Vec<_> = (0..SEATS)
            .flat_map(|seat| {
                let ssrc = 100 * (u32::from(seat) + 1);
                let sound = section(seat, Kind::Audio, agreed(Codec::Opus, 111, None), ssrc);
                [sound, section(seat, Kind::Video, agreed(Codec::Vp8, 96, Some(97)), ssrc + 10)]
            })
            .collect();
        let start = Instant::now();
        let egress = Egress::new(Clock::new(start, WALL), &sections.iter().collect::<Vec<_>>());
        let (_, srtp) = pair(PROFILES[0]);
        let (batch, out) = (Batch::default(), VecDeque::new());
        let camera = Camera { key: Some(0), ..Camera::default() };
        let cameras = [[camera; 2]; SEATS as usize];
        let mut court =
            Self { egress, srtp, batch, out, line, start, now: 0, cameras, sound: 0, second: Second::default() };
        court.begin();
        court
    }

    fn begin(&mut self) {
        let judges: SeatSet = [JUDGE].into_iter().collect();
        self.egress.protect(self.start, Protected { judges, speaker: Some(SPEAKER) }, &mut self.out);
        for seat in (0..SEATS).map(SeatId) {
            for (kind, codec, layers) in [(Kind::Audio, Codec::Opus, 1), (Kind::Video, Codec::Vp8, 0b11)] {
                let (id, origin) = (TrackId { seat, kind }, "internet".parse().unwrap());
                let info = TrackInfo { id, codec, origin, layers: LayerSet(layers), held: false };
                self.egress.begin(self.start, &info, &mut self.out);
            }
        }
    }

    fn at(&self) -> Instant {
        self.start + Duration::from_micros(self.now as u64)
    }

    fn millisecond(&mut self) {
        self.now += 1_000;
        if self.now % 20_000 == 0 {
            self.sound += 1;
            (0..SEATS).for_each(|seat| self.say(SeatId(seat)));
        }
        for seat in 0..SEATS {
            if (self.now + i64::from(seat) * 7_000) % 33_000 == 0 {
                (0..2).for_each(|layer| self.film(SeatId(seat), layer));
            }
        }
        let now = self.at();
        while let Some(body) = self.line.feedback(self.now) {
            assert!(self.egress.feedback(now, Duration::from_millis(62), &body, &mut self.out));
        }
        self.egress.pad(now, (&mut self.srtp, &mut self.batch));
        self.egress.handle_timeout(now, &mut self.out);
        for output in self.out.drain(..) {
            if let Output::KeyFrame(track, layer) = output {
                let camera = &mut self.cameras[usize::from(track.seat.0)][usize::from(layer.0)];
                camera.key.get_or_insert(self.now + 120_000);
            }
        }
        self.carry();
    }

    fn say(&mut self, seat: SeatId) {
        let packet = Packet { temporal: Temporal::default(), ..packet(self.sound, 0, self.now, 100) };
        let id = TrackId { seat, kind: Kind::Audio };
        self.hand(id, &Packet { media_time: self.now * 48 / 1_000, ..packet });
    }

    /// A frame of one layer in the pattern 0 2 1 2, larger when it is a key frame.
    fn film(&mut self, seat: SeatId, layer: u8) {
        let (now, id) = (self.now, TrackId { seat, kind: Kind::Video });
        let camera = &mut self.cameras[usize::from(seat.0)][usize::from(layer)];
        let key = camera.key.is_some_and(|at| at <= now);
        if key {
            (camera.key, camera.frame) = (None, 0);
        }
        let (temporal, share) = [(0, 1.6), (2, 0.8), (1, 0.8), (2, 0.8)][camera.frame as usize % 4];
        let temporal = Temporal { id: temporal, sync: camera.frame % 4 == 1 || camera.frame % 4 == 2 };
        let whole = f64::from(RATES[usize::from(layer)]) * 0.033 / 8.0 * if key { 4.0 } else { share };
        let count = (whole / 1_150.0).ceil().max(1.0) as u64;
        let first = camera.index;
        (camera.frame, camera.index) = (camera.frame + 1, first + count);
        if !self.egress.wanted(id).contains(Layer(layer)) {
            return;
        }
        for at in 0..count {
            let packet = Packet {
                temporal,
                key,
                frame_start: at == 0,
                frame_end: at + 1 == count,
                ..packet(first + at, layer, now, (whole / count as f64) as usize)
            };
            self.hand(id, &packet);
        }
    }

    fn hand(&mut self, id: TrackId, packet: &Packet) {
        let now = self.at();
        self.egress.send(now, id, packet, (&mut self.srtp, &mut self.batch), &mut self.out);
    }

    /// Puts on the line what the egress has.
    fn carry(&mut self) {
        self.batch.close();
        while let Some(Output::Transmit { datagrams, segment, .. }) = self.batch.pop(path(1)) {
            for datagram in datagrams.chunks(segment.map_or(datagrams.len(), usize::from)) {
                let header = Header::read(datagram).unwrap();
                let number =
                    header.extensions(datagram).next().map(|(_, value)| u16::from_be_bytes([value[0], value[1]]));
                let came = self.line.send(self.now, number.unwrap(), datagram.len());
                self.count(&header, datagram.len(), came.map(|came| (came - self.now) / 1_000));
            }
        }
    }

    fn count(&mut self, header: &Header, bytes: usize, way: Option<i64>) {
        let seat = (header.ssrc / 100 - 1) as usize;
        match (header.ssrc % 100, way) {
            (0, Some(way)) => {
                self.second.sound_slowest = self.second.sound_slowest.max(way);
                self.second.redundant += u32::from(header.payload_type == 63);
            }
            (0, None) => self.second.sound_lost += 1,
            (10, Some(_)) => {
                self.second.frames[seat] += u32::from(header.marker);
                self.second.bits[seat] += bytes as u32 * 8;
            }
            _ => {}
        }
    }

    fn seconds(&mut self, count: usize) -> Vec<Second> {
        let second = |_| {
            (0..1_000).for_each(|_| self.millisecond());
            std::mem::take(&mut self.second)
        };
        (0..count).map(second).collect()
    }
}

fn packet(index: u64, layer: u8, micros: i64, len: usize) -> Packet {
    Packet {
        index,
        layer: Layer(layer),
        media_time: micros * 90 / 1_000,
        captured: WALL.plus(micros),
        frame_start: true,
        frame_end: true,
        key: true,
        generation: 0,
        temporal: Temporal::default(),
        level: None,
        payload: Bytes::from(vec![7; len]),
    }
}

/// Sound goes on, come what may: at most so many milliseconds on its way (30 of them the line's own).
fn assert_sound(seconds: &[Second], slowest: i64) {
    let lost: u32 = seconds.iter().map(|second| second.sound_lost).sum();
    assert_eq!(lost, 0, "{seconds:#?}");
    assert!(seconds.iter().all(|second| (1..slowest).contains(&second.sound_slowest)), "{seconds:#?}");
}

#[test]
fn on_a_line_with_room_everybody_is_seen_at_the_best() {
    let seconds = Court::new(Line::of(20e6)).seconds(15);
    assert_sound(&seconds, 120);
    for second in &seconds[8..] {
        assert!(second.bits.iter().all(|bits| *bits > 1_200_000), "{seconds:#?}");
        assert!(second.frames.iter().all(|frames| *frames >= 28), "{seconds:#?}");
    }
}

#[test]
fn on_two_megabits_the_others_give_way_to_the_judge_and_sound_flows() {
    let seconds = Court::new(Line::of(2e6)).seconds(40);
    assert_sound(&seconds[1..], 300);
    let (judge, other) = (0, 3);
    let sum = |seat: usize| seconds[10..].iter().map(|second| second.bits[seat]).sum::<u32>() / 30;
    assert!(sum(judge) > 200_000 && sum(judge) >= sum(other), "{} {}", sum(judge), sum(other));
    assert!(seconds[4..].iter().all(|second| second.frames[judge] >= 20), "{seconds:#?}");
}

#[test]
fn on_600_kilobits_the_judge_and_the_speaker_are_seen_and_everybody_is_heard() {
    let seconds = Court::new(Line::of(600e3)).seconds(40);
    assert_sound(&seconds[3..], 350);
    assert!(seconds[5..].iter().all(|second| second.frames[0] >= 6), "{seconds:#?}");
    let of = |seat: usize| seconds[5..].iter().map(|second| second.frames[seat]).sum::<u32>();
    assert!(of(0) >= of(2) && of(1) >= of(2), "{} {} {}", of(0), of(1), of(2));
}

#[test]
fn a_line_that_becomes_thin_costs_a_moment_of_sound_at_most_and_its_return_brings_the_pictures_back() {
    let mut court = Court::new(Line::of(6e6));
    let before = court.seconds(20);
    assert_sound(&before[2..], 300);
    court.line.bps = 600e3;
    let thin = court.seconds(25);
    let lost: u32 = thin[..2].iter().map(|second| second.sound_lost).sum();
    assert!(lost <= 125, "{lost} of 500 sound packets lost at the change");
    assert_sound(&thin[3..], 350);
    assert!(thin[3..].iter().all(|second| second.frames[0] >= 6), "{thin:#?}");
    court.line.bps = 6e6;
    let back = court.seconds(15);
    assert!(back[10..].iter().all(|second| second.frames.iter().all(|frames| *frames >= 10)), "{back:#?}");
}

#[test]
fn on_a_line_that_loses_packets_sound_is_sent_twice_and_pictures_stay() {
    let seconds = Court::new(Line::of(8e6).losing(0.05)).seconds(20);
    for second in &seconds[8..] {
        assert!(second.redundant > 150, "{seconds:#?}");
        assert!(second.bits[0] > 1_100_000, "{seconds:#?}");
    }
    let calm = Court::new(Line::of(8e6)).seconds(10);
    assert!(calm.iter().all(|second| second.redundant == 0), "{calm:#?}");
}
