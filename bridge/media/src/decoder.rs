//! A decoder that works within the call: what a frame gives is there when it returns. So a composer knows that nothing is
//! still under way when it draws.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as video;
use gstreamer_video::VideoFrameExt as _;
use hearing_proto::child::Codec;

use crate::codec::{Error, coded_caps, decoder};
use crate::compose::painter::Picture;

/// A stream's decoder.
#[derive(Debug)]
pub struct Decoder {
    bin: gst::Bin,
    input: gst::Pad,
    output: gst::Pad,
    came: Arc<Mutex<Vec<(i64, Decoded)>>>,
}

/// What came out.
#[derive(Debug)]
pub enum Decoded {
    /// A picture.
    Picture(Frame),
    /// Sound, one channel of 48 kHz.
    Sound(Vec<i16>),
}

/// A decoded picture in the decoder's own memory.
#[derive(Debug)]
pub struct Frame(Box<video::VideoFrame<video::video_frame::Readable>>);

impl Decoder {
    /// A decoder that is ready.
    ///
    /// # Errors
    /// An element is missing or refuses.
    pub fn new(codec: Codec) -> Result<Self, Error> {
        let broken = |reason: String| Error::Pipeline { what: format!("{codec:?} decoder"), reason };
        let bin = gst::parse::bin_from_description(decoder(codec), true).map_err(|error| broken(error.to_string()))?;
        let caps: gst::Caps = coded_caps(codec).parse().map_err(|_| broken("bad caps".to_owned()))?;
        let came = Arc::<Mutex<Vec<_>>>::default();
        let output = sink(came.clone());
        let input = gst::Pad::builder(gst::PadDirection::Src).name("src").build();
        let ends = bin.static_pad("sink").zip(bin.static_pad("src"));
        let (sink, src) = ends.ok_or_else(|| broken("has no ends".to_owned()))?;
        let linked = input.link(&sink).is_ok() && src.link(&output).is_ok();
        let active = output.set_active(true).is_ok() && input.set_active(true).is_ok();
        bin.set_state(gst::State::Playing).map_err(|error| broken(error.to_string()))?;
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let begins =
            [gst::event::StreamStart::new("stream"), gst::event::Caps::new(&caps), gst::event::Segment::new(&segment)];
        let told = begins.into_iter().all(|event| input.push_event(event));
        if linked && active && told {
            Ok(Self { bin, input, output, came })
        } else {
            Err(broken("can't be fed".to_owned()))
        }
    }

    /// Decodes a frame that belongs at `pts` microseconds, and gives what came of it and of earlier ones.
    pub fn decode(&mut self, pts: i64, bytes: Bytes) -> Vec<(i64, Decoded)> {
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(u64::try_from(pts).ok().map(gst::ClockTime::from_useconds));
        }
        // A frame that can't be decoded gives nothing; the next key frame does.
        let _ = self.input.push(buffer);
        std::mem::take(&mut *self.came.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was still inside.
    pub fn finish(&mut self) -> Vec<(i64, Decoded)> {
        self.input.push_event(gst::event::Eos::new());
        std::mem::take(&mut *self.came.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // What can't stop ends with its process.
        let _ = self.bin.set_state(gst::State::Null);
        let _ = self.input.set_active(false);
        let _ = self.output.set_active(false);
    }
}

fn sink(came: Arc<Mutex<Vec<(i64, Decoded)>>>) -> gst::Pad {
    gst::Pad::builder(gst::PadDirection::Sink)
        .name("sink")
        .chain_function(move |pad, _, buffer| {
            let pts = buffer.pts().and_then(|pts| i64::try_from(pts.useconds()).ok()).unwrap_or(0);
            if let Some(decoded) = pad.current_caps().and_then(|caps| read(buffer, &caps)) {
                came.lock().unwrap_or_else(PoisonError::into_inner).push((pts, decoded));
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(|_, _, _| true)
        .build()
}

fn read(buffer: gst::Buffer, caps: &gst::CapsRef) -> Option<Decoded> {
    if caps.structure(0)?.name() == "audio/x-raw" {
        let map = buffer.map_readable().ok()?;
        let samples = map.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
        return Some(Decoded::Sound(samples.collect()));
    }
    let info = video::VideoInfo::from_caps(caps).ok()?;
    let frame = video::VideoFrame::from_buffer_readable(buffer, &info).ok()?;
    // Cameras of hearings send 4:2:0; what else there may be counts as a frame that gave nothing.
    (info.format() == video::VideoFormat::I420).then_some(Decoded::Picture(Frame(Box::new(frame))))
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
