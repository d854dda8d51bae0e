//! Sound that comes with the sound before it (RFC 2198), so that what the line lost comes with the next packet.

use super::source::Arrived;

/// The packets in one.
#[derive(Debug)]
pub(super) struct Unwrapped {
    /// The packet's own.
    pub(super) own: Arrived,
    /// Those before it, the older first.
    pub(super) before: [Option<Arrived>; BEFORE],
}

/// Takes redundant sound apart (RFC 2198 section 3). A block stands for the packet as many numbers before this one as there are
/// blocks from it to the packet's own: browsers carry along what they sent last, without a gap.
///
/// `None` when a header is cut off, a block has another payload type, or there are more blocks than anybody sends.
pub(super) fn unwrap(payload_type: u8, packet: Arrived) -> Option<Unwrapped> {
    let mut heads = [(0, 0); BEFORE];
    let (mut count, mut at) = (0, 0);
    loop {
        let first = *packet.payload.get(at)?;
        if first & 0x7f != payload_type {
            return None;
        }
        if first & 0x80 == 0 {
            at += 1;
            break;
        }
        let head = packet.payload.get(at..at + 4)?.try_into().map(u32::from_be_bytes).ok()?;
        *heads.get_mut(count)? = (head >> 10 & 0x3fff, (head & 0x3ff) as usize);
        (count, at) = (count + 1, at + 4);
    }
    let mut before = [const { None }; BEFORE];
    for (place, (since, length)) in heads.into_iter().take(count).enumerate() {
        let end = at + length;
        let payload = (end <= packet.payload.len()).then(|| packet.payload.slice(at..end))?;
        at = end;
        before[place] = Some(Arrived {
            sequence: packet.sequence.wrapping_sub((count - place) as u16),
            timestamp: packet.timestamp.wrapping_sub(since),
            marker: false,
            payload,
            repair: true,
        });
    }
    Some(Unwrapped { own: Arrived { payload: packet.payload.slice(at..), ..packet }, before })
}

/// The most packets before its own that one may carry; Chromium sends one.
const BEFORE: usize = 4;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn packet(payload: &[u8]) -> Arrived {
        let payload = Bytes::copy_from_slice(payload);
        Arrived { sequence: 1, timestamp: 960, marker: true, payload, repair: false }
    }

    fn told(arrived: &Arrived) -> (u16, u32, &[u8], bool) {
        (arrived.sequence, arrived.timestamp, &arrived.payload, arrived.repair)
    }

    #[test]
    fn each_block_is_the_packet_that_it_repeats() {
        let two = [&[0x80 | 111, 30, 0, 1][..], &[0x80 | 111, 15, 0, 2], &[111], b"abbccc"].concat();
        let Unwrapped { own, before } = unwrap(111, packet(&two)).unwrap();
        assert_eq!(told(&own), (1, 960, &b"ccc"[..], false));
        assert!(own.marker);
        let before: Vec<_> = before.iter().flatten().map(told).collect();
        assert_eq!(before, [(65_535, 0_u32.wrapping_sub(960), &b"a"[..], true), (0, 0, &b"bb"[..], true)]);
        let none = unwrap(111, packet(b"\x6fccc")).unwrap();
        assert_eq!((told(&none.own).2, none.before.iter().flatten().count()), (&b"ccc"[..], 0));
    }

    #[test]
    fn what_is_cut_off_or_of_another_payload_type_is_refused() {
        let whole = [&[0x80 | 111, 15, 0, 2][..], &[111], b"bb"].concat();
        assert!(unwrap(111, packet(&whole)).is_some());
        (0..whole.len()).for_each(|end| assert!(unwrap(111, packet(&whole[..end])).is_none(), "{end}"));
        assert!(unwrap(96, packet(&whole)).is_none());
        let many = [[0x80 | 111, 15, 0, 0].repeat(BEFORE + 1), vec![111]].concat();
        assert!(unwrap(111, packet(&many)).is_none());
    }
    proptest! {
        #[test]
        fn whatever_comes_is_taken_apart_without_a_byte_lost_or_refused(
            payload in vec(prop_oneof![Just(0x80 | 111_u8), Just(111), Just(0), any::<u8>()], 0..64)
        ) {
            if let Some(Unwrapped { own, before }) = unwrap(111, packet(&payload)) {
                let blocks = before.iter().flatten().map(|block| 4 + block.payload.len()).sum::<usize>();
                prop_assert_eq!(blocks + 1 + own.payload.len(), payload.len());
            }
        }
    }
}
