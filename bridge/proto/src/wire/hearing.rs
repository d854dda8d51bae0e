//! How an edge takes part in a hearing: requests and answers, updates for followers, what media reports.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::value::{HearingId, PauseReason, Role, SessionId};
use super::view::{Board, Entry, HearingView, Identity, LiveSeat, SeatQuality, SeatView};

/// An edge asks home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// By which the [`Reply`] is known; not used twice while it is open.
    pub id: u32,
    /// The hearing.
    pub hearing: HearingId,
    /// What.
    pub ask: Ask,
}

/// What an edge can ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// A device uses a join link.
    Join(Join),
    /// Which seat the session is on.
    Authorize(SessionId),
    /// A participant does something.
    Act(SessionId, Action),
    /// Follow the hearing as the session sees it, from after this entry. [`Update`]s with the request's id come after the reply.
    Follow(SessionId, Option<u64>),
    /// The whole hearing, for the edge's operator.
    Show,
}

/// Home answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// [`Request::id`].
    pub id: u32,
    /// The answer.
    pub answer: Result<Answer, Refusal>,
}

/// What home answers; each belongs to the [`Ask`] of the same name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The device is on its seat.
    Join(Joined),
    /// The session's authority.
    Authorize(Grant),
    /// It was done, as this entry of the journal.
    Act(u64),
    /// The hearing now; `None` when updates alone will do.
    Follow(Option<HearingView>),
    /// The whole hearing.
    Show(Board),
}

/// One thing for a follower.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// [`Request::id`] of the follow request.
    pub id: u32,
    /// What.
    pub kind: UpdateKind,
}

/// What a follower is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum UpdateKind {
    /// A journal entry.
    Entry(Entry),
    /// What is live now.
    Live(Vec<LiveSeat>),
    /// The follower lagged or its session ended; it has to follow again.
    End,
}

/// An edge's follower is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfollow {
    /// [`Request::id`] of the follow request.
    pub id: u32,
}

/// A device that wants onto a seat; its zone and node are those of the peer's certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// SHA-256 of the link's secret.
    pub token: [u8; 32],
    /// The page's random number.
    pub device: [u8; 16],
}

impl fmt::Debug for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Join(..)")
    }
}

/// A device that is on its seat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// Names its stay.
    pub session: SessionId,
    /// Its seat.
    pub seat: SeatView,
    /// The hearing's case number.
    pub case: String,
    /// The template that the hearing was made from.
    pub template: String,
}

/// Which seat a session is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The session.
    pub session: SessionId,
    /// The seat; its zone is the receiver's.
    pub seat: u8,
    /// The seat's role.
    pub role: Role,
}

/// What somebody asks of a hearing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are those of the signaling crate's Action, in its order")]
pub enum Action {
    Admit { seat: String, identity: Identity },
    Refuse { seat: String },
    Remove { seat: String },
    Mute { seat: String },
    Unmute { seat: String },
    Call { seat: String },
    Dismiss { seat: String },
    RaiseHand,
    LowerHand,
    GiveFloor { seat: String },
    Open,
    Recess { reason: PauseReason },
    Resume,
    Sign,
    Close,
    SetDevices { microphone: bool, camera: bool },
    Mark { text: String },
    Note { text: String },
}

/// Why home says no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants are those of the signaling crate's Refusal, in its order")]
pub enum Refusal {
    UnknownLink,
    LinkExpired,
    SeatTaken,
    WrongZone { expected: String, actual: String },
    UnknownSession,
    Replaced,
    TurnedAway,
    Removed,
    Forbidden { role: String, what: String },
    WrongPhase { what: String, phase: String },
    UnknownSeat(String),
    SeatEmpty(String),
    NotAdmitted(String),
    NotReady(String),
    HomeUnreachable,
    Busy,
    Journal(String),
    UnknownHearing(HearingId),
    BadText,
}

/// An edge reports on the media of one of its own seats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The hearing.
    pub hearing: HearingId,
    /// The seat; must be one of the sender's zone.
    pub seat: u8,
    /// What.
    pub report: SeatReport,
}

/// What is reported of a seat. Everything else that media reports, home sees for itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum SeatReport {
    /// Its endpoint is connected.
    Connected,
    /// Its endpoint is gone.
    Disconnected,
    /// Its user closed it.
    Left,
    /// How it is doing, about once a second.
    Quality(SeatQuality),
}
