//! A track's frames from all its segments in order of time, wherever they lie: what came late stands in a segment of its
//! own and belongs between or within others.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use hearing_proto::matroska::{Block, Coding, Item, Reader};

use super::{Error, catalog};

/// Reads one track.
pub struct Replay {
    sources: Vec<Source>,
}

/// One frame.
#[derive(Debug)]
pub struct Replayed {
    /// Which of [`Replay::sources`] it comes from.
    pub source: usize,
    /// The frame.
    pub block: Block,
}

/// One segment.
pub struct Source {
    /// Its file.
    pub path: PathBuf,
    /// How it is coded; `None` when it was cut off before its first frame.
    pub coding: Option<Coding>,
    reader: Reader<BufReader<File>>,
    next: Option<Block>,
}

impl Replay {
    /// Opens the track in `folder`; every segment is read up to its first frame.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let segments = catalog::segments(folder).map_err(Error::disk(folder, "read"))?;
        let sources = segments.into_iter().map(|segment| Source::open(segment.path)).collect::<Result<_, _>>()?;
        Ok(Self { sources })
    }

    /// The segments, by number.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The file time in milliseconds of the next frame.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.sources.iter().filter_map(|source| Some(source.next.as_ref()?.ms)).min()
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn next_frame(&mut self) -> Result<Option<Replayed>, Error> {
        let at = |(n, source): (usize, &Source)| Some((source.next.as_ref()?.ms, n));
        let Some((_, source)) = self.sources.iter().enumerate().filter_map(at).min() else { return Ok(None) };
        let block = self.sources[source].advance()?;
        Ok(block.map(|block| Replayed { source, block }))
    }
}

impl Source {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let file = File::open(&path).map_err(Error::disk(&path, "read"))?;
        let mut source = Self { path, coding: None, reader: Reader::new(BufReader::new(file), 0), next: None };
        source.advance()?;
        Ok(source)
    }

    /// False when its end was cut off or damaged; known once all of it was read.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.reader.is_whole()
    }

    /// Its name in the record.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Gives the frame that was read, and reads the next one.
    fn advance(&mut self) -> Result<Option<Block>, Error> {
        let before = self.next.take();
        while self.next.is_none() {
            match self.reader.next_item()? {
                Some(Item::Track(coding)) => self.coding = Some(coding),
                Some(Item::Block(block)) => self.next = Some(block),
                None => break,
            }
        }
        Ok(before)
    }
}
