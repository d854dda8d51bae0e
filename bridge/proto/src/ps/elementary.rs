//! One elementary stream: from the payloads of its packets to whole units.

use std::collections::VecDeque;

use super::{Adts, CLOCK_RATE, Codec, Counts};
use crate::depacketize::{FRAME_LIMIT, Format};
use crate::packetize::annexb;

/// A picture, or a piece of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The elementary stream, its id in the program stream.
    pub stream: u8,
    /// What it is.
    pub codec: Codec,
    /// When it is shown or heard, 33 bits, 90 kHz; `None` when nothing told so.
    pub pts: Option<u64>,
    /// A byte stream, samples, or an ADTS header with its frame. Never empty.
    pub data: Vec<u8>,
    /// Something of this stream was lost since the unit before.
    pub after_loss: bool,
}

/// Bounded by [`FRAME_LIMIT`].
#[derive(Debug)]
pub(super) struct Elementary {
    id: u8,
    /// What the stream map says.
    told: Option<Codec>,
    /// What its bytes show, which counts for more.
    seen: Option<Codec>,
    pts: Option<u64>,
    data: Vec<u8>,
    lost: bool,
    /// True while the beginning of a picture has yet to come: a packet that tells another time.
    torn: bool,
    /// True once a unit that was ended early went on: such ends are not believed any more.
    ends_lie: bool,
    /// The time of a unit that was ended early.
    ended: Option<u64>,
}

impl Elementary {
    pub(super) const fn new(id: u8) -> Self {
        Self {
            id,
            told: None,
            seen: None,
            pts: None,
            data: Vec::new(),
            lost: false,
            torn: true,
            ends_lie: false,
            ended: None,
        }
    }

    pub(super) const fn tell(&mut self, codec: Option<Codec>) {
        self.told = codec;
    }

    /// A packet's payload; whole units go to `out`.
    pub(super) fn push(&mut self, pts: Option<u64>, payload: &[u8], out: &mut VecDeque<Unit>, counts: &mut Counts) {
        if self.id & 0xf0 == 0xe0 {
            self.picture(pts, payload, out, counts)
        } else {
            self.sound(pts, payload, out, counts)
        }
    }

    /// The sender says that a picture is complete.
    pub(super) fn end(&mut self, out: &mut VecDeque<Unit>, counts: &mut Counts) {
        if self.id & 0xf0 == 0xe0 && !self.ends_lie && !self.data.is_empty() {
            self.ended = self.pts;
            self.emit(out, counts);
        }
    }

    /// Something is missing: what is unfinished is of no use.
    pub(super) fn lose(&mut self) {
        self.data.clear();
        (self.lost, self.torn) = (true, true);
    }

    /// A picture lasts until another time is told.
    fn picture(&mut self, pts: Option<u64>, payload: &[u8], out: &mut VecDeque<Unit>, counts: &mut Counts) {
        if self.torn && (pts.is_none() || pts == self.pts) {
            counts.skipped += payload.len() as u64;
            return;
        }
        self.torn = false;
        if self.data.is_empty() && self.ended.is_some() && (pts.is_none() || pts == self.ended) {
            // The rest of a unit that had been said to be complete: decoders get it as a unit of its own, this once.
            self.ends_lie = true;
            counts.false_ends += 1;
        }
        self.ended = None;
        if pts.is_some() && pts != self.pts {
            self.emit(out, counts);
            self.pts = pts;
        }
        if let Some(format) = annexb::sniff(payload) {
            self.seen = Some(if format == Format::H265 { Codec::H265 } else { Codec::H264 });
        }
        if self.data.len() + payload.len() > FRAME_LIMIT {
            counts.too_long += 1;
            self.lose();
            return;
        }
        self.data.extend_from_slice(payload);
    }

    /// Every packet of sound stands for itself, but for AAC frames that go on in the next.
    fn sound(&mut self, pts: Option<u64>, payload: &[u8], out: &mut VecDeque<Unit>, counts: &mut Counts) {
        if self.data.is_empty() && is_adts(payload) {
            self.seen = Some(Codec::Aac);
        }
        if self.codec() == Some(Codec::Aac) {
            self.aac(pts, payload, out, counts);
            return;
        }
        self.pts = pts;
        self.data.extend_from_slice(payload);
        self.emit(out, counts);
    }

    fn aac(&mut self, pts: Option<u64>, payload: &[u8], out: &mut VecDeque<Unit>, counts: &mut Counts) {
        let carried = self.data.len();
        let mut data = std::mem::take(&mut self.data);
        data.extend_from_slice(payload);
        let (mut at, mut time) = (0, if carried == 0 { pts } else { self.pts });
        while let Some(adts) = Adts::read(&data[at..]) {
            let Some(frame) = data.get(at..at + adts.len) else { break };
            (self.pts, self.data) = (time, frame.to_vec());
            self.emit(out, counts);
            // A packet's time is that of the first frame that begins in it.
            let begins_here = at < carried && at + adts.len >= carried && pts.is_some();
            let next = time.map(|time| time + SAMPLES * u64::from(CLOCK_RATE) / u64::from(adts.rate));
            time = if begins_here { pts } else { next };
            at += adts.len;
        }
        let rest = data.split_off(at);
        if rest.len() > LONGEST_ADTS || (rest.len() >= 7 && Adts::read(&rest).is_none()) {
            counts.malformed += 1;
            self.lose();
        } else {
            (self.pts, self.data) = (time, rest);
        }
    }

    fn emit(&mut self, out: &mut VecDeque<Unit>, counts: &mut Counts) {
        let data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return;
        }
        let Some(codec) = self.codec() else {
            counts.unknown += 1;
            return;
        };
        counts.units += 1;
        out.push_back(Unit { stream: self.id, codec, pts: self.pts, data, after_loss: std::mem::take(&mut self.lost) });
    }

    fn codec(&self) -> Option<Codec> {
        let told = self.told.filter(|codec| codec.is_picture() == (self.id & 0xf0 == 0xe0));
        self.seen.or(told)
    }
}

/// True when `data` is whole ADTS frames and nothing else, or begins with two.
fn is_adts(data: &[u8]) -> bool {
    Adts::read(data).is_some_and(|first| {
        first.len == data.len() || data.get(first.len..).is_some_and(|next| Adts::read(next).is_some())
    })
}

/// Samples of an AAC frame.
const SAMPLES: u64 = 1_024;
const LONGEST_ADTS: usize = 8_191;
