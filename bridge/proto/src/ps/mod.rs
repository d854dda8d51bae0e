//! MPEG program streams (ISO/IEC 13818-1) as GB/T 28181 devices send them over RTP, and the two ways in which they come over TCP.

mod adts;
mod demux;
mod elementary;
mod framing;
mod map;
mod mux;
mod pes;
#[cfg(test)]
mod tests;

pub use adts::Adts;
pub use demux::{Counts, Demuxer};
pub use elementary::Unit;
pub use framing::{Framer, NotFraming};
pub use mux::Muxer;

/// What a program stream carries that is taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, a byte stream.
    H264,
    /// H.265, a byte stream.
    H265,
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
    /// AAC, each frame behind its ADTS header.
    Aac,
}

impl Codec {
    /// True for pictures.
    #[must_use]
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }
}

/// Ticks of a program stream's clock in a second.
pub const CLOCK_RATE: u32 = 90_000;
