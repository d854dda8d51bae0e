//! The HTTP API: parse, authorize, call, answer; one file per resource.

use hearing_config::{Kind, SeatId};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use crate::access::{Grant, SessionId};

/// What the API asks of media; the bridge answers.
#[derive(Debug)]
pub enum MediaRequest {
    /// A browser or WHIP/WHEP client offers; the answer is SDP. A second offer of the same session replaces the first.
    Offer(Grant, Offer, oneshot::Sender<Result<String, MediaRefusal>>),
    /// The page tells which size it shows a slot in.
    Prefer(Grant, SeatId, Kind, Size),
    /// The client ends its media session.
    End(SessionId),
}

/// A client's offer and what its m-lines are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The SDP.
    pub sdp: String,
    /// The m-lines by which the client sends.
    pub sends: Vec<Send>,
    /// The m-lines by which it receives: one fixed slot per seat and kind, for good.
    pub slots: Vec<Slot>,
}

/// One m-line by which a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Send {
    /// The m-line's `mid`.
    pub mid: String,
    /// What it carries.
    #[schema(value_type = String)]
    pub kind: Kind,
}

/// One m-line by which a client receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Slot {
    /// The m-line's `mid`.
    pub mid: String,
    /// The seat that it shows, for good.
    #[schema(value_type = u8)]
    pub seat: SeatId,
    /// What it carries.
    #[schema(value_type = String)]
    pub kind: Kind,
}

/// How large a page shows a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// Not at all.
    Off,
    /// A small tile: the lowest layer will do.
    Small,
    /// As large as it comes.
    Large,
}

/// Why media says no to an offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaRefusal {
    /// The SDP can't be read.
    #[error("the offer's SDP is not usable: {0}")]
    BadSdp(String),
    /// Nothing in common.
    #[error("the offer has no codec in common for {0}: needed is Opus for sound, VP8 or H.264 constrained baseline for pictures")]
    NoCodec(String),
    /// The node can't take more.
    #[error("the node is at its limit of media sessions")]
    Full,
    /// The seat isn't admitted.
    #[error("the seat has not been admitted yet")]
    NotAdmitted,
}
