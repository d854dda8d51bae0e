//! What a whole frame says of how its track is coded.

use hearing_config::Codec;
use hearing_proto::depacketize::{self, Error, Framing, h264, h265, vp8};
use hearing_proto::matroska::Coding;
use hearing_proto::ps::Adts;

use crate::router::Frame;
use crate::router::proto::format;

/// A whole frame as it is kept.
pub(super) struct Whole {
    pub(super) key: bool,
    /// How the track is coded from it on, as far as it says so.
    pub(super) coding: Option<Coding>,
    pub(super) data: Vec<u8>,
}

/// Puts a frame of a track together that was coded as `known` so far.
pub(super) fn whole(codec: Codec, frame: &Frame, known: Option<&Coding>) -> Result<Whole, Error> {
    let payloads = frame.packets.iter().map(|packet| &packet.payload[..]);
    let data = depacketize::frame(format(codec), Framing::LengthPrefixed, payloads)?;
    let (key, coding) = describe(codec, frame.head().key, &data, known);
    let data = match Adts::read(&data) {
        // The head of the file says what the header does.
        Some(adts) if codec == Codec::Aac => data[adts.header..].to_vec(),
        Some(_) | None => data,
    };
    Ok(Whole { key, coding, data })
}

/// Whether the frame is a key frame, and how the track is coded from it on, as far as it says so.
fn describe(codec: Codec, key: bool, data: &[u8], known: Option<&Coding>) -> (bool, Option<Coding>) {
    match codec {
        Codec::Opus => (true, Some(Coding::Opus)),
        Codec::Pcma => (true, Some(Coding::Pcma)),
        Codec::Pcmu => (true, Some(Coding::Pcmu)),
        Codec::G722 => (true, Some(Coding::G722)),
        Codec::Aac => (true, Adts::read(data).map(|adts| Coding::Aac { config: adts.config })),
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
