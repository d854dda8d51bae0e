//! The vocabulary of a hearing (ids, zones, roles, kinds, codecs, verdicts) and a node's typed configuration.

pub mod crossing;
pub mod media;
pub mod pki;
pub mod seat;
pub mod value;
pub mod zone;

pub use crossing::{DenyReason, Verdict};
pub use media::{Codec, Kind, TrackId};
pub use pki::Pki;
pub use seat::{Role, SeatId};
pub use value::{HearingId, NodeId, Timestamp};
pub use zone::Zone;
