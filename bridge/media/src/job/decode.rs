//! Decodes streams: to tell what they show and let hear, to give raw pictures, or stills.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer_video::{VideoFormat, VideoFrameExt as _, VideoFrameRef};
use hearing_proto::child::{Codec, Coded, FromChild, STREAM_LIMIT, Stream, ToChild};
use hearing_proto::testcard::tone::{Ear, Heard};
use hearing_proto::testcard::{self, Luma, Mark};

use super::survey::Tiles;
use super::{Counters, Error};
use crate::codec::{self, Output, Pipeline, Task};
use crate::decoder::{Decoded, Decoder};
use crate::link::{Receiver, Sender};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Observe,
    Decode,
    Snapshot,
    /// Of composed pictures.
    Survey,
}

pub(super) struct Streams {
    purpose: Purpose,
    streams: HashMap<u16, Way>,
    counters: Counters,
}

/// How a stream is decoded.
enum Way {
    Pipeline(Pipeline),
    /// Sound of terminals, within the call.
    Call(Box<Decoder>, Tap),
}

impl Streams {
    pub(super) fn build(purpose: Purpose, streams: &[Stream], sender: &Sender) -> Result<Self, Error> {
        if streams.len() > STREAM_LIMIT {
            return Err(Error::Job("too many streams"));
        }
        let counters = Counters::default();
        let mut ways = HashMap::new();
        for stream in streams {
            if matches!(purpose, Purpose::Decode | Purpose::Snapshot) && !stream.codec.is_picture() {
                return Err(Error::Job("sound has no picture"));
            }
            let tap = Tap::new(purpose, stream.id, sender.clone(), counters.clone());
            if ways.insert(stream.id, Way::start(purpose, stream.codec, tap)?).is_some() {
                return Err(Error::Job("two streams of one name"));
            }
        }
        Ok(Self { purpose, streams: ways, counters })
    }

    pub(super) fn run(mut self, mut receiver: Receiver, sender: &Sender) {
        let mut reported = Instant::now();
        loop {
            match receiver.receive() {
                Ok(Some(ToChild::Frame(frame))) => self.push(frame),
                Ok(Some(
                    ToChild::KeyFrame { .. }
                    | ToChild::Start { .. }
                    | ToChild::Open(_)
                    | ToChild::Close { .. }
                    | ToChild::Cue { .. }
                    | ToChild::Until { .. },
                )) => {}
                Ok(Some(ToChild::Stop)) => break,
                Ok(None) | Err(_) => return,
            }
            self.counters.report(&mut reported, sender);
        }
        for way in self.streams.into_values() {
            if let Way::Pipeline(pipeline) = way {
                pipeline.finish(PATIENCE);
            }
        }
        sender.send(&self.counters.stats());
        sender.send(&FromChild::Done);
    }

    fn push(&mut self, frame: Coded) {
        if self.purpose == Purpose::Snapshot && !frame.key {
            return;
        }
        self.counters.frame_in();
        if !self.streams.get_mut(&frame.stream).is_some_and(|way| way.push(frame.pts, frame.bytes)) {
            self.counters.frame_lost();
        }
    }
}

impl Way {
    fn start(purpose: Purpose, codec: Codec, tap: Tap) -> Result<Self, Error> {
        if matches!(codec, Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::Aac) {
            return Ok(Self::Call(Box::new(Decoder::new(codec)?), tap));
        }
        let task = if purpose == Purpose::Snapshot { Task::Still(codec) } else { Task::Decode(codec) };
        Ok(Self::Pipeline(Pipeline::start(task, move |output| tap.take(output))?))
    }

    /// False when nothing will come of it.
    fn push(&mut self, pts: i64, bytes: Bytes) -> bool {
        match self {
            Self::Pipeline(pipeline) => pipeline.push(pts, bytes),
            Self::Call(decoder, tap) => {
                let decoded = decoder.decode(pts, bytes);
                for (pts, decoded) in &decoded {
                    if let Decoded::Sound(samples) = decoded {
                        tap.take(Output::Sound(*pts, samples));
                    }
                }
                !decoded.is_empty()
            }
        }
    }
}

/// Stands behind one stream's decoder.
struct Tap {
    purpose: Purpose,
    stream: u16,
    ear: Mutex<Ear>,
    tiles: Mutex<Tiles>,
    sender: Sender,
    counters: Counters,
}

impl Tap {
    fn new(purpose: Purpose, stream: u16, sender: Sender, counters: Counters) -> Self {
        Self { purpose, stream, ear: Mutex::default(), tiles: Mutex::default(), sender, counters }
    }

    fn take(&self, output: Output<'_>) {
        let stream = self.stream;
        match output {
            Output::Picture(pts, frame) => {
                self.counters.frame_out();
                let message = match self.purpose {
                    Purpose::Decode => raw(stream, pts, frame),
                    Purpose::Survey => return self.survey(pts, frame),
                    Purpose::Observe | Purpose::Snapshot => seen(stream, pts, frame),
                };
                self.sender.send(&message);
            }
            Output::Sound(pts, samples) => {
                self.counters.frame_out();
                for heard in self.ear.lock().unwrap_or_else(PoisonError::into_inner).hear(pts, samples) {
                    self.sender.send(&match heard {
                        Heard::Tones { pts, seats } => FromChild::Heard { stream, pts, seats },
                        Heard::Gap { pts } => FromChild::Gap { stream, pts },
                    });
                }
            }
            Output::Coded(pts, _, jpeg) => {
                self.counters.frame_out();
                self.sender.send(&FromChild::Snapshot { stream, pts, jpeg: Bytes::copy_from_slice(jpeg) });
            }
            Output::Failed(reason) => {
                self.sender.send(&FromChild::Failed { stream: Some(stream), reason });
            }
        }
    }

    /// Every card in a composed picture.
    fn survey(&self, pts: i64, frame: &VideoFrameRef<&gst::BufferRef>) {
        let marks = luma(frame)
            .map(|luma| self.tiles.lock().unwrap_or_else(PoisonError::into_inner).marks(luma))
            .unwrap_or_default();
        if marks.is_empty() {
            self.sender.send(&FromChild::Unread { stream: self.stream, pts });
        }
        for Mark { counter, seat } in marks {
            self.sender.send(&FromChild::Seen { stream: self.stream, pts, counter, seat });
        }
    }
}

fn luma<'a>(frame: &'a VideoFrameRef<&gst::BufferRef>) -> Option<Luma<'a>> {
    let (pixels, stride) = frame.plane_data(0).ok().zip(frame.plane_stride().first())?;
    let stride = usize::try_from(*stride).ok()?;
    Some(Luma { pixels, stride, width: frame.width() as usize, height: frame.height() as usize })
}

fn seen(stream: u16, pts: i64, frame: &VideoFrameRef<&gst::BufferRef>) -> FromChild {
    match luma(frame).and_then(testcard::read) {
        Some(mark) => FromChild::Seen { stream, pts, counter: mark.counter, seat: mark.seat },
        None => FromChild::Unread { stream, pts },
    }
}

fn raw(stream: u16, pts: i64, frame: &VideoFrameRef<&gst::BufferRef>) -> FromChild {
    let fits = |side: u32| u16::try_from(side).ok();
    let picture = match frame.format() {
        VideoFormat::I420 => codec::i420(frame).zip(fits(frame.width())).zip(fits(frame.height())),
        _ => None,
    };
    match picture {
        Some(((i420, width), height)) => FromChild::Picture { stream, pts, width, height, i420 },
        None => FromChild::Unread { stream, pts },
    }
}

const PATIENCE: Duration = Duration::from_secs(2);
