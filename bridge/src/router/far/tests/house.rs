//! One hearing on two switchboards, with a clock of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{HearingId, SeatId};
use hearing_signaling::hearing::MediaPlan;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::super::super::fake::{Notes, fake_leg, path, stun, zone};
use super::super::super::leg::{Control, IceRestart, LegId, Output, Path, Place};
use super::super::super::lobby::Lobby;
use super::super::super::switchboard::Switchboard;
use super::super::super::worker::{Attach, Command, Event, Inbox, Taken, WorkerHandle, queue};
use super::super::attach;

/// A worker without its thread.
pub(super) struct Side {
    pub(super) board: Switchboard,
    pub(super) handle: WorkerHandle,
    inbox: Inbox,
    poll: mio::Poll,
    pub(super) sent: Vec<(Path, Bytes)>,
    /// It does nothing for now.
    stalled: bool,
}

impl Side {
    pub(super) fn new() -> Self {
        let (poll, lobby) = (mio::Poll::new().unwrap(), Lobby::default());
        let waker = mio::Waker::new(poll.registry(), mio::Token(1)).unwrap();
        let (handle, inbox) = queue(waker, "127.0.0.1:1".parse().unwrap(), lobby.clone());
        let board = Switchboard::new(lobby);
        Self { board, handle, inbox, poll, sent: Vec::new(), stalled: false }
    }

    /// True when its thread would have been woken since the last call.
    pub(super) fn is_woken(&mut self) -> bool {
        let mut events = mio::Events::with_capacity(8);
        self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    /// What the thread does in one turn.
    fn turn(&mut self, now: Instant) {
        if self.stalled {
            return;
        }
        self.inbox.rearm();
        while let Taken::Command(command) = self.inbox.take() {
            self.board.handle_command(now, command);
        }
        while self.board.take_items(now) {}
        self.board.handle_timeout(now);
        self.settle(now);
    }

    fn settle(&mut self, now: Instant) {
        let sent = &mut self.sent;
        self.board.settle(now, |path, datagrams, _| sent.push((path, datagrams.clone())));
    }
}

pub(super) struct House {
    pub(super) home: Side,
    far: Option<Side>,
    now: Instant,
    pub(super) hearing: HearingId,
    events: mpsc::Receiver<Event>,
    legs: BTreeMap<LegId, (Arc<Mutex<Notes>>, bool)>,
}

impl House {
    /// A hearing in zone `gov` on the worker `home`.
    pub(super) fn open() -> Self {
        let (sender, events) = mpsc::channel(1_024);
        let hearing = HearingId(Uuid::nil());
        let (home, far) = (Side::new(), Some(Side::new()));
        let mut house = Self { home, far, now: Instant::now(), hearing, events, legs: BTreeMap::new() };
        house.tell(Command::Open { hearing, zone: zone("gov"), events: sender });
        house
    }

    pub(super) fn far(&self) -> &Side {
        self.far.as_ref().expect("the other worker runs")
    }

    pub(super) fn far_is_woken(&mut self) -> bool {
        self.far.as_mut().expect("the other worker runs").is_woken()
    }

    pub(super) fn attach_home(&mut self, id: u64, seat: u8) -> LegId {
        self.attach(id, seat, false, |_| {})
    }

    pub(super) fn attach_far(&mut self, id: u64, seat: u8) -> LegId {
        self.attach(id, seat, true, |_| {})
    }

    pub(super) fn attach_far_with(&mut self, id: u64, seat: u8, prepare: impl FnOnce(&mut Notes)) -> LegId {
        self.attach(id, seat, true, prepare)
    }

    fn attach(&mut self, id: u64, seat: u8, far: bool, prepare: impl FnOnce(&mut Notes)) -> LegId {
        let (leg, notes) = fake_leg();
        prepare(&mut notes.lock().unwrap());
        self.legs.insert(LegId(id), (notes, far));
        let (place, ufrag) = (Place::Seat(SeatId(seat)), Some(format!("u{id}")));
        let whole = Attach { hearing: self.hearing, id: LegId(id), place, ufrag, leg };
        let at = if far { &self.far().handle } else { &self.home.handle };
        attach(whole, &self.home.handle, at).unwrap();
        self.run();
        LegId(id)
    }

    pub(super) fn detach(&mut self, leg: LegId) {
        self.tell(Command::Detach { hearing: self.hearing, leg });
    }

    /// Tells the owner something.
    pub(super) fn tell(&mut self, command: Command) {
        self.home.handle.send(command).unwrap();
        self.run();
    }

    pub(super) fn plan(&mut self, plan: MediaPlan) {
        self.tell(Command::Plan { hearing: self.hearing, plan: Arc::new(plan) });
    }

    /// The leg says `outputs`, on a datagram to its worker that finds it by its user fragment.
    pub(super) fn say(&mut self, leg: LegId, outputs: impl IntoIterator<Item = Output>) {
        self.notes(leg, |notes| notes.say(outputs));
        let (from, datagram) = (path(leg.0 as u16), stun(&format!("u{}:peer", leg.0)));
        if self.legs[&leg].1 {
            self.far_datagram(from, &datagram);
        } else {
            self.home.board.handle_datagram(self.now, from, &datagram);
            self.home.settle(self.now);
            self.run();
        }
    }

    /// A datagram arrives at the other worker's socket.
    pub(super) fn far_datagram(&mut self, from: Path, datagram: &[u8]) {
        let far = self.far.as_mut().expect("the other worker runs");
        far.board.handle_datagram(self.now, from, datagram);
        far.settle(self.now);
        self.run();
    }

    pub(super) fn restart_far(&mut self, leg: LegId, restart: IceRestart) -> bool {
        let handle = self.far().handle.clone();
        self.restart(&handle, leg, restart)
    }

    pub(super) fn restart_home(&mut self, leg: LegId, restart: IceRestart) -> bool {
        let handle = self.home.handle.clone();
        self.restart(&handle, leg, restart)
    }

    fn restart(&mut self, at: &WorkerHandle, leg: LegId, restart: IceRestart) -> bool {
        let (reply, mut answer) = oneshot::channel();
        at.send(Command::Restart { hearing: self.hearing, leg, restart, reply }).unwrap();
        self.run();
        answer.try_recv().unwrap()
    }

    /// Both workers go on until neither has anything left to do now.
    fn run(&mut self) {
        // From one to the other and back, thrice.
        for _ in 0..6 {
            self.home.turn(self.now);
            self.far.iter_mut().for_each(|far| far.turn(self.now));
        }
    }

    pub(super) fn advance(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now += Duration::from_millis(10);
            self.run();
        }
    }

    pub(super) fn stall_far(&mut self) {
        self.far.as_mut().expect("it runs").stalled = true;
    }

    pub(super) fn resume_far(&mut self) {
        self.far.as_mut().expect("it runs").stalled = false;
        self.run();
    }

    pub(super) fn stall_home(&mut self) {
        self.home.stalled = true;
    }

    pub(super) fn resume_home(&mut self) {
        self.home.stalled = false;
        self.run();
    }

    /// The other worker's thread ends, as it does when it panics.
    pub(super) fn end_far(&mut self) {
        drop(self.far.take());
        self.run();
    }

    /// The owner's ends.
    pub(super) fn end_home(&mut self) {
        drop(std::mem::replace(&mut self.home, Side::new()));
        self.run();
    }

    pub(super) fn notes<T>(&self, leg: LegId, read: impl FnOnce(&mut Notes) -> T) -> T {
        read(&mut self.note(leg).lock().unwrap())
    }

    pub(super) fn note(&self, leg: LegId) -> &Arc<Mutex<Notes>> {
        &self.legs[&leg].0
    }

    pub(super) fn packets(&self, leg: LegId) -> usize {
        self.notes(leg, |notes| notes.packets.len())
    }

    /// What was said to a leg since the last call.
    pub(super) fn controls(&self, leg: LegId) -> Vec<Control> {
        self.notes(leg, |notes| std::mem::take(&mut notes.controls))
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}
