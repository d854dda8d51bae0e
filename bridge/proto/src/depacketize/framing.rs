//! The two ways in which the NAL units of an access unit follow each other, one made into the other; H.264 and H.265 alike.

/// A length-prefixed access unit as a byte stream (Annex B); ends at the first unit that is cut short.
#[must_use]
pub fn annex_b(data: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(data.len()), data);
    while let Some((length, tail)) = rest.split_first_chunk::<PREFIX>() {
        let Some((unit, tail)) = tail.split_at_checked(u32::from_be_bytes(*length) as usize) else { break };
        if !unit.is_empty() {
            out.extend([0, 0, 0, 1]);
            out.extend_from_slice(unit);
        }
        rest = tail;
    }
    out
}

/// A byte stream (Annex B) of one access unit with its NAL units behind 4-byte lengths. The start code can't occur within a
/// unit (ITU-T H.264, section 7.4.1).
#[must_use]
pub fn length_prefixed(stream: &[u8]) -> Vec<u8> {
    let starts: Vec<usize> =
        stream.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let mut out = Vec::with_capacity(stream.len() + PREFIX);
    for (start, end) in starts.iter().zip(ends) {
        let unit = &stream[start + 3..end];
        let trailing = unit.iter().rev().take_while(|byte| **byte == 0).count();
        let unit = &unit[..unit.len() - trailing];
        if let (Ok(length), false) = (u32::try_from(unit.len()), unit.is_empty()) {
            out.extend(length.to_be_bytes());
            out.extend_from_slice(unit);
        }
    }
    out
}

const PREFIX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn byte_stream_and_lengths_hold_the_same_units() {
        let stream = [0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x68, 7, 0, 0, 0, 1, 0x65, 1, 0, 2];
        let prefixed = length_prefixed(&stream);
        assert_eq!(prefixed, [0, 0, 0, 2, 0x67, 9, 0, 0, 0, 2, 0x68, 7, 0, 0, 0, 4, 0x65, 1, 0, 2]);
        assert_eq!(length_prefixed(&annex_b(&prefixed)), prefixed);
        assert_eq!(length_prefixed(&[1, 2, 3]), [0; 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (annex_b(&bytes), length_prefixed(&bytes));
        }
    }
}
