//! What children do while a hearing lasts: code a stream anew, mix sound, draw a picture of many. They are paced by the clock
//! and take inputs that come and go.

use serde::{Deserialize, Serialize};

use super::{Codec, Stream};
use crate::scene::Scene;

/// One stream coded anew for those who can't take it as it is: picture as stream [`super::PICTURE`], sound as
/// [`super::SOUND`], in and out. Places are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcode {
    /// How it comes.
    pub from: Codec,
    /// How it shall go.
    pub to: Target,
}

/// How a stream shall be coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// Sound, one channel.
    Sound(SoundTarget),
    /// A picture.
    Picture(PictureTarget),
}

/// How sound shall be coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SoundTarget {
    /// Opus, G.711, G.722 or AAC; packets of 20 ms, AAC of 1,024 samples.
    pub codec: Codec,
    /// True to take noise away and to raise what is quiet.
    pub treat: bool,
}

/// How a picture shall be coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PictureTarget {
    /// VP8, or H.264 constrained baseline.
    pub codec: Codec,
    /// The most pixels in a row; larger pictures are made smaller and keep their shape. Even, 16 to 3840.
    pub width: u16,
    /// The most rows. Even, 16 to 2160.
    pub height: u16,
    /// Kilobits a second that the encoder aims at.
    pub kbps: u32,
    /// H.264: the level's number (31 for 3.1) that is written into the stream; `None`: whatever the picture needs.
    pub level: Option<u8>,
    /// H.264: the most bytes of a NAL unit, for receivers that take no fragments (RFC 6184, packetization mode 0).
    pub unit: Option<u16>,
}

/// The sound of several streams for somebody who takes one: stream [`super::SOUND`], its place 0 told by
/// [`super::FromChild::Started`]. What is opened is mixed; who shall not hear itself doesn't have itself opened. Every input is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    /// How the sum is coded; `treat` concerns inputs and has no meaning here. `None`: nothing comes out, inputs are only measured.
    pub to: Option<SoundTarget>,
}

/// A picture of several streams, live: stream [`super::PICTURE`], its place 0 told by [`super::FromChild::Started`]. Cues
/// take effect when they come, whatever their time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What it draws. Streams that its tiles name are opened when they come.
    pub scene: Scene,
    /// How it is coded. `width` and `height` are the scene's.
    pub to: PictureTarget,
}

/// An input that comes into a live job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its name and coding; one of the same name that was there goes.
    pub stream: Stream,
    /// What is done with it.
    pub part: Part,
}

/// What a live job does with an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Shows or mixes it as it is.
    Plain,
    /// Mixes it with noise taken away and what is quiet raised.
    Treated,
    /// Only measures it: how loud it is, and how much of the mix comes back in it.
    Measured,
}

/// What a sound was like for about a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loudness {
    /// The loudest sample, in dB below full scale, 0 to 96.
    pub peak: u8,
    /// The mean power, in dB below full scale, 0 to 96.
    pub mean: u8,
    /// Samples in a thousand that stand at the end of the range.
    pub clipped: u16,
    /// How alike the rise and fall of this sound and of an earlier stretch of the mix are, in hundredths; above 60 it is an echo.
    pub echo: u8,
}
