//! The VP8 payload descriptor (RFC 7741 section 4.2): taken off where media enters, written anew where it leaves.

/// What a payload descriptor says of its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Bytes of the descriptor itself.
    pub len: usize,
    /// True when the packet begins a frame: start of partition 0.
    pub frame_start: bool,
    /// True when the packet begins a frame that needs no earlier one.
    pub key: bool,
}

/// Reads the descriptor at the head of an RTP payload; `None` when it is cut short or nothing follows it.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let len = descriptor_len(payload)?;
    let frame = *payload.get(len)?;
    let frame_start = first & START != 0 && first & PARTITION == 0;
    // The first bit of a frame's own header is 0 in a key frame (RFC 6386 section 9.1).
    Some(Descriptor { len, frame_start, key: frame_start && frame & 1 == 0 })
}

/// The shortest descriptor, one byte. Without a picture id, receivers follow the sequence numbers alone, which stay
/// continuous over layer switches and restarts.
#[must_use]
pub const fn shortest(frame_start: bool) -> u8 {
    if frame_start { START } else { 0 }
}

fn descriptor_len(payload: &[u8]) -> Option<usize> {
    if payload[0] & EXTENDED == 0 {
        return Some(1);
    }
    let extension = *payload.get(1)?;
    let mut len = 2;
    if extension & HAS_PICTURE != 0 {
        len += if payload.get(len)? & LONG_PICTURE != 0 { 2 } else { 1 };
    }
    if extension & HAS_TL0 != 0 {
        len += 1;
    }
    if extension & (HAS_TID | HAS_KEYIDX) != 0 {
        len += 1;
    }
    Some(len)
}

const EXTENDED: u8 = 0x80;
const START: u8 = 0x10;
const PARTITION: u8 = 0x07;
const HAS_PICTURE: u8 = 0x80;
const HAS_TL0: u8 = 0x40;
const HAS_TID: u8 = 0x20;
const HAS_KEYIDX: u8 = 0x10;
const LONG_PICTURE: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_the_descriptor_is_measured() {
        let plain = [0x10, 0x00];
        let short_picture = [0x90, 0x80, 0x11, 0x01];
        let long_picture = [0x80, 0x80, 0x91, 0x22, 0x01];
        let everything = [0x90, 0xf0, 0x91, 0x22, 0x05, 0x40, 0x00];
        assert_eq!(read(&plain).unwrap(), Descriptor { len: 1, frame_start: true, key: true });
        assert_eq!(read(&short_picture).unwrap(), Descriptor { len: 3, frame_start: true, key: false });
        assert_eq!(read(&long_picture).unwrap(), Descriptor { len: 4, frame_start: false, key: false });
        assert_eq!(read(&everything).unwrap(), Descriptor { len: 6, frame_start: true, key: true });
    }

    #[test]
    fn a_later_partition_does_not_begin_a_frame() {
        assert!(!read(&[0x11, 0x00]).unwrap().frame_start);
    }

    #[test]
    fn a_descriptor_without_a_payload_is_refused() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[0x10]), None);
        assert_eq!(read(&[0x90, 0x80]), None);
        assert_eq!(read(&[0x90, 0xf0, 0x91, 0x22, 0x05, 0x40]), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..16)) {
            if let Some(descriptor) = read(&bytes) {
                prop_assert!(descriptor.len < bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read_back(frame_start: bool, key: bool) {
            let read = read(&[shortest(frame_start), u8::from(!key)]).unwrap();
            prop_assert_eq!(read, Descriptor { len: 1, frame_start, key: frame_start && key });
        }
    }
}
