//! The sandboxed child that decodes and encodes; the only code that links GStreamer. See docs/design/media-child.md.

pub mod chain;
pub mod codec;
pub mod compose;
pub mod decoder;
pub mod encoder;
pub mod job;
pub mod link;
pub mod probe;
pub mod sandbox;
pub mod selftest;
pub mod sound;
