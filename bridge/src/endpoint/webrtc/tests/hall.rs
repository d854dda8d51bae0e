//! One hearing on two workers: real threads, real sockets, real clients on both. Some sessions live with their hearing's router,
//! the others on another worker, and nobody can tell which.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearing_config::{HearingId, Kind, Role, SeatId, TrackId};
use hearing_signaling::hearing::{MediaPlan, PlannedSeat, RecordOrder, Row, SeatSet};
use hearing_signaling::http::{Offer, Send, Slot};
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::dtls::tests::Client;
use super::super::ice::tests::check;
use super::super::rtcp::{self, Report};
use super::super::rtp::{Header, Write};
use super::super::srtp::{PROFILES, Srtp};
use super::super::{Answer, Certificate, Session, Settings};
use super::peer::{WALL, protection};
use crate::router::{Attach, Command, Event, LegId, Place, Worker, WorkerHandle, attach};

/// One who sends sound, and the first a picture as well, and receives everybody's.
struct Visitor {
    seat: u8,
    socket: UdpSocket,
    client: Client,
    to: SocketAddr,
    check: (String, String),
    /// When it repeats what was not answered.
    due: Instant,
    srtp: Option<Srtp>,
    /// By source number.
    slots: BTreeMap<u32, TrackId>,
    heard: BTreeMap<TrackId, BTreeSet<u64>>,
    /// Key frames that it was asked for.
    keys: usize,
}

impl Visitor {
    /// Joins the hearing of `owner`; its session lives on `at`.
    fn join(seat: u8, leg: u64, (owner, at): (&WorkerHandle, &WorkerHandle)) -> Self {
        let client = Client::new(&PROFILES);
        let others = (0..SEATS).filter(|other| *other != seat);
        let mut lines = vec![("s".to_owned(), "audio", "sendonly")];
        if seat == 0 {
            lines.push(("p".to_owned(), "video", "sendonly"));
        } else {
            lines.push(("v0".to_owned(), "video", "recvonly"));
        }
        lines.extend(others.clone().map(|other| (format!("a{other}"), "audio", "recvonly")));
        let mut slots: Vec<Slot> =
            others.map(|other| Slot { mid: format!("a{other}"), seat: SeatId(other), kind: Kind::Audio }).collect();
        let mut sends = vec![Send { mid: "s".to_owned(), kind: Kind::Audio }];
        if seat == 0 {
            sends.push(Send { mid: "p".to_owned(), kind: Kind::Video });
        } else {
            slots.push(Slot { mid: "v0".to_owned(), seat: SeatId(0), kind: Kind::Video });
        }
        let offer = Offer { sdp: sdp(&client.fingerprint, &lines), sends, slots };
        let certificate = Certificate::generate().unwrap();
        let settings = Settings { addresses: vec![at.local_addr()], tcp: Vec::new(), certificate };
        let now = Instant::now();
        let zone = "gov".parse().unwrap();
        let (session, answer, _) = Session::answer(&settings, &offer, SeatId(seat), zone, now, WALL).unwrap();
        let (ufrag, place) = (answer.ufrag.clone(), Place::Seat(SeatId(seat)));
        let whole = Attach { hearing: hearing(), id: LegId(leg), place, ufrag: Some(ufrag), leg: Box::new(session) };
        attach(whole, owner, at).unwrap();
        Self::of(seat, client, at.local_addr(), &answer)
    }

    fn of(seat: u8, client: Client, to: SocketAddr, answer: &Answer) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let value = |text: &str, key: &str| {
            let at = text.find(key)? + key.len();
            Some(text[at..].split(['\r', ' ']).next()?.to_owned())
        };
        let slot = |section: &str| {
            let (mid, ssrc) = (value(section, "a=mid:")?, value(section, "a=ssrc:")?);
            let kind = if mid.starts_with('v') { Kind::Video } else { Kind::Audio };
            Some((ssrc.parse().ok()?, TrackId { seat: SeatId(mid[1..].parse().ok()?), kind }))
        };
        let slots = answer.sdp.split("\r\nm=").filter_map(slot).collect();
        let check = (format!("{}:them", answer.ufrag), value(&answer.sdp, "a=ice-pwd:").unwrap());
        let (due, srtp, heard, keys) = (Instant::now(), None, BTreeMap::new(), 0);
        Self { seat, socket, client, to, check, due, srtp, slots, heard, keys }
    }

    fn begin(&mut self) {
        self.client.begin(Instant::now());
    }

    /// As browsers do: a worker may read a check before it knows the session, and then what follows it is lost as well.
    fn knock(&mut self, now: Instant) {
        self.due = now + REPEAT;
        self.socket.send_to(&check(&self.check.0, &self.check.1, true), self.to).unwrap();
        self.client.repeat(now);
    }

    /// Reads what came; true once it is connected.
    fn turn(&mut self) -> bool {
        let (now, mut buffer) = (Instant::now(), [0; 2_048]);
        if self.srtp.is_none() && now >= self.due {
            self.knock(now);
        }
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            match buffer[0] {
                20..=63 => self.client.read(now, &buffer[..len]),
                128..=191 => self.take(&buffer[..len]),
                _ => {}
            }
        }
        while let Some(datagram) = self.client.poll() {
            self.socket.send_to(&datagram, self.to).unwrap();
        }
        if self.srtp.is_none() {
            self.srtp = protection(&self.client);
        }
        self.srtp.is_some()
    }

    fn take(&mut self, datagram: &[u8]) {
        let Some(srtp) = &mut self.srtp else { return };
        if matches!(datagram[1], 192..=223) {
            let plain = srtp.open_rtcp(datagram).expect("what its session sends is well protected");
            rtcp::read(&plain, |report| self.keys += usize::from(matches!(report, Report::KeyFrame { .. })));
            return;
        }
        let header = Header::read(datagram).unwrap();
        let plain = srtp.open(datagram, &header).expect("what its session sends is well protected");
        let track = self.slots[&header.ssrc];
        // The last 8 bytes tell which packet it is.
        let mark = u64::from_be_bytes(*plain.last_chunk().unwrap());
        assert_eq!(mark >> 32, u64::from(track.seat.0), "a slot carries its own seat and no other");
        self.heard.entry(track).or_default().insert(mark & 0xffff_ffff);
    }

    fn send(&mut self, kind: Kind, sequence: u16) {
        let (payload_type, ssrc, step) = match kind {
            Kind::Audio => (111, 1_000 + u32::from(self.seat), 960),
            Kind::Video | Kind::Screen => (96, 2_000 + u32::from(self.seat), 3_000),
        };
        let timestamp = u32::from(sequence) * step;
        let write = Write { padded: false, marker: true, payload_type, sequence, timestamp, ssrc, transport: None };
        let mut plain = Vec::new();
        write.append(&mut plain);
        if kind == Kind::Video {
            // A whole VP8 key frame of 640x360 (RFC 7741 section 4.2, RFC 6386 section 9.1).
            plain.extend_from_slice(&[0x10, 0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
        }
        plain.extend_from_slice(&(u64::from(self.seat) << 32 | u64::from(sequence)).to_be_bytes());
        let sealed = self.srtp.as_mut().unwrap().seal(&plain, ssrc, sequence, write.len()).unwrap();
        self.socket.send_to(&sealed, self.to).unwrap();
    }

    /// Asks for a key frame of the picture that it gets.
    fn ask_key(&mut self) {
        let slot = self.slots.iter().find(|(_, track)| track.kind == Kind::Video);
        let media_ssrc = *slot.expect("everybody but the first has one").0;
        let plain = rtcp::write(&[Box::new(PictureLossIndication { sender_ssrc: 1, media_ssrc })]).unwrap();
        let sealed = self.srtp.as_mut().unwrap().seal_rtcp(&plain).unwrap();
        self.socket.send_to(&sealed, self.to).unwrap();
    }

    fn has(&self, track: TrackId, sequence: u16) -> bool {
        self.heard.get(&track).is_some_and(|heard| heard.contains(&u64::from(sequence)))
    }
}

fn sdp(fingerprint: &str, lines: &[(String, &str, &str)]) -> String {
    let line = |(mid, kind, direction): &(String, &str, &str)| {
        let (number, codec) = if *kind == "audio" { (111, "opus/48000/2") } else { (96, "VP8/90000") };
        let feedback = if *kind == "audio" { "" } else { "a=rtcp-fb:96 nack pli\r\n" };
        format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {number}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:them\r\na=ice-pwd:0123456789012345678901\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
             a=rtpmap:{number} {codec}\r\n{feedback}"
        )
    };
    let bundle: Vec<&str> = lines.iter().map(|(mid, ..)| mid.as_str()).collect();
    let lines: String = lines.iter().map(line).collect();
    format!("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n{lines}", bundle.join(" "))
}

const fn hearing() -> HearingId {
    HearingId(Uuid::nil())
}

/// Everybody is admitted and may have everything, but for what `muted` says.
fn everybody(revision: u64, muted: Option<u8>) -> Arc<MediaPlan> {
    let seat = |id| PlannedSeat {
        id: SeatId(id),
        name: format!("seat{id}"),
        role: Role::Party,
        zone: "gov".parse().unwrap(),
        admitted: true,
        required: Vec::new(),
        terminal: None,
    };
    let row = |track: TrackId| {
        let audience: SeatSet = (0..SEATS).map(SeatId).filter(|_| muted != Some(track.seat.0)).collect();
        Row { track, audience, recorded: false }
    };
    let sounds = (0..SEATS).map(|seat| TrackId { seat: SeatId(seat), kind: Kind::Audio });
    let rows = sounds.chain([PICTURE]).map(row).collect();
    Arc::new(MediaPlan { revision, seats: (0..SEATS).map(seat).collect(), rows, record: RecordOrder::Off })
}

/// Lets everybody read until `done`, or for as long as a slow machine may need.
fn until(visitors: &mut [Visitor], what: &str, mut done: impl FnMut(&mut [Visitor]) -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        visitors.iter_mut().for_each(|visitor| _ = visitor.turn());
        if done(visitors) {
            return;
        }
        assert!(Instant::now() < patience, "{what}: not within a minute");
        std::thread::yield_now();
    }
}

/// Everybody sends the packet `sequence`; waits until everybody has everybody's.
fn round(visitors: &mut [Visitor], sequence: u16) {
    visitors.iter_mut().for_each(|visitor| visitor.send(Kind::Audio, sequence));
    visitors[0].send(Kind::Video, sequence);
    until(visitors, "everybody gets everybody's packets", |visitors| {
        let sound = |seat| TrackId { seat: SeatId(seat), kind: Kind::Audio };
        visitors.iter().all(|visitor| {
            let mut others = (0..SEATS).filter(|seat| *seat != visitor.seat);
            others.all(|seat| visitor.has(sound(seat), sequence))
                && (visitor.seat == 0 || visitor.has(PICTURE, sequence))
        })
    });
}

/// What is sent before everybody has been granted everything reaches some only; fifty packets a second, as clients send them.
fn warm_up(visitors: &mut [Visitor]) -> u16 {
    let (mut sequence, mut due) = (0, Instant::now());
    until(visitors, "the first packets reach everybody", |visitors| {
        if due <= Instant::now() {
            (sequence, due) = (sequence + 1, due + Duration::from_millis(20));
            visitors.iter_mut().for_each(|visitor| visitor.send(Kind::Audio, sequence));
            visitors[0].send(Kind::Video, sequence);
        }
        visitors.iter().all(|visitor| visitor.heard.len() == visitor.slots.len())
    });
    sequence + 1
}

#[test]
fn in_a_hearing_on_two_workers_everybody_gets_everybodys_packets_and_nobody_a_muted_persons() {
    let worker = |index| Worker::spawn("127.0.0.1:0".parse().unwrap(), index).unwrap();
    let (home, other) = (worker(0), worker(1));
    let (events, mut reports) = mpsc::channel(1_024);
    home.send(Command::Open { hearing: hearing(), zone: "gov".parse().unwrap(), events }).unwrap();
    home.send(Command::Plan { hearing: hearing(), plan: everybody(1, None) }).unwrap();
    let at = |seat| if seat % 3 == 0 { &home } else { &other };
    let mut visitors: Vec<Visitor> =
        (0..SEATS).map(|seat| Visitor::join(seat, u64::from(seat) + 1, (&home, at(seat)))).collect();
    visitors.iter_mut().for_each(Visitor::begin);
    until(&mut visitors, "everybody is connected", |visitors| visitors.iter().all(|visitor| visitor.srtp.is_some()));
    let first = warm_up(&mut visitors);
    (first..first + 10).for_each(|sequence| round(&mut visitors, sequence));

    let before = visitors[0].keys;
    let far = visitors.iter_mut().find(|visitor| visitor.to == other.local_addr()).unwrap();
    far.ask_key();
    until(&mut visitors, "the first is asked for a key frame", |visitors| visitors[0].keys > before);

    mute(&mut visitors, &home, first + 10);
    let far: BTreeSet<u8> = visitors.iter().filter(|v| v.to == other.local_addr()).map(|v| v.seat).collect();
    tell_of_everybody(&mut visitors, &mut reports, &far);

    let addresses = [home.local_addr(), other.local_addr()];
    home.send(Command::Close { hearing: hearing() }).unwrap();
    drop((home, other));
    // Threads end and free their ports only when no session keeps the other worker.
    let free = |address: &SocketAddr| UdpSocket::bind(address).is_ok();
    until(&mut [], "both workers end", |_| addresses.iter().all(free));
}

/// A person who sits on the other worker is muted: not a packet of it comes through any more.
fn mute(visitors: &mut [Visitor], home: &WorkerHandle, sequence: u16) {
    const MUTED: u8 = 1;
    home.send(Command::Plan { hearing: hearing(), plan: everybody(2, Some(MUTED)) }).unwrap();
    // Commands keep their order: once this is answered the plan is in force.
    let (reply, answer) = tokio::sync::oneshot::channel();
    home.send(Command::Report { reply }).unwrap();
    answer.blocking_recv().unwrap();
    visitors.iter_mut().for_each(|visitor| visitor.send(Kind::Audio, sequence));
    let sound = |seat| TrackId { seat: SeatId(seat), kind: Kind::Audio };
    until(visitors, "everybody hears all others", |visitors| {
        visitors.iter().all(|visitor| {
            let mut others = (0..SEATS).filter(|seat| *seat != visitor.seat && *seat != MUTED);
            others.all(|seat| visitor.has(sound(seat), sequence))
        })
    });
    // What was sent before it has come, so it would have come as well.
    (sequence + 1..sequence + 5).for_each(|sequence| {
        visitors[usize::from(MUTED)].send(Kind::Audio, sequence);
        visitors[2].send(Kind::Audio, sequence);
        until(visitors, "the next one is heard", |visitors| visitors[0].has(sound(2), sequence));
    });
    let of_muted = |visitor: &Visitor| (sequence..sequence + 5).any(|n| visitor.has(sound(MUTED), n));
    assert!(!visitors.iter().any(of_muted), "a muted person was heard");
}

/// Every seat was reported as connected, and those on the other worker have their figures.
fn tell_of_everybody(visitors: &mut [Visitor], reports: &mut mpsc::Receiver<Event>, far: &BTreeSet<u8>) {
    let (mut connected, mut figures) = (BTreeSet::new(), BTreeSet::new());
    until(visitors, "everybody is reported", |_| {
        while let Ok(event) = reports.try_recv() {
            match event {
                Event::Connected(seat) => _ = connected.insert(seat.0),
                Event::Quality(seat, _) => _ = figures.insert(seat.0),
                other => assert!(!matches!(other, Event::Disconnected(..) | Event::LegClosed(..)), "{other:?}"),
            }
        }
        connected.len() == usize::from(SEATS) && figures.is_superset(far)
    });
}

const REPEAT: Duration = Duration::from_millis(100);
const SEATS: u8 = 20;
const PICTURE: TrackId = TrackId { seat: SeatId(0), kind: Kind::Video };
