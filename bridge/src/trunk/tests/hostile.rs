//! A peer with a good certificate and bad manners.

use hearing_proto::wire::{
    self, Announce, FrameHead, HEADER_LEN, Hello, MediaPlan, Message, ParityHead, RecordOrder, SYMBOL, Take, TrackUp,
    Welcome, encode, encode_frame, encode_parity,
};
use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream};

use super::super::{GateSide, Settings, convert, transport};
use super::harness::{
    Authority, Heard, Node, both_ways, crossing, free_address, identity, peer, settings, until, zone,
};
use crate::net::tls::{Identity, TrunkTls};
use hearing_config::{DenyReason, Kind, Verdict};

/// A home node and a peer that speaks for itself.
struct Scene {
    home: Node,
    endpoint: Endpoint,
    address: std::net::SocketAddr,
    edge: Identity,
    _authority: Authority,
}

async fn scene() -> Scene {
    let authority = Authority::new();
    let (home, edge) = (identity("court", "home"), identity("inet", "edge"));
    let (home_pki, edge_pki) = (authority.issue(&home, 1), authority.issue(&edge, 2));
    let address = free_address().await;
    let policy = [both_ways(), vec![crossing("gov", "court")]].concat();
    let settings = Settings { listen: Some(address), ..settings(&home, &home_pki, policy, vec![peer(&edge, None)]) };
    let home = Node::start(settings, &home_pki).await;
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(transport::client(&TrunkTls::load(&edge_pki).unwrap(), 1_000).unwrap());
    Scene { home, endpoint, address, edge, _authority: authority }
}

impl Scene {
    async fn connect(&self) -> Connection {
        self.endpoint.connect(self.address, "trunk.invalid").unwrap().await.unwrap()
    }

    /// Greets as it should be.
    async fn greet(&self) -> (Connection, SendStream, RecvStream) {
        let connection = self.connect().await;
        let (mut send, receive) = connection.open_bi().await.unwrap();
        say(&mut send, &self.hello("edge").into()).await;
        say(&mut send, &Welcome {}.into()).await;
        say(&mut send, &Take {}.into()).await;
        until("the trunk is up", || self.home.is_up()).await;
        (connection, send, receive)
    }

    fn hello(&self, node: &str) -> Hello {
        Hello { node: node.into(), zone: self.edge.zone.to_string(), software: "test".into() }
    }
}

async fn say(send: &mut SendStream, message: &Message) {
    let mut bytes = Vec::new();
    encode(message, &mut bytes).unwrap();
    send.write_all(&bytes).await.unwrap();
}

async fn closed_as(connection: &Connection) -> String {
    match connection.closed().await {
        ConnectionError::ApplicationClosed(close) => String::from_utf8(close.reason.to_vec()).unwrap(),
        other => panic!("{other}"),
    }
}

fn frame(flow: u32, number: u64) -> bytes::Bytes {
    numbered(flow, number, b"media")
}

fn frame_of(flow: u32, payload: &'static [u8]) -> bytes::Bytes {
    numbered(flow, 0, payload)
}

fn numbered(flow: u32, number: u64, payload: &'static [u8]) -> bytes::Bytes {
    let head = FrameHead {
        flow,
        layer: 0,
        number,
        index: number,
        media_time: 0,
        captured: 0,
        key: true,
        generation: 0,
        temporal: 0,
        level: None,
    };
    encode_frame(&head, &[bytes::Bytes::from_static(payload)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_before_the_welcome() {
    let scene = scene().await;
    let connection = scene.connect().await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    connection.send_datagram(frame(2, 0)).unwrap();
    let mut media = connection.open_uni().await.unwrap();
    media.write_all(&frame(2, 1)).await.unwrap();
    media.finish().unwrap();
    say(&mut send, &scene.hello("edge").into()).await;
    let mut bytes = [0; HEADER_LEN];
    receive.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes[1], 1, "the first that home says is its hello");
    assert!(!scene.home.is_up());
    say(&mut send, &wire::Ping { at: 0 }.into()).await;
    assert_eq!(closed_as(&connection).await, "protocol");
    let status = scene.home.status();
    assert_eq!((status.links, status.received, status.up), (0, 0, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_contradicts_the_certificate_is_refused() {
    let scene = scene().await;
    let connection = scene.connect().await;
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    say(&mut send, &scene.hello("home").into()).await;
    assert_eq!(closed_as(&connection).await, "contradiction");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_messages_that_cannot_be_read_close_the_link_with_a_named_error() {
    let scene = scene().await;
    let oversize = [&[wire::VERSION, 24][..], &[0, 0, 255, 255]].concat();
    let unknown = [&[wire::VERSION, 99][..], &[0, 0, 0, 0]].concat();
    let garbage = [&[wire::VERSION, 30][..], &[0, 0, 0, 3], &[255, 255, 255]].concat();
    let version = [&[wire::VERSION + 1, 4][..], &[0, 0, 0, 1], &[0]].concat();
    for (bytes, word) in [(oversize, "malformed"), (unknown, "malformed"), (garbage, "malformed"), (version, "version")]
    {
        let (connection, mut send, _receive) = scene.greet().await;
        send.write_all(&bytes).await.unwrap();
        assert_eq!(closed_as(&connection).await, word);
        until("the trunk is down", || !scene.home.is_up()).await;
    }
    assert_eq!(scene.home.status().links, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_can_be_read_and_cannot_be_close_the_link_too() {
    let scene = scene().await;
    let seat = wire::PlannedSeat {
        name: "x".into(),
        role: wire::Role::Judge,
        zone: "Not A Zone".into(),
        admitted: true,
        required: Vec::new(),
        terminal: None,
    };
    let plan = MediaPlan { revision: 1, seats: vec![seat], rows: Vec::new(), record: RecordOrder::Off };
    let (connection, mut send, _receive) = scene.greet().await;
    say(&mut send, &Announce { hearing: [1; 16], plan }.into()).await;
    assert_eq!(closed_as(&connection).await, "invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_no_accepted_track_covers_and_rubbish_are_counted_and_too_much_rubbish_ends_the_link() {
    let scene = scene().await;
    let (connection, _send, _receive) = scene.greet().await;
    connection.send_datagram(frame(7, 0)).unwrap();
    until("the stray frame is counted", || scene.home.status().stray == 1).await;
    connection.send_datagram(vec![255; 40].into()).unwrap();
    until("the rubbish is counted", || scene.home.status().malformed == 1).await;
    for _ in 0..200 {
        drop(connection.send_datagram(vec![255; 40].into()));
    }
    assert_eq!(closed_as(&connection).await, "bad_media");
}

#[tokio::test(flavor = "multi_thread")]
async fn parity_of_streams_that_are_not_there_or_that_contradicts_its_stream_is_counted_and_harms_no_frame() {
    let scene = scene().await;
    let (connection, _send, _receive) = scene.greet().await;
    let parity = |stream, length| {
        encode_parity(&ParityHead { stream, length, count: 1, first: 0 }, &[&[7; SYMBOL][..]]).unwrap()
    };
    connection.send_datagram(parity(1 << 40, 400)).unwrap();
    until("parity of no stream is counted", || scene.home.status().malformed == 1).await;
    let frame = frame_of(7, &[7; 1_000]);
    // Shorter than the stream, and two lengths for one stream.
    connection.send_datagram(parity(0, 400)).unwrap();
    connection.send_datagram(parity(0, 401)).unwrap();
    connection.send_datagram(parity(1, frame.len() as u32)).unwrap();
    let (mut first, mut second) = (connection.open_uni().await.unwrap(), connection.open_uni().await.unwrap());
    first.write_all(&frame).await.unwrap();
    first.finish().unwrap();
    // Its end never comes; all that its parity announces does.
    second.write_all(&frame).await.unwrap();
    until("both frames are there", || scene.home.status().stray == 2).await;
    assert_eq!(scene.home.status().malformed, 3);
    assert_eq!(second.stopped().await.unwrap(), Some(super::super::control::MENDED));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_vouches_for_a_foreign_origin_is_refused_and_told() {
    let scene = scene().await;
    let started = scene.home.registry.start("(2022)内0291刑初9号", "trial").await.unwrap();
    let (connection, mut send, _receive) = scene.greet().await;
    let up = |flow, seat, origin: &str| TrackUp {
        hearing: convert::hearing_to(started.id),
        flow,
        track: wire::TrackId { seat, kind: wire::Kind::Audio },
        codec: wire::Codec::Opus,
        origin: origin.into(),
        role: wire::Role::Judge,
        layers: 1,
        held: false,
    };
    // Another zone's track, and the judge's own seat as if the judge sat in the peer's zone.
    say(&mut send, &up(2, 1, "gov").into()).await;
    say(&mut send, &up(3, 0, "inet").into()).await;
    say(&mut send, &up(4, 1, "inet").into()).await;
    let verdict = |seat: u8, from: &str| {
        let of = |v: &super::super::CrossingVerdict| {
            v.track.seat.0 == seat && v.from == zone(from) && v.gate == GateSide::Ingress
        };
        scene.home.trunks.verdicts().into_iter().find(of).map(|v| v.verdict)
    };
    until("all three are judged", || verdict(1, "inet").is_some()).await;
    let not = Some(Verdict::Deny(DenyReason::NotVouched));
    assert_eq!((verdict(1, "gov"), verdict(0, "inet")), (not.clone(), not));
    assert_eq!(verdict(1, "inet"), Some(Verdict::Inspect));
    let before = scene.home.status();
    for (number, flow) in [(0, 2), (0, 3), (0, 4), (1, 4)] {
        connection.send_datagram(frame(flow, number)).unwrap();
    }
    until("only the accepted track's frames are taken", || scene.home.status().received == before.received + 2).await;
    until("the others are counted", || scene.home.status().stray == before.stray + 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_claim_a_hearing_that_is_at_home_here_nor_report_on_its_seats() {
    let scene = scene().await;
    let started = scene.home.registry.start("(2022)内0291刑初9号", "trial").await.unwrap();
    let handle = scene.home.handle(started.id).await;
    let heard: Heard = scene.home.sit(started.id, 0, &[Kind::Audio]);
    let (connection, mut send, _receive) = scene.greet().await;
    let hearing = convert::hearing_to(started.id);
    let plan = MediaPlan { revision: 99, seats: Vec::new(), rows: Vec::new(), record: RecordOrder::Off };
    say(&mut send, &Announce { hearing, plan }.into()).await;
    say(&mut send, &wire::Report { hearing, seat: 0, report: wire::SeatReport::Disconnected }.into()).await;
    say(&mut send, &wire::Withdraw { hearing }.into()).await;
    say(
        &mut send,
        &wire::KeyFrame { hearing, track: wire::TrackId { seat: 0, kind: wire::Kind::Audio }, layer: 9 }.into(),
    )
    .await;
    assert_eq!(closed_as(&connection).await, "invalid");
    assert_eq!(handle.show().await.unwrap().view.seats.len(), 3);
    assert!(scene.home.registry.find(started.id).is_some());
    assert_eq!(heard.key_requests(), 0);
}
