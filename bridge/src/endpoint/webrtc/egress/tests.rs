//! Packets of tracks on their way to one client, in virtual time.

use bytes::Bytes;
use hearing_config::{Codec, Kind, SeatId, Timestamp};
use rtc_rtcp::sender_report::SenderReport;

use super::super::ice::tests::path;
use super::super::rtp::Header;
use super::super::sdp::{Agreed, Extensions, Outbound};
use super::super::srtp::{PROFILES, tests::pair};
use super::*;
use crate::router::Layer;

const WALL: Timestamp = Timestamp(1_800_000_000_000_000);
const VIDEO: TrackId = TrackId { seat: SeatId(3), kind: Kind::Video };
const AUDIO: TrackId = TrackId { seat: SeatId(3), kind: Kind::Audio };

struct Bench {
    start: Instant,
    egress: Egress,
    srtp: Srtp,
    client: Srtp,
    batch: Batch,
    out: VecDeque<Output>,
}

impl Bench {
    fn new() -> Self {
        Self::with(None)
    }

    /// `transport`: the id of the transport-wide number, by which the line is measured.
    fn with(transport: Option<u8>) -> Self {
        let agreed = |codec, payload_type, rtx| Agreed { codec, payload_type, rtx, red: None, feedback: Vec::new() };
        let section = |kind, codecs, ssrc| Accepted {
            mid: String::new(),
            what: String::new(),
            protocol: String::new(),
            codecs,
            extensions: Extensions { transport, ..Extensions::default() },
            inbound: None,
            outbound: Some(Outbound { seat: SeatId(3), kind, ssrc, rtx_ssrc: ssrc + 1 }),
        };
        let audio = section(Kind::Audio, vec![agreed(Codec::Opus, 111, None)], 100);
        let video = section(Kind::Video, vec![agreed(Codec::Vp8, 96, Some(97))], 200);
        let start = Instant::now();
        let (client, srtp) = pair(PROFILES[0]);
        let egress = Egress::new(Clock::new(start, WALL), &[&audio, &video]);
        Self { start, egress, srtp, client, batch: Batch::default(), out: VecDeque::new() }
    }

    fn begin(&mut self, id: TrackId, codec: Codec, layers: u8) {
        let info = TrackInfo { id, codec, origin: "internet".parse().unwrap(), layers: LayerSet(layers), held: false };
        self.egress.begin(self.start, &info, &mut self.out);
    }

    fn at(&self, ms: i64) -> Instant {
        self.start + Duration::from_millis(ms as u64)
    }

    fn send(&mut self, id: TrackId, packet: &Packet) {
        let now = self.at(packet.captured.since(WALL) / 1000);
        self.egress.send(now, id, packet, (&mut self.srtp, &mut self.batch), &mut self.out);
    }

    /// What the client receives: headers, payloads.
    fn received(&mut self) -> Vec<(Header, Vec<u8>)> {
        self.batch.close();
        let mut received = Vec::new();
        while let Some(Output::Transmit { datagrams, segment, .. }) = self.batch.pop(path(1)) {
            for datagram in datagrams.chunks(segment.map_or(datagrams.len(), usize::from)) {
                let header = Header::read(datagram).unwrap();
                let plain = self.client.open(datagram, &header).unwrap();
                let payload = plain[header.len..].to_vec();
                received.push((header, payload));
            }
        }
        received
    }
}

fn packet(layer: u8, index: u64, ms: i64, key: bool) -> Packet {
    Packet {
        index,
        layer: Layer(layer),
        media_time: 500_000 + ms * 90,
        captured: WALL.plus(ms * 1000),
        frame_start: true,
        frame_end: true,
        key,
        generation: 0,
        temporal: Default::default(),
        level: None,
        payload: Bytes::from_static(b"frame"),
    }
}

#[test]
fn a_stream_over_layers_and_restarts_is_one_stream_to_the_client() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b11);
    bench.send(VIDEO, &packet(1, 700, 0, true));
    bench.send(VIDEO, &packet(1, 701, 33, false));
    bench.egress.show(bench.start, VIDEO, Size::Small, &mut bench.out);
    bench.send(VIDEO, &packet(0, 9, 66, true));
    bench.egress.end(bench.start, VIDEO, &mut bench.out);
    bench.begin(VIDEO, Codec::Vp8, 0b01);
    let mut anew = packet(0, 0, 166, true);
    anew.media_time = 7;
    bench.send(VIDEO, &anew);
    let received = bench.received();
    let first = received[0].0.sequence;
    let place =
        |n: usize| (received[n].0.sequence.wrapping_sub(first), received[n].0.timestamp - received[0].0.timestamp);
    assert_eq!([place(0), place(1), place(2), place(3)], [(0, 0), (1, 2_970), (2, 5_940), (3, 14_940)]);
    assert!(received.iter().all(|(header, _)| header.ssrc == 200 && header.payload_type == 96 && header.marker));
    assert_eq!(received[0].1, b"\x10frame");
}

#[test]
fn the_wanted_layers_follow_the_choice_and_every_change_is_told_once() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b111);
    assert_eq!(bench.out.drain(..).collect::<Vec<_>>(), [Output::Wanted(VIDEO)]);
    assert_eq!(bench.egress.wanted(VIDEO), LayerSet(0b100));
    bench.send(VIDEO, &packet(2, 1, 0, true));
    assert!(bench.out.is_empty());
    bench.egress.show(bench.start, VIDEO, Size::Small, &mut bench.out);
    assert_eq!(bench.egress.wanted(VIDEO), LayerSet(0b101));
    bench.send(VIDEO, &packet(0, 1, 33, true));
    assert_eq!(bench.egress.wanted(VIDEO), LayerSet(0b001));
    assert_eq!(bench.out.drain(..).collect::<Vec<_>>(), [Output::Wanted(VIDEO), Output::Wanted(VIDEO)]);
    bench.egress.show(bench.start, VIDEO, Size::Off, &mut bench.out);
    assert_eq!(bench.egress.wanted(VIDEO), LayerSet::EMPTY);
}

#[test]
fn key_frames_are_asked_for_at_most_twice_a_second_until_one_goes_out() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    let asked = |bench: &mut Bench, from: i64| {
        (from..from + 1_000).for_each(|ms| {
            let now = bench.at(ms);
            bench.egress.handle_timeout(now, &mut bench.out);
        });
        let keys = bench.out.drain(..).filter(|output| matches!(output, Output::KeyFrame(VIDEO, Layer(0))));
        keys.count()
    };
    assert_eq!(asked(&mut bench, 0), 2);
    bench.send(VIDEO, &packet(0, 1, 1_000, true));
    assert_eq!(asked(&mut bench, 1_000), 0);
    bench.egress.want_key(200);
    bench.egress.want_key(200);
    assert_eq!(asked(&mut bench, 2_000), 2);
}

#[test]
fn a_key_frame_of_the_old_layer_does_not_end_the_wait_for_the_new_ones() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b11);
    bench.send(VIDEO, &packet(1, 1, 0, true));
    bench.egress.show(bench.start, VIDEO, Size::Small, &mut bench.out);
    bench.send(VIDEO, &packet(1, 2, 33, true));
    bench.out.clear();
    let now = bench.at(1_000);
    bench.egress.handle_timeout(now, &mut bench.out);
    assert!(bench.out.contains(&Output::KeyFrame(VIDEO, Layer(0))));
}

#[test]
fn a_break_in_the_publishers_time_waits_for_a_key_frame_and_asks_for_it() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    bench.send(VIDEO, &packet(0, 1, 0, true));
    let mut broken = packet(0, 2, 33, false);
    broken.media_time += 900_000;
    bench.send(VIDEO, &broken);
    assert_eq!(bench.received().len(), 1);
    bench.out.clear();
    let now = bench.at(1_000);
    bench.egress.handle_timeout(now, &mut bench.out);
    assert!(bench.out.contains(&Output::KeyFrame(VIDEO, Layer(0))));
}

#[test]
fn a_lost_packet_comes_again_over_rtx_with_its_first_number() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    bench.send(VIDEO, &packet(0, 1, 0, true));
    let lost = bench.received()[0].0.sequence;
    let [high, low] = lost.to_be_bytes();
    let now = bench.at(50);
    let rtt = Duration::from_millis(40);
    bench.egress.repair(now, rtt, (200, &[high, low, 0, 0]), (&mut bench.srtp, &mut bench.batch));
    let again = bench.received();
    assert_eq!((again[0].0.ssrc, again[0].0.payload_type), (201, 97));
    assert_eq!(again[0].1, [&[high, low][..], b"\x10frame"].concat());
}

#[test]
fn a_packet_that_would_come_too_late_is_not_sent_again_and_a_key_frame_is_asked_for() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    bench.send(VIDEO, &packet(0, 1, 0, true));
    let [high, low] = bench.received()[0].0.sequence.to_be_bytes();
    bench.out.clear();
    let (now, rtt) = (bench.at(590), Duration::from_millis(40));
    bench.egress.repair(now, rtt, (200, &[high, low, 0, 0]), (&mut bench.srtp, &mut bench.batch));
    assert!(bench.received().is_empty());
    bench.egress.handle_timeout(now, &mut bench.out);
    assert!(bench.out.contains(&Output::KeyFrame(VIDEO, Layer(0))));
}

#[test]
fn every_packet_has_its_own_transport_wide_number() {
    let mut bench = Bench::with(Some(3));
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    bench.begin(AUDIO, Codec::Opus, 0b1);
    for n in 0..3_u64 {
        bench.send(VIDEO, &packet(0, n, n as i64 * 33, n == 0));
        bench.send(AUDIO, &packet(0, n, n as i64 * 33, true));
    }
    bench.batch.close();
    let mut numbers = Vec::new();
    while let Some(Output::Transmit { datagrams, segment, .. }) = bench.batch.pop(path(1)) {
        for datagram in datagrams.chunks(segment.map_or(datagrams.len(), usize::from)) {
            let header = Header::read(datagram).unwrap();
            let (_, value) = header.extensions(datagram).next().unwrap();
            numbers.push(u16::from_be_bytes([value[0], value[1]]));
        }
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_session_that_runs_sends_without_an_allocation() {
    let mut bench = Bench::with(Some(3));
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    bench.begin(AUDIO, Codec::Opus, 0b1);
    let pictures: Vec<Packet> = (0..9)
        .map(|part| Packet {
            frame_start: part == 0,
            frame_end: part == 8,
            payload: Bytes::from(vec![7; 1_100]),
            ..packet(0, part, 0, true)
        })
        .collect();
    let sound = Packet { payload: Bytes::from(vec![7; 100]), ..packet(0, 0, 0, true) };
    // Feedback for all of it, so that the picture stays.
    let second = |bench: &mut Bench, from: u64| {
        for frame in from..from + 30 {
            let ms = frame as i64 * 33;
            let now = bench.at(ms);
            for part in &pictures {
                let (index, captured, media_time) = (frame * 9 + part.index, WALL.plus(ms * 1000), ms * 90);
                let packet = Packet { index, captured, media_time, ..part.clone() };
                bench.egress.send(now, VIDEO, &packet, (&mut bench.srtp, &mut bench.batch), &mut bench.out);
            }
            let packet = Packet { index: frame, captured: WALL.plus(ms * 1000), media_time: ms * 48, ..sound.clone() };
            bench.egress.send(now, AUDIO, &packet, (&mut bench.srtp, &mut bench.batch), &mut bench.out);
            while let Some(output) = bench.batch.pop(path(1)) {
                drop(output);
            }
        }
    };
    (0..20).for_each(|n| second(&mut bench, n * 30));
    let used = allocation_counter::measure(|| second(&mut bench, 600));
    assert_eq!(used.count_total, 0, "{used:?}");
}

#[test]
fn sender_reports_tell_one_time_line_for_all_slots_of_a_seat() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    bench.begin(AUDIO, Codec::Opus, 0b1);
    bench.send(VIDEO, &packet(0, 1, 0, true));
    let mut sound = packet(0, 1, 40, true);
    sound.media_time = 1_000;
    bench.send(AUDIO, &sound);
    bench.received();
    let now = bench.at(1_000);
    let compounds = bench.egress.handle_timeout(now, &mut bench.out);
    let reports: Vec<SenderReport> =
        compounds[0].iter().filter_map(|packet| packet.as_any().downcast_ref().cloned()).collect();
    assert_eq!(reports[0].ntp_time, reports[1].ntp_time);
    let of = |ssrc| reports.iter().find(|report| report.ssrc == ssrc).unwrap().rtp_time;
    // 1 s after the picture's capture, 0.96 s after the sound's.
    assert_eq!((of(200), of(100)), (500_000 + 90_000, 1_000 + 46_080));
}

#[test]
fn a_slot_whose_client_lacks_the_codec_stays_empty() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::H264, 0b1);
    assert_eq!(bench.egress.wanted(VIDEO), LayerSet::EMPTY);
    bench.send(VIDEO, &packet(0, 1, 0, true));
    assert!(bench.received().is_empty());
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    bench.send(VIDEO, &packet(0, 2, 33, true));
    assert_eq!(bench.received().len(), 1);
}

#[test]
fn loss_that_lasts_leads_to_a_lower_layer() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b11);
    bench.send(VIDEO, &packet(1, 1, 0, true));
    let reception = Reception { media: 200, fraction: 80, last_report: 0, delay: 0 };
    for second in 1..3 {
        let now = bench.at(second * 1_000);
        bench.egress.report(now, reception, &mut bench.out);
    }
    assert_eq!(bench.egress.wanted(VIDEO), LayerSet(0b11));
    bench.send(VIDEO, &packet(0, 1, 3_000, true));
    assert_eq!(bench.egress.wanted(VIDEO), LayerSet(0b01));
}

#[test]
fn a_picture_that_a_line_between_nodes_has_no_room_for_is_told_as_a_paused_one() {
    let mut bench = Bench::new();
    bench.begin(VIDEO, Codec::Vp8, 0b1);
    assert_eq!(bench.egress.thrift(bench.start), (0, Relief::Nothing));
    let held = TrackInfo {
        id: VIDEO,
        codec: Codec::Vp8,
        origin: "internet".parse().unwrap(),
        layers: LayerSet::EMPTY,
        held: true,
    };
    bench.egress.begin(bench.start, &held, &mut bench.out);
    assert_eq!(bench.egress.thrift(bench.start), (0, Relief::Pictures));
    bench.begin(VIDEO, Codec::Vp8, 0);
    assert_eq!(bench.egress.thrift(bench.start), (0, Relief::Nothing), "a camera that is off is none of it");
}
