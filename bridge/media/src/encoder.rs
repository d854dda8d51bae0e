//! Encoders that work within the call, for live streams.

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_video as video;
use hearing_proto::child::{Codec, PictureTarget};

use crate::chain::{Chain, Frame, Piece};
use crate::codec::{Error, FLOAT_CAPS, SOUND_CAPS};
use crate::compose::painter::Picture as _;
use crate::compose::scale;
use crate::sound::RATE;
use crate::sound::g711::Law;
use crate::sound::resample::Resampler;

/// Codes sound of one channel and 48 kHz in packets of 20 ms; AAC in frames of 1,024 samples.
#[derive(Debug)]
pub struct SoundEncoder {
    how: How,
    frame: usize,
    /// What does not fill a packet yet, and where its first sample belongs.
    pending: Vec<i16>,
    at: i64,
}

#[derive(Debug)]
enum How {
    Law(Law, Resampler),
    G722(Chain, Resampler),
    Opus(Chain),
    Aac(Chain),
}

/// Codes pictures of any size, made smaller where the target wants that.
#[derive(Debug)]
pub struct PictureEncoder {
    target: PictureTarget,
    chain: Option<(video::VideoInfo, Chain)>,
    scaler: scale::Scaler,
}

impl SoundEncoder {
    /// An encoder that is ready.
    ///
    /// # Errors
    /// An element is missing or refuses, or it is no codec for sound.
    pub fn new(codec: Codec) -> Result<Self, Error> {
        let no_rate = || Error::Pipeline { what: format!("{codec:?}"), reason: "no such rate".to_owned() };
        let to = |rate| Resampler::new(RATE, rate).ok_or_else(no_rate);
        let chain = |codec| Chain::new(sound_encoder(codec), sound_caps(codec));
        let how = match codec {
            Codec::Pcma => How::Law(Law::A, to(8_000)?),
            Codec::Pcmu => How::Law(Law::Mu, to(8_000)?),
            Codec::G722 => How::G722(chain(codec)?, to(16_000)?),
            Codec::Opus => How::Opus(chain(codec)?),
            Codec::Aac => How::Aac(chain(codec)?),
            Codec::Vp8 | Codec::H264 | Codec::H265 => return Err(no_rate()),
        };
        let frame = if codec == Codec::Aac { 1_024 } else { 960 };
        Ok(Self { how, frame, pending: Vec::new(), at: 0 })
    }

    /// The packets that these samples, which belong at `pts` microseconds, make with those before. A jump of the time begins
    /// a new packet.
    pub fn push(&mut self, pts: i64, samples: &[i16]) -> Vec<(i64, Bytes)> {
        let next = self.at + micros(self.pending.len());
        if (pts - next).abs() > JUMP {
            self.pending.clear();
        }
        if self.pending.is_empty() && (pts - next).abs() > ROUNDING {
            self.at = pts;
        }
        self.pending.extend(samples);
        let mut out = Vec::new();
        while self.pending.len() >= self.frame {
            let rest = self.pending.split_off(self.frame);
            let frame = std::mem::replace(&mut self.pending, rest);
            out.extend(self.code(self.at, &frame));
            self.at += micros(self.frame);
        }
        out
    }

    fn code(&mut self, pts: i64, frame: &[i16]) -> Vec<(i64, Bytes)> {
        match &mut self.how {
            How::Law(law, resampler) => {
                let coded = law.encode(&resampler.push(frame));
                vec![(pts - resampler.delay(), coded.into())]
            }
            How::G722(chain, resampler) => {
                let pts = pts - resampler.delay();
                coded(chain.push(pts, bytes(&resampler.push(frame))))
            }
            How::Opus(chain) => coded(chain.push(pts, bytes(frame))),
            How::Aac(chain) => {
                let floats = frame.iter().flat_map(|s| (f32::from(*s) / 32_768.0).to_le_bytes()).collect::<Vec<u8>>();
                coded(chain.push(pts, floats)).into_iter().map(|(pts, raw)| (pts, adts(&raw))).collect()
            }
        }
    }
}

impl PictureEncoder {
    /// One that begins with the first picture.
    #[must_use]
    pub fn new(target: PictureTarget) -> Self {
        Self { target, chain: None, scaler: scale::Scaler::default() }
    }

    /// A decoded picture that belongs at `pts` microseconds.
    ///
    /// # Errors
    /// An element is missing or refuses.
    pub fn push(&mut self, pts: i64, frame: Frame) -> Result<Vec<(i64, bool, Bytes)>, Error> {
        let (width, height) = frame.size();
        let (wide, high) = (u32::from(self.target.width), u32::from(self.target.height));
        if width <= wide && height <= high {
            let (buffer, info) = frame.into_buffer();
            return self.code(pts, buffer, &info);
        }
        let (wide, high) = scale::within((width, height), (wide, high));
        let Some(pixels) = self.scaler.planes(&frame, wide, high) else { return Ok(Vec::new()) };
        self.raw(pts, wide, high, pixels)
    }

    /// Planes of I420 without padding; `width` a multiple of 8.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn raw(&mut self, pts: i64, width: u32, height: u32, i420: Vec<u8>) -> Result<Vec<(i64, bool, Bytes)>, Error> {
        let info = video::VideoInfo::builder(video::VideoFormat::I420, width, height).build();
        let info = info.map_err(|error| Error::Pipeline { what: "picture".to_owned(), reason: error.to_string() })?;
        self.code(pts, gst::Buffer::from_slice(i420), &info)
    }

    /// The next picture shall stand alone; false when there was none yet, for then it does anyway.
    pub fn key_frame(&self) -> bool {
        self.chain.as_ref().is_some_and(|(_, chain)| chain.key_frame())
    }

    fn code(
        &mut self,
        pts: i64,
        buffer: gst::Buffer,
        info: &video::VideoInfo,
    ) -> Result<Vec<(i64, bool, Bytes)>, Error> {
        let same = |of: &video::VideoInfo| of.width() == info.width() && of.height() == info.height();
        if self.chain.as_ref().is_none_or(|(of, _)| !same(of)) {
            let caps = picture_caps(info)?;
            let chain = Chain::taking(&picture_encoder(&self.target), &caps)?;
            self.chain = Some((info.clone(), chain));
        }
        let Some((_, chain)) = &self.chain else { return Ok(Vec::new()) };
        let pieces = chain.push_buffer(pts, buffer).into_iter();
        Ok(pieces
            .filter_map(
                |(pts, piece)| if let Piece::Coded(key, bytes) = piece { Some((pts, key, bytes)) } else { None },
            )
            .collect())
    }
}

fn coded(pieces: Vec<(i64, Piece)>) -> Vec<(i64, Bytes)> {
    let coded = |(pts, piece)| if let Piece::Coded(_, bytes) = piece { Some((pts, bytes)) } else { None };
    pieces.into_iter().filter_map(coded).collect()
}

pub(crate) fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

const fn micros(samples: usize) -> i64 {
    samples as i64 * 1_000 / 48
}

/// A raw frame of AAC-LC, 48 kHz, one channel, behind its header (ISO/IEC 14496-3, section 1.A.2.2).
fn adts(raw: &[u8]) -> Bytes {
    let length = (raw.len() + 7) as u32;
    let header = [
        0xff,
        0xf1,
        // AAC-LC, the fourth rate of the table, one channel.
        1 << 6 | 3 << 2,
        1 << 6 | (length >> 11 & 3) as u8,
        (length >> 3) as u8,
        (length << 5) as u8 | 0x1f,
        0xfc,
    ];
    [&header[..], raw].concat().into()
}

/// What the encoder of live sound takes.
pub(crate) const fn sound_caps(codec: Codec) -> &'static str {
    match codec {
        Codec::Aac => FLOAT_CAPS,
        Codec::G722 => "audio/x-raw,format=S16LE,rate=16000,channels=1,layout=interleaved",
        Codec::Opus | Codec::Pcma | Codec::Pcmu | Codec::Vp8 | Codec::H264 | Codec::H265 => SOUND_CAPS,
    }
}

/// The encoder of live sound; G.711 needs none.
pub(crate) const fn sound_encoder(codec: Codec) -> &'static str {
    match codec {
        Codec::Aac => "avenc_aac bitrate=64000",
        Codec::G722 => "avenc_g722",
        Codec::Opus => {
            "opusenc audio-type=voice frame-size=20 bitrate=32000 complexity=5 inband-fec=true packet-loss-percentage=5"
        }
        Codec::Pcma | Codec::Pcmu | Codec::Vp8 | Codec::H264 | Codec::H265 => "identity",
    }
}

/// Takes noise away and raises what is quiet: a voice beside a fan.
pub(crate) const TREATMENT: &str = "webrtcdsp echo-cancel=false noise-suppression-level=high gain-control-mode=adaptive-digital \
     target-level-dbfs=6 compression-gain-db=18 limiter=true";

/// What the encoder of a live picture takes.
pub(crate) fn picture_caps(info: &video::VideoInfo) -> Result<gst::Caps, Error> {
    let broken = |reason: String| Error::Pipeline { what: "picture encoder".to_owned(), reason };
    let mut caps = info.to_caps().map_err(|error| broken(error.to_string()))?;
    if let Some(structure) = caps.make_mut().structure_mut(0) {
        // Decoders of live streams don't know it; rate control needs one, and goes by the time of each picture anyway.
        structure.set("framerate", gst::Fraction::new(30, 1));
        structure.set("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    }
    Ok(caps)
}

/// The encoder of a live picture.
pub(crate) fn picture_encoder(target: &PictureTarget) -> String {
    let kbps = target.kbps.clamp(32, 20_000);
    if target.codec != Codec::H264 {
        let bits = kbps * 1_000;
        return format!(
            "vp8enc deadline=1 cpu-used=16 threads=1 target-bitrate={bits} keyframe-max-dist=300 end-usage=cbr \
             error-resilient=default lag-in-frames=0"
        );
    }
    let slices = target.unit.map_or(String::new(), |unit| format!(" option-string=slice-max-size={}", unit.max(200)));
    let level = target.level.map_or(String::new(), |level| format!(",level=(string){}", level_name(level)));
    let threads = if target.width > 1280 { 2 } else { 1 };
    format!(
        "x264enc tune=zerolatency speed-preset=superfast threads={threads} bitrate={kbps} vbv-buf-capacity=300 \
         key-int-max=300 aud=false{slices} \
         ! capsfilter caps=\"video/x-h264,stream-format=byte-stream,alignment=au,profile=constrained-baseline{level}\""
    )
}

/// The name of an H.264 level in caps: 31 is 3.1, 30 is 3.
fn level_name(level: u8) -> String {
    if level.is_multiple_of(10) { (level / 10).to_string() } else { format!("{}.{}", level / 10, level % 10) }
}

/// Times that differ by more are another stretch: 40 ms.
const JUMP: i64 = 40_000;
/// Times that differ by less are rounded: 2 ms.
const ROUNDING: i64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_as_long_as_the_codec_wants_however_sound_comes() {
        let mut encoder = SoundEncoder::new(Codec::Pcma).unwrap();
        let packets: Vec<(i64, Bytes)> = (0..20).flat_map(|n| encoder.push(n * 10_000, &[500; 480])).collect();
        assert_eq!(packets.len(), 10);
        assert!(packets.iter().all(|(_, packet)| packet.len() == 160), "20 ms of 8 kHz");
        assert!(packets.windows(2).all(|two| two[1].0 - two[0].0 == 20_000));
    }

    #[test]
    fn after_a_jump_of_the_time_packets_stand_where_the_sound_does() {
        let mut encoder = SoundEncoder::new(Codec::Pcmu).unwrap();
        encoder.push(0, &[500; 1_200]);
        let later = encoder.push(5_000_000, &[500; 960]);
        assert_eq!(later.len(), 1);
        assert!((4_990_000..=5_000_000).contains(&later[0].0), "{}", later[0].0);
    }

    #[test]
    fn an_adts_header_says_how_long_its_frame_is() {
        let frame = adts(&[1; 300]);
        let length = usize::from(frame[3] & 3) << 11 | usize::from(frame[4]) << 3 | usize::from(frame[5] >> 5);
        assert_eq!((frame.len(), length), (307, 307));
    }
}
