//! A browser's packets, in virtual time.

use hearing_config::{Codec, Kind, Timestamp};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;

use super::super::clock::ntp;
use super::super::sdp::{Agreed, Inbound};
use super::*;
use crate::router::Packet;

const WALL: Timestamp = Timestamp(1_800_000_000_000_000);
const SEAT: SeatId = SeatId(4);
const VIDEO: TrackId = TrackId { seat: SEAT, kind: Kind::Video };
const AUDIO: TrackId = TrackId { seat: SEAT, kind: Kind::Audio };

struct Browser {
    start: Instant,
    ingest: Ingest,
    out: VecDeque<Output>,
}

/// One packet: (ssrc, payload type, sequence, timestamp), extensions as (id, value), payload.
type Sent<'a> = ((u32, u8, u16, u32), &'a [(u8, &'a [u8])], &'a [u8]);

const KEY: &[u8] = &[0x10, 0, 0, 0, 0x9d, 1, 0x2a, 64, 1, 180, 0];
const DELTA: &[u8] = &[0x10, 1];

impl Browser {
    fn new(rids: &[&str]) -> Self {
        let extensions =
            Extensions { mid: Some(4), rid: Some(10), repaired_rid: Some(11), level: Some(1), transport: Some(3) };
        let feedback = vec!["nack".to_owned(), "nack pli".to_owned()];
        let section = |mid: &str, kind, agreed, rids: &[&str]| Accepted {
            mid: mid.to_owned(),
            what: String::new(),
            protocol: String::new(),
            codecs: vec![agreed],
            extensions,
            inbound: Some(Inbound {
                kind,
                rids: rids.iter().map(|rid| (*rid).to_owned()).collect(),
                sources: Vec::new(),
                repairs: Vec::new(),
            }),
            outbound: None,
        };
        let opus = Agreed { codec: Codec::Opus, payload_type: 111, rtx: None, red: Some(63), feedback: Vec::new() };
        let vp8 = Agreed { codec: Codec::Vp8, payload_type: 96, rtx: Some(97), red: None, feedback };
        let (audio, video) = (section("0", Kind::Audio, opus, &[]), section("1", Kind::Video, vp8, rids));
        let start = Instant::now();
        let origin = "internet".parse().unwrap();
        let ingest = Ingest::new(Clock::new(start, WALL), SEAT, origin, 99, &[&audio, &video]);
        Self { start, ingest, out: VecDeque::new() }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn send(
        &mut self,
        ms: u64,
        ((ssrc, payload_type, sequence, timestamp), extensions, payload): Sent<'_>,
    ) -> Result<(), &'static str> {
        let mut bytes = vec![0x90, payload_type | 0x80];
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&timestamp.to_be_bytes());
        bytes.extend_from_slice(&ssrc.to_be_bytes());
        let mut elements = Vec::new();
        for (id, value) in extensions {
            elements.push(id << 4 | (value.len() as u8 - 1));
            elements.extend_from_slice(value);
        }
        elements.resize(elements.len().div_ceil(4) * 4, 0);
        bytes.extend_from_slice(&[0xbe, 0xde, 0, (elements.len() / 4) as u8]);
        bytes.extend_from_slice(&elements);
        bytes.extend_from_slice(payload);
        let header = Header::read(&bytes).unwrap();
        let now = self.at(ms);
        self.ingest.handle(now, &header, &Bytes::from(bytes), &mut self.out)
    }

    fn packets(&mut self) -> Vec<(TrackId, Packet)> {
        let packets = self.out.drain(..).filter_map(|output| match output {
            Output::Packet(track, packet) => Some((track, packet)),
            _ => None,
        });
        packets.collect()
    }

    fn announced(&mut self) -> Vec<(TrackId, LayerSet)> {
        let tracks = self.out.drain(..).filter_map(|output| match output {
            Output::Track(info) => Some((info.id, info.layers)),
            Output::TrackEnd(id) => Some((id, LayerSet::EMPTY)),
            _ => None,
        });
        tracks.collect()
    }

    fn feedback(&mut self, ms: u64) -> Vec<Box<dyn Rtcp>> {
        let now = self.at(ms);
        self.ingest.handle_timeout(now, &mut self.out)
    }
}

fn find<T: 'static + Clone>(packets: &[Box<dyn Rtcp>]) -> Vec<T> {
    packets.iter().filter_map(|packet| packet.as_any().downcast_ref::<T>().cloned()).collect()
}

#[test]
fn mid_and_rid_lead_packets_to_their_track_and_layer_and_later_ones_follow_their_source() {
    let mut browser = Browser::new(&["q", "h", "f"]);
    browser.send(0, ((1, 111, 5, 0), &[(4, b"0"), (1, &[0x8a])], b"opus")).unwrap();
    browser.send(0, ((2, 96, 5, 0), &[(4, b"1"), (10, b"h")], KEY)).unwrap();
    browser.send(1, ((2, 96, 6, 3000), &[], DELTA)).unwrap();
    let packets = browser.packets();
    assert_eq!((packets[0].0, packets[0].1.level, packets[0].1.key), (AUDIO, Some(10), true));
    assert_eq!((packets[1].0, packets[1].1.layer, packets[1].1.key), (VIDEO, Layer(1), true));
    assert_eq!((packets[2].1.layer, packets[2].1.key, packets[2].1.index), (Layer(1), false, packets[1].1.index + 1));
}

#[test]
fn a_track_is_announced_at_its_first_packet_and_again_with_every_layer() {
    let mut browser = Browser::new(&["q", "h"]);
    browser.send(0, ((2, 96, 5, 0), &[(4, b"1"), (10, b"q")], KEY)).unwrap();
    browser.send(0, ((3, 96, 5, 0), &[(4, b"1"), (10, b"h")], KEY)).unwrap();
    assert_eq!(browser.announced(), [(VIDEO, LayerSet(1)), (VIDEO, LayerSet(3))]);
}

#[test]
fn a_layer_that_stops_is_withdrawn_and_a_silent_track_ends() {
    let mut browser = Browser::new(&["q", "h"]);
    browser.send(0, ((2, 96, 5, 0), &[(4, b"1"), (10, b"q")], KEY)).unwrap();
    browser.send(0, ((3, 96, 5, 0), &[(4, b"1"), (10, b"h")], KEY)).unwrap();
    (1..20_u16).for_each(|n| browser.send(u64::from(n) * 100, ((2, 96, 5 + n, 0), &[], DELTA)).unwrap());
    browser.announced();
    browser.feedback(1_950);
    assert_eq!(browser.announced(), [(VIDEO, LayerSet(1))]);
    browser.feedback(13_000);
    assert_eq!(browser.announced(), [(VIDEO, LayerSet::EMPTY)]);
    browser.send(14_000, ((2, 96, 40, 0), &[], DELTA)).unwrap();
    assert_eq!(browser.announced(), [(VIDEO, LayerSet(1))]);
}

#[test]
fn what_is_lost_is_asked_for_and_comes_back_over_rtx_in_its_place() {
    let mut browser = Browser::new(&[]);
    browser.send(0, ((2, 96, 5, 0), &[(4, b"1")], KEY)).unwrap();
    browser.send(33, ((2, 96, 7, 6000), &[], DELTA)).unwrap();
    let asked: Vec<TransportLayerNack> = find(&browser.feedback(50));
    assert_eq!((asked[0].media_ssrc, asked[0].nacks[0].packet_id), (2, 6));
    browser.send(70, ((9, 97, 500, 3000), &[(4, b"1")], &[0, 6, 0x10, 1])).unwrap();
    let packets = browser.packets();
    let base = packets[0].1.index;
    assert_eq!((packets[2].1.index, packets[2].1.frame_start), (base + 1, true));
    assert!(find::<TransportLayerNack>(&browser.feedback(900)).is_empty());
    assert_eq!(browser.ingest.totals(), (3, 3));
}

#[test]
fn rtx_probes_without_a_payload_are_no_packets() {
    let mut browser = Browser::new(&[]);
    browser.send(0, ((2, 96, 5, 0), &[(4, b"1")], KEY)).unwrap();
    browser.packets();
    browser.send(1, ((9, 97, 500, 3000), &[(4, b"1")], &[0, 6])).unwrap();
    browser.send(1, ((9, 97, 501, 3000), &[(4, b"1")], &[])).unwrap();
    assert!(browser.packets().is_empty());
}

#[test]
fn key_frames_are_asked_for_until_one_comes() {
    let mut browser = Browser::new(&[]);
    browser.send(0, ((2, 96, 5, 0), &[(4, b"1")], KEY)).unwrap();
    browser.ingest.want_key(VIDEO, Layer(0));
    browser.ingest.want_key(VIDEO, Layer(0));
    let asked = |browser: &mut Browser, ms| find::<PictureLossIndication>(&browser.feedback(ms)).len();
    assert_eq!([asked(&mut browser, 10), asked(&mut browser, 400), asked(&mut browser, 510)], [1, 0, 1]);
    browser.send(600, ((2, 96, 6, 54_000), &[], KEY)).unwrap();
    assert_eq!(asked(&mut browser, 1_100), 0);
}

#[test]
fn arrivals_are_fed_back_within_a_tenth_of_a_second() {
    let mut browser = Browser::new(&[]);
    browser.send(0, ((2, 96, 5, 0), &[(4, b"1"), (3, &[0, 7])], KEY)).unwrap();
    assert!(browser.ingest.poll_timeout(browser.start).unwrap() <= browser.at(100));
    let told: Vec<TransportLayerCc> = find(&browser.feedback(90));
    assert_eq!((told[0].base_sequence_number, told[0].packet_status_count), (7, 1));
}

#[test]
fn sound_and_picture_share_one_capture_line() {
    let mut browser = Browser::new(&[]);
    browser.send(20, ((1, 111, 5, 48_000), &[(4, b"0")], b"opus")).unwrap();
    browser.send(95, ((2, 96, 5, 90_000), &[(4, b"1")], KEY)).unwrap();
    let now = browser.at(100);
    browser.ingest.report(now, 1, ntp(Timestamp(77_000_000)), 48_000);
    browser.ingest.report(now, 2, ntp(Timestamp(77_000_000)), 90_000);
    browser.packets();
    browser.send(120, ((1, 111, 6, 48_960), &[], b"opus")).unwrap();
    browser.send(200, ((2, 96, 6, 91_800), &[], DELTA)).unwrap();
    let packets = browser.packets();
    assert!(packets[0].1.captured.since(packets[1].1.captured).abs() <= 1);
}

#[test]
fn a_source_that_begins_anew_goes_on_behind_the_old_one() {
    let mut browser = Browser::new(&[]);
    browser.send(0, ((2, 96, 5, 1_000), &[(4, b"1")], KEY)).unwrap();
    browser.send(1_000, ((77, 96, 40_000, 5), &[(4, b"1")], KEY)).unwrap();
    let packets = browser.packets();
    assert_eq!(packets[1].1.index, packets[0].1.index + 1);
    assert_eq!(packets[1].1.media_time - packets[0].1.media_time, 90_000);
}

#[test]
fn packets_of_nobody_are_dropped() {
    let mut browser = Browser::new(&["q"]);
    assert_eq!(browser.send(0, ((2, 96, 5, 0), &[(4, b"7")], KEY)), Err("rtp_unknown_source"));
    assert_eq!(browser.send(0, ((2, 96, 5, 0), &[(4, b"1"), (10, b"x")], KEY)), Err("rtp_unknown_source"));
    assert_eq!(browser.send(0, ((2, 50, 5, 0), &[], KEY)), Err("rtp_unknown_source"));
    assert_eq!(browser.send(0, ((2, 96, 5, 0), &[(4, b"1"), (10, b"q")], &[0x90])), Err("rtp_payload"));
}

/// A packet of redundant sound with the number `n`: its own payload, and that of the one before.
fn redundant(n: u8) -> Vec<u8> {
    [&[0x80 | 111, 15, 0, 2][..], &[111], &[b'o', n - 1], &[b'o', n]].concat()
}

#[test]
fn sound_that_the_line_lost_comes_with_the_next_and_lies_in_its_place() {
    let mut browser = Browser::new(&[]);
    for n in [1_u8, 2, 4, 5, 7] {
        let head = (1, 63, u16::from(n), u32::from(n) * 960);
        browser.send(u64::from(n) * 20, (head, &[(4, b"0"), (1, &[0x8a])], &redundant(n))).unwrap();
    }
    let got: Vec<_> = browser.packets().into_iter().map(|(_, packet)| (packet.index, packet.payload[1])).collect();
    let first = got[0].0;
    let wanted: Vec<_> = (1..=7).map(|n| (first + u64::from(n - 1), n)).collect();
    assert_eq!(got, wanted, "each once and in order");
    assert_eq!(browser.ingest.totals(), (7, 7), "what came in time after all is not lost");
    let reports = find::<ReceiverReport>(&browser.feedback(2_000));
    assert_eq!(reports[0].reports[0].total_lost, 2, "the sender is told what the line really loses");
}

#[test]
fn sound_that_was_mended_and_is_late_after_all_is_taken_once() {
    let mut browser = Browser::new(&[]);
    let mut send = |n: u8, ms| {
        let head = (1, 63, u16::from(n), u32::from(n) * 960);
        browser.send(ms, (head, &[(4, b"0")], &redundant(n)))
    };
    assert_eq!((send(1, 0), send(3, 40), send(2, 41)), (Ok(()), Ok(()), Err("rtp_duplicate")));
    assert_eq!(browser.packets().len(), 3);
}

#[test]
fn redundant_sound_that_is_no_such_thing_is_refused_and_leaves_the_rest_alone() {
    let mut browser = Browser::new(&[]);
    browser.send(0, ((1, 63, 1, 960), &[(4, b"0")], &redundant(1))).unwrap();
    assert_eq!(browser.send(20, ((1, 63, 2, 1_920), &[], &[0x80 | 111, 15, 0, 200, 111, 1])), Err("rtp_red"));
    browser.send(40, ((1, 111, 3, 2_880), &[], b"plain")).unwrap();
    assert_eq!(browser.packets().last().unwrap().1.payload, &b"plain"[..]);
}
