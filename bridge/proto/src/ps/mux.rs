//! The multiplexer: a program stream as a good device sends it. For built-in cameras and for tests.

use super::Codec;

/// Puts one stream of pictures and one of sound together.
#[derive(Debug, Clone, Copy)]
pub struct Muxer {
    picture: Codec,
    sound: Option<Codec>,
}

impl Muxer {
    /// For pictures of one codec, and sound if there is any.
    #[must_use]
    pub const fn new(picture: Codec, sound: Option<Codec>) -> Self {
        Self { picture, sound }
    }

    /// A picture, a byte stream shown at `pts` (33 bits, 90 kHz); the headers of the whole stream go before key frames.
    #[must_use]
    pub fn picture(&self, pts: u64, key: bool, frame: &[u8]) -> Vec<u8> {
        let mut out = pack(pts);
        if key {
            out.extend(self.system());
            out.extend(self.map());
        }
        packets(&mut out, PICTURE, pts, frame);
        out
    }

    /// A piece of sound, heard at `pts`.
    #[must_use]
    pub fn sound(&self, pts: u64, frame: &[u8]) -> Vec<u8> {
        let mut out = pack(pts);
        packets(&mut out, SOUND, pts, frame);
        out
    }

    /// The system header (ISO/IEC 13818-1, section 2.5.3.5).
    fn system(&self) -> Vec<u8> {
        let mut body = vec![0x80 | (RATE >> 15) as u8, (RATE >> 7) as u8, (RATE << 1) as u8 | 1, 0x05, 0xe1, 0x7f];
        body.extend([PICTURE, 0xe0, 0xe8]);
        if self.sound.is_some() {
            body.extend([SOUND, 0xc0, 0x20]);
        }
        [&[0, 0, 1, 0xbb][..], &(body.len() as u16).to_be_bytes(), &body].concat()
    }

    /// The stream map (section 2.5.4).
    fn map(&self) -> Vec<u8> {
        let mut entries = vec![kind(self.picture), PICTURE, 0, 0];
        if let Some(sound) = self.sound {
            entries.extend([kind(sound), SOUND, 0, 0]);
        }
        let mut map = vec![0, 0, 1, 0xbc];
        map.extend((entries.len() as u16 + 10).to_be_bytes());
        map.extend([0xe0, 0xff, 0, 0]);
        map.extend((entries.len() as u16).to_be_bytes());
        map.extend(entries);
        map.extend(checksum(&map).to_be_bytes());
        map
    }
}

const fn kind(codec: Codec) -> u8 {
    match codec {
        Codec::H264 => 0x1b,
        Codec::H265 => 0x24,
        Codec::Pcma => 0x90,
        Codec::Pcmu => 0x91,
        Codec::Aac => 0x0f,
    }
}

/// A pack header (section 2.5.3.3), without stuffing.
fn pack(time: u64) -> Vec<u8> {
    let (high, middle, low) = (time >> 30 & 7, time >> 15 & 0x7fff, time & 0x7fff);
    let reference: u64 = 1 << 46 | high << 43 | 1 << 42 | middle << 27 | 1 << 26 | low << 11 | 1 << 10 | 1;
    let rate = RATE << 2 | 3;
    [&[0, 0, 1, 0xba][..], &reference.to_be_bytes()[2..], &rate.to_be_bytes()[1..], &[0xf8]].concat()
}

/// As many packets as a frame needs; the first tells the time.
fn packets(out: &mut Vec<u8>, id: u8, pts: u64, frame: &[u8]) {
    for (n, piece) in frame.chunks(PIECE).enumerate() {
        let header = if n == 0 { [&[0x80, 0x80, 5][..], &stamp(pts)].concat() } else { vec![0x80, 0, 0] };
        out.extend([0, 0, 1, id]);
        out.extend(((header.len() + piece.len()) as u16).to_be_bytes());
        out.extend(header);
        out.extend_from_slice(piece);
    }
}

/// A presentation time (section 2.4.3.7).
const fn stamp(pts: u64) -> [u8; 5] {
    [0x21 | (pts >> 29 & 0x0e) as u8, (pts >> 22) as u8, (pts >> 14) as u8 | 1, (pts >> 7) as u8, (pts << 1) as u8 | 1]
}

/// The checksum of section 2.4.4.9, annex A.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}

const PICTURE: u8 = 0xe0;
const SOUND: u8 = 0xc0;
/// Units of 50 bytes a second.
const RATE: u32 = 50_000;
const PIECE: usize = 65_000;
