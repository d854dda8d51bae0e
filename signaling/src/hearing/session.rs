//! The session: scheduled -> waiting -> in session <-> recess -> signing -> closed -> sealed, and the record that goes with it.

use hearing_config::Timestamp;

use super::{Action, Change, Hearing, Mark, Output, PauseReason, Phase, Presence, Reply};
use crate::registry::Refusal;

impl Hearing {
    pub(super) fn open(&mut self, now: Timestamp) -> Result<Reply, Refusal> {
        self.require_phase("open", |phase| phase == Phase::Waiting)?;
        self.start(now)
    }

    pub(super) fn resume(&mut self, now: Timestamp) -> Result<Reply, Refusal> {
        self.require_phase("resume", |phase| matches!(phase, Phase::Recess(_)))?;
        self.start(now)
    }

    pub(super) fn recess(&mut self, reason: PauseReason, now: Timestamp) -> Result<(), Refusal> {
        self.require_phase("recess", |phase| phase == Phase::InSession)?;
        self.recording.clear();
        self.change(Change::Phase(Phase::Recess(reason)), now);
        Ok(())
    }

    pub(super) fn sign(&mut self, now: Timestamp) -> Result<(), Refusal> {
        self.require_phase("sign", |phase| phase == Phase::InSession)?;
        self.change(Change::Phase(Phase::Signing), now);
        Ok(())
    }

    pub(super) fn close(&mut self, now: Timestamp) {
        self.abandon_start(&Refusal::WrongPhase { what: "open", phase: Phase::Closed.to_string() });
        // Who leaves from here on leaves because the hearing is closed.
        self.change(Change::Phase(Phase::Closed), now);
        self.disconnect_all(now);
        if self.kept.view.opened_at.is_none() {
            self.seal(now);
        }
    }

    /// Marks the present moment of the record, or puts a remark into it.
    pub(super) fn mark(&mut self, mark: Mark, now: Timestamp) -> Result<(), Refusal> {
        let what = if mark.note { "note" } else { "mark" };
        self.require_phase(what, |phase| phase.is_recorded() || matches!(phase, Phase::Recess(_)))?;
        let length = mark.text.trim().chars().count();
        if length > Action::TEXT_LIMIT || mark.note && length == 0 {
            return Err(Refusal::BadText);
        }
        self.change(Change::Mark(Mark { text: mark.text.trim().to_owned(), ..mark }), now);
        Ok(())
    }

    /// The record is final and proves itself, or there is none.
    pub(super) fn seal(&mut self, now: Timestamp) {
        self.recording.clear();
        self.change(Change::Phase(Phase::Sealed), now);
    }

    pub(super) fn restart(&mut self, now: Timestamp) -> Reply {
        self.disconnect_all(now);
        // A record that was closed and not sealed is sealed by the recorder, as soon as it is back.
        if self.phase() == Phase::Closed && self.kept.view.opened_at.is_none() {
            self.seal(now);
        }
        Reply::Done
    }

    /// Ends a start that the recorder has answered, or has not answered in time.
    pub(super) fn settle_start(&mut self, now: Timestamp) {
        let Some(deadline) = self.starting else { return };
        let missing = self.unrecorded();
        if missing.is_empty() && !self.recording.is_empty() {
            self.starting = None;
            self.change(Change::Phase(Phase::InSession), now);
            self.push(Output::Started(Ok(())));
        } else if let Some(reason) = self.fault.take() {
            self.abandon_start(&Refusal::NotReady(format!("the recorder reports: {reason}")));
        } else if now >= deadline {
            let what = if missing.is_empty() { "any track".to_owned() } else { self.names(&missing) };
            self.abandon_start(&Refusal::NotReady(format!("the recorder does not run for {what}")));
        }
    }

    fn start(&mut self, now: Timestamp) -> Result<Reply, Refusal> {
        if self.starting.is_some() {
            return Ok(Reply::Later);
        }
        let missing: Vec<_> = self.required().into_iter().filter(|track| !self.arriving.contains(track)).collect();
        if !missing.is_empty() {
            return Err(Refusal::NotReady(format!("nothing arrives from {}", self.names(&missing))));
        }
        self.recording.clear();
        self.grace.clear();
        self.fault = None;
        self.starting = Some(now.plus(START_LIMIT));
        Ok(Reply::Later)
    }

    fn abandon_start(&mut self, why: &Refusal) {
        if self.starting.take().is_some() {
            self.recording.clear();
            self.push(Output::Started(Err(why.clone())));
        }
    }

    fn disconnect_all(&mut self, now: Timestamp) {
        let connected: Vec<_> =
            self.kept.view.seats.iter().filter(|s| s.presence == Presence::Connected).map(|s| s.id).collect();
        for id in connected {
            self.change_seat(id, now, |seat| seat.presence = Presence::Admitted);
        }
    }
}

/// How long the recorder may take to begin, in microseconds.
const START_LIMIT: i64 = 3_000_000;
