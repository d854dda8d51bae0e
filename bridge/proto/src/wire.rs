//! The wire between nodes: typed, versioned, size-bounded messages on the control stream, and the framing of media.
//! See docs/ref/trunk-wire.md. Nothing here knows a socket or a clock; no bytes from a peer can make it panic.

mod bundle;
mod codec;
mod hearing;
mod late;
mod link;
mod media;
mod message;
mod parity;
mod plan;
mod rehearse;
mod track;
mod value;
mod view;
mod witness;

pub use bundle::{MAX_BUNDLE, bundle, unbundle};
pub use codec::{Decoder, Error, HEADER_LEN, encode};
pub use hearing::{
    Action, Answer, Ask, Grant, Join, Joined, Refusal, Reply, Report, Request, SeatReport, Unfollow, Update, UpdateKind,
};
pub use late::{Decoded, Fetch, Kept, LateHead, MAX_LATE, MAX_LATE_FRAMES, decode_late, encode_late, is_late};
pub use link::{Hello, Ping, Pong, Take, Welcome};
pub use media::{FrameHead, MAX_FRAME, MAX_PACKETS, MAX_PAYLOAD, decode_frame, encode_frame};
pub use message::Message;
pub use parity::{PARITY_HEAD, ParityHead, SYMBOL, decode_parity, encode_parity, is_parity};
pub use plan::{Announce, Layout, MediaPlan, Plan, PlannedSeat, RecordOrder, Row, Terminal, Withdraw};
pub use rehearse::{
    Rehearse, RehearseAnswer, RehearseAsk, RehearsePair, RehearseReport, RehearseSeat, RehearsedSeat, Tone,
};
pub use track::{FIRST_FLOW, KeyFrame, Refused, RefusedBy, Subscribe, TrackDown, TrackUp};
pub use value::{Codec, DenyReason, EndpointKind, HearingId, Kind, PauseReason, Role, SessionId, TrackId};
pub use view::{
    Board, Change, Entry, HearingView, Identity, LiveSeat, Mark, Phase, Presence, Proof, RecordState, RecordView,
    Relief, SeatQuality, SeatSound, SeatView,
};
pub use witness::{WitnessAnswer, WitnessAsk, WitnessWord};

/// The version of everything in this module. A node refuses every other.
pub const VERSION: u8 = 5;

/// The application protocol that both ends name in the TLS handshake.
pub const ALPN: &[u8] = b"hearing-trunk/5";
