//! The finished form of a track for playing and searching: sizes known, duration told, an index of clusters at the end
//! that the front points to. Blocks are the same bytes as in the record.

use std::mem;

use webm_iterable::matroska_spec::Master::{End, Full, Start};
use webm_iterable::matroska_spec::{MatroskaSpec as M, SimpleBlock};
use webm_iterable::{WebmWriter, WriteOptions};

use super::{Coding, Error, coding};

/// Writes one track; take the bytes out with [`Seekable::take`] and append them to the file, then patch what
/// [`Seekable::finish`] says.
pub struct Seekable {
    mux: WebmWriter<Vec<u8>>,
    picture: bool,
    /// When the open cluster begins.
    cluster: Option<u64>,
    taken: u64,
    /// Cluster times and places, the latter in bytes from `origin`.
    cues: Vec<(u64, u64)>,
    /// Where the segment's content begins.
    origin: u64,
    seek_at: u64,
    duration_at: u64,
    first: Option<u64>,
    last: u64,
    frames: u64,
}

/// How a [`Seekable`] ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Bytes to append.
    pub tail: Vec<u8>,
    /// Then bytes to put in place, at these offsets.
    pub patches: [(u64, [u8; 8]); 3],
}

impl Seekable {
    /// A file with its header and no frame.
    ///
    /// # Errors
    /// When the header can't be coded.
    pub fn new(coding: &Coding) -> Result<Self, Error> {
        let mut mux = WebmWriter::new(Vec::new());
        coding.write_ebml(&mut mux)?;
        // The writer holds the segment's header back until something follows it.
        let origin = mux.get_ref().len() as u64 + SEGMENT_HEADER;
        mux.write_advanced(&M::Segment(Start), WriteOptions::is_unknown_sized_element())?;
        let cues = M::Seek(Full(vec![M::SeekID(CUES_ID.to_vec()), M::SeekPosition(u64::MAX)]));
        mux.write(&M::SeekHead(Full(vec![cues])))?;
        let seek_at = mux.get_ref().len() as u64 - 8;
        let mut info = coding::info();
        info.push(M::Duration(0.0));
        mux.write(&M::Info(Full(info)))?;
        let duration_at = mux.get_ref().len() as u64 - 8;
        coding.write_tracks(&mut mux)?;
        let (picture, cues) = (coding.is_picture(), Vec::new());
        let (cluster, first) = (None, None);
        Ok(Self { mux, picture, cluster, taken: 0, cues, origin, seek_at, duration_at, first, last: 0, frames: 0 })
    }

    /// Appends a frame at file time `ms`, not before the frame before.
    ///
    /// # Errors
    /// When an element can't be coded.
    pub fn frame(&mut self, ms: u64, key: bool, data: &[u8]) -> Result<(), Error> {
        let longest = if self.picture { 30_000 } else { 5_000 };
        let ms = ms.max(self.last);
        if self.cluster.is_none_or(|start| self.picture && key || ms - start >= longest) {
            self.end_cluster()?;
            self.cues.push((ms, self.offset() - self.origin));
            self.mux.write(&M::Cluster(Start))?;
            self.mux.write(&M::Timestamp(ms))?;
            self.cluster = Some(ms);
        }
        let start = self.cluster.unwrap_or(ms);
        let relative = i16::try_from(ms - start).map_err(|_| Error::Element("block outside its cluster".to_owned()))?;
        self.mux.write(&M::from(SimpleBlock::new_uncheked(data, 1, relative, false, None, false, key)))?;
        self.first.get_or_insert(ms);
        self.last = ms;
        self.frames += 1;
        Ok(())
    }

    /// The bytes that are final but for the patches.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let bytes = mem::take(self.mux.get_mut());
        self.taken += bytes.len() as u64;
        bytes
    }

    /// Ends the file: the index of clusters, the duration, the sizes.
    ///
    /// # Errors
    /// When an element can't be coded.
    pub fn finish(mut self) -> Result<Finished, Error> {
        self.end_cluster()?;
        let cues_at = self.offset() - self.origin;
        let cues = self.cues.iter().map(|&(ms, place)| {
            let place = M::CueTrackPositions(Full(vec![M::CueTrack(1), M::CueClusterPosition(place)]));
            M::CuePoint(Full(vec![M::CueTime(ms), place]))
        });
        self.mux.write(&M::Cues(Full(cues.collect())))?;
        let tail = self.take();
        let size = SIZE_8 | (self.taken - self.origin);
        let patches = [
            (self.origin - 8, size.to_be_bytes()),
            (self.seek_at, cues_at.to_be_bytes()),
            (self.duration_at, self.duration().to_be_bytes()),
        ];
        Ok(Finished { tail, patches })
    }

    fn end_cluster(&mut self) -> Result<(), Error> {
        if self.cluster.take().is_some() {
            self.mux.write(&M::Cluster(End))?;
        }
        Ok(())
    }

    fn offset(&self) -> u64 {
        self.taken + self.mux.get_ref().len() as u64
    }

    /// In milliseconds from file time 0: the last frame lasts as long as the average one.
    fn duration(&self) -> f64 {
        let span = self.last - self.first.unwrap_or(self.last);
        let average = span as f64 / (self.frames.max(2) - 1) as f64;
        self.last as f64 + average
    }
}

const CUES_ID: [u8; 4] = [0x1c, 0x53, 0xbb, 0x6b];
/// Id and size of the segment, in bytes.
const SEGMENT_HEADER: u64 = 12;
/// The marker of an 8-byte element size.
const SIZE_8: u64 = 1 << 56;
