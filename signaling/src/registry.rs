//! Every hearing that this node knows, each behind a handle: those at home here are tasks of this process, those at home
//! elsewhere are tasks of a trunk that relay to their home. Callers can't tell the difference.

mod handle;
mod home;
mod live;
mod node;

use hearing_config::{HearingId, NodeId, Zone};
use tokio::sync::{mpsc, oneshot};

use crate::access::{Grant, SessionId, TokenHash};
use crate::hearing::{Action, Entry, HearingView, LiveSeat, MediaPlan, MediaReport, SeatView};

pub use node::{Error, Listed, Registry, RegistryChange, SeatLink, Settings, Started};

/// Reaches the one task that owns a hearing, here or behind a trunk.
#[derive(Debug, Clone)]
pub struct HearingHandle {
    /// Bounded: a full queue answers [`Refusal::Busy`].
    pub requests: mpsc::Sender<Request>,
}

/// What can be asked of a hearing.
#[derive(Debug)]
pub enum Request {
    /// A device uses a join link, or comes back to its seat.
    Join(Join, oneshot::Sender<Result<Joined, Refusal>>),
    /// Which seat a session is on; the authority for media that arrives over HTTP. Waiting seats get one too: media asks the plan.
    Authorize(SessionId, oneshot::Sender<Result<Grant, Refusal>>),
    /// A participant does something; the answer is the number of the journal entry that it led to.
    Act(SessionId, Action, oneshot::Sender<Result<u64, Refusal>>),
    /// The local operator does something.
    Operate(Action, oneshot::Sender<Result<u64, Refusal>>),
    /// The hearing as the session's seat may see it, and every entry after `after`.
    Follow {
        /// Whose eyes.
        session: SessionId,
        /// The last entry that the follower has; `None` when it has nothing yet.
        after: Option<u64>,
        /// The answer.
        reply: oneshot::Sender<Result<Following, Refusal>>,
    },
    /// The whole hearing, for the operator.
    Show(oneshot::Sender<Board>),
    /// The media plan now and whenever it changes; for routers and trunks.
    Plans(oneshot::Sender<tokio::sync::watch::Receiver<std::sync::Arc<MediaPlan>>>),
    /// Every journal entry after `after` and those that follow, unfiltered; for the record. Only at home.
    Journal {
        /// The last entry that the reader has.
        after: u64,
        /// The answer; ends when the reader lags by more than its bound. Ask again then.
        reply: oneshot::Sender<mpsc::Receiver<Journaled>>,
    },
    /// What media reports.
    Media(MediaReport),
}

/// A device that wants onto a seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The hash of the link's secret.
    pub token: TokenHash,
    /// A random number that the page keeps; the same device may come back, another one may not.
    pub device: [u8; 16],
    /// The zone of the node at which it arrived; must be the seat's.
    pub zone: Zone,
    /// That node.
    pub node: NodeId,
}

/// A device that is on its seat.
#[derive(Debug, Clone)]
pub struct Joined {
    /// Its authority.
    pub grant: Grant,
    /// Its seat.
    pub seat: SeatView,
    /// The hearing's case number.
    pub case: String,
    /// The template that the hearing was made from.
    pub template: String,
}

/// One entry with what led to it, as the journal keeps both.
#[derive(Debug, Clone, PartialEq)]
pub struct Journaled {
    /// `operator`, `seat/<name>`, `join`, `media`, `restart`, `time` or `start`.
    pub cause: String,
    /// What changed.
    pub entry: Entry,
}

/// A hearing as one seat follows it.
#[derive(Debug)]
pub struct Following {
    /// The hearing now; `None` when every entry after `after` could be given instead.
    pub view: Option<HearingView>,
    /// What comes next, in order. The sender drops it when the follower lags by more than its bound; follow again.
    pub updates: mpsc::Receiver<Update>,
}

/// One thing for a follower.
#[derive(Debug, Clone)]
pub enum Update {
    /// A journal entry.
    Entry(Entry),
    /// What is live, about once a second and when the speaker changes; replaces the last.
    Live(Vec<LiveSeat>),
}

/// What the operator sees.
#[derive(Debug, Clone)]
pub struct Board {
    /// The hearing, unfiltered.
    pub view: HearingView,
    /// What is live about each connected seat.
    pub live: Vec<LiveSeat>,
}

/// Why a hearing says no. The text is shown to the person; the code stands in the API (docs/ref/api.md).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No link with this secret.
    #[error("this link is not valid for any seat of the hearing")]
    UnknownLink,
    /// The link's time is over or the seat was removed.
    #[error("this link is no longer valid")]
    LinkExpired,
    /// Another device is on the seat.
    #[error("another device already uses this seat's link")]
    SeatTaken,
    /// The link belongs to a seat of another zone.
    #[error("this seat joins from zone {expected}, not from {actual}")]
    WrongZone {
        /// The seat's zone.
        expected: Zone,
        /// The zone of the node that was asked.
        actual: Zone,
    },
    /// The session is unknown or was ended.
    #[error("the session is unknown or has ended")]
    UnknownSession,
    /// Another page of the same device has joined since.
    #[error("this seat is now used from another page of the same device")]
    Replaced,
    /// The court did not let the device in; the link stays usable.
    #[error("the court has not let you in")]
    TurnedAway,
    /// The court took whoever was there out; the link is used up.
    #[error("the court has ended your participation")]
    Removed,
    /// The role may not do that.
    #[error("a {role} may not {what}")]
    Forbidden {
        /// The role.
        role: &'static str,
        /// What was asked.
        what: &'static str,
    },
    /// Not possible in the present state.
    #[error("{what} is not possible while the hearing is {phase}")]
    WrongPhase {
        /// What was asked.
        what: &'static str,
        /// The state.
        phase: String,
    },
    /// No such seat.
    #[error("no seat is named {0:?}")]
    UnknownSeat(String),
    /// Nobody waits or sits there.
    #[error("nobody is on seat {0:?}")]
    SeatEmpty(String),
    /// Whoever sits there was not let in yet.
    #[error("seat {0:?} has not been admitted yet")]
    NotAdmitted(String),
    /// The session can't open.
    #[error("the hearing cannot be in session: {0}")]
    NotReady(String),
    /// The hearing's home can't be reached.
    #[error("the line to the hearing's home node is down")]
    HomeUnreachable,
    /// Too much at once.
    #[error("the hearing is busy; try again")]
    Busy,
    /// A mark is too long, or a note is empty or too long.
    #[error("a note has 1 to 200 characters, a mark at most 200")]
    BadText,
    /// The journal can't be written.
    #[error("the journal cannot be written: {0}")]
    Journal(String),
    /// No hearing with this id is known here.
    #[error("no hearing {0} is known here")]
    UnknownHearing(HearingId),
}

#[cfg(test)]
pub(crate) mod tests;
