//! Matroska of one track: a stream that can be cut off anywhere ([`Writer`]), a finished file that can be searched
//! ([`Seekable`]), and a reader for both that survives any bytes ([`Reader`]).

mod coding;
mod reader;
mod seekable;
mod writer;

pub use coding::Coding;
pub use reader::{Item, Reader};
pub use seekable::{Finished, Seekable};
pub use writer::{Placed, Writer};

/// One frame, as a block holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// File time in milliseconds.
    pub ms: u64,
    /// True when it can be decoded without earlier ones.
    pub key: bool,
    /// The frame. H.264: NAL units behind 4-byte lengths.
    pub data: Vec<u8>,
    /// Where its cluster begins in the file, in bytes.
    pub cluster: u64,
}

/// What can go wrong with Matroska.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An element can't be written.
    #[error("matroska element can't be written: {0}")]
    Element(String),
    /// The file can't be read.
    #[error("matroska file can't be read: {0}")]
    Read(#[from] std::io::Error),
}

impl From<webm_iterable::errors::TagWriterError> for Error {
    fn from(error: webm_iterable::errors::TagWriterError) -> Self {
        Self::Element(error.to_string())
    }
}

/// What stands in `MuxingApp` and `WritingApp`.
const APPLICATION: &str = "hearing";

#[cfg(test)]
mod tests;
