//! Segments of one track that are coded alike become one file that can be searched. Gaps stay gaps.

use std::fs::File;
use std::io::{BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hearing_proto::matroska::{Coding, Item, Reader, Seekable};

use super::manifest::{JoinedFile, JoinedSegment};
use super::{Error, Hashing, file_hash};
use crate::record::catalog;

/// Joins the segments in `folder` into files in `to`, named after the track.
pub(super) fn track(folder: &Path, name: &str, to: &Path) -> Result<Vec<JoinedFile>, Error> {
    let segments = catalog::segments(folder).map_err(Error::disk(folder, "read"))?;
    let mut joined: Vec<JoinedFile> = Vec::new();
    let mut open: Option<Joint> = None;
    for segment in segments {
        let mut source = Source::open(segment.path)?;
        if open.as_ref().is_some_and(|joint| source.coding.as_ref().is_some_and(|coding| *coding != joint.coding)) {
            joined.extend(open.take().map(Joint::finish).transpose()?);
        }
        if let (None, Some(coding)) = (&open, &source.coding) {
            open = Some(Joint::begin(to, &file_name(name, joined.len()), coding.clone())?);
        }
        if let Some(joint) = &mut open {
            joint.append(&mut source)?;
        }
    }
    joined.extend(open.map(Joint::finish).transpose()?);
    Ok(joined)
}

fn file_name(track: &str, before: usize) -> String {
    match before {
        0 => format!("{track}.mkv"),
        more => format!("{track}-{}.mkv", more + 1),
    }
}

/// A segment that is being read.
struct Source {
    path: PathBuf,
    /// `None` when it was cut off before its first frame.
    coding: Option<Coding>,
    reader: Reader<Hashing<BufReader<File>>>,
}

impl Source {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let file = File::open(&path).map_err(Error::disk(&path, "read"))?;
        let mut reader = Reader::new(Hashing::new(BufReader::new(file)), 0);
        let coding = match reader.next_item()? {
            Some(Item::Track(coding)) => Some(coding),
            Some(Item::Block(_)) | None => None,
        };
        Ok(Self { path, coding, reader })
    }
}

/// A file that is being written.
struct Joint {
    path: PathBuf,
    file: File,
    coding: Coding,
    mux: Seekable,
    segments: Vec<JoinedSegment>,
}

impl Joint {
    fn begin(to: &Path, name: &str, coding: Coding) -> Result<Self, Error> {
        let path = to.join(name);
        let file = File::create_new(&path).map_err(Error::disk(&path, "write"))?;
        let mux = Seekable::new(&coding)?;
        Ok(Self { path, file, coding, mux, segments: Vec::new() })
    }

    fn append(&mut self, source: &mut Source) -> Result<(), Error> {
        let name = source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = file_hash(&source.path)?;
        let mut segment = JoinedSegment { file: name, start_ms: 0, end_ms: 0, frames: 0, whole: false, sha256 };
        while let Some(item) = source.reader.next_item()? {
            let Item::Block(block) = item else { continue };
            self.mux.frame(block.ms, block.key, &block.data)?;
            self.flush()?;
            if segment.frames == 0 {
                segment.start_ms = block.ms;
            }
            segment.end_ms = block.ms;
            segment.frames += 1;
        }
        segment.whole = source.reader.is_whole();
        self.segments.push(segment);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let bytes = self.mux.take();
        if bytes.is_empty() {
            return Ok(());
        }
        self.file.write_all(&bytes).map_err(Error::disk(&self.path, "write"))
    }

    fn finish(mut self) -> Result<JoinedFile, Error> {
        let finished = self.mux.finish()?;
        let mut write = || {
            self.file.write_all(&finished.tail)?;
            finished.patches.iter().try_for_each(|(at, bytes)| self.file.write_all_at(bytes, *at))?;
            self.file.sync_all()?;
            self.file.metadata()
        };
        let bytes = write().map_err(Error::disk(&self.path, "write"))?.len();
        let sha256 = file_hash(&self.path)?;
        let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(JoinedFile {
            file,
            codec: match self.coding {
                Coding::Opus => "opus",
                Coding::Pcma => "pcma",
                Coding::Pcmu => "pcmu",
                Coding::Vp8 { .. } => "vp8",
                Coding::H264 { .. } => "h264",
                Coding::H265 { .. } => "h265",
            },
            size: self.coding.size(),
            start_ms: self.segments.first().map_or(0, |segment| segment.start_ms),
            end_ms: self.segments.last().map_or(0, |segment| segment.end_ms),
            frames: self.segments.iter().map(|segment| segment.frames).sum(),
            bytes,
            sha256,
            segments: self.segments,
        })
    }
}
