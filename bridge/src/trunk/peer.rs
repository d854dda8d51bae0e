//! The one task that owns everything between this node and one peer: the link while there is one, the hearings that go over
//! it, and what is waiting for an answer. What happens to it is in event.rs, what it carries in carried.rs. Tracks are in tracks.rs, hearings at home here in home.rs, those at home there in edge.rs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hearing_config::{HearingId, Timestamp, Verdict, Zone};
use hearing_proto::wire::{self, Decoded, LateHead, Message};
use hearing_signaling::registry::Registry;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::calls::{Call, Follower};
use super::carried::{Carried, Carry, Joint, detach, watch_plans};
use super::cause::Cause;
use super::clock::PeerClock;
use super::control::{self, Greeted};
use super::convert;
use super::edge::Remote;
use super::event::Event;
use super::former::Former;
use super::gate::{CrossingVerdict, Gate, GateSide};
use super::late::LateAsk;
use super::leg::{Needs, TrunkLeg};
use super::link::Link;
use super::narrow::Narrowed;
use super::outbox::Name;
use super::standby::Standby;
use super::status::{Count, Gauges};
use super::{PeerSettings, Rehearsal, Witnesses};
use crate::net::clock::NodeClock;
use crate::net::tls::{Identity, TrunkTls};
use crate::router::{Attach, Command, LegId, Place, WorkerHandle};

/// What all peers' tasks share.
pub(super) struct Shared {
    pub(super) own: Identity,
    pub(super) clock: NodeClock,
    pub(super) gate: Gate,
    pub(super) registry: Registry,
    pub(super) tls: TrunkTls,
    pub(super) rehearsals: mpsc::Sender<Rehearsal>,
    pub(super) late: mpsc::Sender<LateAsk>,
    pub(super) witnesses: Witnesses,
    pub(super) former: Former,
}

/// See above.
pub(super) struct Peer {
    pub(super) settings: PeerSettings,
    pub(super) shared: Arc<Shared>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) events: mpsc::WeakSender<Event>,
    pub(super) link: Option<Link>,
    /// Links that could carry.
    pub(super) standbys: Vec<Standby>,
    pub(super) next_standby: u64,
    pub(super) links: u64,
    pub(super) up_since: Instant,
    clock: PeerClock,
    pub(super) carried: BTreeMap<HearingId, Carried>,
    /// Hearings at home at the peer.
    pub(super) remotes: BTreeMap<HearingId, Remote>,
    /// Tracks that the peer says it has, on this link.
    pub(super) offers: BTreeMap<Name, wire::TrackUp>,
    pub(super) calls: HashMap<u32, Call>,
    pub(super) next_call: u32,
    pub(super) followers: HashMap<u32, Follower>,
    /// Followers whose line was cut; they go on when it is back.
    pub(super) lapsed: Vec<Follower>,
    /// What the line to the peer has no room for.
    pub(super) narrowed: Narrowed,
}

impl Peer {
    pub(super) fn new(
        settings: PeerSettings,
        shared: Arc<Shared>,
        gauges: Arc<Gauges>,
        events: mpsc::WeakSender<Event>,
    ) -> Self {
        Self {
            settings,
            shared,
            gauges,
            events,
            link: None,
            standbys: Vec::new(),
            next_standby: 0,
            links: 0,
            up_since: Instant::now(),
            clock: PeerClock::default(),
            carried: BTreeMap::new(),
            remotes: BTreeMap::new(),
            offers: BTreeMap::new(),
            calls: HashMap::new(),
            next_call: 0,
            followers: HashMap::new(),
            lapsed: Vec::new(),
            narrowed: Narrowed::default(),
        }
    }

    /// Runs until nobody can reach it any more, or the node ends.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Stop) | None => break,
                    Some(event) => self.handle(event).await,
                },
                _ = ticks.tick() => self.tick(),
            }
        }
        self.end_link(Cause::Shutdown).await;
        self.release_remotes(|_| true);
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Greeted(greeted) => self.stand_by(greeted),
            Event::Taken(number, greeted) => self.take_over(number, greeted).await,
            Event::StandbyLost(number, cause) => self.standby_lost(number, &cause),
            Event::Message(number, message) => self.handle_message(number, message).await,
            Event::Ended(number, cause) => {
                if self.link.as_ref().is_some_and(|link| link.number == number) {
                    self.end_link(cause).await;
                    self.promote();
                }
            }
            Event::Request(hearing, request) => self.handle_request(hearing, request),
            Event::Planned(hearing) => self.handle_planned(hearing),
            Event::Carry(carry) => self.carry(carry).await,
            Event::Drop(hearing) => self.drop_hearing(hearing).await,
            Event::TrackUp(hearing, info) => self.handle_track(hearing, info),
            Event::TrackDown(hearing, track) => self.handle_track_end(hearing, track),
            Event::Speaking(hearing, seats) => self.handle_speaking(hearing, &seats),
            Event::Room(number, name, room) => {
                if self.link.as_ref().is_some_and(|link| link.number == number) {
                    self.handle_room(name, room);
                }
            }
            Event::Rehearse(rehearse, reply) => self.rehearse(rehearse, reply),
            Event::Fetch(lack, reply) => self.fetch(lack, reply),
            Event::Kept(hearing, track, through) => self.tell_kept(hearing, track, through),
            Event::Late(number, head, frames) => self.take_late(number, &head, frames).await,
            Event::LegClosed(hearing, leg) => self.handle_leg_end(hearing, leg).await,
            Event::Witness(hearing, request, reply) => self.ask_witness(hearing, *request, reply),
            Event::Revocations => self.check_revocation(),
            Event::Stop => {}
        }
    }

    async fn handle_message(&mut self, number: u64, message: Message) {
        if self.link.as_ref().is_none_or(|link| link.number != number) {
            return;
        }
        let name = message.name();
        if let Err(cause) = self.take(message) {
            warn!(peer = %self.settings.identity, message = name, %cause, "the peer's message is refused");
            self.end_link(cause).await;
            self.promote();
        }
    }

    async fn take_late(&mut self, number: u64, head: &LateHead, frames: Vec<Decoded>) {
        if self.link.as_ref().is_some_and(|link| link.number == number)
            && let Err(cause) = self.handle_late(head, frames)
        {
            self.end_link(cause).await;
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Cause> {
        match message {
            Message::Ping(ping) => self.say(wire::Pong { ping: ping.at, at: self.shared.clock.now().0 }),
            Message::Pong(pong) => self.handle_pong(&pong),
            Message::Announce(announce) => self.handle_announce(announce)?,
            Message::Withdraw(withdraw) => self.handle_withdraw(convert::hearing_from(withdraw.hearing)),
            Message::Plan(plan) => self.handle_plan(plan)?,
            Message::Request(request) => self.serve(request)?,
            Message::Reply(reply) => self.handle_reply(reply)?,
            Message::Update(update) => self.handle_update(update)?,
            Message::Unfollow(unfollow) => self.handle_unfollow(unfollow),
            Message::Report(report) => self.handle_report(report)?,
            Message::TrackUp(up) => self.handle_offer(up)?,
            Message::TrackDown(down) => self.handle_offer_end(down)?,
            Message::Subscribe(subscribe) => self.handle_subscribe(subscribe)?,
            Message::KeyFrame(key) => self.handle_key_frame(key)?,
            Message::Refused(refused) => self.handle_refused(&refused)?,
            Message::RehearseAsk(ask) => self.handle_rehearse(ask),
            Message::RehearseAnswer(answer) => self.handle_rehearsed(answer)?,
            Message::Fetch(fetch) => self.handle_fetch(&fetch)?,
            Message::Kept(kept) => self.handle_kept(&kept)?,
            Message::Take(_) => return Err(Cause::Protocol("a link is taken twice")),
            Message::WitnessAsk(ask) => self.handle_witness(ask),
            Message::WitnessAnswer(answer) => self.handle_witnessed(answer)?,
            Message::Hello(_) | Message::Welcome(_) => return Err(Cause::Protocol("a second greeting")),
        }
        Ok(())
    }

    pub(super) async fn begin_link(&mut self, greeted: Greeted) {
        if self.link.is_some() {
            self.end_link(Cause::Superseded).await;
        }
        let Some(events) = self.events.upgrade() else { return };
        self.links += 1;
        let remote = greeted.connection.remote_address();
        self.link = Some(Link::start(self.links, greeted, (self.settings.kbps, &self.narrowed), &self.gauges, events));
        self.up_since = Instant::now();
        self.clock = PeerClock::default();
        self.ping();
        self.gauges.add(Count::Links, 1);
        self.gauges.set_up(true);
        info!(peer = %self.settings.identity, %remote, links = self.links, "trunk up");
        self.check_revocation();
        for hearing in self.carried.keys().copied().collect::<Vec<_>>() {
            self.attach(hearing);
        }
        self.report_line(true);
    }

    /// Nothing that was queued outlives the link.
    pub(super) async fn end_link(&mut self, cause: Cause) {
        let Some(link) = self.link.take() else { return };
        control::close(&link.connection, &cause);
        drop(link);
        self.gauges.set_up(false);
        warn!(peer = %self.settings.identity, %cause, "trunk down");
        self.offers.clear();
        for carried in self.carried.values_mut() {
            if let Some(joint) = carried.joint.take() {
                detach(&carried.carry, joint.leg).await;
            }
        }
        self.lapse();
        self.report_line(false);
    }

    /// What both ends know of the tracks went with the leg: they begin anew with a new link.
    async fn handle_leg_end(&mut self, hearing: HearingId, leg: LegId) {
        let joint = self.carried.get(&hearing).and_then(|carried| carried.joint.as_ref());
        if joint.is_some_and(|joint| joint.leg == leg) {
            self.end_link(Cause::LegLost).await;
        }
    }

    async fn carry(&mut self, carry: Carry) {
        let hearing = carry.hearing;
        self.drop_hearing(hearing).await;
        let watcher = tokio::spawn(watch_plans(hearing, carry.plans.clone(), self.events.clone())).abort_handle();
        self.carried
            .insert(hearing, Carried { carry, tracks: BTreeMap::new(), joint: None, spoke: BTreeMap::new(), watcher });
        self.attach(hearing);
    }

    async fn drop_hearing(&mut self, hearing: HearingId) {
        let Some(carried) = self.carried.remove(&hearing) else { return };
        carried.watcher.abort();
        if let Some(joint) = &carried.joint {
            detach(&carried.carry, joint.leg).await;
            if carried.carry.home.is_none() {
                self.say(wire::Withdraw { hearing: convert::hearing_to(hearing) });
            }
        }
        self.offers.retain(|(of, _), _| *of != hearing);
        self.narrowed.forget(|(of, _)| *of == hearing);
    }

    /// Puts a hearing on the link, if it belongs there.
    pub(super) fn attach(&mut self, hearing: HearingId) {
        let present = self.remotes.get(&hearing).is_some_and(|remote| remote.present);
        let (Some(link), Some(carried)) = (&self.link, self.carried.get_mut(&hearing)) else { return };
        if carried.joint.is_some() || !carried.belongs(&self.settings.identity, present) {
            return;
        }
        let leg = LegId::fresh();
        let needs = Needs {
            hearing,
            zone: self.settings.identity.zone.clone(),
            to_home: carried.carry.home.is_some(),
            plans: carried.carry.plans.clone(),
            line: link.line.clone(),
            frames: link.frames.clone(),
            gauges: self.gauges.clone(),
        };
        let place = match &carried.carry.home {
            Some(_) => Place::Home,
            None => Place::Edge(self.settings.identity.zone.clone()),
        };
        let attach = Attach { hearing, id: leg, place, ufrag: None, leg: Box::new(TrunkLeg::new(needs)) };
        carried.joint = Some(Joint { leg, outgoing: BTreeMap::new(), incoming: BTreeMap::new() });
        let worker = carried.carry.worker.clone();
        self.tell(&worker, Command::Attach(attach));
        self.announce(hearing);
        self.exchange_tracks(hearing);
    }

    /// A worker that takes no more commands costs the link: what is known here and there would no longer agree.
    pub(super) fn tell(&self, worker: &WorkerHandle, command: Command) {
        if worker.send(command).is_err()
            && let (Some(link), Some(events)) = (&self.link, self.events.upgrade())
        {
            let number = link.number;
            tokio::spawn(async move { events.send(Event::Ended(number, Cause::Overload)).await });
        }
    }

    pub(super) fn say(&self, message: impl Into<Message>) {
        if let Some(link) = &self.link {
            link.line.say(message);
        }
    }

    pub(super) fn note(&self, (hearing, track): Name, from: Zone, to: Zone, verdict: Verdict, gate: GateSide) {
        let plan = self.carried.get(&hearing).map(|carried| carried.plan());
        let role = plan.and_then(|plan| plan.seat(track.seat).map(|seat| seat.role));
        self.shared.gate.note(CrossingVerdict { hearing, track, role, from, to, verdict, gate, at: Timestamp::now() });
    }

    fn check_revocation(&mut self) {
        self.revoke_standbys();
        let Some(link) = &self.link else { return };
        if self.shared.tls.is_revoked(&link.serial)
            && let Some(events) = self.events.upgrade()
        {
            let number = link.number;
            tokio::spawn(async move { events.send(Event::Ended(number, Cause::Revoked)).await });
        }
    }

    fn ping(&self) {
        self.say(wire::Ping { at: self.shared.clock.now().0 });
    }

    /// At the beginning one ping follows the other, so that the peer's clock is known before much media has come.
    fn handle_pong(&mut self, pong: &wire::Pong) {
        if let Some((rtt, offset)) = pong.measure(self.shared.clock.now().0) {
            let offset = self.clock.measure(rtt, offset);
            self.gauges.set_rtt(rtt, offset);
            if !self.clock.is_settled() {
                self.ping();
            }
        }
    }

    fn tick(&mut self) {
        self.ping();
        if let Some(link) = &mut self.link {
            while link.tasks.try_join_next().is_some() {}
            link.follows.retain(|_, task| !task.is_finished());
        }
        self.sweep();
        self.expire_remotes();
        for hearing in self.carried.keys().copied().collect::<Vec<_>>() {
            self.rank_tracks(hearing);
        }
    }
}

const TICK: Duration = Duration::from_millis(300);
