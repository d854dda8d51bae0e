//! How a track is coded, as a Matroska track entry says it.

use webm_iterable::WebmWriter;
use webm_iterable::matroska_spec::{Master::Full, MatroskaSpec as M};

use super::{APPLICATION, Error};
use crate::ps::Adts;

/// The codec of a track with all that stands in its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coding {
    /// Opus, two channels (a decoder makes both of a mono stream). No delay is declared: RTP times are true.
    Opus,
    /// G.711 A-law, 8 kHz, one channel.
    Pcma,
    /// G.711 mu-law, 8 kHz, one channel.
    Pcmu,
    /// G.722 at 64 kbit/s, 16 kHz, one channel.
    G722,
    /// AAC without headers.
    Aac {
        /// The audio specific config (ISO/IEC 14496-3, section 1.6.2.1), which says the rate and the channels.
        config: [u8; 2],
    },
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
            Self::Opus | Self::Pcma | Self::Pcmu | Self::G722 | Self::Aac { .. } => None,
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
            ACM if private.starts_with(&G722) => Some(Self::G722),
            AAC => Some(Self::Aac { config: *private.first_chunk()? }),
            VP8 => Some(Self::Vp8 { width, height }),
            AVC => Some(Self::H264 { configuration: private, width, height }),
            HEVC => Some(Self::H265 { configuration: private, width, height }),
            _ => None,
        }
    }

    fn id(&self) -> &'static str {
        match self {
            Self::Opus => OPUS,
            Self::Pcma | Self::Pcmu | Self::G722 => ACM,
            Self::Aac { .. } => AAC,
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
            Self::G722 => Some([&G722[..], &WAVE_FORMAT_G722].concat()),
            Self::Aac { config } => Some(config.to_vec()),
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
                let (rate, channels) = self.sound();
                M::Audio(Full(vec![M::SamplingFrequency(rate.into()), M::Channels(channels.into())]))
            }
        });
        M::TrackEntry(Full(entry))
    }

    /// Samples a second, and channels.
    fn sound(&self) -> (u32, u8) {
        match self {
            Self::Opus => (48_000, 2),
            Self::G722 => (16_000, 1),
            Self::Aac { config } => Adts::sound(*config).unwrap_or((48_000, 1)),
            Self::Pcma | Self::Pcmu | Self::Vp8 { .. } | Self::H264 { .. } | Self::H265 { .. } => (8_000, 1),
        }
    }

    fn document(&self) -> &'static str {
        match self {
            Self::Opus | Self::Vp8 { .. } => "webm",
            Self::Pcma | Self::Pcmu | Self::G722 | Self::Aac { .. } | Self::H264 { .. } | Self::H265 { .. } => {
                "matroska"
            }
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
const AAC: &str = "A_AAC";
const VP8: &str = "V_VP8";
const AVC: &str = "V_MPEG4/ISO/AVC";
const HEVC: &str = "V_MPEGH/ISO/HEVC";

/// RFC 7845, section 5.1: version 1, 2 channels, no pre-skip, 48 kHz, no gain, mapping family 0.
const OPUS_HEAD: [u8; 19] = *b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00";

/// The tags of WAVEFORMATEX for the two laws of G.711 and for G.722.
const A_LAW: [u8; 2] = [6, 0];
const MU_LAW: [u8; 2] = [7, 0];
const G722: [u8; 2] = [0x8f, 0x02];

/// WAVEFORMATEX behind its tag: 1 channel, 8000 samples and bytes a second, blocks of 1 byte, 8 bits, nothing behind.
const WAVE_FORMAT: [u8; 16] = [1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0, 0, 0];

/// The same of G.722: 16000 samples and 8000 bytes a second, 4 bits.
const WAVE_FORMAT_G722: [u8; 16] = [1, 0, 0x80, 0x3e, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 4, 0, 0, 0];
