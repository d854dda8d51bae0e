//! What a node and its media children say to each other over a socket pair: a length (32 bit, little endian), then a
//! postcard message. See docs/design/media-child.md.

mod live;

use bytes::{Buf as _, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use live::{Input, Loudness, Mix, Part, PictureTarget, SoundTarget, Stage, Target, Transcode};

use crate::scene::{Cue, Scene};

/// Grows with every change of a message; a node and a child of different versions refuse each other.
pub const VERSION: u16 = 5;

/// The most bytes that a message may have: a raw picture of 1920x1080 fits.
pub const MESSAGE_LIMIT: usize = 4 << 20;

/// The most streams that a job may have.
pub const STREAM_LIMIT: usize = 192;

/// From the node to its child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToChild {
    /// The first message: what the child is for, for its whole life.
    Start {
        /// The node's [`VERSION`].
        version: u16,
        /// The job.
        job: Job,
    },
    /// A coded frame of a stream of the job.
    Frame(Coded),
    /// The next picture of the stream shall be a key frame.
    KeyFrame {
        /// The stream.
        stream: u16,
    },
    /// From `at` on (microseconds of the composed picture) the scene changes. Cues come in order of time, before the frames
    /// that belong behind them.
    Cue {
        /// When.
        at: i64,
        /// What.
        cue: Cue,
    },
    /// An input comes into a live job.
    Open(Input),
    /// An input of a live job goes.
    Close {
        /// The stream.
        stream: u16,
    },
    /// Nothing more comes that belongs before `at`: everything before may be drawn.
    Until {
        /// When.
        at: i64,
    },
    /// Finish what is under way, say `Done`, and end.
    Stop,
}

/// From a child to its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromChild {
    /// The first message: the sandbox is shut and the job runs.
    Ready {
        /// The child's [`VERSION`].
        version: u16,
    },
    /// What the wall clock shows at place 0 of the generator's streams, in microseconds since 1970.
    Started {
        /// When.
        at: i64,
    },
    /// A coded frame.
    Frame(Coded),
    /// Nothing comes out of an input before its next key frame; said at most twice a second.
    NeedKey {
        /// The stream.
        stream: u16,
    },
    /// What an input of a mixer sounded like, about once a second.
    Loudness {
        /// The stream.
        stream: u16,
        /// How.
        loudness: Loudness,
    },
    /// A decoded picture showed a test card.
    Seen {
        /// The stream.
        stream: u16,
        /// Its place in the stream, microseconds.
        pts: i64,
        /// The frame's number.
        counter: u16,
        /// The seat.
        seat: u8,
    },
    /// A decoded picture showed no test card.
    Unread {
        /// The stream.
        stream: u16,
        /// Its place in the stream, microseconds.
        pts: i64,
    },
    /// The seats whose tones were heard for 100 ms from `pts` on.
    Heard {
        /// The stream.
        stream: u16,
        /// Its place in the stream, microseconds.
        pts: i64,
        /// Seats, lowest first.
        seats: Vec<u8>,
    },
    /// The tone fell silent: the wall clock stood at a full second when it was made.
    Gap {
        /// The stream.
        stream: u16,
        /// Its place in the stream, microseconds.
        pts: i64,
    },
    /// A decoded picture as I420 without padding.
    Picture {
        /// The stream.
        stream: u16,
        /// Its place in the stream, microseconds.
        pts: i64,
        /// Pixels in a row.
        width: u16,
        /// Rows.
        height: u16,
        /// The planes.
        i420: Bytes,
    },
    /// A decoded picture as JPEG.
    Snapshot {
        /// The stream.
        stream: u16,
        /// Its place in the stream, microseconds.
        pts: i64,
        /// The file.
        jpeg: Bytes,
    },
    /// A stream can't be decoded or coded (any more), or the child can't start when `stream` is `None`.
    Failed {
        /// The stream.
        stream: Option<u16>,
        /// Why.
        reason: String,
    },
    /// Counters since the start, about once a second.
    Stats(Stats),
    /// Everything that was asked before `Stop` is done.
    Done,
}

/// A coded frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coded {
    /// The stream.
    pub stream: u16,
    /// Its place in the stream, microseconds.
    pub pts: i64,
    /// True when it can be decoded without earlier ones. Sound: always.
    pub key: bool,
    /// The frame: VP8 as it is, H.264 and H.265 as a byte stream of whole access units (Annex B), one packet of Opus, G.711 or
    /// G.722, one AAC frame: raw from a composer of films, else with its ADTS header (ISO/IEC 14496-3, section 1.A.2.2).
    pub bytes: Bytes,
}

/// What a child does, for its whole life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Makes a test card's picture and sound in real time.
    Generate(Generate),
    /// Decodes streams and tells what they show and let hear; pixels stay in the child.
    Observe(Vec<Stream>),
    /// Decodes pictures to I420.
    Decode(Vec<Stream>),
    /// Decodes pictures and gives each key frame as JPEG.
    Snapshot(Vec<Stream>),
    /// Draws a scene and mixes its sound, as fast as it can; gives H.264 as stream [`PICTURE`] and AAC as [`SOUND`].
    Compose(Compose),
    /// Codes a stream anew.
    Transcode(Transcode),
    /// Mixes sound, live.
    Mix(Mix),
    /// Draws a picture of several streams, live.
    Stage(Stage),
    /// As [`Job::Observe`], of composed pictures: every card in them is told by a `Seen` of its own.
    Survey(Vec<Stream>),
}

/// What a composer takes and makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compose {
    /// What it draws.
    pub scene: Scene,
    /// The streams that are fed, in order of time. All sound streams are mixed.
    pub streams: Vec<Stream>,
    /// Threads of the picture's encoder, 1 to 16.
    pub threads: u8,
}

/// A stream that a job takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Its name in all messages.
    pub id: u16,
    /// How it is coded.
    pub codec: Codec,
}

/// What a generator makes: picture as stream [`PICTURE`], sound as stream [`SOUND`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generate {
    /// The seat that is drawn and whose tone sounds, 0 to 63.
    pub seat: u8,
    /// The picture; `None` for sound only.
    pub picture: Option<PictureShape>,
    /// How the tone is coded, in packets of 20 ms, AAC in frames of 1,024 samples; `None` for a picture only.
    pub sound: Option<Codec>,
}

/// How a generator's picture is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureShape {
    /// VP8 or H.264.
    pub codec: Codec,
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Frames a second, 1 to 60.
    pub fps: u8,
    /// Kilobits a second that the encoder aims at.
    pub kbps: u32,
}

/// The codecs that children know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Codec {
    /// VP8.
    Vp8,
    /// H.264 constrained baseline, byte stream.
    H264,
    /// H.265, byte stream; decoded only.
    H265,
    /// Opus, decoded to one channel.
    Opus,
    /// G.711 A-law, 8 kHz, one channel.
    Pcma,
    /// G.711 mu-law, as A-law.
    Pcmu,
    /// G.722 at 64 kbit/s, one channel.
    G722,
    /// AAC-LC with ADTS headers, any rate; one or two channels are mixed to one.
    Aac,
}

impl Codec {
    /// True for pictures.
    #[must_use]
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::Vp8 | Self::H264 | Self::H265)
    }
}

/// A child's counters since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Coded frames taken in.
    pub frames_in: u64,
    /// Frames decoded or coded.
    pub frames_out: u64,
    /// Frames that nothing came of.
    pub frames_lost: u64,
}

/// The picture stream of a generator or composer.
pub const PICTURE: u16 = 0;
/// The sound stream of a generator or composer.
pub const SOUND: u16 = 1;

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than [`MESSAGE_LIMIT`].
    #[error("a message of {0} bytes; at most {MESSAGE_LIMIT} are allowed")]
    TooLong(usize),
    /// Not a message of this version.
    #[error("not a message of version {VERSION}: {0}")]
    Malformed(String),
}

/// A message as it goes onto the socket.
///
/// # Errors
/// [`Error::TooLong`] when the message is over the limit.
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, Error> {
    let framed = postcard::to_extend(message, vec![0; PREFIX]).map_err(|error| Error::Malformed(error.to_string()))?;
    let length = framed.len() - PREFIX;
    let prefix = u32::try_from(length).ok().filter(|_| length <= MESSAGE_LIMIT).ok_or(Error::TooLong(length))?;
    let mut framed = framed;
    framed[..PREFIX].copy_from_slice(&prefix.to_le_bytes());
    Ok(framed)
}

/// Cuts what comes from a socket into messages.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message; `None` when more bytes are needed. After an error the connection is of no more use.
    ///
    /// # Errors
    /// The length is over the limit, or the bytes are no message.
    pub fn message<M: DeserializeOwned>(&mut self) -> Result<Option<M>, Error> {
        let Some((prefix, _)) = self.buffer.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > MESSAGE_LIMIT {
            return Err(Error::TooLong(length));
        }
        if self.buffer.len() < PREFIX + length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        let message = self.buffer.split_to(length);
        match postcard::take_from_bytes(&message) {
            Ok((message, [])) => Ok(Some(message)),
            Ok((_, rest)) => Err(Error::Malformed(format!("{} bytes too many", rest.len()))),
            Err(error) => Err(Error::Malformed(error.to_string())),
        }
    }
}

const PREFIX: usize = 4;

#[cfg(test)]
mod tests;
