//! What goes over the socket.

use hearing_config::{Kind, SeatId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hearing::{Action, Entry, HearingView, LiveSeat};
use crate::http::{Problem, Size};

/// What a page sends.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum ClientMessage {
    /// The first message: who follows, and the last entry that it has.
    Hello { session: String, after: Option<u64> },
    /// Something to do; `done` or `failed` answers with the same id.
    Act { id: u64, action: Action },
    /// How large the page shows a seat's picture.
    Prefer {
        #[schema(value_type = u8)]
        seat: SeatId,
        #[schema(value_type = String)]
        kind: Kind,
        size: Size,
    },
    /// Asks for a `pong` with the same number.
    Ping { at: f64 },
}

/// What the node sends.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ServerMessage {
    /// The hearing as far as this seat may follow it; replaces everything.
    View {
        #[schema(value_type = u8)]
        you: SeatId,
        view: Box<HearingView>,
    },
    /// What changed next.
    Entry { entry: Entry },
    /// What is live; replaces the last.
    Live { live: Vec<LiveSeat> },
    /// An action was done; `seq` is the last entry that it led to.
    Done { id: u64, seq: u64 },
    /// An action was refused. Id 0: a message that could not be read.
    Failed {
        id: u64,
        #[serde(flatten)]
        problem: Problem,
    },
    /// The session is over for good.
    Ended {
        #[serde(flatten)]
        problem: Problem,
    },
    /// Which layers of a picture somebody takes, the smallest first: the page sends these and no others.
    Layers {
        #[schema(value_type = String)]
        kind: Kind,
        active: Vec<bool>,
    },
    /// The answer to `ping`.
    Pong { at: f64 },
}
