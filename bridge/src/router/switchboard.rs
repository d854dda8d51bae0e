//! All hearings of one worker, and the way of commands and datagrams to them. Sans-IO: the worker's thread is its shell.

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use hearing_config::{HearingId, Zone};
use tokio::sync::mpsc::{self, error::TrySendError};
use tracing::info;

use super::demux::{Demux, Owner, Route};
use super::far::{Annex, Lodge};
use super::hearing::{Effect, Hearing};
use super::leg::{IceRestart, LegId, Path};
use super::lobby::Lobby;
use super::tally::Tally;
use super::worker::{Attach, Command, Event, Report};

#[derive(Default)]
pub(super) struct Switchboard {
    rooms: HashMap<HearingId, Room>,
    /// Sessions of hearings that other workers own.
    annex: Annex,
    demux: Demux,
    lobby: Lobby,
    /// Of hearings that are closed, and of what belongs to none.
    tally: Tally,
}

struct Room {
    hearing: Hearing,
    events: mpsc::Sender<Event>,
    /// True when it was handed something since it last settled.
    touched: bool,
    /// When it has something to do, as of when it last settled: who is not touched is not looked at.
    due: Option<Instant>,
}

impl Switchboard {
    /// With a lobby that others can ask.
    pub(super) fn new(lobby: Lobby) -> Self {
        Self { lobby, ..Self::default() }
    }

    pub(super) fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Open { hearing, zone, events } => self.open(hearing, zone, events),
            Command::Close { hearing } => self.close(hearing),
            Command::Attach(attach) => self.attach(now, attach),
            Command::Lodge(lodge) => self.lodge(lodge),
            Command::Report { reply } => drop(reply.send(self.report())),
            Command::Restart { hearing, leg, restart, reply } => {
                // Whoever no longer waits for the answer asks again.
                let _ = reply.send(self.restart(now, hearing, leg, restart));
            }
            Command::Plan { hearing, plan } => self.with(hearing, |room| room.set_plan(now, plan)),
            Command::Detach { hearing, leg } => self.with(hearing, |room| room.detach(now, leg)),
            Command::Announce { hearing, leg, info } => self.with(hearing, |room| room.announce(now, leg, info)),
            Command::Withdraw { hearing, leg, track } => self.with(hearing, |room| room.unpublish(now, leg, track)),
            Command::Inject { hearing, leg, track, frame } => {
                self.with(hearing, |room| room.inject(now, leg, track, frame));
            }
            Command::Say { hearing, leg, outputs } => self.with(hearing, |room| room.say(now, leg, outputs)),
            Command::Demand { hearing, leg, track, layers } => {
                self.with(hearing, |room| room.demand(now, leg, track, layers));
            }
            Command::KeyFrame { hearing, track, layer } => {
                self.with(hearing, |room| room.request_key(now, track, layer));
            }
            Command::Prefer { hearing, seat, track, size } => {
                self.with(hearing, |room| room.prefer(now, seat, track, size));
            }
        }
    }

    /// True when it was for somebody.
    pub(super) fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) -> bool {
        match self.demux.route(now, path, datagram) {
            Route::To(owner) => {
                self.deliver(now, owner, path, datagram);
                return true;
            }
            Route::Perhaps(owners) => {
                owners.into_iter().for_each(|owner| self.deliver(now, owner, path, datagram));
                return true;
            }
            Route::Stranger => self.tally.strangers += 1,
            Route::Shunned => self.tally.shunned += 1,
        }
        false
    }

    /// What other workers' routers have for sessions here; true when more may wait.
    pub(super) fn take_items(&mut self, now: Instant) -> bool {
        self.annex.take_items(now)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.annex.handle_timeout(now);
        for room in self.rooms.values_mut() {
            if room.due.is_some_and(|at| at <= now) {
                room.hearing.handle_timeout(now);
                room.touched = true;
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.rooms.values().filter_map(|room| room.due).chain(self.annex.poll_timeout()).min()
    }

    /// Ends a batch: every hearing that was handed something forwards it; `transmit` is given what is to be sent.
    pub(super) fn settle(&mut self, now: Instant, mut transmit: impl FnMut(Path, &Bytes, Option<u16>)) {
        let (demux, lobby) = (&mut self.demux, &self.lobby);
        let mut apply = |hearing: HearingId, effect: Effect| match effect {
            Effect::Transmit { path, datagrams, segment } => transmit(path, &datagrams, segment),
            Effect::Bind(leg, path) => demux.bind(path, (hearing, leg)),
            Effect::Gone(leg) => demux.forget((hearing, leg)).iter().for_each(|ufrag| lobby.forget(ufrag)),
        };
        self.tally.leg_panics += self.annex.settle(now, |owner, effect| apply(owner.0, effect));
        for (id, room) in &mut self.rooms {
            if std::mem::take(&mut room.touched) {
                room.hearing.settle(now);
                while let Some(effect) = room.hearing.poll() {
                    apply(*id, effect);
                }
                room.due = room.hearing.poll_timeout();
            }
            room.send_events();
        }
    }

    /// Sessions here whose hearings other workers own.
    pub(super) const fn guests(&self) -> usize {
        self.annex.len()
    }

    /// True while reports wait because nobody took them fast enough.
    pub(super) fn has_events(&self) -> bool {
        self.rooms.values().any(|room| room.hearing.has_events())
    }

    /// A datagram was for a transport that is not served.
    pub(super) const fn count_unroutable(&mut self) {
        self.tally.unroutable += 1;
    }

    pub(super) fn tally(&self) -> Tally {
        let mut all = self.tally;
        for room in self.rooms.values() {
            all += room.hearing.tally;
        }
        all
    }

    fn deliver(&mut self, now: Instant, owner: Owner, path: Path, datagram: &[u8]) {
        if !self.annex.handle_datagram(now, owner, path, datagram) {
            self.with(owner.0, |room| room.handle_datagram(now, owner.1, path, datagram));
        }
    }

    fn open(&mut self, id: HearingId, zone: Zone, events: mpsc::Sender<Event>) {
        if let Some(room) = self.rooms.get_mut(&id) {
            room.events = events;
            return;
        }
        info!(hearing = %id, "worker carries the hearing");
        self.rooms.insert(id, Room { hearing: Hearing::new(id, zone), events, touched: true, due: None });
    }

    fn close(&mut self, id: HearingId) {
        if let Some(room) = self.rooms.remove(&id) {
            self.tally += room.hearing.tally;
        }
        self.demux.forget_hearing(id).iter().for_each(|ufrag| self.lobby.forget(ufrag));
    }

    fn attach(&mut self, now: Instant, attach: Attach) {
        let (hearing, leg, ufrag) = (attach.hearing, attach.id, attach.ufrag.clone());
        // First the hearing, so that the way to a leg that is replaced is forgotten before there is one to the new.
        self.with(hearing, |room| room.attach(now, attach));
        match ufrag {
            Some(ufrag) if self.rooms.contains_key(&hearing) => self.expect(ufrag, (hearing, leg)),
            Some(ufrag) => self.lobby.forget(&ufrag),
            None => {}
        }
    }

    fn lodge(&mut self, Lodge { ufrag, guest }: Lodge) {
        let owner = guest.owner();
        self.annex.take_in(*guest);
        if let Some(ufrag) = ufrag {
            self.expect(ufrag, owner);
        }
    }

    /// False when the session is not here any more: its client has to make a new one.
    fn restart(&mut self, now: Instant, id: HearingId, leg: LegId, restart: IceRestart) -> bool {
        let ufrag = restart.ufrag.clone();
        let here = self.annex.restart(now, (id, leg), restart.clone());
        let there = here.unwrap_or_else(|| {
            self.rooms.get_mut(&id).is_some_and(|room| {
                room.touched = true;
                room.hearing.restart(now, leg, restart)
            })
        });
        if there {
            self.expect(ufrag, (id, leg));
        } else {
            self.lobby.forget(&ufrag);
        }
        there
    }

    fn expect(&mut self, ufrag: String, owner: (HearingId, LegId)) {
        self.lobby.expect(&ufrag);
        if let Some(forgotten) = self.demux.expect(ufrag, owner) {
            self.lobby.forget(&forgotten);
        }
    }

    fn with(&mut self, id: HearingId, act: impl FnOnce(&mut Hearing)) {
        match self.rooms.get_mut(&id) {
            Some(room) => {
                act(&mut room.hearing);
                room.touched = true;
            }
            None => self.tally.stray_commands += 1,
        }
    }

    fn report(&self) -> Report {
        let tracks = self.rooms.values().flat_map(|room| room.hearing.reports()).collect();
        Report { tracks, leg_panics: self.tally().leg_panics }
    }
}

impl Room {
    fn send_events(&mut self) {
        while let Some(event) = self.hearing.poll_event() {
            match self.events.try_send(event) {
                Ok(()) => {}
                // Figures are worth nothing later; what changed a state waits.
                Err(TrySendError::Full(Event::Quality(..)) | TrySendError::Closed(_)) => {
                    self.hearing.tally.events_lost += 1
                }
                Err(TrySendError::Full(event)) => {
                    self.hearing.return_event(event);
                    break;
                }
            }
        }
    }
}
