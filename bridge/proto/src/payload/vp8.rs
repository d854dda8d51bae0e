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
    /// The temporal layer, 0 the base; 0 when none is told.
    pub temporal: u8,
    /// True when the frame needs no earlier frame but those of the base layer.
    pub sync: bool,
}

/// Reads the descriptor at the head of an RTP payload; `None` when it is cut short or nothing follows it.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let (len, layers) = descriptor_len(payload)?;
    let frame = *payload.get(len)?;
    let frame_start = first & START != 0 && first & PARTITION == 0;
    // The first bit of a frame's own header is 0 in a key frame (RFC 6386 section 9.1).
    let (temporal, sync) = layers.map_or((0, false), |bits| (bits >> 6, bits & SYNC != 0));
    Some(Descriptor { len, frame_start, key: frame_start && frame & 1 == 0, temporal, sync })
}

/// The shortest descriptor, one byte. Without a picture id, receivers follow the sequence numbers alone, which stay
/// continuous over layer switches and restarts.
#[must_use]
pub const fn shortest(frame_start: bool) -> u8 {
    if frame_start { START } else { 0 }
}

/// Bytes of the descriptor, and the one that tells the temporal layer.
fn descriptor_len(payload: &[u8]) -> Option<(usize, Option<u8>)> {
    if payload[0] & EXTENDED == 0 {
        return Some((1, None));
    }
    let extension = *payload.get(1)?;
    let mut len = 2;
    if extension & HAS_PICTURE != 0 {
        len += if payload.get(len)? & LONG_PICTURE != 0 { 2 } else { 1 };
    }
    if extension & HAS_TL0 != 0 {
        len += 1;
    }
    let mut layers = None;
    if extension & (HAS_TID | HAS_KEYIDX) != 0 {
        layers = Some(*payload.get(len)?).filter(|_| extension & HAS_TID != 0);
        len += 1;
    }
    Some((len, layers))
}

const EXTENDED: u8 = 0x80;
const START: u8 = 0x10;
const PARTITION: u8 = 0x07;
const HAS_PICTURE: u8 = 0x80;
const HAS_TL0: u8 = 0x40;
const HAS_TID: u8 = 0x20;
const HAS_KEYIDX: u8 = 0x10;
const LONG_PICTURE: u8 = 0x80;
const SYNC: u8 = 0x20;

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
        let plainly = Descriptor { len: 1, frame_start: true, key: true, temporal: 0, sync: false };
        assert_eq!(read(&plain).unwrap(), plainly);
        assert_eq!(read(&short_picture).unwrap(), Descriptor { len: 3, key: false, ..plainly });
        assert_eq!(read(&long_picture).unwrap(), Descriptor { len: 4, frame_start: false, key: false, ..plainly });
        assert_eq!(read(&everything).unwrap(), Descriptor { len: 6, temporal: 1, ..plainly });
    }

    #[test]
    fn the_temporal_layer_and_whether_one_may_begin_with_it_are_told() {
        let temporal = |bits| read(&[0x90, 0x20, bits, 0x01]).map(|d| (d.len, d.temporal, d.sync)).unwrap();
        assert_eq!([temporal(0b1010_0000), temporal(0b0100_0000)], [(3, 2, true), (3, 1, false)]);
        let key_index_alone = [0x90, 0x10, 0b1110_0001, 0x01];
        assert_eq!(read(&key_index_alone).map(|d| (d.len, d.temporal, d.sync)), Some((3, 0, false)));
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
            let key = frame_start && key;
            prop_assert_eq!(read, Descriptor { len: 1, frame_start, key, temporal: 0, sync: false });
        }
    }
}
