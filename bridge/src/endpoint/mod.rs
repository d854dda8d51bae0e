//! Endpoints, one folder per protocol; they never import each other.

pub mod gb28181;
mod media;
pub(crate) mod rtsp;
pub mod sip;
pub(crate) mod source;
pub mod terminal;
pub mod webrtc;
