//! The vocabulary of a hearing (ids, zones, roles, kinds, codecs, verdicts) and a node's typed configuration.

mod check;
mod config;
pub mod crossing;
pub mod endpoint;
pub mod error;
pub mod media;
pub mod node;
pub mod pki;
mod raw;
mod read;
pub mod record;
pub mod seat;
pub mod sip;
pub mod spool;
pub mod template;
pub mod trunk;
pub mod turn;
pub mod value;
pub mod zone;

pub use config::Config;
pub use crossing::{Crossing, DenyReason, Verdict};
pub use endpoint::{Aor, DeviceId, Endpoint, EndpointKind, RtspUrl};
pub use error::{Error, Fault};
pub use media::{Codec, Kind, TrackId};
pub use node::{Admin, Media, Node, Web, WebTls};
pub use pki::Pki;
pub use record::{Backup, Record};
pub use seat::{Role, SeatId};
pub use sip::{Sip, SipDevice, SipTls, Srtp};
pub use spool::Spool;
pub use template::{Template, TemplateSeat};
pub use trunk::{Trunk, Trunks};
pub use turn::Turn;
pub use value::{HearingId, NodeId, Timestamp};
pub use zone::Zone;
