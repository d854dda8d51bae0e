//! Who gets which packet: one worker thread owns all media of a hearing at this node, takes no lock and touches no disk.

pub mod feed;
pub mod leg;
pub mod packet;
pub mod track;
pub mod worker;

mod assembler;
mod audibility;
mod contained;
mod demux;
mod drain;
#[cfg(test)]
mod fake;
mod forward;
mod hearing;
mod keyframe;
mod lobby;
mod routes;
mod slot;
mod speakers;
mod stream;
mod switchboard;
mod tally;
#[cfg(test)]
mod tests;

pub use drain::DRAIN;
pub use feed::{Feed, FeedInput, FeedOutput, Takes, Wishes};
pub use leg::{Control, Delivery, IceRestart, Leg, LegId, Output, Path, Place, Protected, Transport};
pub use packet::{Frame, Layer, LayerSet, Packet, Temporal};
pub use track::TrackInfo;
pub use worker::{Attach, Command, Event, Full, Report, TrackReport, Worker, WorkerHandle};
