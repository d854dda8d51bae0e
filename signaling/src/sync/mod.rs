//! What every screen follows, in order and without a gap.

mod log;

pub use log::Log;
