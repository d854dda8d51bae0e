//! A device of our own and a platform, without media children: who may register, and what comes of it, over UDP and over TCP.

use std::collections::VecDeque;
use std::net::TcpListener;

use async_trait::async_trait;
use bytes::Bytes;
use hearing_config::Timestamp;

use super::*;
use crate::endpoint::gb28181::Gb28181;
use crate::endpoint::gb28181::play::{Came, Playing};
use crate::net::clock::NodeClock;
use crate::router::{Frame, Layer, Packet, Temporal};

/// A picture and a sound, thirty times a second.
struct Clip {
    tick: Interval,
    outputs: VecDeque<FeedOutput>,
}

#[async_trait]
impl Feed for Clip {
    fn handle(&mut self, _input: FeedInput) {}

    async fn next(&mut self) -> FeedOutput {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            self.tick.tick().await;
            let captured = Timestamp::now();
            let sets = [0x78, 0, 4, 0x67, 66, 0, 31, 0, 2, 0x68, 2];
            let picture = vec![Bytes::from(sets.to_vec()), Bytes::from_static(&[0x65, 1, 2, 3])];
            self.outputs.push_back(FeedOutput::Picture(Codec::H264, frame(captured, picture)));
            self.outputs.push_back(FeedOutput::Sound(Codec::Pcma, frame(captured, vec![vec![0xd5; 160].into()])));
        }
    }
}

fn frame(captured: Timestamp, payloads: Vec<Bytes>) -> Frame {
    let last = payloads.len() - 1;
    let packet = |(n, payload)| Packet {
        index: n as u64,
        layer: Layer(0),
        media_time: 0,
        captured,
        frame_start: n == 0,
        frame_end: n == last,
        key: true,
        generation: 0,
        temporal: Temporal::default(),
        level: None,
        payload,
    };
    Frame { packets: payloads.into_iter().enumerate().map(packet).collect() }
}

async fn platform(tcp: bool) -> Gb28181 {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
    let settings = hearing_config::Gb28181 {
        id: DeviceId::try_from("34020000002000000001".to_owned()).unwrap(),
        domain: "3402000000".to_owned(),
        udp: (!tcp).then_some(free),
        tcp: tcp.then_some(free),
        advertise: free.ip(),
        rtp: (30_000, 34_999),
        keepalive: 60,
        devices: Vec::new(),
    };
    Gb28181::start(&settings, NodeClock::begin()).await.unwrap()
}

fn account() -> Account {
    Account { user: "99000000001320000007".to_owned(), secret: "secret".to_owned() }
}

async fn visitor(platform: &Gb28181, account: Account) -> Visitor {
    Visitor::start(&platform.door().unwrap(), account).await.unwrap()
}

#[tokio::test]
async fn who_is_let_in_proves_it_and_is_nobody_before_and_after() {
    let platform = platform(false).await;
    let refused = async |account: Account| {
        let refuse = |_: &Takes| Err("nobody is to invite it".to_owned());
        visitor(&platform, account).await.attend(refuse).await.unwrap_err()
    };
    assert!(refused(account()).await.contains("403"), "nobody let it in");
    let device = DeviceId::try_from(account().user).unwrap();
    let pass = platform.admit(&device, &account().secret);
    let guess = Account { secret: "guess".to_owned(), ..account() };
    assert!(refused(guess).await.contains("401"));
    let there = visitor(&platform, account()).await;
    there.post.register(LASTS).await.unwrap();
    assert!(platform.0.target(code(&device)).is_some());
    drop(pass);
    assert!(platform.0.target(code(&device)).is_none(), "its pass is gone, and so is its registration");
    assert!(refused(account()).await.contains("403"), "its pass is gone");
    let nobody = Account { user: "room3".to_owned(), ..account() };
    let error = Visitor::start(&platform.door().unwrap(), nobody).await.err().unwrap();
    assert!(error.contains("room3: an identity has twenty digits"), "{error}");
}

#[tokio::test]
async fn it_registers_tells_what_it_has_is_invited_shows_and_lets_hear_and_ends_when_the_platform_hangs_up() {
    for tcp in [false, true] {
        let platform = platform(tcp).await;
        let device = DeviceId::try_from(account().user).unwrap();
        let _pass = platform.admit(&device, &account().secret);
        let clip = |_: &Takes| {
            let tick = interval(Duration::from_millis(33));
            Ok(Box::new(Clip { tick, outputs: VecDeque::new() }) as Box<dyn Feed>)
        };
        let attending = tokio::spawn(visitor(&platform, account()).await.attend(clip));
        let mut changed = platform.0.changed.subscribe();
        // It is there, and has told what it has.
        let has_told = |core: &Core| core.roster().about(code(&device)).is_some_and(|about| about.online == Some(true));
        let target = loop {
            if let Some(target) = platform.0.target(code(&device)).filter(|_| has_told(&platform.0)) {
                break target;
            }
            // What it says of itself is learnt after the last change is told.
            let _ = tokio::time::timeout(Duration::from_millis(20), changed.changed()).await;
        };
        assert_eq!(target.at.r#type.unwrap().to_string(), if tcp { "TCP" } else { "UDP" });
        let mut playing = Playing::invite(&platform.0, &target).await.unwrap();
        let mut kinds = [0; 2];
        while kinds.iter().any(|count| *count < 10) {
            let Came::Media(got) = playing.next(&platform.0).await.unwrap() else { panic!("no media") };
            got.iter().for_each(|got| kinds[usize::from(got.kind == Kind::Audio)] += got.packets.len());
        }
        drop(playing);
        assert_eq!(attending.await.unwrap(), Ok(()));
        assert!(platform.0.target(code(&device)).is_none(), "it has said goodbye");
    }
}
