//! Seats: who may sit there, who does, and what the court does with them.

use hearing_config::{Role, SeatId, Timestamp};
use subtle::ConstantTimeEq as _;

use super::start::{Ending, Stay};
use super::{Action, Change, Hearing, Identity, Mark, Output, Phase, Presence, Reply, SeatView};
use crate::access::{Grant, Permission, SessionId, TokenHash, may};
use crate::registry::{Join, Joined, Refusal};

impl Hearing {
    /// The authority of a session.
    ///
    /// # Errors
    /// [`Refusal::UnknownSession`] for a session that was never given; the reason for one that has ended.
    pub fn authorize(&self, session: SessionId) -> Result<Grant, Refusal> {
        let mut stays = self.kept.links.iter().zip(&self.kept.view.seats);
        let on = stays.find(|(link, _)| link.stay.as_ref().is_some_and(|stay| stay.of_session(session)));
        match on {
            Some((_, seat)) => Ok(self.grant(seat, session)),
            None => Err(self.why_ended(session)),
        }
    }

    pub(super) fn join(&mut self, join: &Join, session: SessionId, now: Timestamp) -> Result<Joined, Refusal> {
        let id = self.seat_of(join.token).ok_or(Refusal::UnknownLink)?;
        self.check_join(id, join, now)?;
        let link = &mut self.kept.links[usize::from(id.0)];
        link.end_stay(Ending::Replaced);
        link.stay = Some(Stay::new(join.device, session));
        self.push(Output::Refollow(id));
        if self.phase() == Phase::Scheduled {
            self.change(Change::Phase(Phase::Waiting), now);
        }
        self.change_seat(id, now, sit_down);
        let seat = self.seat(id).clone();
        let (case, template) = (self.kept.view.case.clone(), self.kept.view.template.clone());
        Ok(Joined { grant: self.grant(&seat, session), seat, case, template })
    }

    pub(super) fn act(&mut self, session: SessionId, action: Action, now: Timestamp) -> Result<Reply, Refusal> {
        let grant = self.authorize(session)?;
        if !may(grant.role(), action.permission()) {
            return Err(Refusal::Forbidden { role: grant.role().as_str(), what: action.what() });
        }
        if !self.seat(grant.seat()).presence.is_admitted() {
            return Err(Refusal::NotAdmitted(self.seat(grant.seat()).name.clone()));
        }
        self.apply(Some(grant.seat()), action, now)
    }

    /// Does `action`; `actor` is `None` for the operator.
    pub(super) fn apply(&mut self, actor: Option<SeatId>, action: Action, now: Timestamp) -> Result<Reply, Refusal> {
        self.require_phase(action.what(), |phase| !phase.is_over())?;
        match action {
            Action::Admit { seat, identity } => self.admit(&seat, identity, now)?,
            Action::Refuse { seat } => self.refuse(&seat, now)?,
            Action::Remove { seat } => self.remove(&seat, now)?,
            Action::Mute { seat } => self.mute(&seat, true, now)?,
            Action::Unmute { seat } => self.mute(&seat, false, now)?,
            Action::Call { seat } => self.call(&seat, now)?,
            Action::Dismiss { seat } => self.dismiss(&seat, now)?,
            Action::RaiseHand => self.hand(actor, true, now)?,
            Action::LowerHand => self.hand(actor, false, now)?,
            Action::GiveFloor { seat } => self.give_floor(&seat, now)?,
            Action::Open => return self.open(now),
            Action::Recess { reason } => self.recess(reason, now)?,
            Action::Resume => return self.resume(now),
            Action::Mark { text } => self.mark(Mark { note: false, seat: actor, text }, now)?,
            Action::Note { text } => self.mark(Mark { note: true, seat: actor, text }, now)?,
            Action::Sign => self.sign(now)?,
            Action::Close => self.close(now),
            Action::SetDevices { microphone, camera } => self.set_devices(actor, microphone, camera, now)?,
        }
        Ok(Reply::Done)
    }

    pub(super) fn seat(&self, id: SeatId) -> &SeatView {
        &self.kept.view.seats[usize::from(id.0)]
    }

    /// The seat, or `None` when a report names one that the hearing does not have.
    pub(super) fn known_seat(&self, id: SeatId) -> Option<&SeatView> {
        self.kept.view.seats.get(usize::from(id.0))
    }

    /// Compares with every link, so that the time taken tells nothing.
    fn seat_of(&self, token: TokenHash) -> Option<SeatId> {
        let links = self.kept.links.iter().zip(0..);
        links.fold(None, |found, (link, id)| if link.token.0.ct_eq(&token.0).into() { Some(SeatId(id)) } else { found })
    }

    fn check_join(&self, id: SeatId, join: &Join, now: Timestamp) -> Result<(), Refusal> {
        let (seat, link) = (self.seat(id), &self.kept.links[usize::from(id.0)]);
        if seat.presence == Presence::Removed {
            return Err(Refusal::LinkExpired);
        }
        self.require_phase("join", |phase| !phase.is_over())?;
        if join.zone != seat.zone {
            return Err(Refusal::WrongZone { expected: seat.zone.clone(), actual: join.zone.clone() });
        }
        match &link.stay {
            Some(stay) if !stay.of_device(join.device) => Err(Refusal::SeatTaken),
            Some(_) => Ok(()),
            None if !link.valid.contains(now) => Err(Refusal::LinkExpired),
            None => Ok(()),
        }
    }

    fn why_ended(&self, session: SessionId) -> Refusal {
        let mut ended = self.kept.links.iter().flat_map(|link| &link.ended);
        match ended.find(|(stay, _)| stay.of_session(session)) {
            Some((_, Ending::Replaced)) => Refusal::Replaced,
            Some((_, Ending::TurnedAway)) => Refusal::TurnedAway,
            Some((_, Ending::Removed)) => Refusal::Removed,
            None => Refusal::UnknownSession,
        }
    }

    fn grant(&self, seat: &SeatView, session: SessionId) -> Grant {
        Grant::from_home(self.kept.view.id, seat.id, seat.role, seat.zone.clone(), session)
    }

    fn named(&self, name: &str) -> Result<&SeatView, Refusal> {
        let found = self.kept.view.seats.iter().find(|seat| seat.name == name);
        found.ok_or_else(|| Refusal::UnknownSeat(name.to_owned()))
    }

    /// The seat with this name, on which somebody sits who was let in.
    fn admitted(&self, name: &str) -> Result<&SeatView, Refusal> {
        let seat = self.named(name)?;
        match seat.presence {
            Presence::Absent | Presence::Removed => Err(Refusal::SeatEmpty(name.to_owned())),
            Presence::Waiting => Err(Refusal::NotAdmitted(name.to_owned())),
            Presence::Admitted | Presence::Connected => Ok(seat),
        }
    }

    fn admit(&mut self, name: &str, identity: Identity, now: Timestamp) -> Result<(), Refusal> {
        let seat = self.named(name)?;
        let presence = match seat.presence {
            Presence::Absent | Presence::Removed => return Err(Refusal::SeatEmpty(name.to_owned())),
            Presence::Waiting => Presence::Admitted,
            Presence::Admitted | Presence::Connected => seat.presence,
        };
        let id = seat.id;
        self.change_seat(id, now, |seat| (seat.presence, seat.identity) = (presence, Some(identity)));
        Ok(())
    }

    fn refuse(&mut self, name: &str, now: Timestamp) -> Result<(), Refusal> {
        let seat = self.named(name)?;
        if seat.presence != Presence::Waiting {
            return Err(Refusal::SeatEmpty(name.to_owned()));
        }
        self.empty(seat.id, Presence::Absent, Ending::TurnedAway, now);
        Ok(())
    }

    fn remove(&mut self, name: &str, now: Timestamp) -> Result<(), Refusal> {
        let id = self.named(name)?.id;
        self.empty(id, Presence::Removed, Ending::Removed, now);
        Ok(())
    }

    fn empty(&mut self, id: SeatId, presence: Presence, ending: Ending, now: Timestamp) {
        self.kept.links[usize::from(id.0)].end_stay(ending);
        self.push(Output::Refollow(id));
        self.change_seat(id, now, |seat| {
            seat.presence = presence;
            seat.identity = None;
            seat.hand = false;
            (seat.microphone_off, seat.camera_off, seat.left) = (false, false, false);
        });
        self.take_floor(id, now);
    }

    fn mute(&mut self, name: &str, muted: bool, now: Timestamp) -> Result<(), Refusal> {
        let id = self.named(name)?.id;
        self.change_seat(id, now, |seat| seat.muted = muted);
        Ok(())
    }

    fn call(&mut self, name: &str, now: Timestamp) -> Result<(), Refusal> {
        self.require_phase("call", |phase| matches!(phase, Phase::InSession | Phase::Signing))?;
        let id = waits_apart(self.admitted(name)?)?;
        self.change_seat(id, now, |seat| seat.apart = false);
        Ok(())
    }

    fn dismiss(&mut self, name: &str, now: Timestamp) -> Result<(), Refusal> {
        let id = waits_apart(self.named(name)?)?;
        self.change_seat(id, now, |seat| (seat.apart, seat.hand) = (true, false));
        self.take_floor(id, now);
        Ok(())
    }

    fn hand(&mut self, actor: Option<SeatId>, up: bool, now: Timestamp) -> Result<(), Refusal> {
        let what = if up { Action::RaiseHand } else { Action::LowerHand }.what();
        let id = actor.ok_or(Refusal::Forbidden { role: "court operator", what })?;
        if up && self.seat(id).apart {
            return Err(Refusal::Forbidden {
                role: self.seat(id).role.as_str(),
                what: "ask for the floor before being called",
            });
        }
        self.change_seat(id, now, |seat| seat.hand = up);
        Ok(())
    }

    fn set_devices(
        &mut self,
        actor: Option<SeatId>,
        microphone: bool,
        camera: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let what = Action::SetDevices { microphone, camera }.what();
        let id = actor.ok_or(Refusal::Forbidden { role: "court operator", what })?;
        self.change_seat(id, now, |seat| (seat.microphone_off, seat.camera_off) = (!microphone, !camera));
        Ok(())
    }

    fn give_floor(&mut self, name: &str, now: Timestamp) -> Result<(), Refusal> {
        let seat = self.admitted(name)?;
        if seat.apart || !may(seat.role, Permission::Publish) {
            return Err(Refusal::Forbidden { role: seat.role.as_str(), what: "have the floor now" });
        }
        let id = seat.id;
        self.change_seat(id, now, |seat| seat.hand = false);
        if self.kept.view.floor != Some(id) {
            self.change(Change::Floor(Some(id)), now);
        }
        Ok(())
    }

    fn take_floor(&mut self, id: SeatId, now: Timestamp) {
        if self.kept.view.floor == Some(id) {
            self.change(Change::Floor(None), now);
        }
    }
}

/// The court's own staff is known by its link; everybody else waits to be let in.
fn sit_down(seat: &mut SeatView) {
    match (seat.presence, seat.role) {
        (Presence::Absent, Role::Judge | Role::Clerk) => {
            (seat.presence, seat.identity) = (Presence::Admitted, Some(Identity::Known));
        }
        (Presence::Absent, _) => seat.presence = Presence::Waiting,
        (Presence::Waiting | Presence::Admitted | Presence::Connected | Presence::Removed, _) => {}
    }
}

fn waits_apart(seat: &SeatView) -> Result<SeatId, Refusal> {
    match seat.role {
        Role::Witness | Role::Expert => Ok(seat.id),
        role => Err(Refusal::Forbidden { role: role.as_str(), what: "be called or dismissed" }),
    }
}
