//! How a track is coded, as a Matroska track entry says it.

use webm_iterable::WebmWriter;
use webm_iterable::matroska_spec::{Master::Full, MatroskaSpec as M};

use super::{APPLICATION, Error};

/// The codec of a track with all that stands in its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coding {
    /// Opus, two channels (a decoder makes both of a mono stream). No delay is declared: RTP times are true.
    Opus,
    /// G.711 A-law, 8 kHz, one channel.
    Pcma,
    /// G.711 mu-law, 8 kHz, one channel.
    Pcmu,
    /// VP8.
    Vp8 {
        /// Pixels from left to right.
        width: u16,
        /// Pixels from top to bottom.
        height: u16,
    },
    /// H.264 behind 4-byte lengths; parameter sets also stay in the stream.
    H264 {
        /// The AVC decoder configuration record.
        configuration: Vec<u8>,
        /// Pixels from left to right.
        width: u16,
        /// Pixels from top to bottom.
        height: u16,
    },
    /// H.265 behind 4-byte lengths; parameter sets also stay in the stream.
    H265 {
        /// The HEVC decoder configuration record.
        configuration: Vec<u8>,
        /// Pixels from left to right.
        width: u16,
        /// Pixels from top to bottom.
        height: u16,
    },
}

impl Coding {
    /// True for pictures.
    #[must_use]
    pub const fn is_picture(&self) -> bool {
        self.size().is_some()
    }

    /// Width and height in pixels; `None` for sound.
    #[must_use]
    pub const fn size(&self) -> Option<(u16, u16)> {
        match self {
            Self::Opus | Self::Pcma | Self::Pcmu => None,
            Self::Vp8 { width, height } | Self::H264 { width, height, .. } | Self::H265 { width, height, .. } => {
                Some((*width, *height))
            }
        }
    }

    pub(super) fn from_entry(id: &str, private: Vec<u8>, width: u64, height: u64) -> Option<Self> {
        let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
        match id {
            OPUS => Some(Self::Opus),
            ACM if private.starts_with(&A_LAW) => Some(Self::Pcma),
            ACM if private.starts_with(&MU_LAW) => Some(Self::Pcmu),
            VP8 => Some(Self::Vp8 { width, height }),
            AVC => Some(Self::H264 { configuration: private, width, height }),
            HEVC => Some(Self::H265 { configuration: private, width, height }),
            _ => None,
        }
    }

    fn id(&self) -> &'static str {
        match self {
            Self::Opus => OPUS,
            Self::Pcma | Self::Pcmu => ACM,
            Self::Vp8 { .. } => VP8,
            Self::H264 { .. } => AVC,
            Self::H265 { .. } => HEVC,
        }
    }

    fn private(&self) -> Option<Vec<u8>> {
        match self {
            Self::Opus => Some(OPUS_HEAD.to_vec()),
            Self::Pcma => Some([&A_LAW[..], &WAVE_FORMAT].concat()),
            Self::Pcmu => Some([&MU_LAW[..], &WAVE_FORMAT].concat()),
            Self::Vp8 { .. } => None,
            Self::H264 { configuration, .. } | Self::H265 { configuration, .. } => Some(configuration.clone()),
        }
    }

    fn entry(&self) -> M {
        let kind = if self.is_picture() { 1 } else { 2 };
        let mut entry = vec![M::TrackNumber(1), M::TrackUID(1), M::TrackType(kind), M::FlagLacing(0)];
        entry.push(M::CodecID(self.id().to_owned()));
        entry.extend(self.private().map(M::CodecPrivate));
        if *self == Self::Opus {
            entry.extend([M::CodecDelay(0), M::SeekPreRoll(80_000_000)]);
        }
        entry.push(match self.size() {
            Some((width, height)) => M::Video(Full(vec![M::PixelWidth(width.into()), M::PixelHeight(height.into())])),
            None => {
                let (rate, channels) = if *self == Self::Opus { (48_000.0, 2) } else { (8_000.0, 1) };
                M::Audio(Full(vec![M::SamplingFrequency(rate), M::Channels(channels)]))
            }
        });
        M::TrackEntry(Full(entry))
    }

    fn document(&self) -> &'static str {
        match self {
            Self::Opus | Self::Vp8 { .. } => "webm",
            Self::Pcma | Self::Pcmu | Self::H264 { .. } | Self::H265 { .. } => "matroska",
        }
    }

    pub(super) fn write_ebml(&self, mux: &mut WebmWriter<Vec<u8>>) -> Result<(), Error> {
        mux.write(&M::Ebml(Full(vec![
            M::EbmlVersion(1),
            M::EbmlReadVersion(1),
            M::EbmlMaxIdLength(4),
            M::EbmlMaxSizeLength(8),
            M::DocType(self.document().to_owned()),
            M::DocTypeVersion(4),
            M::DocTypeReadVersion(2),
        ])))?;
        Ok(())
    }

    pub(super) fn write_tracks(&self, mux: &mut WebmWriter<Vec<u8>>) -> Result<(), Error> {
        mux.write(&M::Tracks(Full(vec![self.entry()])))?;
        Ok(())
    }
}

/// The elements of `Info` but the duration; file times are milliseconds.
pub(super) fn info() -> Vec<M> {
    vec![M::TimestampScale(1_000_000), M::MuxingApp(APPLICATION.to_owned()), M::WritingApp(APPLICATION.to_owned())]
}

const OPUS: &str = "A_OPUS";
const ACM: &str = "A_MS/ACM";
const VP8: &str = "V_VP8";
const AVC: &str = "V_MPEG4/ISO/AVC";
const HEVC: &str = "V_MPEGH/ISO/HEVC";

/// RFC 7845, section 5.1: version 1, 2 channels, no pre-skip, 48 kHz, no gain, mapping family 0.
const OPUS_HEAD: [u8; 19] = *b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00";

/// The tags of WAVEFORMATEX for the two laws of G.711.
const A_LAW: [u8; 2] = [6, 0];
const MU_LAW: [u8; 2] = [7, 0];

/// WAVEFORMATEX behind its tag: 1 channel, 8000 samples and bytes a second, blocks of 1 byte, 8 bits, nothing behind.
const WAVE_FORMAT: [u8; 16] = [1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0, 0, 0];
