//! Who gets which packet: one worker thread owns all media of a hearing at this node, takes no lock and touches no disk.

pub mod feed;
pub mod leg;
pub mod packet;
pub(crate) mod proto;
pub mod track;
pub mod worker;

mod assembler;
mod audibility;
mod contained;
mod demux;
mod drain;
#[cfg(test)]
mod fake;
mod far;
mod forward;
mod hearing;
mod keyframe;
mod ladder;
mod lobby;
mod rendition;
mod routes;
mod slot;
mod speakers;
mod stream;
mod switchboard;
mod tally;
#[cfg(test)]
mod tests;
mod watcher;

pub(crate) use assembler::Assembler;
pub use drain::DRAIN;
pub use far::{Lodge, attach};
pub use feed::{Feed, FeedInput, FeedOutput, Takes, Wishes};
pub(crate) use keyframe::Throttle;
pub(crate) use ladder::{Ladder, Step};
pub use leg::{Control, Delivery, IceRestart, Leg, LegId, Output, Path, Place, Protected, Transport};
pub use packet::{Frame, Layer, LayerSet, Packet, Temporal};
pub use rendition::CodecSet;
pub use track::TrackInfo;
pub use watcher::{Seen, Watcher};
pub use worker::{Attach, Command, Event, Full, Report, TrackReport, Worker, WorkerHandle};
