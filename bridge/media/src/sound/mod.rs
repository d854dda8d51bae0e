//! Sound as samples: G.711, other rates, what waits to be played, how loud it is. No GStreamer, no clock.

pub mod g711;
pub mod jitter;
pub mod meter;
pub mod resample;

/// Samples a second of everything that is mixed.
pub const RATE: u32 = 48_000;
