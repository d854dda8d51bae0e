//! A client's end of one session, made of the same parts, over simulated datagrams in virtual time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{Codec, Kind, SeatId, Timestamp, TrackId};
use hearing_signaling::http::{Offer, Send, Slot};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::super::dtls::tests::Client;
use super::super::ice::tests::{check, path};
use super::super::rtp::Write;
use super::super::srtp::{PROFILES, Srtp};
use super::super::{Certificate, Restartable, Session, Settings};
use crate::router::{Layer, LayerSet, Leg as _, Output, Packet, Path, TrackInfo};

pub(super) const WALL: Timestamp = Timestamp(1_800_000_000_000_000);
pub(super) const OTHER: TrackId = TrackId { seat: SeatId(2), kind: Kind::Audio };

/// A client with one m-line that sends sound and one that receives it.
pub(super) struct Peer {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) session: Session,
    pub(super) settings: Settings,
    pub(super) offer: String,
    pub(super) restartable: Restartable,
    pub(super) client: Client,
    pub(super) username: String,
    pub(super) pwd: String,
    pub(super) srtp: Option<Srtp>,
    pub(super) seen: Vec<Output>,
    pub(super) ssrcs: HashMap<String, u32>,
}

impl Peer {
    pub(super) fn new() -> Self {
        let client = Client::new(&PROFILES);
        let fingerprint = client.fingerprint.clone();
        Self::with_fingerprint(client, &fingerprint)
    }

    pub(super) fn with_fingerprint(client: Client, fingerprint: &str) -> Self {
        Self::with(client, fingerprint, "")
    }

    /// What both lines say besides.
    pub(super) fn with(client: Client, fingerprint: &str, more: &str) -> Self {
        let line = |mid: &str, direction: &str| {
            format!(
                "m=audio 9 UDP/TLS/RTP/SAVPF 111 112\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:them\r\na=ice-pwd:0123456789012345678901\r\n\
                 a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
                 a=rtpmap:111 opus/48000/2\r\na=rtpmap:112 rtx/48000\r\na=fmtp:112 apt=111\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n{more}"
            )
        };
        let sdp = format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n{}{}",
            line("0", "sendonly"),
            line("1", "recvonly")
        );
        let offer = Offer {
            sdp,
            sends: vec![Send { mid: "0".to_owned(), kind: Kind::Audio }],
            slots: vec![Slot { mid: "1".to_owned(), seat: SeatId(2), kind: Kind::Audio }],
        };
        let settings = Settings {
            addresses: vec!["192.0.2.9:7000".parse().unwrap()],
            tcp: Vec::new(),
            certificate: Certificate::generate().unwrap(),
        };
        let now = Instant::now();
        let zone = "internet".parse().unwrap();
        let (session, answer, restartable) = Session::answer(&settings, &offer, SeatId(1), zone, now, WALL).unwrap();
        let value = |key: &str| {
            let at = answer.sdp.find(key).unwrap() + key.len();
            answer.sdp[at..].split(['\r', ' ']).next().unwrap().to_owned()
        };
        assert_eq!(value("a=ice-ufrag:"), answer.ufrag);
        let (username, pwd) = (format!("{}:them", answer.ufrag), value("a=ice-pwd:"));
        let ssrcs = HashMap::from([("slot".to_owned(), value("a=ssrc:").parse().unwrap())]);
        let offer = offer.sdp;
        Self {
            start: now,
            now,
            session,
            settings,
            offer,
            restartable,
            client,
            username,
            pwd,
            srtp: None,
            seen: Vec::new(),
            ssrcs,
        }
    }

    pub(super) fn connected() -> Self {
        Self::new().connect()
    }

    pub(super) fn connect(self) -> Self {
        let mut peer = self;
        peer.check(path(1), true);
        peer.client.begin(peer.now);
        peer.shake(path(1));
        assert!(peer.seen.contains(&Output::Connected));
        peer
    }

    pub(super) fn check(&mut self, from: Path, nominate: bool) {
        let datagram = check(&self.username, &self.pwd, nominate);
        self.session.handle_datagram(self.now, from, &datagram);
    }

    /// Lets time pass in steps at which the session wants it.
    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.session.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub(super) fn drain(&mut self) -> Vec<(Path, Bytes)> {
        let mut sent = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit { path, datagrams, segment } => {
                    let size = segment.map_or(datagrams.len(), usize::from);
                    sent.extend(datagrams.chunks(size).map(|datagram| (path, Bytes::copy_from_slice(datagram))));
                }
                other => self.seen.push(other),
            }
        }
        sent
    }

    pub(super) fn shake(&mut self, from: Path) {
        for _ in 0..20 {
            while let Some(datagram) = self.client.poll() {
                self.session.handle_datagram(self.now, from, &datagram);
            }
            for (_, datagram) in self.drain() {
                if matches!(datagram[0], 20..=63) {
                    self.client.read(self.now, &datagram);
                }
            }
        }
        if self.srtp.is_none() {
            self.srtp = protection(&self.client);
        }
    }

    pub(super) fn speak(&mut self, from: Path, sequence: u16) {
        let mut plain = Vec::new();
        let write = Write {
            padded: false,
            marker: false,
            payload_type: 111,
            sequence,
            timestamp: u32::from(sequence) * 960,
            ssrc: 55,
            transport: None,
        };
        write.append(&mut plain);
        plain.extend_from_slice(b"sound");
        let sealed = self.srtp.as_mut().unwrap().seal(&plain, 55, sequence, write.len()).unwrap();
        self.session.handle_datagram(self.now, from, &sealed);
    }

    /// The other seat's sound may be sent to it.
    pub(super) fn may_hear(&mut self) {
        let (codec, origin) = (Codec::Opus, "gov".parse().unwrap());
        let info = TrackInfo { id: OTHER, codec, origin, layers: LayerSet(1), held: false };
        self.session.handle_track(self.now, &info);
    }

    pub(super) fn heard(&mut self) -> Vec<u64> {
        self.drain();
        let packets = self.seen.drain(..).filter_map(|output| match output {
            Output::Packet(_, packet) => Some(packet.index),
            _ => None,
        });
        packets.collect()
    }

    pub(super) fn closed(&self) -> Option<&str> {
        self.seen.iter().find_map(|output| match output {
            Output::Closed(reason) => Some(reason.as_str()),
            _ => None,
        })
    }
}

/// What a client protects its packets with, once its handshake is done.
pub(super) fn protection(client: &Client) -> Option<Srtp> {
    let (profile, material) = client.keys()?;
    // The client's keys are the server's in the other order: key, key, salt, salt.
    let swapped = [&material[16..32], &material[..16], &material[44..56], &material[32..44]].concat();
    let provider = rtc_srtp::crypto::default_provider().unwrap();
    Srtp::new(SrtpProtectionProfile::from(profile), &provider, |_| Some(swapped))
}

pub(super) fn sound(index: u64, at: i64) -> Packet {
    Packet {
        index,
        layer: Layer(0),
        media_time: at * 48,
        captured: WALL.plus(at * 1000),
        frame_start: true,
        frame_end: true,
        key: true,
        generation: 0,
        temporal: Default::default(),
        level: None,
        payload: Bytes::from_static(b"sound"),
    }
}
