//! Clients that report and ask without end: what they cost is bounded, counted, and far from the time that others need.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use rtc_rtcp::Packet as Rtcp;
use rtc_rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};

use super::super::dtls::tests::Client;
use super::super::ice::tests::path;
use super::super::rtcp;
use super::super::rtp::Header;
use super::super::srtp::PROFILES;
use super::peer::{OTHER, Peer, sound};
use crate::router::{Leg as _, Output};

/// Counts what is dropped for a reason.
struct Dropped {
    reason: &'static str,
    count: Arc<Count>,
}

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }
}

impl Recorder for Dropped {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        if key.labels().any(|label| label.value() == self.reason) {
            return Counter::from_arc(Arc::clone(&self.count));
        }
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// A client that was sent two seconds of sound, and whose line is measured.
fn listener() -> (Peer, Vec<u16>) {
    let client = Client::new(&PROFILES);
    let fingerprint = client.fingerprint.clone();
    let measured = "a=rtcp-fb:111 transport-cc\r\na=rtcp-fb:111 nack\r\n\
        a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
    let mut peer = Peer::with(client, &fingerprint, measured).connect();
    peer.may_hear();
    (0..100).for_each(|n| peer.session.handle_packet(peer.now, OTHER, &sound(n, n as i64 * 20)));
    let datagrams = peer.drain();
    let sent =
        datagrams.iter().filter_map(|(_, datagram)| Header::read(datagram)).map(|header| header.sequence).collect();
    (peer, sent)
}

/// `count` datagrams of `plain` within a second: what came back, what was dropped as a flood, and how long it took.
fn storm(peer: &mut Peer, plain: &[u8], count: u32) -> (usize, u64, Duration) {
    let recorder = Dropped { reason: "rtcp_flood", count: Arc::default() };
    let sealed: Vec<_> = (0..count).map(|_| peer.srtp.as_mut().unwrap().seal_rtcp(plain).unwrap()).collect();
    let (mut back, began) = (0, Instant::now());
    metrics::with_local_recorder(&recorder, || {
        for datagram in &sealed {
            peer.now += Duration::from_secs(1) / count;
            peer.session.handle_datagram(peer.now, path(1), datagram);
            back += peer.drain().len();
        }
    });
    (back, recorder.count.0.load(Ordering::SeqCst), began.elapsed())
}

/// Its own sound is still heard, and it still hears others.
fn assert_served(peer: &mut Peer) {
    peer.seen.clear();
    peer.speak(path(1), 9);
    assert_eq!(peer.heard().len(), 1, "the client itself is still heard");
    peer.session.handle_packet(peer.now, OTHER, &sound(100, 2_000));
    assert_eq!(peer.drain().len(), 1, "and hears");
}

/// As many reports on the line as a datagram holds, each of as many packets as are believed.
#[test]
fn a_storm_of_line_reports_costs_a_worker_a_fraction_of_its_time() {
    let (mut peer, _) = listener();
    let media = peer.ssrcs["slot"];
    let report = |number: u16| {
        let mut bytes = vec![0x8f, 205, 0, 5];
        bytes.extend_from_slice(&1_u32.to_be_bytes());
        bytes.extend_from_slice(&media.to_be_bytes());
        // 4,096 packets from this number on, all of them lost: one run.
        bytes
            .extend_from_slice(&[&number.to_be_bytes()[..], &[0x10, 0, 0, 0, 1, number as u8, 0x10, 0, 0, 0]].concat());
        bytes
    };
    let plain: Vec<u8> = (0..48).flat_map(|n| report(n * 100)).collect();
    assert!((1_100..1_200).contains(&plain.len()));
    let (back, flood, took) = storm(&mut peer, &plain, 5_000);
    assert!(flood >= 5_000 - 1_300, "only {flood} were counted");
    assert!(back < 100, "{back} datagrams were sent for it");
    assert!(took < Duration::from_millis(700), "a second of it took {took:?}");
    assert_served(&mut peer);
}

#[test]
fn reports_that_ask_for_everything_get_a_bounded_share_and_no_more_key_frames_than_others() {
    let (mut peer, sent) = listener();
    let media_ssrc = peer.ssrcs["slot"];
    let nacks = sent.chunks(17).map(|few| NackPair { packet_id: few[0], lost_packets: 0xffff }).collect();
    let fir = (0..40).map(|sequence_number| FirEntry { ssrc: media_ssrc, sequence_number }).collect();
    let all: [Box<dyn Rtcp>; 3] = [
        Box::new(PictureLossIndication { sender_ssrc: 1, media_ssrc }),
        Box::new(FullIntraRequest { sender_ssrc: 1, media_ssrc, fir }),
        Box::new(TransportLayerNack { sender_ssrc: 1, media_ssrc, nacks }),
    ];
    let plain = rtcp::write(&all).unwrap();
    let (back, flood, took) = storm(&mut peer, &plain, 5_000);
    assert!(flood >= 5_000 - 1_300, "only {flood} were counted");
    assert!((1..=4_000).contains(&back), "{back} packets were sent again");
    let keys = peer.seen.iter().filter(|output| matches!(output, Output::KeyFrame(..))).count();
    assert_eq!(keys, 0, "of sound no key frame is asked");
    assert!(took < Duration::from_millis(700), "a second of it took {took:?}");
    assert_served(&mut peer);
}
