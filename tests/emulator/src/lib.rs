//! A line between two ends that behaves badly on purpose: it loses, delays, jitters, reorders, has a rate and a queue, and
//! can be cut. For tests and measurements on kernels without `sch_netem`. What happens to a packet is decided by `Direction`,
//! which is pure and told the time; `Relay` (UDP) and `Wire` (everything, between two namespaces) move the packets.

mod counts;
mod direction;
mod loss;
mod quality;
mod relay;
mod wire;
mod worker;

pub use counts::Counts;
pub use direction::Direction;
pub use loss::Loss;
pub use quality::{Quality, Unreadable};
pub use relay::Relay;
pub use wire::{Side, Wire};
pub use worker::{Error, Handle};
