//! What terminals of every protocol have in common: their leg on the router, and what they are handed while nothing is mixed.

mod call;
mod leg;
mod line;
mod room;
mod through;
mod trial;

pub use call::{Call, Ended, Feeds};
pub use line::{Line, Seat, Told};
pub use room::{Gauge, Room, own};
pub use through::Through;
pub(crate) use trial::HUNG_UP;
pub use trial::{Cards, Fault, NoTrial, RINGING, Trial, Tried, Way};
