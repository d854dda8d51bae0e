//! What two nodes say about the tracks of a hearing.

use serde::{Deserialize, Serialize};

use super::value::{Codec, DenyReason, HearingId, Role, TrackId};

/// The smallest number of a flow: a datagram that begins with 0 is a bundle, one that begins with 1 is parity.
pub const FIRST_FLOW: u32 = 2;

/// The sender has this track and its gate lets it out. Media flows once the receiver subscribes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackUp {
    /// The hearing.
    pub hearing: HearingId,
    /// The number by which its media is known on this connection, [`FIRST_FLOW`] or more; never used twice.
    pub flow: u32,
    /// The track.
    pub track: TrackId,
    /// How it is coded.
    pub codec: Codec,
    /// The zone where it entered the hearing.
    pub origin: String,
    /// The publishing seat's role as the sender sees it. The receiver judges by its own plan.
    pub role: Role,
    /// Bit n stands for layer n; 4 layers at most. 0: nothing of it comes now.
    pub layers: u8,
    /// True while that is so because a line has no room for it.
    pub held: bool,
}

/// The sender no longer has the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackDown {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
}

/// The layers of an announced track that the sender of this message takes from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
    /// Bit n stands for layer n; 0: none any more.
    pub layers: u8,
}

/// The sender needs a key frame of a track that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFrame {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
    /// The layer, 0 to 3.
    pub layer: u8,
}

/// A gate did not let a track pass; told so that both ends log and count it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
    /// The zone where it entered the hearing.
    pub origin: String,
    /// Whose gate it was.
    pub by: RefusedBy,
    /// Why.
    pub reason: DenyReason,
}

/// Which gate refused a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedBy {
    /// The sender of the message would not let it out.
    Egress,
    /// The sender of the message would not let it in.
    Ingress,
}
