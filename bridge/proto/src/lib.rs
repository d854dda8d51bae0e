//! Sans-IO protocols: no sockets, no clock, no runtime.

pub mod child;
pub mod depacketize;
pub mod gb28181;
pub mod manifest;
pub mod matroska;
pub mod mp4;
pub mod packetize;
pub mod payload;
pub mod ps;
pub mod scene;
pub mod testcard;
pub mod wire;
