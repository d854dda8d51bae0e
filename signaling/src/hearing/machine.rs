//! The hearing: told the time, handed inputs, drained with `poll`. It is small and cheap to clone, so that its owner can go
//! back to the state before an input whose journal entry could not be written.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hearing_config::{SeatId, Timestamp, TrackId};
use serde::{Deserialize, Serialize};

use super::start::Link;
use super::{Action, Change, Entry, HearingView, MediaPlan, MediaReport, Phase, Proof, SeatView, Sitting, audibility};
use crate::access::SessionId;
use crate::registry::{Join, Joined, Refusal};

/// One hearing at its home.
#[derive(Debug, Clone)]
pub struct Hearing {
    pub(super) kept: Kept,
    /// Tracks that arrive at home now.
    pub(super) arriving: BTreeSet<TrackId>,
    /// Tracks that the recorder writes, by its last report since it was ordered to run.
    pub(super) recording: BTreeSet<TrackId>,
    /// What the recorder says is wrong.
    pub(super) fault: Option<String>,
    /// What the recorder warns of.
    pub(super) warning: Option<String>,
    /// Tracks that became required a moment ago, and until when the recorder may still be getting ready for them.
    pub(super) grace: BTreeMap<TrackId, Timestamp>,
    /// The tracks that were required when the record was last looked at.
    pub(super) owed: BTreeSet<TrackId>,
    /// Set from the moment somebody asks to open or resume until the recorder reports: when that has to be.
    pub(super) starting: Option<Timestamp>,
    plan: Arc<MediaPlan>,
    pub(super) outputs: VecDeque<Output>,
}

/// The part of a hearing that outlives its process: what the journal keeps, written whole at every change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub(super) view: HearingView,
    pub(super) links: Vec<Link>,
    /// The revision of the last media plan.
    pub(super) revision: u64,
    /// What proves the record.
    #[serde(default)]
    pub(super) proof: Proof,
}

/// What happens to a hearing.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A device uses a link; `session` is a new random id, used if the device is let onto the seat.
    Join(Join, SessionId),
    /// A participant does something.
    Act(SessionId, Action),
    /// The operator does something.
    Operate(Action),
    /// Media reports something.
    Media(MediaReport),
    /// The home node has started again: nobody is connected and nothing is recorded.
    Restarted,
    /// The time that [`Hearing::deadline`] named has come.
    Time,
}

/// The answer to an input that was not refused.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It is done.
    Done,
    /// The device is on its seat.
    Joined(Box<Joined>),
    /// [`Output::Started`] will tell.
    Later,
}

/// What a hearing has for its owner, who journals the state before any of it becomes visible.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Something changed.
    Entry(Entry),
    /// The media plan changed.
    Plan(Arc<MediaPlan>),
    /// Answers everybody who waits for an opening or a resumption.
    Started(Result<(), Refusal>),
    /// What this seat may follow has changed, or who may follow as this seat: its followers have to follow again.
    Refollow(SeatId),
}

impl Hearing {
    /// A new hearing in [`Phase::Scheduled`].
    #[must_use]
    pub fn new(sitting: Sitting) -> Self {
        Self::restore(Kept::new(sitting))
    }

    /// The hearing as the journal has it; hand it [`Input::Restarted`] next.
    #[must_use]
    pub fn restore(kept: Kept) -> Self {
        let plan = Arc::new(audibility::plan(&kept, false, kept.revision));
        let mut hearing = Self {
            kept,
            arriving: BTreeSet::new(),
            recording: BTreeSet::new(),
            fault: None,
            warning: None,
            grace: BTreeMap::new(),
            owed: BTreeSet::new(),
            starting: None,
            plan,
            outputs: VecDeque::new(),
        };
        // What was required before a restart gets no second grace: the record is faulty until the recorder runs again.
        hearing.owed = hearing.required();
        hearing
    }

    /// Takes an input.
    ///
    /// # Errors
    /// A [`Refusal`] says why not, and nothing has changed then.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<Reply, Refusal> {
        let reply = match input {
            Input::Join(join, session) => Reply::Joined(Box::new(self.join(&join, session, now)?)),
            Input::Act(session, action) => self.act(session, action, now)?,
            Input::Operate(action) => self.apply(None, action, now)?,
            Input::Media(report) => self.report(report, now),
            Input::Restarted => self.restart(now),
            Input::Time => Reply::Done,
        };
        self.settle(now);
        Ok(reply)
    }

    /// The next output; drain it after every `handle`.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Time`] is wanted next.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.grace.values().copied().chain(self.starting).min()
    }

    /// What the journal has to keep.
    #[must_use]
    pub const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The hearing unfiltered, as the operator sees it.
    #[must_use]
    pub const fn view(&self) -> &HearingView {
        &self.kept.view
    }

    /// The media plan in force.
    #[must_use]
    pub const fn plan(&self) -> &Arc<MediaPlan> {
        &self.plan
    }

    /// The tracks that arrive at home now.
    pub fn arriving(&self) -> impl Iterator<Item = TrackId> {
        self.arriving.iter().copied()
    }

    /// The tracks that are being recorded now.
    pub fn recording(&self) -> impl Iterator<Item = TrackId> {
        self.recording.iter().copied()
    }

    /// Writes one change into the view and the log.
    pub(super) fn change(&mut self, change: Change, at: Timestamp) {
        let entry = Entry { seq: self.kept.view.seq + 1, at, change };
        self.kept.view.apply(&entry);
        self.outputs.push_back(Output::Entry(entry));
    }

    /// Changes one seat; a change that changes nothing leaves no entry.
    pub(super) fn change_seat(&mut self, id: SeatId, now: Timestamp, edit: impl FnOnce(&mut SeatView)) {
        let before = &self.kept.view.seats[usize::from(id.0)];
        let mut after = before.clone();
        edit(&mut after);
        if after != *before {
            self.change(Change::Seat(after), now);
        }
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) const fn phase(&self) -> Phase {
        self.kept.view.phase
    }

    pub(super) fn require_phase(
        &self,
        what: &'static str,
        possible: impl FnOnce(Phase) -> bool,
    ) -> Result<(), Refusal> {
        let phase = self.phase();
        if possible(phase) { Ok(()) } else { Err(Refusal::WrongPhase { what, phase: phase.to_string() }) }
    }

    /// Draws the consequences of an input: session, record, plan, and who may follow what.
    fn settle(&mut self, now: Timestamp) {
        self.settle_start(now);
        self.settle_record(now);
        let mut plan = audibility::plan(&self.kept, self.starting.is_some(), self.plan.revision);
        if plan != *self.plan {
            plan.revision += 1;
            self.kept.revision = plan.revision;
            self.plan = Arc::new(plan);
            self.outputs.push_back(Output::Plan(Arc::clone(&self.plan)));
        }
        self.settle_sight();
    }
}
