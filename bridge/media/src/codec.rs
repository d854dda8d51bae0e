//! Decoders and encoders: each a small GStreamer pipeline between an appsrc and an appsink. No element that compiles code
//! at run time is used (converters, scalers), for the sandbox forbids new code.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use gstreamer_video as video;
use gstreamer_video::VideoFrameExt as _;
use hearing_proto::child::{Codec, PictureShape, PictureTarget, Target};

use crate::encoder::{picture_encoder, sound_caps, sound_encoder};

/// A pipeline from one appsrc to one appsink.
#[derive(Debug)]
pub struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
}

/// What comes out of a pipeline.
#[derive(Debug)]
pub enum Output<'a> {
    /// A decoded picture.
    Picture(i64, &'a video::VideoFrameRef<&'a gst::BufferRef>),
    /// Decoded sound, one channel of 48 kHz.
    Sound(i64, &'a [i16]),
    /// Something coded, and whether it stands alone.
    Coded(i64, bool, &'a [u8]),
    /// Nothing more will come; why.
    Failed(String),
}

/// Why there is no pipeline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// GStreamer or a plug-in is missing.
    #[error("GStreamer: {0} (is every package that scripts/setup names installed?)")]
    Missing(String),
    /// A pipeline that can't be built or started.
    #[error("the {what} pipeline: {reason}")]
    Pipeline {
        /// What it was to do.
        what: String,
        /// What GStreamer says.
        reason: String,
    },
}

/// What a pipeline makes of what it gets.
#[derive(Debug, Clone, Copy)]
pub enum Task {
    /// Decodes.
    Decode(Codec),
    /// Decodes a picture and codes it as JPEG.
    Still(Codec),
    /// Codes pictures.
    EncodePicture(PictureShape),
    /// Codes sound as Opus.
    EncodeSound,
    /// Codes pictures for a file.
    EncodeFilm(Film),
    /// Codes sound for a file, as AAC.
    EncodeAac,
    /// Codes a live stream anew, sound treated where that is asked for. Only [`crate::encoder`] does.
    EncodeLive(Target),
}

/// How pictures for a file are coded.
#[derive(Debug, Clone, Copy)]
pub struct Film {
    /// Pixels in a row; a multiple of 8.
    pub width: u16,
    /// Rows; even.
    pub height: u16,
    /// Frames a second.
    pub fps: u8,
    /// Threads of the encoder.
    pub threads: u8,
}

/// Loads GStreamer and the plug-ins that these tasks use, and no other: some take longer to load than a child to start.
///
/// # Errors
/// Something isn't installed.
pub fn load(tasks: &[Task]) -> Result<(), Error> {
    // GLib would write warnings to standard error and ask the network's calls what that is, which the sandbox forbids.
    gst::glib::log_set_writer_func(|_, _| gst::glib::LogWriterOutput::Handled);
    gst::init().map_err(|error| Error::Missing(error.to_string()))?;
    let directory = directory().ok_or_else(|| Error::Missing("no plug-in directory".to_owned()))?;
    let needed: BTreeSet<_> = tasks.iter().flat_map(|task| task.plugins()).chain(ALWAYS).collect();
    for name in needed {
        let file = directory.join(format!("libgst{name}.so"));
        let plugin = gst::Plugin::load_file(&file).map_err(|error| Error::Missing(error.to_string()))?;
        gst::Registry::get().add_plugin(&plugin).map_err(|error| Error::Missing(error.to_string()))?;
    }
    Ok(())
}

impl Task {
    const fn plugins(self) -> &'static [&'static str] {
        match self {
            Self::Decode(codec) => decoder_plugins(codec),
            Self::EncodeAac => &["libav"],
            Self::EncodeSound => &["opus"],
            Self::Still(Codec::H264 | Codec::H265) => &["libav", "jpeg"],
            Self::Still(_) => &["vpx", "jpeg"],
            Self::EncodePicture(PictureShape { codec, .. })
            | Self::EncodeLive(Target::Picture(PictureTarget { codec, .. })) => {
                if matches!(codec, Codec::H264) {
                    &["x264"]
                } else {
                    &["vpx"]
                }
            }
            Self::EncodeLive(Target::Sound(sound)) => match (sound.codec, sound.treat) {
                (Codec::Opus, false) => &["opus"],
                (Codec::Opus, true) => &["opus", "webrtcdsp"],
                (Codec::G722 | Codec::Aac, false) => &["libav"],
                (Codec::G722 | Codec::Aac, true) => &["libav", "webrtcdsp"],
                (Codec::Pcma | Codec::Pcmu | Codec::Vp8 | Codec::H264 | Codec::H265, true) => &["webrtcdsp"],
                (Codec::Pcma | Codec::Pcmu | Codec::Vp8 | Codec::H264 | Codec::H265, false) => &[],
            },
            Self::EncodeFilm(_) => &["x264"],
        }
    }
}

const fn decoder_plugins(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::Vp8 => &["vpx"],
        Codec::H264 | Codec::H265 | Codec::Aac => &["libav"],
        Codec::G722 => &["libav", "spandsp"],
        Codec::Opus => &["opus"],
        Codec::Pcma | Codec::Pcmu => &["spandsp"],
    }
}

/// Where the distribution keeps GStreamer's plug-ins.
fn directory() -> Option<PathBuf> {
    let arch = std::env::consts::ARCH;
    let places = [format!("/usr/lib/{arch}-linux-gnu"), "/usr/lib64".to_owned(), "/usr/lib".to_owned()];
    places.iter().map(|place| PathBuf::from(place).join("gstreamer-1.0")).find(|place| place.is_dir())
}

impl Pipeline {
    /// Builds and starts a pipeline; `output` is called on its thread.
    ///
    /// # Errors
    /// An element is missing or refuses.
    pub fn start(task: Task, output: impl Fn(Output<'_>) + Send + Sync + 'static) -> Result<Self, Error> {
        let broken = |reason: String| Error::Pipeline { what: format!("{task:?}"), reason };
        let pipeline = gst::parse::launch(&description(task)).map_err(|error| broken(error.to_string()))?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| broken("is no pipeline".to_owned()))?;
        let source = element::<AppSrc>(&pipeline, "in").ok_or_else(|| broken("has no source".to_owned()))?;
        let sink = element::<AppSink>(&pipeline, "out").ok_or_else(|| broken("has no sink".to_owned()))?;
        let output = std::sync::Arc::new(output);
        watch(&pipeline, output.clone());
        let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            deliver(&sample, &*output).ok_or(gst::FlowError::Error)?;
            Ok(gst::FlowSuccess::Ok)
        });
        sink.set_callbacks(callbacks.build());
        pipeline.set_state(gst::State::Playing).map_err(|error| broken(error.to_string()))?;
        Ok(Self { pipeline, source })
    }

    /// Gives the pipeline a buffer that belongs at `pts` microseconds. Waits while the pipeline has enough; false when it failed.
    pub fn push(&self, pts: i64, bytes: impl AsRef<[u8]> + Send + 'static) -> bool {
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(u64::try_from(pts).ok().map(gst::ClockTime::from_useconds));
        }
        self.source.push_buffer(buffer).is_ok()
    }

    /// Asks an encoder for a key frame.
    pub fn key_frame(&self) -> bool {
        self.source.send_event(video::DownstreamForceKeyUnitEvent::builder().all_headers(true).build())
    }

    /// Lets everything come out that is inside, for at most `patience`.
    pub fn finish(self, patience: Duration) {
        let patience = gst::ClockTime::try_from(patience).unwrap_or(gst::ClockTime::SECOND);
        if self.source.end_of_stream().is_ok()
            && let Some(bus) = self.pipeline.bus()
        {
            bus.timed_pop_filtered(patience, &[gst::MessageType::Eos, gst::MessageType::Error]);
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // A pipeline that can't stop is ended with its process.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

fn element<T: IsA<gst::Element>>(pipeline: &gst::Pipeline, name: &str) -> Option<T> {
    pipeline.by_name(name)?.downcast::<T>().ok()
}

/// Reports a pipeline's failure once; keeps only what `finish` waits for.
fn watch(pipeline: &gst::Pipeline, output: std::sync::Arc<impl Fn(Output<'_>) + Send + Sync + 'static>) {
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| match message.view() {
        gst::MessageView::Error(error) => {
            output(Output::Failed(error.error().to_string()));
            gst::BusSyncReply::Pass
        }
        gst::MessageView::Eos(_) => gst::BusSyncReply::Pass,
        _ => gst::BusSyncReply::Drop,
    });
}

fn deliver(sample: &gst::Sample, output: &(impl Fn(Output<'_>) + Send + Sync)) -> Option<()> {
    let buffer = sample.buffer()?;
    let caps = sample.caps()?;
    let pts = running_time(sample, buffer);
    match caps.structure(0)?.name().as_str() {
        "video/x-raw" => {
            let info = video::VideoInfo::from_caps(caps).ok()?;
            let frame = video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).ok()?;
            output(Output::Picture(pts, &frame));
        }
        "audio/x-raw" => {
            let map = buffer.map_readable().ok()?;
            let samples: Vec<i16> = map.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
            output(Output::Sound(pts, &samples));
        }
        _ => {
            let map = buffer.map_readable().ok()?;
            output(Output::Coded(pts, !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT), &map));
        }
    }
    Some(())
}

/// Where a buffer belongs, in microseconds; x264enc counts from 1,000 hours, which its segment takes off again.
fn running_time(sample: &gst::Sample, buffer: &gst::BufferRef) -> i64 {
    let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
    let time = segment.and_then(|segment| segment.to_running_time(buffer.pts()?)).or(buffer.pts());
    time.and_then(|time| i64::try_from(time.useconds()).ok()).unwrap_or(0)
}

fn description(task: Task) -> String {
    let (caps, elements) = match task {
        Task::Decode(codec) => (coded_caps(codec).to_owned(), decoder(codec).to_owned()),
        Task::Still(codec) => (coded_caps(codec).to_owned(), format!("{} ! jpegenc quality=80", decoder(codec))),
        Task::EncodePicture(shape) => (raw_caps(shape), encoder(shape)),
        Task::EncodeSound => (SOUND_CAPS.to_owned(), "opusenc frame-size=20 bitrate=32000 complexity=1".to_owned()),
        Task::EncodeFilm(film) => film_elements(film),
        Task::EncodeAac => (FLOAT_CAPS.to_owned(), "avenc_aac bitrate=96000".to_owned()),
        Task::EncodeLive(Target::Sound(sound)) => {
            (sound_caps(sound.codec).to_owned(), sound_encoder(sound.codec).to_owned())
        }
        Task::EncodeLive(Target::Picture(picture)) => {
            let shape = PictureShape { codec: picture.codec, width: 640, height: 360, fps: 30, kbps: picture.kbps };
            (raw_caps(shape), picture_encoder(&picture))
        }
    };
    format!(
        "appsrc name=in format=time block=true max-buffers=8 max-bytes=0 max-time=0 caps=\"{caps}\" ! {elements} \
         ! appsink name=out sync=false max-buffers=8"
    )
}

/// Constant quality; no picture refers to a later one, so that times and order are the same.
fn film_elements(film: Film) -> (String, String) {
    let Film { width, height, fps, threads } = film;
    let caps = format!("video/x-raw,format=I420,width={width},height={height},framerate={fps}/1,colorimetry=bt709");
    let elements = format!(
        "x264enc pass=qual quantizer=23 speed-preset=superfast threads={threads} bframes=0 key-int-max={} vbv-buf-capacity=0 \
         ! video/x-h264,stream-format=byte-stream,alignment=au,profile=main",
        u32::from(fps) * 2
    );
    (caps, elements)
}

pub(crate) const fn coded_caps(codec: Codec) -> &'static str {
    match codec {
        Codec::Vp8 => "video/x-vp8",
        Codec::H264 => "video/x-h264,stream-format=byte-stream,alignment=au",
        Codec::H265 => "video/x-h265,stream-format=byte-stream,alignment=au",
        Codec::Pcma => "audio/x-alaw,rate=8000,channels=1",
        Codec::Pcmu => "audio/x-mulaw,rate=8000,channels=1",
        Codec::Opus => "audio/x-opus,rate=48000,channels=1,channel-mapping-family=0",
        Codec::G722 => "audio/G722,rate=16000,channels=1",
        // The decoder reads rate and channels from the ADTS headers.
        Codec::Aac => "audio/mpeg,mpegversion=4,stream-format=adts",
    }
}

pub(crate) const fn decoder(codec: Codec) -> &'static str {
    match codec {
        Codec::Vp8 => "vp8dec max-errors=-1",
        Codec::H264 => "avdec_h264 max-threads=1 max-errors=-1",
        Codec::H265 => "avdec_h265 max-threads=1 max-errors=-1",
        Codec::G722 => "avdec_g722 ! spanplc",
        Codec::Aac => "avdec_aac",
        // Decoded without elements.
        Codec::Pcma | Codec::Pcmu => "identity",
        Codec::Opus => "opusdec plc=true max-errors=-1 ! capsfilter caps=audio/x-raw,format=S16LE,rate=48000",
    }
}

fn raw_caps(shape: PictureShape) -> String {
    format!("video/x-raw,format=I420,width={},height={},framerate={}/1", shape.width, shape.height, shape.fps)
}

fn encoder(shape: PictureShape) -> String {
    let (kbps, distance) = (shape.kbps, u32::from(shape.fps) * 2);
    match shape.codec {
        Codec::H264 => format!(
            "x264enc tune=zerolatency speed-preset=superfast threads=1 bitrate={kbps} key-int-max={distance} \
             ! video/x-h264,stream-format=byte-stream,alignment=au,profile=constrained-baseline"
        ),
        Codec::Vp8 | Codec::H265 | Codec::Opus | Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::Aac => format!(
            "vp8enc deadline=1 cpu-used=16 threads=1 target-bitrate={} keyframe-max-dist={distance} \
             end-usage=cbr error-resilient=default",
            kbps.saturating_mul(1000)
        ),
    }
}

/// Copies a picture's planes without padding.
#[must_use]
pub fn i420(frame: &video::VideoFrameRef<&gst::BufferRef>) -> Option<Bytes> {
    let mut planes = Vec::with_capacity(frame.info().size());
    for plane in 0..3_u32 {
        let stride = usize::try_from(*frame.plane_stride().get(plane as usize)?).ok()?;
        let (width, height) = (frame.comp_width(plane), frame.comp_height(plane));
        let rows = frame.plane_data(plane).ok()?.chunks(stride.max(1));
        for row in rows.take(height as usize) {
            planes.extend_from_slice(row.get(..width as usize)?);
        }
    }
    Some(planes.into())
}

/// Repeats the last pitch for what is missing, ever more quietly.
pub(crate) const CONCEALER: &str = "spanplc";
pub(crate) const TELEPHONE_CAPS: &str = "audio/x-raw,format=S16LE,rate=8000,channels=1,layout=interleaved";
pub(crate) const SOUND_CAPS: &str = "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved";
pub(crate) const FLOAT_CAPS: &str = "audio/x-raw,format=F32LE,rate=48000,channels=1,layout=interleaved";
const ALWAYS: &[&str] = &["coreelements", "app"];
