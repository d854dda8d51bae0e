//! Reads what [`super::Writer`] and [`super::Seekable`] write, as far as it is whole. Any bytes may come: what makes no
//! sense ends the reading.

use std::io::{self, Read};

use super::{Block, Coding, Error};

/// Reads one file, from its beginning or from the beginning of a cluster.
pub struct Reader<R> {
    input: R,
    at: u64,
    entry: Entry,
    cluster: Option<Cluster>,
    announced: bool,
    whole: bool,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// How its track is coded; before the first block.
    Track(Coding),
    /// A frame.
    Block(Block),
}

#[derive(Default)]
struct Entry {
    codec: String,
    private: Vec<u8>,
    width: u64,
    height: u64,
}

struct Cluster {
    start: u64,
    ms: u64,
}

impl<R: Read> Reader<R> {
    /// Reads from `input`; wrap files into a `BufReader`. `offset` is the place in the file where `input` stands.
    pub fn new(input: R, offset: u64) -> Self {
        Self { input, at: offset, entry: Entry::default(), cluster: None, announced: false, whole: false }
    }

    /// The next item; `None` at the end, or where the file is cut off or damaged (see [`Reader::is_whole`]).
    ///
    /// # Errors
    /// When the input can't be read.
    pub fn next_item(&mut self) -> Result<Option<Item>, Error> {
        match self.search() {
            Ok(item) => Ok(item),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// True when the file ended behind a whole element, that is: nothing was cut off or damaged.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The place in the file that was read up to, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.at
    }

    fn search(&mut self) -> io::Result<Option<Item>> {
        loop {
            let start = self.at;
            let Some(id) = self.id()? else {
                self.whole = true;
                return Ok(None);
            };
            let size = self.size()?;
            match id {
                SEGMENT | TRACKS | TRACK_ENTRY | VIDEO | BLOCK_GROUP => {}
                CLUSTER => {
                    self.cluster = Some(Cluster { start, ms: 0 });
                    if let Some(track) = self.announce() {
                        return Ok(Some(track));
                    }
                }
                _ => {
                    let size = size.filter(|size| *size <= ELEMENT_LIMIT).ok_or(io::ErrorKind::InvalidData)?;
                    if let Some(block) = self.leaf(id, size)? {
                        return Ok(Some(Item::Block(block)));
                    }
                }
            }
        }
    }

    fn announce(&mut self) -> Option<Item> {
        if self.announced || self.entry.codec.is_empty() {
            return None;
        }
        self.announced = true;
        let entry = std::mem::take(&mut self.entry);
        Coding::from_entry(&entry.codec, entry.private, entry.width, entry.height).map(Item::Track)
    }

    fn leaf(&mut self, id: u32, size: u64) -> io::Result<Option<Block>> {
        match id {
            TIMESTAMP => {
                let ms = unsigned(&self.bytes(size)?);
                if let Some(cluster) = &mut self.cluster {
                    cluster.ms = ms;
                }
            }
            CODEC_ID => self.entry.codec = String::from_utf8_lossy(&self.bytes(size)?).into_owned(),
            CODEC_PRIVATE => self.entry.private = self.bytes(size)?,
            PIXEL_WIDTH => self.entry.width = unsigned(&self.bytes(size)?),
            PIXEL_HEIGHT => self.entry.height = unsigned(&self.bytes(size)?),
            SIMPLE_BLOCK | BLOCK => {
                let bytes = self.bytes(size)?;
                return self.block(id, bytes).map(Some);
            }
            _ => self.skip(size)?,
        }
        Ok(None)
    }

    fn block(&self, id: u32, mut bytes: Vec<u8>) -> io::Result<Block> {
        let cluster = self.cluster.as_ref().ok_or(io::ErrorKind::InvalidData)?;
        let &[_track, high, low, flags] = bytes.first_chunk().ok_or(io::ErrorKind::InvalidData)?;
        let relative = i16::from_be_bytes([high, low]);
        let ms = cluster.ms.checked_add_signed(relative.into()).ok_or(io::ErrorKind::InvalidData)?;
        bytes.drain(..BLOCK_HEADER);
        Ok(Block { ms, key: id == BLOCK || flags & 0x80 != 0, data: bytes, cluster: cluster.start })
    }

    /// `None` at the end of the file.
    fn id(&mut self) -> io::Result<Option<u32>> {
        let mut first = [0];
        if self.input.read(&mut first)? == 0 {
            return Ok(None);
        }
        self.at += 1;
        let more = first[0].leading_zeros() as usize;
        if more > 3 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut id = u32::from(first[0]);
        for byte in self.bytes(more as u64)? {
            id = id << 8 | u32::from(byte);
        }
        Ok(Some(id))
    }

    /// `None` when it is unknown.
    fn size(&mut self) -> io::Result<Option<u64>> {
        let first = self.bytes(1)?[0];
        let more = first.leading_zeros();
        if more > 7 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut size = u64::from(first) & (0x7f >> more);
        for byte in self.bytes(more.into())? {
            size = size << 8 | u64::from(byte);
        }
        let unknown = (1 << (7 * (more + 1))) - 1;
        Ok((size != unknown).then_some(size))
    }

    fn bytes(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let got = self.input.by_ref().take(size).read_to_end(&mut out)? as u64;
        self.at += got;
        if got == size { Ok(out) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn skip(&mut self, size: u64) -> io::Result<()> {
        let got = io::copy(&mut self.input.by_ref().take(size), &mut io::sink())?;
        self.at += got;
        if got == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Larger elements than the largest frame are damage.
const ELEMENT_LIMIT: u64 = 64 << 20;
/// Track number, relative time, flags.
const BLOCK_HEADER: usize = 4;

const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const VIDEO: u32 = 0xe0;
const CODEC_ID: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
