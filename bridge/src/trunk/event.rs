//! What happens to the task of a peer.

use hearing_config::{HearingId, SeatId, Timestamp, TrackId};
use hearing_proto::manifest;
use hearing_proto::wire::{self, Decoded, LateHead, Message};
use hearing_signaling::registry::Request;
use tokio::sync::oneshot;

use super::carried::Carry;
use super::cause::Cause;
use super::control::Greeted;
use super::late::{FetchReply, Lack};
use super::narrow::Room;
use super::outbox::Name;
use super::{RehearseError, Unwitnessed};
use crate::router::{LegId, TrackInfo};

/// What happens to a peer's task.
pub(super) enum Event {
    /// A connection whose ends have welcomed each other; it waits until it is taken.
    Greeted(Greeted),
    /// The waiting link with this number takes the place of the one that is there.
    Taken(u64, Greeted),
    /// The waiting link with this number is over.
    StandbyLost(u64, Cause),
    /// A message over the link with this number.
    Message(u64, Message),
    /// The link with this number is over.
    Ended(u64, Cause),
    /// Somebody here asks a hearing that is at home at the peer.
    Request(HearingId, Request),
    /// A carried hearing has a new plan.
    Planned(HearingId),
    /// This node carries a hearing.
    Carry(Carry),
    /// It no longer does.
    Drop(HearingId),
    /// A carried hearing has a track here.
    TrackUp(HearingId, TrackInfo),
    /// It no longer has.
    TrackDown(HearingId, TrackId),
    /// Who speaks in a carried hearing.
    Speaking(HearingId, Vec<SeatId>),
    /// The link with this number has room for so much of a track.
    Room(u64, Name, Room),
    /// Rehearse at the peer.
    Rehearse(wire::Rehearse, oneshot::Sender<Result<wire::RehearseReport, RehearseError>>),
    /// Home here lacks something that entered at the peer.
    Fetch(Lack, FetchReply),
    /// Home here has something that entered at the peer.
    Kept(HearingId, TrackId, Timestamp),
    /// What was fetched came in over the link with this number.
    Late(u64, LateHead, Vec<Decoded>),
    /// A leg of a carried hearing has ended by itself.
    LegClosed(HearingId, LegId),
    /// Have the peer cosign a checkpoint.
    Witness(HearingId, Box<manifest::Request>, oneshot::Sender<Result<manifest::Cosignature, Unwitnessed>>),
    /// The revocation list was read again.
    Revocations,
    /// The node ends.
    Stop,
}
