//! What this node asked the peer and waits for, and who follows a hearing that is at home there.

use hearing_config::{HearingId, Zone};
use hearing_proto::manifest;
use hearing_proto::wire::{self, Answer, Ask, UpdateKind};
use hearing_signaling::access::{Grant, SessionId};
use hearing_signaling::registry::{Board, Following, Joined, Refusal, Update};
use tokio::sync::{mpsc, oneshot};

use super::cause::Cause;
use super::convert;
use super::peer::Peer;
use super::{RehearseError, Unwitnessed};

/// One open request.
pub(super) enum Call {
    Join(HearingId, oneshot::Sender<Result<Joined, Refusal>>),
    Authorize(HearingId, oneshot::Sender<Result<Grant, Refusal>>),
    Act(oneshot::Sender<Result<u64, Refusal>>),
    Follow(HearingId, SessionId, Option<u64>, oneshot::Sender<Result<Following, Refusal>>),
    /// A follower goes on after the line was cut.
    Resume(Follower),
    Show(HearingId, oneshot::Sender<Board>),
    Rehearse(oneshot::Sender<Result<wire::RehearseReport, RehearseError>>),
    Witness(Box<manifest::Request>, oneshot::Sender<Result<manifest::Cosignature, Unwitnessed>>),
}

/// Somebody here who follows a hearing at the peer.
pub(super) struct Follower {
    pub(super) hearing: HearingId,
    pub(super) session: SessionId,
    /// The last entry that was passed on.
    pub(super) last: Option<u64>,
    pub(super) updates: mpsc::Sender<Update>,
}

impl Peer {
    /// Asks the peer; refused at once while the line is down.
    pub(super) fn call(&mut self, hearing: HearingId, ask: Ask, call: Call) {
        let present = self.remotes.get(&hearing).is_some_and(|remote| remote.present);
        if self.link.is_none() || !present {
            return call.refuse(Refusal::HomeUnreachable);
        }
        if self.calls.len() >= CALLS_LIMIT {
            return call.refuse(Refusal::Busy);
        }
        let id = self.expect(call);
        self.say(wire::Request { id, hearing: convert::hearing_to(hearing), ask });
    }

    /// Remembers a call; gives the number by which its answer will be known.
    pub(super) fn expect(&mut self, call: Call) -> u32 {
        loop {
            self.next_call = self.next_call.wrapping_add(1);
            let id = self.next_call;
            if !self.calls.contains_key(&id) && !self.followers.contains_key(&id) {
                self.calls.insert(id, call);
                return id;
            }
        }
    }

    /// The peer answers.
    pub(super) fn handle_reply(&mut self, reply: wire::Reply) -> Result<(), Cause> {
        let Some(call) = self.calls.remove(&reply.id) else {
            // Whoever asked did not wait for it.
            return Ok(());
        };
        let answer = match reply.answer {
            Ok(answer) => answer,
            Err(refusal) => {
                call.refuse(convert::refusal_from(refusal)?);
                return Ok(());
            }
        };
        match (call, answer) {
            (Call::Follow(hearing, session, after, answered), Answer::Follow(view)) => {
                self.begin_follow((reply.id, hearing, session, after), view, answered)
            }
            (Call::Resume(follower), Answer::Follow(view)) => {
                self.resume_follow(reply.id, follower, view.is_none());
                Ok(())
            }
            (call, answer) => call.answer(&self.shared.own.zone, answer),
        }
    }

    /// A follower is told something.
    pub(super) fn handle_update(&mut self, update: wire::Update) -> Result<(), Cause> {
        let id = update.id;
        let Some(follower) = self.followers.get_mut(&id) else { return Ok(()) };
        let update = match update.kind {
            UpdateKind::Entry(entry) => {
                follower.last = Some(entry.seq);
                Update::Entry(convert::entry_from(entry)?)
            }
            UpdateKind::Live(live) => Update::Live(convert::live_from(live)?),
            UpdateKind::End => {
                self.followers.remove(&id);
                return Ok(());
            }
        };
        if follower.updates.try_send(update).is_err() {
            // It lags or is gone; it follows again from what it has.
            self.unfollow(id);
        }
        Ok(())
    }

    /// The line is down: whoever asked is told, whoever follows waits for it to come back.
    pub(super) fn lapse(&mut self) {
        for (_, call) in self.calls.drain() {
            match call {
                Call::Resume(follower) => self.lapsed.push(follower),
                call => call.refuse(Refusal::HomeUnreachable),
            }
        }
        self.lapsed.extend(self.followers.drain().map(|(_, follower)| follower));
        for remote in self.remotes.values_mut() {
            remote.present = false;
        }
    }

    /// The peer has a hearing again: those who followed it go on after the last entry they have.
    pub(super) fn resume_followers(&mut self, hearing: HearingId) {
        let lapsed = std::mem::take(&mut self.lapsed);
        let (resumed, others): (Vec<_>, _) = lapsed.into_iter().partition(|follower| follower.hearing == hearing);
        self.lapsed = others;
        for follower in resumed {
            let ask = Ask::Follow(convert::session_to(follower.session), follower.last);
            self.call(hearing, ask, Call::Resume(follower));
        }
    }

    /// Forgets what nobody waits for any more.
    pub(super) fn sweep(&mut self) {
        self.calls.retain(|_, call| !call.is_abandoned());
        self.lapsed.retain(|follower| !follower.updates.is_closed());
        let gone: Vec<u32> = self.followers.iter().filter(|(_, f)| f.updates.is_closed()).map(|(id, _)| *id).collect();
        for id in gone {
            self.unfollow(id);
        }
    }

    fn unfollow(&mut self, id: u32) {
        self.followers.remove(&id);
        self.say(wire::Unfollow { id });
    }

    fn begin_follow(
        &mut self,
        (id, hearing, session, after): (u32, HearingId, SessionId, Option<u64>),
        view: Option<wire::HearingView>,
        answered: oneshot::Sender<Result<Following, Refusal>>,
    ) -> Result<(), Cause> {
        let view = view.map(|view| convert::view_from(hearing, view)).transpose()?;
        let last = view.as_ref().map_or(after, |view| Some(view.seq));
        let (updates, receiver) = mpsc::channel(FOLLOWER_LIMIT);
        self.followers.insert(id, Follower { hearing, session, last, updates });
        if answered.send(Ok(Following { view, updates: receiver })).is_err() {
            self.unfollow(id);
        }
        Ok(())
    }

    fn resume_follow(&mut self, id: u32, follower: Follower, seamless: bool) {
        self.followers.insert(id, follower);
        if !seamless {
            // It has to begin with a view, which only following again gives it.
            self.unfollow(id);
        }
    }
}

impl Call {
    pub(super) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Join(_, reply) => drop(reply.send(Err(refusal))),
            Self::Authorize(_, reply) => drop(reply.send(Err(refusal))),
            Self::Act(reply) => drop(reply.send(Err(refusal))),
            Self::Follow(_, _, _, reply) => drop(reply.send(Err(refusal))),
            Self::Rehearse(reply) => drop(reply.send(Err(RehearseError::LineDown))),
            Self::Witness(_, reply) => drop(reply.send(Err(Unwitnessed::Unanswered))),
            // Dropped, they tell it by themselves.
            Self::Resume(_) | Self::Show(..) => {}
        }
    }

    fn answer(self, own: &Zone, answer: Answer) -> Result<(), Cause> {
        match (self, answer) {
            (Self::Join(id, reply), Answer::Join(joined)) => {
                drop(reply.send(Ok(convert::joined_from(id, own, joined)?)));
            }
            (Self::Authorize(id, reply), Answer::Authorize(grant)) => {
                drop(reply.send(Ok(convert::grant_from(id, own, grant)?)));
            }
            (Self::Act(reply), Answer::Act(seq)) => drop(reply.send(Ok(seq))),
            (Self::Show(id, reply), Answer::Show(board)) => drop(reply.send(convert::board_from(id, board)?)),
            _ => return Err(Cause::Protocol("an answer to another question")),
        }
        Ok(())
    }

    fn is_abandoned(&self) -> bool {
        match self {
            Self::Join(_, reply) => reply.is_closed(),
            Self::Authorize(_, reply) => reply.is_closed(),
            Self::Act(reply) => reply.is_closed(),
            Self::Follow(_, _, _, reply) => reply.is_closed(),
            Self::Resume(follower) => follower.updates.is_closed(),
            Self::Show(_, reply) => reply.is_closed(),
            Self::Rehearse(reply) => reply.is_closed(),
            Self::Witness(_, reply) => reply.is_closed(),
        }
    }
}

const CALLS_LIMIT: usize = 1_024;
const FOLLOWER_LIMIT: usize = 256;
