//! Sans-IO protocols: no sockets, no clock, no runtime.

pub mod child;
pub mod depacketize;
pub mod manifest;
pub mod matroska;
pub mod payload;
pub mod testcard;
pub mod wire;
