//! Endpoints, one folder per protocol; they never import each other.

pub mod webrtc;
