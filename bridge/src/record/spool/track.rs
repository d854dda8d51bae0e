//! What is kept of one track: files of some seconds each. A file is a line of text that names the codec, then every frame
//! as on the wire, after its length (big-endian u32); what a crash cut off at its end is not read.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use hearing_config::{Codec, Timestamp};
use hearing_proto::wire::{MAX_FRAME, decode_frame, encode_frame};

use super::Piece;
use crate::router::{Frame, proto};

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    codec: Codec,
    pub(super) bytes: u64,
    /// When it was begun, by the file system's clock.
    pub(super) written: SystemTime,
    /// When its first and its last frame were captured.
    span: Option<(Timestamp, Timestamp)>,
    /// While it is being written.
    file: Option<BufWriter<File>>,
}

impl Segment {
    pub(super) fn begin(path: PathBuf, codec: Codec) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create_new(&path)?);
        let line = format!("{MAGIC}{}\n", word(codec));
        file.write_all(line.as_bytes())?;
        let (bytes, written) = (line.len() as u64, SystemTime::now());
        Ok(Self { path, codec, bytes, written, span: None, file: Some(file) })
    }

    /// One that was written before.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let metadata = fs::metadata(&path)?;
        let mut reader = BufReader::new(File::open(&path)?);
        let codec = read_codec(&mut reader)?;
        let mut span = None;
        while let Some(head) = next(&mut reader)?.and_then(|bytes| decode_frame(&bytes).ok()).map(|(head, _)| head) {
            let at = Timestamp(head.captured);
            span = Some(span.map_or((at, at), |(first, _)| (first, at)));
        }
        let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Self { path, codec, bytes: metadata.len(), written, span, file: None })
    }

    /// True when a frame in this codec may be appended.
    pub(super) fn takes(&self, codec: Codec, captured: Timestamp) -> bool {
        let short = self.span.is_none_or(|(first, _)| captured.since(first).abs() < LONGEST);
        self.file.is_some() && self.codec == codec && short && self.bytes < LARGEST
    }

    pub(super) fn write(&mut self, frame: &Frame) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let payloads: Vec<Bytes> = frame.packets.iter().map(|packet| packet.payload.clone()).collect();
        let bytes = encode_frame(&proto::head_of_kept(frame), &payloads).map_err(io::Error::other)?;
        file.write_all(&(bytes.len() as u32).to_be_bytes())?;
        file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64 + 4;
        let at = frame.head().captured;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.flush())
    }

    /// Nothing is appended any more.
    pub(super) fn end(&mut self) {
        self.file = None;
    }

    /// True when all of it was captured before `through`, and it is not being written.
    pub(super) fn is_before(&self, through: Timestamp) -> bool {
        self.file.is_none() && self.span.is_none_or(|(_, last)| last < through)
    }

    /// True when all of it was captured so long before `through` that the hearing must be over.
    pub(super) fn is_long_before(&self, through: Timestamp) -> bool {
        self.span.is_none_or(|(_, last)| through.since(last) > OVER)
    }

    /// Appends what was captured in a span to a piece; false when the piece is full.
    pub(super) fn read(&self, from: Timestamp, to: Timestamp, piece: &mut Piece, room: &mut usize) -> io::Result<bool> {
        if self.span.is_none_or(|(first, last)| last < from || first >= to) {
            return Ok(true);
        }
        let mut reader = BufReader::new(File::open(&self.path)?);
        read_codec(&mut reader)?;
        while let Some(bytes) = next(&mut reader)? {
            let Ok((head, payloads)) = decode_frame(&bytes) else { return Ok(true) };
            let at = Timestamp(head.captured);
            if at < from || at >= to {
                continue;
            }
            let fits = bytes.len() <= *room && piece.frames.len() < FRAMES;
            if !fits || piece.codec.is_some_and(|codec| codec != self.codec) {
                piece.upto = at;
                return Ok(false);
            }
            *room -= bytes.len();
            piece.codec = Some(self.codec);
            piece.frames.push(proto::frame(&head, payloads));
        }
        Ok(true)
    }
}

fn read_codec(reader: &mut impl BufRead) -> io::Result<Codec> {
    let mut line = Vec::new();
    reader.take(LINE).read_until(b'\n', &mut line)?;
    let text = String::from_utf8_lossy(&line).into_owned();
    let found =
        text.trim_end().strip_prefix(MAGIC).and_then(|name| CODECS.into_iter().find(|codec| word(*codec) == name));
    found.ok_or_else(|| io::Error::other(format!("{text:?} is no spool's first line")))
}

/// The bytes of the next frame; `None` at the end, which a crash may have cut off.
fn next(reader: &mut impl Read) -> io::Result<Option<Bytes>> {
    let mut length = [0; 4];
    let whole = |result: io::Result<()>| match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    };
    if !whole(reader.read_exact(&mut length))? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    Ok(whole(reader.read_exact(&mut bytes))?.then(|| bytes.into()))
}

const fn word(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus",
        Codec::Pcma => "pcma",
        Codec::Pcmu => "pcmu",
        Codec::G722 => "g722",
        Codec::Aac => "aac",
        Codec::Vp8 => "vp8",
        Codec::H264 => "h264",
        Codec::H265 => "h265",
    }
}

/// Removes a file; one that is gone already is no fault.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

const CODECS: [Codec; 8] =
    [Codec::Opus, Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Aac, Codec::Vp8, Codec::H264, Codec::H265];
const MAGIC: &str = "hearing-spool/1 ";
/// The most bytes of the first line.
const LINE: u64 = 64;
/// What a file holds, in microseconds of capture: what can be deleted only together.
const LONGEST: i64 = 10_000_000;
/// Home has media of so much later, in microseconds, only once it says that it wants nothing more.
const OVER: i64 = 600_000_000;
const LARGEST: u64 = 8 << 20;
/// The most frames of one piece.
const FRAMES: usize = 2_000;
