//! What RTP of every protocol needs: where frames begin and end, and from a sender's clocks to ours.

pub(in crate::endpoint) mod capture;
pub(in crate::endpoint) mod clock;
pub(in crate::endpoint) mod frames;
mod jitter;
pub(in crate::endpoint) mod timeline;
mod unwrap;

pub(in crate::endpoint) use jitter::Jitter;
pub(in crate::endpoint) use unwrap::Unwrap;
