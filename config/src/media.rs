//! What a track carries.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::seat::SeatId;

/// What a track shows or lets hear. A seat publishes at most one track of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The seat's microphone.
    Audio,
    /// The seat's camera.
    Video,
    /// The seat's shared screen.
    Screen,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Video, Self::Screen];

    /// True for kinds that carry pictures.
    #[must_use]
    pub const fn is_picture(self) -> bool {
        match self {
            Self::Audio => false,
            Self::Video | Self::Screen => true,
        }
    }

    /// The word used in configuration, on the wire and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Screen => "screen",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a track is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Opus, RFC 6716; RTP clock 48 kHz (RFC 7587).
    Opus,
    /// G.711 A-law; RTP clock 8 kHz.
    Pcma,
    /// G.711 mu-law; RTP clock 8 kHz.
    Pcmu,
    /// G.722 at 64 kbit/s; RTP clock 8 kHz, though it samples at 16 kHz (RFC 3551, section 4.5.2).
    G722,
    /// AAC behind ADTS headers. Its clock is 48 kHz whatever it was sampled at: endpoints convert RTP times, whose clock is the rate of
    /// the samples (RFC 3640, section 3.2).
    Aac,
    /// VP8, RFC 6386; RTP clock 90 kHz (RFC 7741).
    Vp8,
    /// H.264; RTP clock 90 kHz (RFC 6184).
    H264,
    /// H.265; RTP clock 90 kHz (RFC 7798).
    H265,
}

impl Codec {
    /// True for codecs of sound.
    #[must_use]
    pub const fn is_sound(self) -> bool {
        match self {
            Self::Opus | Self::Pcma | Self::Pcmu | Self::G722 | Self::Aac => true,
            Self::Vp8 | Self::H264 | Self::H265 => false,
        }
    }

    /// Ticks of the codec's RTP clock in one second.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus | Self::Aac => 48_000,
            Self::Pcma | Self::Pcmu | Self::G722 => 8_000,
            Self::Vp8 | Self::H264 | Self::H265 => 90_000,
        }
    }
}

/// Names one track within a hearing: who sends it, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrackId {
    /// The seat that publishes it.
    pub seat: SeatId,
    /// What it carries.
    pub kind: Kind,
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.seat, self.kind)
    }
}
