//! Endpoints, one folder per protocol; they never import each other.

mod media;
pub mod sip;
pub mod terminal;
pub mod webrtc;
