//! The demultiplexer: takes bytes as they come, may begin anywhere, trusts the bytes over the stream map, and counts what is broken.

use std::collections::{BTreeMap, VecDeque};

use super::Codec;
use super::elementary::{Elementary, Unit};
use super::map;
use super::pes::Pes;
use crate::packetize::annexb::{sniff, start_code};

/// Sans-IO and bounded: at most one packet of a stream that waits to be whole, one unit of each elementary stream, and what `poll` did not take.
#[derive(Debug, Default)]
pub struct Demuxer {
    waiting: Vec<u8>,
    /// Bytes of `waiting` that were looked through for the end of a packet without a length.
    scanned: usize,
    streams: BTreeMap<u8, Elementary>,
    /// A stream map has been read.
    mapped: bool,
    /// A picture that begins a stream went by: whoever sends a map at all has sent it by then.
    due: bool,
    out: VecDeque<Unit>,
    counts: Counts,
}

/// What a demultiplexer has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Units that came out.
    pub units: u64,
    /// Bytes that belong to nothing: before the first start code, after a loss, behind a wrong length.
    pub skipped: u64,
    /// Packets whose headers contradict themselves.
    pub malformed: u64,
    /// Times that something was missing.
    pub losses: u64,
    /// Units of streams of which nothing tells what they are, and packets of a fifth stream.
    pub unknown: u64,
    /// Units longer than a frame may be, and packets without an end.
    pub too_long: u64,
    /// Units that went on after they had been said to be complete.
    pub false_ends: u64,
    /// Units that nobody took.
    pub dropped: u64,
}

impl Demuxer {
    /// The next bytes of the stream; `poll` may have something.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        let waiting = std::mem::take(&mut self.waiting);
        let (mut at, mut scanned) = (0, self.scanned);
        loop {
            match find(&waiting[at..], std::mem::take(&mut scanned)) {
                Found::Packet(len) => {
                    self.packet(&waiting[at..at + len]);
                    at += len;
                }
                Found::Nothing(len) => {
                    self.counts.skipped += len as u64;
                    at += len;
                }
                Found::Unfinished => break,
            }
        }
        self.waiting = waiting;
        self.waiting.drain(..at);
        // A start code may be whole and the byte that says of what not here yet.
        self.scanned = self.waiting.len().saturating_sub(CODE);
        if self.waiting.len() > WAITING_LIMIT {
            self.counts.too_long += 1;
            self.lose();
        }
        while self.out.len() > UNITS_LIMIT {
            self.out.pop_front();
            self.counts.dropped += 1;
        }
    }

    /// Something between the last bytes and the next is missing: what is unfinished is thrown away.
    pub fn lose(&mut self) {
        self.counts.losses += 1;
        self.counts.skipped += self.waiting.len() as u64;
        self.waiting.clear();
        self.scanned = 0;
        self.streams.values_mut().for_each(Elementary::lose);
    }

    /// The sender says that a picture is complete (the marker of RTP). Without it, a picture comes out when the next begins.
    pub fn end_of_frame(&mut self) {
        if self.waiting.is_empty() {
            self.streams.values_mut().for_each(|stream| stream.end(&mut self.out, &mut self.counts));
        } else if is_unbounded(&self.waiting) {
            let packet = std::mem::take(&mut self.waiting);
            self.scanned = 0;
            self.packet(&packet);
            self.end_of_frame();
        }
    }

    /// The next whole unit.
    pub fn poll(&mut self) -> Option<Unit> {
        self.out.pop_front()
    }

    /// What it has met so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn packet(&mut self, packet: &[u8]) {
        match packet[3] {
            MAP => self.map(packet),
            id if is_elementary(id) => self.elementary(id, packet),
            _ => {}
        }
    }

    fn map(&mut self, packet: &[u8]) {
        for (id, codec) in map::streams(packet).filter(|(id, _)| is_elementary(*id)) {
            self.mapped = true;
            if let Some((stream, ..)) = self.stream(id) {
                stream.tell(codec);
            }
        }
    }

    fn elementary(&mut self, id: u8, packet: &[u8]) {
        // GB/T 28181-2016, annex C: sound is G.711 A-law where nothing else is said.
        let assumed = (!is_picture(id) && !self.mapped && self.due).then_some(Codec::Pcma);
        let pes = Pes::read(packet);
        self.due |= is_picture(id) && pes.is_some_and(|pes| sniff(pes.payload).is_some());
        let Some((stream, out, counts)) = self.stream(id) else { return };
        if assumed.is_some() {
            stream.tell(assumed);
        }
        match pes {
            Some(pes) => stream.push(pes.pts, pes.payload, out, counts),
            None => {
                stream.lose();
                counts.malformed += 1;
            }
        }
    }

    /// An elementary stream, and where its units and counts go; `None` when there are too many of them.
    fn stream(&mut self, id: u8) -> Option<(&mut Elementary, &mut VecDeque<Unit>, &mut Counts)> {
        if self.streams.len() >= STREAMS_LIMIT && !self.streams.contains_key(&id) {
            self.counts.unknown += 1;
            return None;
        }
        let stream = self.streams.entry(id).or_insert_with(|| Elementary::new(id));
        Some((stream, &mut self.out, &mut self.counts))
    }
}

/// What stands at the head of bytes.
enum Found {
    /// A packet of so many bytes.
    Packet(usize),
    /// So many bytes that belong to nothing.
    Nothing(usize),
    /// The beginning of a packet, or too little to tell.
    Unfinished,
}

/// `scanned` bytes were looked through before.
fn find(bytes: &[u8], scanned: usize) -> Found {
    let Some(head) = bytes.first_chunk::<6>() else { return Found::Unfinished };
    if !begins(head) {
        return Found::Nothing(next(bytes, 1));
    }
    let len = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let len = match head[3] {
        END => 4,
        PACK if head[4] >> 6 == 1 => match bytes.get(13) {
            Some(stuffing) => 14 + usize::from(stuffing & 7),
            None => return Found::Unfinished,
        },
        PACK => 12,
        // A picture's packet may be without a length: it lasts until the next packet (section 2.4.3.7).
        id if is_picture(id) && len == 0 => match another(bytes, scanned) {
            Some(at) => at,
            None => return Found::Unfinished,
        },
        _ => 6 + len,
    };
    if bytes.len() < len { Found::Unfinished } else { Found::Packet(len) }
}

/// True for a picture's packet without a length.
fn is_unbounded(bytes: &[u8]) -> bool {
    bytes.first_chunk::<6>().is_some_and(|head| begins(head) && is_picture(head[3]) && head[4..] == [0, 0])
}

/// Where the packet after the first begins. Start codes of pictures are all below those of a program stream.
fn another(bytes: &[u8], scanned: usize) -> Option<usize> {
    let at = next(bytes, scanned.max(6));
    bytes.get(at..=at + CODE).map(|_| at)
}

/// Where a packet begins at or after `from`, or where one may begin whose start code is not all there.
fn next(bytes: &[u8], mut from: usize) -> usize {
    while let Some(at) = start_code(bytes, from) {
        match bytes.get(at + CODE) {
            Some(code) if *code < END => from = at + CODE,
            Some(_) | None => return at,
        }
    }
    let tail = bytes.len().saturating_sub(CODE - 1).max(from.min(bytes.len()));
    tail + bytes[tail..].iter().position(|byte| *byte == 0).unwrap_or(bytes.len() - tail)
}

const fn begins(head: &[u8; 6]) -> bool {
    head[0] == 0 && head[1] == 0 && head[2] == 1 && head[3] >= END
}

const fn is_elementary(id: u8) -> bool {
    matches!(id, 0xc0..=0xef)
}

const fn is_picture(id: u8) -> bool {
    id & 0xf0 == 0xe0
}

/// Bytes of a start code, without the one that says of what.
const CODE: usize = 3;
const END: u8 = 0xb9;
const PACK: u8 = 0xba;
const MAP: u8 = 0xbc;
/// A packet of 65,541 bytes at most, or a picture without a length.
const WAITING_LIMIT: usize = crate::depacketize::FRAME_LIMIT;
/// Units that wait to be taken; a packet brings a few.
const UNITS_LIMIT: usize = 256;
/// Elementary streams; devices send two.
const STREAMS_LIMIT: usize = 4;
