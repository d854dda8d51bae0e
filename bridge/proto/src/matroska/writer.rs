//! The streamable writer: nothing in it is ever patched, so a file that ends anywhere plays up to there.

use std::mem;

use webm_iterable::matroska_spec::Master::{End, Full, Start};
use webm_iterable::matroska_spec::{MatroskaSpec as M, SimpleBlock};
use webm_iterable::{WebmWriter, WriteOptions};

use super::{Coding, Error, coding};

/// Writes one track; take the bytes out with [`Writer::take`] and append them to the file.
pub struct Writer {
    mux: WebmWriter<Vec<u8>>,
    picture: bool,
    /// When the open cluster begins.
    cluster: Option<u64>,
    last: Option<u64>,
    taken: u64,
}

/// Where a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its file time in milliseconds, later than the frame's before.
    pub ms: u64,
    /// Where its cluster begins in the file, in bytes, when it is the first of its cluster.
    pub cluster: Option<u64>,
}

impl Writer {
    /// A file with its header and no frame.
    ///
    /// # Errors
    /// When the header can't be coded.
    pub fn new(coding: &Coding) -> Result<Self, Error> {
        let mut mux = WebmWriter::new(Vec::new());
        coding.write_ebml(&mut mux)?;
        mux.write_advanced(&M::Segment(Start), WriteOptions::is_unknown_sized_element())?;
        mux.write(&M::Info(Full(coding::info())))?;
        coding.write_tracks(&mut mux)?;
        Ok(Self { mux, picture: coding.is_picture(), cluster: None, last: None, taken: 0 })
    }

    /// Appends a frame. `ms` is its file time; times that don't grow are moved behind the frame before.
    /// A cluster begins at each key frame of a picture, and after 30 s; for sound after 5 s.
    ///
    /// # Errors
    /// When an element can't be coded; the file is then of no further use.
    pub fn frame(&mut self, ms: u64, key: bool, data: &[u8]) -> Result<Placed, Error> {
        let ms = self.last.map_or(ms, |last| ms.max(last + 1));
        self.last = Some(ms);
        let starts = self.cluster.is_none_or(|start| self.picture && key || ms - start >= self.longest());
        let cluster = if starts { Some(self.start_cluster(ms)?) } else { None };
        let start = self.cluster.unwrap_or(ms);
        let relative = i16::try_from(ms - start).map_err(|_| Error::Element("block outside its cluster".to_owned()))?;
        let key = key || !self.picture;
        self.mux.write(&M::from(SimpleBlock::new_uncheked(data, 1, relative, false, None, false, key)))?;
        Ok(Placed { ms, cluster })
    }

    /// The bytes that came up since the last call.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let bytes = mem::take(self.mux.get_mut());
        self.taken += bytes.len() as u64;
        bytes
    }

    fn start_cluster(&mut self, ms: u64) -> Result<u64, Error> {
        if self.cluster.is_some() {
            self.mux.write(&M::Cluster(End))?;
        }
        let offset = self.taken + self.mux.get_ref().len() as u64;
        self.mux.write_advanced(&M::Cluster(Start), WriteOptions::is_unknown_sized_element())?;
        self.mux.write(&M::Timestamp(ms))?;
        self.cluster = Some(ms);
        Ok(offset)
    }

    const fn longest(&self) -> u64 {
        if self.picture { 30_000 } else { 5_000 }
    }
}
