//! RFC 4571 frames in a stream of bytes: a length of two bytes, then as many.

/// What has come of a frame so far. Frames that come whole are handed over where they lie.
#[derive(Debug, Default)]
pub struct Frames {
    partial: Vec<u8>,
}

/// A frame longer than any packet: this is not the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Frames {
    /// Takes the next bytes of the stream and hands over every frame that is whole now; empty ones are nothing.
    ///
    /// # Errors
    /// [`TooLong`]; the stream is of no use any more.
    pub fn feed(&mut self, mut bytes: &[u8], mut handle: impl FnMut(&[u8])) -> Result<(), TooLong> {
        while !self.partial.is_empty() && !bytes.is_empty() {
            let wanted = length(&self.partial)?.map_or(HEADER, |len| HEADER + len);
            let (now, rest) = bytes.split_at((wanted - self.partial.len()).min(bytes.len()));
            self.partial.extend_from_slice(now);
            bytes = rest;
            if length(&self.partial)?.is_some_and(|len| self.partial.len() == HEADER + len) {
                hand_over(&self.partial[HEADER..], &mut handle);
                self.partial.clear();
            }
        }
        while let Some(len) = length(bytes)? {
            let Some((frame, rest)) = bytes.split_at_checked(HEADER + len) else { break };
            hand_over(&frame[HEADER..], &mut handle);
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

/// Puts a frame behind the bytes of a stream; it is no longer than a datagram.
pub fn append(stream: &mut Vec<u8>, frame: &[u8]) {
    stream.extend((frame.len() as u16).to_be_bytes());
    stream.extend_from_slice(frame);
}

fn hand_over(frame: &[u8], handle: &mut impl FnMut(&[u8])) {
    if !frame.is_empty() {
        handle(frame);
    }
}

/// The length of the frame that begins here, once it is known.
fn length(bytes: &[u8]) -> Result<Option<usize>, TooLong> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes(*header));
    if len > LONGEST { Err(TooLong) } else { Ok(Some(len)) }
}

const HEADER: usize = 2;
/// More than an Ethernet packet holds, which is what clients put into a frame.
const LONGEST: usize = 4_096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, TooLong> {
        let (mut frames, mut got) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.feed(piece, |frame| got.push(frame.to_vec()))?;
        }
        Ok(got)
    }

    #[test]
    fn a_frame_longer_than_any_packet_is_the_end() {
        assert_eq!(read(&[&[0x10, 1]]), Err(TooLong));
        assert_eq!(read(&[&[0x10], &[1, 7]]), Err(TooLong));
    }

    #[test]
    fn empty_frames_are_nothing() {
        assert_eq!(read(&[&[0, 0, 0, 1, 5, 0, 0], &[0], &[0, 0, 1, 6]]), Ok(vec![vec![5], vec![6]]));
    }

    proptest! {
        #[test]
        fn frames_come_whole_however_the_stream_is_cut(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
            cuts in prop::collection::vec(1_usize..200, 1..50),
        ) {
            let mut stream = Vec::new();
            for frame in &frames {
                append(&mut stream, frame);
            }
            let (mut pieces, mut rest, mut cuts) = (Vec::new(), &stream[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, left) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                pieces.push(piece);
                rest = left;
            }
            prop_assert_eq!(read(&pieces), Ok(frames));
        }

        #[test]
        fn rubbish_is_bounded_and_makes_nothing_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20)) {
            let mut frames = Frames::default();
            for piece in &pieces {
                if frames.feed(piece, |frame| assert!(frame.len() <= LONGEST)).is_err() {
                    break;
                }
                prop_assert!(frames.partial.len() <= HEADER + LONGEST);
            }
        }
    }
}
