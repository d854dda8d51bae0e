//! Hearings at home at the peer, as this node takes part in them: adopted into the registry, their requests relayed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hearing_config::{HearingId, SeatId};
use hearing_proto::wire::{self, Ask};
use hearing_signaling::hearing::{MediaPlan, MediaReport};
use hearing_signaling::registry::{HearingHandle, Refusal, Request};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::calls::Call;
use super::cause::Cause;
use super::convert;
use super::event::Event;
use super::peer::Peer;
use super::{Rehearsal, RehearseError};

/// One of them. Its requests go through the peer's task, which knows whether the line is up.
pub(super) struct Remote {
    plans: watch::Sender<Arc<MediaPlan>>,
    /// Seats here whose endpoint is connected, told again after a cut.
    connected: BTreeSet<SeatId>,
    /// True once the peer has announced it on the present link.
    pub(super) present: bool,
    relay: AbortHandle,
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

impl Peer {
    /// The peer has a hearing with seats of this zone.
    pub(super) fn handle_announce(&mut self, announce: wire::Announce) -> Result<(), Cause> {
        let hearing = convert::hearing_from(announce.hearing);
        let plan = Arc::new(convert::plan_from(announce.plan)?);
        match self.remotes.get_mut(&hearing) {
            Some(remote) => {
                remote.present = true;
                remote.plans.send_replace(plan);
            }
            None => self.adopt(hearing, plan),
        }
        self.report_connected(hearing);
        self.resume_followers(hearing);
        self.attach(hearing);
        Ok(())
    }

    /// The peer no longer has it.
    pub(super) fn handle_withdraw(&mut self, hearing: HearingId) {
        self.release_remotes(|id| id == hearing);
    }

    /// It has a new plan.
    pub(super) fn handle_plan(&mut self, plan: wire::Plan) -> Result<(), Cause> {
        let hearing = convert::hearing_from(plan.hearing);
        let plan = Arc::new(convert::plan_from(plan.plan)?);
        if let Some(remote) = self.remotes.get(&hearing) {
            remote.plans.send_replace(plan);
        }
        Ok(())
    }

    /// Somebody here asks.
    pub(super) fn handle_request(&mut self, hearing: HearingId, request: Request) {
        match request {
            Request::Join(join, reply) => {
                let ask = Ask::Join(wire::Join { token: join.token.0, device: join.device });
                self.call(hearing, ask, Call::Join(hearing, reply));
            }
            Request::Authorize(session, reply) => {
                self.call(hearing, Ask::Authorize(convert::session_to(session)), Call::Authorize(hearing, reply));
            }
            Request::Act(session, action, reply) => {
                let ask = Ask::Act(convert::session_to(session), convert::action_to(action));
                self.call(hearing, ask, Call::Act(reply));
            }
            Request::Operate(action, reply) => {
                let refusal = Refusal::Forbidden { role: "court operator", what: action.what() };
                drop(reply.send(Err(refusal)));
            }
            Request::Follow { session, after, reply } => {
                let ask = Ask::Follow(convert::session_to(session), after);
                self.call(hearing, ask, Call::Follow(hearing, session, after, reply));
            }
            Request::Show(reply) => self.call(hearing, Ask::Show, Call::Show(hearing, reply)),
            Request::Plans(reply) => {
                if let Some(remote) = self.remotes.get(&hearing) {
                    drop(reply.send(remote.plans.subscribe()));
                }
            }
            // The record is at home, and so is who reads the journal for it.
            Request::Journal { reply, .. } => drop(reply),
            Request::Media(report) => self.relay_report(hearing, &report),
        }
    }

    /// Lets go of hearings at home at the peer.
    pub(super) fn release_remotes(&mut self, which: impl Fn(HearingId) -> bool) {
        let gone: Vec<HearingId> = self.remotes.keys().copied().filter(|id| which(*id)).collect();
        for hearing in gone {
            info!(%hearing, peer = %self.settings.identity, "hearing at home at the peer is gone");
            self.remotes.remove(&hearing);
            self.followers.retain(|_, follower| follower.hearing != hearing);
            self.lapsed.retain(|follower| follower.hearing != hearing);
            self.shared.registry.release(hearing);
        }
    }

    /// What the peer does not announce again after a cut is no longer there. A home that restarts needs a while.
    pub(super) fn expire_remotes(&mut self) {
        let late = self.link.is_some() && self.up_since.elapsed() >= ANNOUNCE_LIMIT;
        if late && self.remotes.values().any(|remote| !remote.present) {
            let gone: Vec<HearingId> = self.remotes.iter().filter(|(_, r)| !r.present).map(|(id, _)| *id).collect();
            self.release_remotes(|id| gone.contains(&id));
        }
    }

    /// Asks the peer to rehearse.
    pub(super) fn rehearse(
        &mut self,
        rehearse: wire::Rehearse,
        reply: oneshot::Sender<Result<wire::RehearseReport, RehearseError>>,
    ) {
        if self.link.is_none() {
            drop(reply.send(Err(RehearseError::LineDown)));
            return;
        }
        let id = self.expect(Call::Rehearse(reply));
        self.say(wire::RehearseAsk { id, rehearse });
    }

    /// The peer asks for a rehearsal of one of its hearings.
    pub(super) fn handle_rehearse(&mut self, ask: wire::RehearseAsk) {
        let Some(link) = &mut self.link else { return };
        let (id, line) = (ask.id, link.line.clone());
        let (reply, answer) = oneshot::channel();
        let known = self.remotes.contains_key(&convert::hearing_from(ask.rehearse.hearing));
        let rehearsal = Rehearsal { ask: ask.rehearse, reply };
        if !known || self.shared.rehearsals.try_send(rehearsal).is_err() {
            line.say(wire::RehearseAnswer { id, report: None });
            return;
        }
        link.tasks.spawn(async move {
            line.say_in_turn(wire::RehearseAnswer { id, report: answer.await.ok() }).await;
        });
    }

    /// The peer has rehearsed.
    pub(super) fn handle_rehearsed(&mut self, answer: wire::RehearseAnswer) -> Result<(), Cause> {
        match self.calls.remove(&answer.id) {
            None => Ok(()),
            Some(Call::Rehearse(reply)) => {
                drop(reply.send(answer.report.ok_or(RehearseError::Declined)));
                Ok(())
            }
            Some(_) => Err(Cause::Protocol("an answer to another question")),
        }
    }

    fn adopt(&mut self, hearing: HearingId, plan: Arc<MediaPlan>) {
        let peer = &self.settings.identity;
        if self.shared.registry.find(hearing).is_some() {
            warn!(%hearing, %peer, "the peer claims a hearing that is at home elsewhere");
            metrics::counter!("hearing_trunk_foreign_hearings_total").increment(1);
            return;
        }
        if self.remotes.len() >= REMOTES_LIMIT {
            warn!(%hearing, %peer, "the peer has more hearings than this node carries");
            metrics::counter!("hearing_trunk_foreign_hearings_total").increment(1);
            return;
        }
        self.shared.former.note(hearing, &peer.node, &self.shared.own.zone, &plan);
        let (requests, receiver) = mpsc::channel(HearingHandle::BOUND);
        let relay = tokio::spawn(relay(hearing, receiver, self.events.clone())).abort_handle();
        let plans = watch::Sender::new(plan);
        self.remotes.insert(hearing, Remote { plans, connected: BTreeSet::new(), present: true, relay });
        info!(%hearing, %peer, "hearing at home at the peer");
        self.shared.registry.adopt(hearing, HearingHandle { requests }, peer.node.clone());
    }

    fn relay_report(&mut self, hearing: HearingId, report: &MediaReport) {
        let Some((seat, report)) = convert::report_to(report) else { return };
        let Some(remote) = self.remotes.get_mut(&hearing) else { return };
        match report {
            wire::SeatReport::Connected => drop(remote.connected.insert(seat)),
            wire::SeatReport::Disconnected | wire::SeatReport::Left => drop(remote.connected.remove(&seat)),
            wire::SeatReport::Quality(_) => {}
        }
        if remote.present {
            self.say(wire::Report { hearing: convert::hearing_to(hearing), seat: seat.0, report });
        }
    }

    /// Home may have restarted, or missed reports while the line was down.
    fn report_connected(&self, hearing: HearingId) {
        for seat in self.remotes.get(&hearing).into_iter().flat_map(|remote| &remote.connected) {
            let report = wire::SeatReport::Connected;
            self.say(wire::Report { hearing: convert::hearing_to(hearing), seat: seat.0, report });
        }
    }
}

async fn relay(hearing: HearingId, mut requests: mpsc::Receiver<Request>, events: mpsc::WeakSender<Event>) {
    while let Some(request) = requests.recv().await {
        let Some(events) = events.upgrade() else { return };
        if events.send(Event::Request(hearing, request)).await.is_err() {
            return;
        }
    }
}

const ANNOUNCE_LIMIT: Duration = Duration::from_secs(30);
const REMOTES_LIMIT: usize = 256;
