//! Who gets which packet: one worker thread owns all media of a hearing at this node, takes no lock and touches no disk.

pub mod leg;
pub mod packet;
pub mod track;
pub mod worker;

pub use leg::{Control, Delivery, Leg, LegId, Output, Path, Place, Transport};
pub use packet::{Frame, Layer, LayerSet, Packet};
pub use track::TrackInfo;
pub use worker::{Attach, Command, Event, WorkerHandle};
