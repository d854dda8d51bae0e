//! Segments of one track that are coded alike become one file that can be searched. Gaps stay gaps; what came late stands
//! where it belongs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hearing_proto::matroska::{Block, Coding, Seekable};

use super::manifest::{JoinedFile, JoinedSegment};
use super::{Error, file_hash};
use crate::record::replay::{Replay, Replayed};

/// Joins the segments in `folder` into files in `to`, named after the track. Only frames whose file time (ms) `keep` wants
/// are taken.
pub(super) fn track(
    folder: &Path,
    name: &str,
    to: &Path,
    keep: &dyn Fn(u64) -> bool,
) -> Result<Vec<JoinedFile>, Error> {
    let mut replay = Replay::open(folder)?;
    let mut files: Vec<Joint> = Vec::new();
    while let Some(Replayed { source, block }) = replay.next_frame()? {
        let Some(coding) = replay.sources()[source].coding.clone().filter(|_| keep(block.ms)) else { continue };
        if files.last().is_none_or(|joint| joint.coding != coding) {
            if let Some(joint) = files.last_mut() {
                joint.end()?;
            }
            files.push(Joint::begin(to, &file_name(name, files.len()), coding)?);
        }
        if let Some(joint) = files.last_mut() {
            joint.append(source, &block)?;
        }
    }
    files.into_iter().map(|joint| joint.finish(&replay)).collect()
}

fn file_name(track: &str, before: usize) -> String {
    match before {
        0 => format!("{track}.mkv"),
        more => format!("{track}-{}.mkv", more + 1),
    }
}

/// A file that is being written.
struct Joint {
    path: PathBuf,
    file: BufWriter<File>,
    coding: Coding,
    /// `None` once it has ended.
    mux: Option<Seekable>,
    /// By segment: its frames that are here.
    spans: BTreeMap<usize, Span>,
}

/// Frames of one segment: file times of the first and the last, and how many.
struct Span {
    start_ms: u64,
    end_ms: u64,
    frames: u64,
}

impl Joint {
    fn begin(to: &Path, name: &str, coding: Coding) -> Result<Self, Error> {
        let path = to.join(name);
        let file = File::create_new(&path).map_err(Error::disk(&path, "write"))?;
        let mux = Some(Seekable::new(&coding)?);
        Ok(Self { path, file: BufWriter::new(file), coding, mux, spans: BTreeMap::new() })
    }

    fn append(&mut self, source: usize, block: &Block) -> Result<(), Error> {
        if let Some(mux) = &mut self.mux {
            mux.frame(block.ms, block.key, &block.data)?;
            self.file.write_all(&mux.take()).map_err(Error::disk(&self.path, "write"))?;
        }
        let span = self.spans.entry(source).or_insert(Span { start_ms: block.ms, end_ms: block.ms, frames: 0 });
        span.end_ms = block.ms;
        span.frames += 1;
        Ok(())
    }

    /// Writes the index; nothing can be appended any more.
    fn end(&mut self) -> Result<(), Error> {
        let Some(mux) = self.mux.take() else { return Ok(()) };
        let finished = mux.finish()?;
        let mut write = || {
            self.file.write_all(&finished.tail)?;
            self.file.flush()?;
            let file = self.file.get_ref();
            finished.patches.iter().try_for_each(|(at, bytes)| file.write_all_at(bytes, *at))?;
            file.sync_all()
        };
        write().map_err(Error::disk(&self.path, "write"))
    }

    fn finish(mut self, replay: &Replay) -> Result<JoinedFile, Error> {
        self.end()?;
        let bytes = self.file.get_ref().metadata().map_err(Error::disk(&self.path, "read"))?.len();
        let segment = |(source, span): (&usize, &Span)| {
            let source = &replay.sources()[*source];
            let sha256 = file_hash(&source.path)?;
            let Span { start_ms, end_ms, frames } = *span;
            Ok(JoinedSegment { file: source.name(), start_ms, end_ms, frames, whole: source.is_whole(), sha256 })
        };
        let segments = self.spans.iter().map(segment).collect::<Result<Vec<_>, Error>>()?;
        let sha256 = file_hash(&self.path)?;
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(JoinedFile {
            file,
            codec: match self.coding {
                Coding::Opus => "opus",
                Coding::Pcma => "pcma",
                Coding::Pcmu => "pcmu",
                Coding::G722 => "g722",
                Coding::Aac { .. } => "aac",
                Coding::Vp8 { .. } => "vp8",
                Coding::H264 { .. } => "h264",
                Coding::H265 { .. } => "h265",
            },
            size: self.coding.size(),
            start_ms: self.spans.values().map(|span| span.start_ms).min().unwrap_or(0),
            end_ms: self.spans.values().map(|span| span.end_ms).max().unwrap_or(0),
            frames: self.spans.values().map(|span| span.frames).sum(),
            bytes,
            sha256,
            segments,
        })
    }
}
