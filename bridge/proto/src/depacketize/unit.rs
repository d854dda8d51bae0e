//! Access units made of NAL units, as H.264 and H.265 join them alike.

use super::{Error, FRAME_LIMIT, Framing};

/// The NAL units of a length-prefixed access unit, in order; ends at the first that is cut short.
pub(super) fn nal_units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (length, tail) = rest.split_first_chunk::<PREFIX>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (unit, tail) = tail.split_at_checked(length)?;
        rest = tail;
        Some(unit)
    })
    .filter(|unit| !unit.is_empty())
}

/// Appends a parameter set behind its length, 2 bytes.
pub(super) fn push_set(out: &mut Vec<u8>, set: &[u8]) {
    out.extend((set.len() as u16).to_be_bytes());
    out.extend(set);
}

/// Parameter sets of one kind in a length-prefixed access unit; some senders repeat a set, which then counts once.
pub(super) fn sets(data: &[u8], is_wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut sets: Vec<Vec<u8>> = Vec::new();
    for unit in nal_units(data).filter(|unit| is_wanted(unit)) {
        if !sets.iter().any(|set| set == unit) {
            sets.push(unit.to_vec());
        }
    }
    sets
}

/// An access unit that is being joined.
pub(super) struct AccessUnit {
    framing: Framing,
    data: Vec<u8>,
    /// Where the prefix of the NAL unit stands whose fragments are being joined.
    fragment: Option<usize>,
}

impl AccessUnit {
    pub(super) const fn new(framing: Framing) -> Self {
        Self { framing, data: Vec::new(), fragment: None }
    }

    /// True while a fragmented NAL unit lacks its end.
    pub(super) const fn is_in_fragment(&self) -> bool {
        self.fragment.is_some()
    }

    /// A NAL unit that has a payload of its own.
    pub(super) fn whole(&mut self, unit: &[u8]) -> Result<(), Error> {
        let start = self.begin();
        self.data.extend_from_slice(unit);
        self.end(start)
    }

    /// NAL units behind their lengths, 2 bytes each.
    pub(super) fn aggregate(
        &mut self,
        mut rest: &[u8],
        check: impl Fn(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while !rest.is_empty() {
            let (length, tail) = rest.split_first_chunk::<2>().ok_or(Error::CutShort)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (unit, tail) = tail.split_at_checked(length).ok_or(Error::CutShort)?;
            check(unit)?;
            self.whole(unit)?;
            rest = tail;
        }
        Ok(())
    }

    /// A piece of a NAL unit; `flags` say in their first two bits whether it begins and ends it, `header` is the unit's own.
    pub(super) fn fragment(&mut self, flags: u8, header: &[u8], piece: &[u8]) -> Result<(), Error> {
        let (starts, ends) = (flags & 0x80 != 0, flags & 0x40 != 0);
        let start = match (starts, self.fragment) {
            (true, None) => {
                let start = self.begin();
                self.data.extend_from_slice(header);
                start
            }
            (false, Some(start)) => start,
            (true, Some(_)) | (false, None) => return Err(Error::Fragment),
        };
        self.data.extend_from_slice(piece);
        self.fragment = (!ends).then_some(start);
        if ends || self.data.len() > FRAME_LIMIT { self.end(start) } else { Ok(()) }
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        if self.fragment.is_some() {
            Err(Error::Fragment)
        } else if self.data.is_empty() {
            Err(Error::Empty)
        } else {
            Ok(self.data)
        }
    }

    fn begin(&mut self) -> usize {
        let start = self.data.len();
        self.data.extend([0, 0, 0, 1]);
        start
    }

    fn end(&mut self, start: usize) -> Result<(), Error> {
        if self.data.len() > FRAME_LIMIT {
            return Err(Error::TooLarge);
        }
        if self.framing == Framing::LengthPrefixed {
            let length = (self.data.len() - start - PREFIX) as u32;
            self.data[start..start + PREFIX].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }
}

/// Bytes before each NAL unit.
pub(super) const PREFIX: usize = 4;
