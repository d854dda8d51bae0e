//! What a whole frame says of how its track is coded.

use hearing_config::Codec;
use hearing_proto::depacketize::{Format, h264, h265, vp8};
use hearing_proto::matroska::Coding;

/// What the codec's RTP payloads carry.
pub(super) const fn format(codec: Codec) -> Format {
    match codec {
        Codec::Opus => Format::Opus,
        Codec::Pcma => Format::Pcma,
        Codec::Pcmu => Format::Pcmu,
        Codec::Vp8 => Format::Vp8,
        Codec::H264 => Format::H264,
        Codec::H265 => Format::H265,
    }
}

/// Whether the frame is a key frame, and how the track is coded from it on, as far as it says so.
pub(super) fn describe(codec: Codec, key: bool, data: &[u8], known: Option<&Coding>) -> (bool, Option<Coding>) {
    match codec {
        Codec::Opus => (true, Some(Coding::Opus)),
        Codec::Pcma => (true, Some(Coding::Pcma)),
        Codec::Pcmu => (true, Some(Coding::Pcmu)),
        Codec::Vp8 => {
            let size = vp8::key_frame_size(data);
            (size.is_some(), size.map(|(width, height)| Coding::Vp8 { width, height }).or_else(|| known.cloned()))
        }
        Codec::H264 => {
            let found = h264::Parameters::find(data).filter(|_| key).map(|parameters| {
                let (width, height) = parameters.size();
                Coding::H264 { configuration: parameters.configuration(), width, height }
            });
            (key, found.or_else(|| known.cloned()))
        }
        Codec::H265 => {
            let found = h265::Parameters::find(data).filter(|_| key).map(|parameters| {
                let (width, height) = parameters.size();
                Coding::H265 { configuration: parameters.configuration(), width, height }
            });
            (key, found.or_else(|| known.cloned()))
        }
    }
}
