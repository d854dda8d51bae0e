//! An offer of a client, and the first datagrams of one.
#![no_main]

use std::sync::OnceLock;
use std::time::Instant;

use hearing_bridge::endpoint::webrtc::{Certificate, Session, Settings};
use hearing_bridge::router::{Leg, Path, Transport};
use hearing_config::{Kind, SeatId, Timestamp};
use hearing_signaling::http::{Offer, Send, Slot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| Settings {
        addresses: vec!["192.0.2.9:7000".parse().expect("an address")],
        tcp: vec!["192.0.2.9:443".parse().expect("an address")],
        certificate: Certificate::generate().expect("a certificate"),
    });
    let (sdp, datagram) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let offer = Offer {
        sdp: String::from_utf8_lossy(sdp).into_owned(),
        sends: vec![Send { mid: "0".to_owned(), kind: Kind::Audio }, Send { mid: "1".to_owned(), kind: Kind::Video }],
        slots: vec![Slot { mid: "2".to_owned(), seat: SeatId(2), kind: Kind::Video }],
    };
    let (now, zone) = (Instant::now(), "internet".parse().expect("a zone"));
    if let Ok((mut session, _, restartable)) = Session::answer(settings, &offer, SeatId(1), zone, now, Timestamp(0)) {
        drop(restartable.restart(settings, &offer.sdp));
        let path = Path { remote: "192.0.2.1:1".parse().expect("an address"), transport: Transport::Udp };
        session.handle_datagram(now, path, datagram);
        while session.poll_output().is_some() {}
    }
});
