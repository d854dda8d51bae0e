//! Fake legs and their surroundings for tests in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{Codec, HearingId, Kind, Role, SeatId, Timestamp, TrackId, Zone};
use hearing_signaling::hearing::{MediaPlan, PlannedSeat, RecordOrder, Row, SeatSet};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::leg::{Control, Delivery, IceRestart, Leg, LegId, Output, Path, Place, Transport};
use super::packet::{Frame, Layer, LayerSet, Packet};
use super::rendition::CodecSet;
use super::switchboard::Switchboard;
use super::track::TrackInfo;
use super::worker::{Attach, Command, Event, Report};

/// What a fake leg was handed, and what it is going to say.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) tracks: Vec<TrackInfo>,
    pub(super) ended: Vec<TrackId>,
    pub(super) packets: Vec<(TrackId, Packet)>,
    pub(super) frames: Vec<(TrackId, Frame)>,
    pub(super) controls: Vec<Control>,
    pub(super) datagrams: Vec<Vec<u8>>,
    pub(super) wanted: BTreeMap<TrackId, LayerSet>,
    /// What it takes; `None`: every codec.
    pub(super) takes: Option<CodecSet>,
    /// It panics with the next packet.
    pub(super) faulty: bool,
    pub(super) restarts: usize,
    outputs: VecDeque<Output>,
}

impl Notes {
    /// What the leg says when it is drained next.
    pub(super) fn say(&mut self, outputs: impl IntoIterator<Item = Output>) {
        self.outputs.extend(outputs);
    }
}

/// A leg that takes packets, and its notes.
pub(super) fn fake_leg() -> (Box<dyn Leg>, Arc<Mutex<Notes>>) {
    let notes = Arc::new(Mutex::new(Notes::default()));
    (Box::new(FakeLeg { delivery: Delivery::Packets, notes: notes.clone() }), notes)
}

/// A leg that notes everything and says what was prepared for it.
struct FakeLeg {
    delivery: Delivery,
    notes: Arc<Mutex<Notes>>,
}

impl Leg for FakeLeg {
    fn delivery(&self) -> Delivery {
        self.delivery
    }

    fn takes(&self, _: Kind) -> CodecSet {
        self.notes.lock().unwrap().takes.unwrap_or(CodecSet::ALL)
    }

    fn handle_track(&mut self, _: Instant, info: &TrackInfo) {
        self.notes.lock().unwrap().tracks.push(info.clone());
    }

    fn handle_track_end(&mut self, _: Instant, track: TrackId) {
        self.notes.lock().unwrap().ended.push(track);
    }

    fn handle_packet(&mut self, _: Instant, track: TrackId, packet: &Packet) {
        let faulty = self.notes.lock().unwrap().faulty;
        assert!(!faulty, "fault");
        self.notes.lock().unwrap().packets.push((track, packet.clone()));
    }

    fn handle_frame(&mut self, _: Instant, track: TrackId, frame: &Frame) {
        self.notes.lock().unwrap().frames.push((track, frame.clone()));
    }

    fn handle_control(&mut self, _: Instant, control: Control) {
        self.notes.lock().unwrap().controls.push(control);
    }

    fn handle_datagram(&mut self, _: Instant, _: Path, datagram: &[u8]) {
        self.notes.lock().unwrap().datagrams.push(datagram.to_vec());
    }

    fn handle_restart(&mut self, _: Instant, _: IceRestart) -> bool {
        self.notes.lock().unwrap().restarts += 1;
        true
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.notes.lock().unwrap().outputs.pop_front()
    }

    fn wanted(&self, track: TrackId) -> LayerSet {
        self.notes.lock().unwrap().wanted.get(&track).copied().unwrap_or(LayerSet::ALL)
    }
}

/// One hearing on a switchboard, with a clock of its own.
pub(super) struct Court {
    board: Switchboard,
    pub(super) now: Instant,
    pub(super) hearing: HearingId,
    events: mpsc::Receiver<Event>,
    legs: BTreeMap<LegId, Arc<Mutex<Notes>>>,
    pub(super) sent: Vec<(Path, Bytes)>,
}

impl Court {
    /// A hearing in zone `gov`; room for `events` reports.
    pub(super) fn open(events: usize) -> Self {
        let (sender, receiver) = mpsc::channel(events);
        let hearing = HearingId(Uuid::nil());
        let mut court = Self {
            board: Switchboard::default(),
            now: Instant::now(),
            hearing,
            events: receiver,
            legs: BTreeMap::new(),
            sent: Vec::new(),
        };
        court.tell(Command::Open { hearing, zone: zone("gov"), events: sender });
        court
    }

    pub(super) fn tell(&mut self, command: Command) {
        self.board.handle_command(self.now, command);
        self.settle();
    }

    pub(super) fn plan(&mut self, plan: MediaPlan) {
        self.tell(Command::Plan { hearing: self.hearing, plan: Arc::new(plan) });
    }

    /// A leg that takes these codecs only.
    pub(super) fn attach_picky(&mut self, id: u64, place: Place, takes: CodecSet) -> LegId {
        let (leg, notes) = fake_leg();
        notes.lock().unwrap().takes = Some(takes);
        self.legs.insert(LegId(id), notes);
        self.attach_leg(id, place, leg)
    }

    pub(super) fn attach(&mut self, id: u64, place: Place) -> LegId {
        let delivery = match place {
            Place::Seat(_) => Delivery::Packets,
            Place::Home | Place::Edge(_) | Place::Record | Place::Rendition(..) => Delivery::Frames,
        };
        let notes = Arc::new(Mutex::new(Notes::default()));
        self.legs.insert(LegId(id), notes.clone());
        self.attach_leg(id, place, Box::new(FakeLeg { delivery, notes }))
    }

    pub(super) fn attach_leg(&mut self, id: u64, place: Place, leg: Box<dyn Leg>) -> LegId {
        let ufrag = Some(format!("u{id}"));
        self.tell(Command::Attach(Attach { hearing: self.hearing, id: LegId(id), place, ufrag, leg }));
        LegId(id)
    }

    /// The leg says `outputs`, on a datagram that finds it by its user fragment.
    pub(super) fn say(&mut self, leg: LegId, outputs: impl IntoIterator<Item = Output>) {
        self.notes(leg, |notes| notes.say(outputs));
        self.datagram(path(leg.0 as u16), &stun(&format!("u{}:peer", leg.0)));
    }

    /// A datagram arrives at the worker's socket.
    pub(super) fn datagram(&mut self, from: Path, datagram: &[u8]) {
        self.board.handle_datagram(self.now, from, datagram);
        self.settle();
    }

    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.board.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.board.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn notes<T>(&self, leg: LegId, read: impl FnOnce(&mut Notes) -> T) -> T {
        read(&mut self.legs[&leg].lock().unwrap())
    }

    pub(super) fn packets(&self, leg: LegId) -> usize {
        self.notes(leg, |notes| notes.packets.len())
    }

    pub(super) fn frames(&self, leg: LegId) -> usize {
        self.notes(leg, |notes| notes.frames.len())
    }

    /// What was said to a leg since the last call.
    pub(super) fn controls(&self, leg: LegId) -> Vec<Control> {
        self.notes(leg, |notes| std::mem::take(&mut notes.controls))
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    pub(super) fn tally(&self) -> super::tally::Tally {
        self.board.tally()
    }

    pub(super) fn report(&mut self) -> Report {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        self.tell(Command::Report { reply });
        answer.try_recv().unwrap()
    }

    pub(super) fn settle(&mut self) {
        let sent = &mut self.sent;
        self.board.settle(self.now, |path, datagrams, _| sent.push((path, datagrams.clone())));
    }
}

pub(super) fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

pub(super) fn track(seat: u8, kind: Kind) -> TrackId {
    TrackId { seat: SeatId(seat), kind }
}

pub(super) fn info(seat: u8, kind: Kind, origin: &str) -> TrackInfo {
    let (codec, layers) = match kind {
        Kind::Audio => (Codec::Opus, LayerSet::only(Layer(0))),
        Kind::Video | Kind::Screen => (Codec::Vp8, LayerSet(0b11)),
    };
    TrackInfo { id: track(seat, kind), codec, origin: zone(origin), layers, held: false }
}

/// A frame of one packet.
pub(super) fn packet(index: u64) -> Packet {
    Packet {
        index,
        layer: Layer(0),
        media_time: index as i64 * 960,
        captured: Timestamp(index as i64 * 20_000),
        frame_start: true,
        frame_end: true,
        key: true,
        generation: 0,
        temporal: Default::default(),
        level: Some(20),
        payload: Bytes::from(index.to_be_bytes().to_vec()),
    }
}

/// Seats 0 and 1 in `gov`, 2 and 3 in `internet`, all admitted; `rows` as (track, who receives it, recorded).
pub(super) fn plan(revision: u64, rows: &[(TrackId, &[u8], bool)]) -> MediaPlan {
    let seat = |(id, zone_name): (u8, &str)| PlannedSeat {
        id: SeatId(id),
        name: format!("seat{id}"),
        role: Role::Party,
        zone: zone(zone_name),
        admitted: true,
        required: Vec::new(),
        terminal: None,
    };
    let row = |(track, seats, recorded): &(TrackId, &[u8], bool)| {
        let mut audience = SeatSet::EMPTY;
        seats.iter().for_each(|seat| audience.insert(SeatId(*seat)));
        Row { track: *track, audience, recorded: *recorded }
    };
    MediaPlan {
        revision,
        seats: [(0, "gov"), (1, "gov"), (2, "internet"), (3, "internet")].map(seat).into(),
        rows: rows.iter().map(row).collect(),
        record: RecordOrder::Run,
    }
}

pub(super) fn path(port: u16) -> Path {
    Path { remote: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), transport: Transport::Udp }
}

/// A STUN binding request with this USERNAME and nothing else.
pub(super) fn stun(username: &str) -> Vec<u8> {
    let mut attribute = [&[0, 6], &(username.len() as u16).to_be_bytes()[..], username.as_bytes()].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    let length = (attribute.len() as u16).to_be_bytes();
    [&[0, 1], &length[..], &[0x21, 0x12, 0xa4, 0x42], &[7; 12], &attribute].concat()
}
