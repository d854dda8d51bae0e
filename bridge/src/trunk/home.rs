//! Hearings at home here, as the peer's zone takes part in them: announced, planned, and served. Whoever the peer speaks for
//! must sit in the peer's zone.

use hearing_config::HearingId;
use hearing_proto::wire::{self, Answer, Ask};
use hearing_signaling::access::{Grant, SessionId, TokenHash};
use hearing_signaling::hearing::MediaReport;
use hearing_signaling::registry::{Following, HearingHandle, Join, Refusal, Request, Update};
use tracing::warn;

use super::carried::Carried;
use super::cause::Cause;
use super::convert;
use super::line::Line;
use super::peer::Peer;
use crate::net::tls::Identity;

impl Peer {
    /// Tells the peer of a hearing that came onto the link.
    pub(super) fn announce(&self, hearing: HearingId) {
        let Some(carried) = self.at_home(hearing) else { return };
        let plan = convert::plan_to(&carried.plan(), &self.settings.identity.zone);
        self.say(wire::Announce { hearing: convert::hearing_to(hearing), plan });
    }

    /// A carried hearing has a new plan.
    pub(super) fn handle_planned(&mut self, hearing: HearingId) {
        self.attach(hearing);
        self.rank_tracks(hearing);
        if let Some(carried) = self.at_home(hearing) {
            let plan = convert::plan_to(&carried.plan(), &self.settings.identity.zone);
            self.say(wire::Plan { hearing: convert::hearing_to(hearing), plan });
        }
    }

    /// The line came or went; the hearings at home here have to know.
    pub(super) fn report_line(&self, up: bool) {
        let zone = &self.settings.identity.zone;
        for carried in self.carried.values().filter(|c| c.carry.home.is_none() && c.has_seat_in(zone)) {
            let (handle, report) = (carried.carry.handle.clone(), MediaReport::Line { zone: zone.clone(), up });
            tokio::spawn(async move { handle.report(report).await });
        }
    }

    /// The peer asks.
    pub(super) fn serve(&mut self, request: wire::Request) -> Result<(), Cause> {
        let hearing = convert::hearing_from(request.hearing);
        let Some(handle) = self.at_home(hearing).map(|carried| carried.carry.handle.clone()) else {
            let answer = Err(wire::Refusal::UnknownHearing(request.hearing));
            self.say(wire::Reply { id: request.id, answer });
            return Ok(());
        };
        let Some(link) = &mut self.link else { return Ok(()) };
        let Ok(permit) = link.serving.clone().try_acquire_owned() else {
            link.line.say(wire::Reply { id: request.id, answer: Err(wire::Refusal::Busy) });
            return Ok(());
        };
        if link.follows.contains_key(&request.id) {
            return Err(Cause::Protocol("a request's id is used twice"));
        }
        let (peer, line) = (self.settings.identity.clone(), link.line.clone());
        let (id, follows) = (request.id, matches!(request.ask, Ask::Follow(..)));
        let task = link.tasks.spawn(async move {
            answer(&handle, peer, line, request).await;
            drop(permit);
        });
        if follows {
            link.follows.insert(id, task);
        }
        Ok(())
    }

    /// A follower of the peer is gone.
    pub(super) fn handle_unfollow(&mut self, unfollow: wire::Unfollow) {
        if let Some(task) = self.link.as_mut().and_then(|link| link.follows.remove(&unfollow.id)) {
            task.abort();
        }
    }

    /// The peer reports on the media of one of its seats.
    pub(super) fn handle_report(&mut self, report: wire::Report) -> Result<(), Cause> {
        let (hearing, seat) = (convert::hearing_from(report.hearing), convert::seat_from(report.seat)?);
        let Some(carried) = self.at_home(hearing) else { return Ok(()) };
        let zone = &self.settings.identity.zone;
        if carried.plan().seat(seat).is_none_or(|seat| seat.zone != *zone) {
            warn!(%hearing, %seat, peer = %self.settings.identity, "the peer reports on a seat of another zone");
            metrics::counter!("hearing_trunk_foreign_seats_total").increment(1);
            return Ok(());
        }
        let report = convert::report_from(seat, report.report);
        if carried.carry.handle.requests.try_send(Request::Media(report)).is_err() {
            metrics::counter!("hearing_trunk_reports_lost_total").increment(1);
        }
        Ok(())
    }

    /// A hearing at home here that goes over the link.
    fn at_home(&self, hearing: HearingId) -> Option<&Carried> {
        self.carried.get(&hearing).filter(|carried| carried.carry.home.is_none() && carried.joint.is_some())
    }
}

async fn answer(handle: &HearingHandle, peer: Identity, line: Line, request: wire::Request) {
    let id = request.id;
    let answer = match request.ask {
        Ask::Join(join) => self::join(handle, peer, join).await.map(Answer::Join),
        Ask::Authorize(session) => guard(handle, &peer, convert::session_from(session))
            .await
            .map(|grant| Answer::Authorize(convert::grant_to(&grant))),
        Ask::Act(session, action) => {
            let session = convert::session_from(session);
            act(handle, &peer, session, action).await.map(Answer::Act)
        }
        Ask::Follow(session, after) => {
            return follow(handle, &peer, convert::session_from(session), after, &line, id).await;
        }
        Ask::Show => handle.show().await.map(|board| Answer::Show(convert::board_to(board))),
    };
    line.say_in_turn(wire::Reply { id, answer: answer.map_err(convert::refusal_to) }).await;
}

/// The zone is the certificate's, never the message's.
async fn join(handle: &HearingHandle, peer: Identity, join: wire::Join) -> Result<wire::Joined, Refusal> {
    let (token, device, zone) = (TokenHash(join.token), join.device, peer.zone);
    let joined = handle.join(Join { token, device, zone: zone.clone(), node: peer.node }).await?;
    if joined.grant.zone() == &zone {
        return Ok(convert::joined_to(joined));
    }
    metrics::counter!("hearing_trunk_foreign_seats_total").increment(1);
    Err(Refusal::WrongZone { expected: joined.grant.zone().clone(), actual: zone })
}

async fn act(
    handle: &HearingHandle,
    peer: &Identity,
    session: SessionId,
    action: wire::Action,
) -> Result<u64, Refusal> {
    guard(handle, peer, session).await?;
    handle.act(session, convert::action_from(action)).await
}

async fn follow(handle: &HearingHandle, peer: &Identity, session: SessionId, after: Option<u64>, line: &Line, id: u32) {
    let following = match guard(handle, peer, session).await {
        Ok(_) => handle.follow(session, after).await,
        Err(refusal) => Err(refusal),
    };
    let Following { view, mut updates } = match following {
        Ok(following) => following,
        Err(refusal) => {
            line.say_in_turn(wire::Reply { id, answer: Err(convert::refusal_to(refusal)) }).await;
            return;
        }
    };
    let answer = Ok(Answer::Follow(view.map(convert::view_to)));
    let mut open = line.say_in_turn(wire::Reply { id, answer }).await;
    while let (true, Some(update)) = (open, updates.recv().await) {
        let kind = match update {
            Update::Entry(entry) => wire::UpdateKind::Entry(convert::entry_to(entry)),
            Update::Live(live) => wire::UpdateKind::Live(convert::live_to(live)),
        };
        open = line.say_in_turn(wire::Update { id, kind }).await;
    }
    line.say_in_turn(wire::Update { id, kind: wire::UpdateKind::End }).await;
}

/// A peer speaks only for sessions on seats of its own zone.
async fn guard(handle: &HearingHandle, peer: &Identity, session: SessionId) -> Result<Grant, Refusal> {
    let grant = handle.authorize(session).await?;
    if *grant.zone() == peer.zone {
        return Ok(grant);
    }
    metrics::counter!("hearing_trunk_foreign_seats_total").increment(1);
    Err(Refusal::UnknownSession)
}
