//! What cameras and devices have in common: their whole frames become packets of a track, on this node's time line.

mod capture;
mod cutter;
mod loudness;
mod tally;

pub(in crate::endpoint) use capture::{SenderClock, SourceClock};
pub(crate) use cutter::{Coded, Cutter};
pub(crate) use tally::Tally;
