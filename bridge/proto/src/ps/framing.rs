//! RTP packets in a stream of bytes: behind a length of two bytes (RFC 4571), or behind `$`, a channel and a length as RTSP has it
//! (RFC 2326, section 10.12), which some devices use instead. The first packet tells which.

/// Takes bytes, gives packets. Bounded by the longest packet, 65,535 bytes.
#[derive(Debug, Default)]
pub struct Framer {
    waiting: Vec<u8>,
    way: Option<Way>,
}

/// What came is framed in neither way; the connection is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream is framed neither as RFC 4571 nor as RTSP has it")]
pub struct NotFraming;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Rfc4571,
    Interleaved,
}

impl Framer {
    /// The next bytes of the stream; `handle` is given every packet that is whole now. Empty packets are nothing.
    ///
    /// # Errors
    /// [`NotFraming`]; what comes after it is not read.
    pub fn feed(&mut self, bytes: &[u8], mut handle: impl FnMut(&[u8])) -> Result<(), NotFraming> {
        self.waiting.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((head, len)) = self.next(at)? {
            let Some(packet) = self.waiting.get(at + head..at + head + len) else { break };
            if !packet.is_empty() {
                handle(packet);
            }
            at += head + len;
        }
        self.waiting.drain(..at);
        Ok(())
    }

    /// Bytes of the header and of the packet that begin at `at`, once they are known.
    fn next(&mut self, at: usize) -> Result<Option<(usize, usize)>, NotFraming> {
        let Some(head) = self.waiting[at..].first_chunk::<5>() else { return Ok(None) };
        let way = match self.way {
            Some(way) => way,
            None => *self.way.insert(told(head).ok_or(NotFraming)?),
        };
        match way {
            Way::Rfc4571 => Ok(Some((2, usize::from(u16::from_be_bytes([head[0], head[1]]))))),
            Way::Interleaved if head[0] == DOLLAR => Ok(Some((4, usize::from(u16::from_be_bytes([head[2], head[3]]))))),
            Way::Interleaved => Err(NotFraming),
        }
    }
}

/// A packet of RTP begins with its version, 2 in two bits; no packet is so long that its length looks like that.
const fn told(head: &[u8; 5]) -> Option<Way> {
    if head[0] == DOLLAR && head[1] < CHANNELS && head[2] >> 6 != 2 && head[4] >> 6 == 2 {
        Some(Way::Interleaved)
    } else if head[2] >> 6 == 2 {
        Some(Way::Rfc4571)
    } else {
        None
    }
}

const DOLLAR: u8 = b'$';
const CHANNELS: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(way: Way, packets: &[Vec<u8>]) -> Vec<u8> {
        let head = if way == Way::Interleaved { &b"$\0"[..] } else { &[] };
        packets.iter().flat_map(|p| [head, &(p.len() as u16).to_be_bytes(), p].concat()).collect()
    }

    fn read(pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, NotFraming> {
        let (mut framer, mut got) = (Framer::default(), Vec::new());
        for piece in pieces {
            framer.feed(piece, |packet| got.push(packet.to_vec()))?;
        }
        Ok(got)
    }

    #[test]
    fn what_is_framed_in_neither_way_is_refused() {
        assert_eq!(read(&[b"GET / HTTP/1.1\r\n"]), Err(NotFraming));
        assert_eq!(read(&[b"$\0\0\x01\x80", b"NOT $"]), Err(NotFraming));
    }

    proptest! {
        #[test]
        fn packets_come_whole_in_either_way_however_the_stream_is_cut(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 3..1_500), 1..12),
            cut in 1_usize..700,
        ) {
            let packets: Vec<Vec<u8>> = packets.into_iter().map(|mut p| { p[0] = 0x80; p }).collect();
            for way in [Way::Rfc4571, Way::Interleaved] {
                let stream = framed(way, &packets);
                let pieces: Vec<&[u8]> = stream.chunks(cut).collect();
                prop_assert_eq!(read(&pieces), Ok(packets.clone()));
            }
        }

        #[test]
        fn rubbish_is_bounded_and_makes_nothing_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20)) {
            let mut framer = Framer::default();
            for piece in &pieces {
                if framer.feed(piece, |_| {}).is_err() {
                    break;
                }
                prop_assert!(framer.waiting.len() <= 65_535 + 4 + 100);
            }
        }
    }
}
