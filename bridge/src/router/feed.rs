//! What stands between a terminal and the router: a terminal takes one sound and one picture, and a feed makes them of all that
//! its seat may have. It lives in the terminal's task, not on the worker's thread.

use std::collections::BTreeMap;

use async_trait::async_trait;
use hearing_config::{Codec, TrackId};
use hearing_signaling::hearing::SeatSound;

use super::leg::Protected;
use super::packet::{Frame, Layer, LayerSet};
use super::track::TrackInfo;

/// Makes the one sound and the one picture of a terminal.
#[async_trait]
pub trait Feed: Send {
    /// Takes what the terminal's leg was handed, or what the terminal asks.
    fn handle(&mut self, input: FeedInput);

    /// The next output. Nothing is lost when the future is dropped before it is ready.
    async fn next(&mut self) -> FeedOutput;
}

/// What a feed is handed.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedInput {
    /// The seat may have this track from now on, or has it in another way.
    Track(TrackInfo),
    /// It may no longer have it.
    TrackEnd(TrackId),
    /// A frame of a track that it may have and wished for.
    Frame(TrackId, Frame),
    /// Who speaks.
    Protect(Protected),
    /// The terminal's decoder needs a key frame.
    KeyFrame,
    /// What the terminal itself says, to be measured; nobody is handed it by this.
    Own(Codec, Frame),
}

/// What comes out of a feed.
#[derive(Debug, Clone, PartialEq)]
pub enum FeedOutput {
    /// One frame of the sound, in the codec that the terminal takes.
    Sound(Codec, Frame),
    /// One frame of the picture, likewise. The first is a key frame.
    Picture(Codec, Frame),
    /// A key frame of a track is needed.
    KeyFrame(TrackId, Layer),
    /// What the leg is to be handed from now on; replaces the last wishes.
    Wish(Wishes),
    /// How the terminal itself sounds, about once a second.
    Loudness(SeatSound),
    /// What makes its sound or its picture was down and began anew.
    Restarted,
}

/// The layers that are wished of each track; of others none.
pub type Wishes = BTreeMap<TrackId, LayerSet>;

/// What a terminal takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Takes {
    /// Codecs of its sound, the best first; empty when it takes none.
    pub sound: Vec<Codec>,
    /// Codecs of its picture, the best first; empty when it takes none.
    pub picture: Vec<Codec>,
    /// True when an H.264 NAL unit has to fit into one packet (packetization-mode 0, RFC 6184 section 6.2).
    pub single_unit: bool,
    /// The most pixels of a picture, by the level of its decoder; 0: not told.
    pub pixels: u32,
    /// What it wants of the picture at most, kbit/s; 0: not told.
    pub kbps: u32,
}
