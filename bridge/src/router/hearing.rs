//! The router of one hearing at this node: its legs, its tracks, its plan. Sans-IO: told the time, handed datagrams and
//! commands, drained with `poll`. Subscriptions are in routes.rs, the way of a packet in forward.rs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hearing_config::{Codec, HearingId, Role, SeatId, TrackId, Zone};
use hearing_signaling::hearing::MediaPlan;
use hearing_signaling::http::Size;
use tracing::{debug, info};

use super::drain::Drain;
use super::leg::{Control, IceRestart, LegId, Output, Path, Place, Protected};
use super::packet::{Layer, Packet};
use super::rendition::Flow;
use super::slot::Slot;
use super::speakers::Speakers;
use super::stream::Stream;
use super::tally::Tally;
use super::track::TrackInfo;
use super::worker::{Attach, Event, TrackReport};

pub(super) struct Hearing {
    pub(super) id: HearingId,
    pub(super) zone: Zone,
    pub(super) plan: Option<Arc<MediaPlan>>,
    /// What is still on its way to a record that was ordered to stop.
    pub(super) drain: Drain,
    /// By id.
    pub(super) legs: Vec<Slot>,
    pub(super) streams: BTreeMap<TrackId, Stream>,
    pub(super) renditions: BTreeMap<(TrackId, Codec), Stream>,
    pub(super) speakers: Speakers,
    /// Whose pictures are given up last.
    protected: Protected,
    /// Packets of this batch that were not forwarded yet.
    pub(super) inbox: Vec<(Flow, Packet)>,
    /// Legs that were handed something and may have something.
    pub(super) dirty: Vec<LegId>,
    closing: Vec<(LegId, String)>,
    effects: VecDeque<Effect>,
    events: VecDeque<Event>,
    pub(super) tally: Tally,
}

/// What a hearing's router wants done outside.
#[derive(Debug)]
pub(super) enum Effect {
    Transmit {
        path: Path,
        datagrams: Bytes,
        segment: Option<u16>,
    },
    Bind(LegId, Path),
    /// The leg is gone: its paths and its user fragment lead nowhere.
    Gone(LegId),
}

impl Hearing {
    pub(super) fn new(id: HearingId, zone: Zone) -> Self {
        Self {
            id,
            zone,
            plan: None,
            drain: Drain::default(),
            legs: Vec::new(),
            streams: BTreeMap::new(),
            renditions: BTreeMap::new(),
            speakers: Speakers::default(),
            protected: Protected::default(),
            inbox: Vec::new(),
            dirty: Vec::new(),
            closing: Vec::new(),
            effects: VecDeque::new(),
            events: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// The plan in force from now on, if it is newer than the present one.
    pub(super) fn set_plan(&mut self, now: Instant, plan: Arc<MediaPlan>) {
        if self.plan.as_ref().is_some_and(|present| plan.revision <= present.revision) {
            self.tally.stale_plans += 1;
            return;
        }
        let judges = plan.seats.iter().filter(|seat| seat.role == Role::Judge).map(|seat| seat.id).collect();
        self.drain.handle_plan(now, self.plan.as_deref(), &plan);
        self.plan = Some(plan);
        self.refresh_all(now);
        self.protect(now, Protected { judges, ..self.protected });
    }

    /// Hangs a leg on; one of the same seat that was there before is closed.
    pub(super) fn attach(&mut self, now: Instant, attach: Attach) {
        let same_seat = |slot: &Slot| matches!(slot.place, Place::Seat(_)) && slot.place == attach.place;
        let replaced = |slot: &&Slot| same_seat(slot) || slot.id == attach.id;
        let replaced: Vec<LegId> = self.legs.iter().filter(replaced).map(|slot| slot.id).collect();
        for id in replaced {
            self.close(now, id, "replaced by a new connection");
        }
        let at = self.legs.partition_point(|slot| slot.id < attach.id);
        let made = if let Place::Rendition(track, codec) = attach.place { Some((track, codec)) } else { None };
        self.legs.insert(at, Slot::new(attach.id, attach.place, attach.leg));
        self.control(now, at, Control::Protect(self.protected));
        self.mark(attach.id);
        self.refresh_all(now);
        if let Some((track, codec)) = made {
            self.set_maker(now, track, codec);
        }
    }

    /// Takes a leg off. Whoever had a trunk's or the recorder's taken off knows.
    pub(super) fn detach(&mut self, now: Instant, leg: LegId) {
        match self.position(leg).map(|at| &self.legs[at].place) {
            Some(Place::Seat(_)) => self.close(now, leg, "taken off"),
            Some(Place::Home | Place::Edge(_) | Place::Record | Place::Rendition(..)) => drop(self.remove(now, leg)),
            None => {}
        }
    }

    /// A page tells how large it shows a track.
    pub(super) fn prefer(&mut self, now: Instant, seat: SeatId, track: TrackId, size: Size) {
        match self.legs.iter().position(|slot| slot.place == Place::Seat(seat)) {
            Some(at) => self.control(now, at, Control::Prefer(track, size)),
            None => self.tally.stray_commands += 1,
        }
    }

    /// A leg's client begins anew on another network; false when its session is not here.
    pub(super) fn restart(&mut self, now: Instant, leg: LegId, restart: IceRestart) -> bool {
        let Some(at) = self.position(leg) else { return false };
        let there = self.legs[at].leg.handle_restart(now, restart);
        self.mark(leg);
        there
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, leg: LegId, path: Path, datagram: &[u8]) {
        let Some(at) = self.position(leg) else {
            self.tally.strangers += 1;
            return;
        };
        self.legs[at].leg.handle_datagram(now, path, datagram);
        self.drain(now, at);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for at in 0..self.legs.len() {
            if self.legs[at].deadline.is_some_and(|deadline| deadline <= now) {
                self.legs[at].leg.handle_timeout(now);
                self.drain(now, at);
            }
        }
        self.speakers.handle_timeout(now);
        self.handle_stream_timeouts(now);
        if self.drain.handle_timeout(now) {
            self.refresh_all(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let legs = self.legs.iter().filter_map(|slot| slot.deadline);
        let streams = self.streams.values().chain(self.renditions.values()).filter_map(Stream::poll_timeout);
        legs.chain(streams).chain(self.speakers.poll_timeout()).chain(self.drain.poll_timeout()).min()
    }

    /// Ends a batch: forwards what came in and drains every leg that was handed something.
    pub(super) fn settle(&mut self, now: Instant) {
        if let Some(speakers) = self.speakers.poll() {
            self.hear(now, &speakers);
            self.report(Event::Speaking(speakers));
        }
        loop {
            if let Some(id) = self.dirty.pop() {
                if let Some(at) = self.position(id) {
                    self.drain(now, at);
                }
            } else if !self.inbox.is_empty() {
                self.forward(now);
            } else if let Some((id, why)) = self.closing.pop() {
                self.close(now, id, &why);
            } else {
                break;
            }
        }
    }

    /// Whoever spoke last stays protected until somebody else speaks.
    fn hear(&mut self, now: Instant, speakers: &[SeatId]) {
        let stays = self.protected.speaker.is_some_and(|speaker| speakers.contains(&speaker));
        if let (Some(loudest), false) = (speakers.first(), stays) {
            self.protect(now, Protected { speaker: Some(*loudest), ..self.protected });
        }
    }

    fn protect(&mut self, now: Instant, protected: Protected) {
        if std::mem::replace(&mut self.protected, protected) == protected {
            return;
        }
        for at in 0..self.legs.len() {
            if matches!(self.legs[at].place, Place::Seat(_)) {
                self.control(now, at, Control::Protect(protected));
            }
        }
    }

    pub(super) fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What waits to be reported; whoever could report the first takes it with `pop_event`.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Puts an event back that could not be delivered yet.
    pub(super) fn return_event(&mut self, event: Event) {
        self.events.push_front(event);
    }

    /// True while something waits to be reported.
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(super) fn reports(&self) -> impl Iterator<Item = TrackReport> {
        self.streams.values().map(|stream| stream.report(self.id))
    }

    pub(super) fn report(&mut self, event: Event) {
        if self.events.len() < EVENTS_LIMIT {
            self.events.push_back(event);
        } else {
            self.tally.events_lost += 1;
        }
    }

    pub(super) fn position(&self, leg: LegId) -> Option<usize> {
        self.legs.binary_search_by_key(&leg, |slot| slot.id).ok()
    }

    pub(super) fn control(&mut self, now: Instant, at: usize, control: Control) {
        self.legs[at].leg.handle_control(now, control);
        self.mark(self.legs[at].id);
    }

    pub(super) fn mark(&mut self, leg: LegId) {
        let Some(at) = self.position(leg) else { return };
        if !std::mem::replace(&mut self.legs[at].dirty, true) {
            self.dirty.push(leg);
        }
    }

    fn drain(&mut self, now: Instant, at: usize) {
        self.legs[at].dirty = false;
        while let Some(output) = self.legs[at].leg.poll_output() {
            self.handle_output(now, at, output);
        }
        self.legs[at].deadline = self.legs[at].leg.poll_timeout();
        self.tally.leg_panics += u64::from(self.legs[at].leg.take_fallen());
        if self.legs[at].leg.has_news() {
            self.mark(self.legs[at].id);
        }
    }

    /// What a leg says whose session lives elsewhere.
    pub(super) fn say(&mut self, now: Instant, leg: LegId, outputs: Vec<Output>) {
        let Some(at) = self.position(leg) else {
            self.tally.stray_commands += 1;
            return;
        };
        for output in outputs {
            self.handle_output(now, at, output);
        }
        if self.inbox.len() >= super::forward::INBOX_LIMIT {
            self.settle(now);
        }
    }

    /// Never moves or removes a leg: positions hold while legs are drained.
    fn handle_output(&mut self, now: Instant, at: usize, output: Output) {
        let id = self.legs[at].id;
        match output {
            Output::Packet(track, packet) => self.receive(now, id, track, packet),
            Output::Transmit { path, datagrams, segment } => {
                self.effects.push_back(Effect::Transmit { path, datagrams, segment });
            }
            Output::Bind(path) => self.effects.push_back(Effect::Bind(id, path)),
            Output::Track(info) => self.publish(now, at, info),
            Output::TrackEnd(track) => self.unpublish(now, id, track),
            Output::KeyFrame(track, layer) => self.handle_key_request(now, at, track, layer),
            Output::Wanted(track) => self.refresh(now, track),
            Output::Active(track, layers) => self.report(Event::Active(track, layers)),
            Output::Connected => self.handle_connected(at),
            Output::Lost(why) => self.handle_lost(at, why),
            Output::Left => {
                self.handle_left(at);
                self.closing.push((id, "its user left".to_owned()));
            }
            Output::Quality(quality) => {
                if let Place::Seat(seat) = self.legs[at].place {
                    self.report(Event::Quality(seat, quality));
                }
            }
            Output::Closed(why) => self.closing.push((id, why)),
        }
    }

    /// Only what the leg is being handed may it ask for.
    fn handle_key_request(&mut self, now: Instant, at: usize, track: TrackId, layer: Layer) {
        let own = self.streams.get(&track).map(|stream| stream.info.codec);
        match self.legs[at].granted.get(&track).copied() {
            Some(codec) if own == Some(codec) => self.request_key(now, track, layer),
            Some(codec) => self.request_rendition_key(now, track, codec),
            None => self.tally.stray_commands += 1,
        }
    }

    fn handle_connected(&mut self, at: usize) {
        self.legs[at].connected = true;
        if let Place::Seat(seat) = self.legs[at].place {
            self.report(Event::Connected(seat));
        }
    }

    /// The leg stays, with its tracks and what it is granted, and waits for its client.
    fn handle_lost(&mut self, at: usize, why: String) {
        let was = std::mem::take(&mut self.legs[at].connected);
        if let (Place::Seat(seat), true) = (&self.legs[at].place, was) {
            self.report(Event::Disconnected(*seat, why));
        }
    }

    fn handle_left(&mut self, at: usize) {
        let was = std::mem::take(&mut self.legs[at].connected);
        if let (Place::Seat(seat), true) = (&self.legs[at].place, was) {
            self.report(Event::Left(*seat));
        }
    }

    /// A leg publishes a track, or publishes it in another way. A seat's endpoint publishes its own tracks only, of its
    /// own zone; what comes over a trunk is announced by the trunk, whose gate has let it in.
    fn publish(&mut self, now: Instant, at: usize, info: TrackInfo) {
        let may = match &self.legs[at].place {
            Place::Seat(seat) => *seat == info.id.seat && info.origin == self.zone,
            Place::Home | Place::Edge(_) | Place::Record | Place::Rendition(..) => false,
        };
        if may {
            self.begin_stream(now, self.legs[at].id, info);
        } else {
            info!(hearing = %self.id, track = %info.id, origin = %info.origin, "a leg may not publish this track");
            self.tally.tracks_refused += 1;
        }
    }

    /// A leg is over; its end is reported.
    fn close(&mut self, now: Instant, id: LegId, why: &str) {
        let Some(slot) = self.remove(now, id) else { return };
        debug!(hearing = %self.id, leg = id.0, place = ?slot.place, why, "leg closed");
        match slot.place {
            Place::Seat(seat) if slot.connected => self.report(Event::Disconnected(seat, why.to_owned())),
            Place::Seat(_) => {}
            Place::Home | Place::Edge(_) | Place::Record | Place::Rendition(..) => {
                self.report(Event::LegClosed(id, why.to_owned()));
            }
        }
    }

    fn remove(&mut self, now: Instant, id: LegId) -> Option<Slot> {
        let slot = self.legs.remove(self.position(id)?);
        self.effects.push_back(Effect::Gone(id));
        let published = self.streams.values().filter(|stream| stream.publisher == id).map(|stream| stream.info.id);
        for track in published.collect::<Vec<_>>() {
            self.end_stream(now, track);
        }
        self.refresh_all(now);
        if let Place::Rendition(track, codec) = slot.place {
            self.set_maker(now, track, codec);
        }
        Some(slot)
    }
}

/// Reports that may wait for whoever follows them.
const EVENTS_LIMIT: usize = 1_024;
