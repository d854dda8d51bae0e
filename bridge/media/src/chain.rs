//! A chain of elements that works within the call: what a buffer gives is there when it returns. So nothing is still under way
//! when a picture is drawn, and nothing waits in queues that nobody counts.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_video as video;
use gstreamer_video::VideoFrameExt as _;

use crate::codec::Error;
use crate::compose::painter::Picture;

/// Elements between two pads of ours.
#[derive(Debug)]
pub struct Chain {
    bin: gst::Bin,
    input: gst::Pad,
    output: gst::Pad,
    came: Arc<Mutex<Vec<(i64, Piece)>>>,
}

/// What came out.
#[derive(Debug)]
pub enum Piece {
    /// A picture.
    Picture(Frame),
    /// Sound, one channel.
    Sound {
        /// Samples a second.
        rate: u32,
        /// The samples.
        samples: Vec<i16>,
    },
    /// Something coded, and whether it stands alone.
    Coded(bool, Bytes),
}

/// A decoded picture in the decoder's own memory.
#[derive(Debug)]
pub struct Frame(Box<video::VideoFrame<video::video_frame::Readable>>);

impl Chain {
    /// Elements that are ready and take `caps`.
    ///
    /// # Errors
    /// An element is missing or refuses.
    pub fn new(elements: &str, caps: &str) -> Result<Self, Error> {
        let caps = caps.parse::<gst::Caps>();
        Self::taking(elements, &caps.map_err(|_| broken(elements, "bad caps"))?)
    }

    pub(crate) fn taking(elements: &str, caps: &gst::Caps) -> Result<Self, Error> {
        let bin = gst::parse::bin_from_description(elements, true).map_err(|error| broken(elements, error))?;
        let came = Arc::<Mutex<Vec<_>>>::default();
        let output = sink(came.clone()).map_err(|error| broken(elements, error))?;
        let input = gst::Pad::builder(gst::PadDirection::Src).name("src").build();
        let ends = bin.static_pad("sink").zip(bin.static_pad("src"));
        let (sink, src) = ends.ok_or_else(|| broken(elements, "has no ends"))?;
        let linked = input.link(&sink).is_ok() && src.link(&output).is_ok();
        let active = output.set_active(true).is_ok() && input.set_active(true).is_ok();
        bin.set_state(gst::State::Playing).map_err(|error| broken(elements, error))?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let begins =
            [gst::event::StreamStart::new("stream"), gst::event::Caps::new(caps), gst::event::Segment::new(&segment)];
        let told = begins.into_iter().all(|event| input.push_event(event));
        let chain = Self { bin, input, output, came };
        if linked && active && told { Ok(chain) } else { Err(broken(elements, "can't be fed")) }
    }

    /// What comes of bytes that belong at `pts` microseconds, and of earlier ones.
    pub fn push(&self, pts: i64, bytes: impl AsRef<[u8]> + Send + 'static) -> Vec<(i64, Piece)> {
        self.push_buffer(pts, gst::Buffer::from_slice(bytes))
    }

    pub(crate) fn push_buffer(&self, pts: i64, mut buffer: gst::Buffer) -> Vec<(i64, Piece)> {
        let timed = buffer.make_mut();
        timed.set_pts(u64::try_from(pts).ok().map(gst::ClockTime::from_useconds));
        timed.set_dts(gst::ClockTime::NONE);
        // A frame that can't be decoded gives nothing; the next key frame does.
        let _ = self.input.push(buffer);
        self.take()
    }

    /// What an element that knows how makes of nothing, for `span` microseconds from `pts` on.
    pub(crate) fn gap(&self, pts: i64, span: i64) -> Vec<(i64, Piece)> {
        let time = |micros: i64| u64::try_from(micros).ok().map(gst::ClockTime::from_useconds);
        if let Some((pts, span)) = time(pts).zip(time(span)) {
            self.input.push_event(gst::event::Gap::builder(pts).duration(span).build());
        }
        self.take()
    }

    /// Asks an encoder for a key frame.
    pub fn key_frame(&self) -> bool {
        self.input.push_event(video::DownstreamForceKeyUnitEvent::builder().all_headers(true).build())
    }

    /// What was still inside.
    pub fn finish(&self) -> Vec<(i64, Piece)> {
        self.input.push_event(gst::event::Eos::new());
        self.take()
    }

    fn take(&self) -> Vec<(i64, Piece)> {
        std::mem::take(&mut *self.came.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // What can't stop ends with its process.
        let _ = self.bin.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
        let _ = self.output.set_active(false);
    }
}

fn broken(elements: &str, reason: impl std::fmt::Display) -> Error {
    Error::Pipeline { what: elements.to_owned(), reason: reason.to_string() }
}

fn sink(came: Arc<Mutex<Vec<(i64, Piece)>>>) -> Result<gst::Pad, glib::BoolError> {
    // A pad without a template accepts only the caps that came first, and a picture that changes its size would end there.
    let any = gst::Caps::new_any();
    let template = gst::PadTemplate::new("sink", gst::PadDirection::Sink, gst::PadPresence::Always, &any)?;
    let pad = gst::Pad::builder_from_template(&template)
        .chain_function(move |pad, _, buffer| {
            let pts = running_time(pad, &buffer);
            if let Some(piece) = pad.current_caps().and_then(|caps| read(buffer, &caps)) {
                came.lock().unwrap_or_else(PoisonError::into_inner).push((pts, piece));
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(|_, _, _| true)
        .build();
    Ok(pad)
}

/// Where a buffer belongs, in microseconds; x264enc counts from 1,000 hours, which its segment takes off again.
fn running_time(pad: &gst::Pad, buffer: &gst::Buffer) -> i64 {
    let event = pad.sticky_event::<gst::event::Segment<_>>(0);
    let segment = event.and_then(|event| event.segment().clone().downcast::<gst::ClockTime>().ok());
    let time = segment.and_then(|segment| segment.to_running_time(buffer.pts()?)).or(buffer.pts());
    time.and_then(|time| i64::try_from(time.useconds()).ok()).unwrap_or(0)
}

fn read(buffer: gst::Buffer, caps: &gst::CapsRef) -> Option<Piece> {
    let structure = caps.structure(0)?;
    match structure.name().as_str() {
        "audio/x-raw" => sound(&buffer, structure),
        "video/x-raw" => {
            let info = video::VideoInfo::from_caps(caps).ok()?;
            let frame = video::VideoFrame::from_buffer_readable(buffer, &info).ok()?;
            // Cameras of hearings send 4:2:0; what else there may be counts as a frame that gave nothing.
            (info.format() == video::VideoFormat::I420).then_some(Piece::Picture(Frame(Box::new(frame))))
        }
        _ => {
            let map = buffer.map_readable().ok()?;
            Some(Piece::Coded(!buffer.flags().contains(gst::BufferFlags::DELTA_UNIT), Bytes::copy_from_slice(&map)))
        }
    }
}

/// All channels as one.
fn sound(buffer: &gst::Buffer, structure: &gst::StructureRef) -> Option<Piece> {
    let rate = u32::try_from(structure.get::<i32>("rate").ok()?).ok()?;
    let channels = usize::try_from(structure.get::<i32>("channels").ok()?).ok().filter(|n| *n > 0)?;
    let map = buffer.map_readable().ok()?;
    let all: Vec<f32> = match structure.get::<&str>("format").ok()? {
        "S16LE" => map.chunks_exact(2).map(|two| f32::from(i16::from_le_bytes([two[0], two[1]]))).collect(),
        "F32LE" => {
            let value = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]) * 32_768.0;
            map.chunks_exact(4).map(value).collect()
        }
        _ => return None,
    };
    let apart = structure.get::<&str>("layout").is_ok_and(|layout| layout == "non-interleaved");
    let count = all.len() / channels;
    let at = |n: usize, channel: usize| if apart { all[channel * count + n] } else { all[n * channels + channel] };
    let mean = |n: usize| (0..channels).map(|channel| at(n, channel)).sum::<f32>() / channels as f32;
    Some(Piece::Sound { rate, samples: (0..count).map(|n| mean(n) as i16).collect() })
}

impl Frame {
    /// Its memory and what it looks like, for an encoder.
    pub(crate) fn into_buffer(self) -> (gst::Buffer, video::VideoInfo) {
        let info = self.0.info().clone();
        (self.0.into_buffer(), info)
    }
}

impl Picture for Frame {
    fn size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    fn plane(&self, n: u32) -> Option<(&[u8], u32)> {
        let stride = u32::try_from(*self.0.plane_stride().get(n as usize)?).ok()?;
        Some((self.0.plane_data(n).ok()?, stride))
    }
}
