//! RTP payload headers: what a media router has to know of a payload, and no more.

pub mod h264;
pub mod vp8;
