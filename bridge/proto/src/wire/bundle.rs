//! Several frames of sound in one datagram: those before it, sent again, and a new one. A zero byte, which no frame begins
//! with because no flow has the number 0, then each frame after its length (big-endian u16), the oldest first.

use bytes::{Buf as _, Bytes};

use super::codec::Error;

/// The most frames that one datagram may hold.
pub const MAX_BUNDLE: usize = 4;

/// The datagram that holds `frames`; `None` when they are none, too many, or one of them is too long.
#[must_use]
pub fn bundle(frames: &[Bytes]) -> Option<Bytes> {
    if frames.is_empty() || frames.len() > MAX_BUNDLE {
        return None;
    }
    let total: usize = frames.iter().map(|frame| frame.len() + 2).sum();
    let mut out = Vec::with_capacity(total + 1);
    out.push(0);
    for frame in frames {
        out.extend_from_slice(&u16::try_from(frame.len()).ok()?.to_be_bytes());
        out.extend_from_slice(frame);
    }
    Some(out.into())
}

/// The frames that a datagram holds, the oldest first; they share its bytes.
///
/// # Errors
/// When it is cut off, or holds none or too many.
pub fn unbundle(datagram: &Bytes) -> Result<Vec<Bytes>, Error> {
    if datagram.first() != Some(&0) {
        return Ok(vec![datagram.clone()]);
    }
    let mut rest = datagram.slice(1..);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        if rest.len() < 2 || frames.len() == MAX_BUNDLE {
            return Err(Error::Frame("bundle"));
        }
        let length = usize::from(rest.get_u16());
        if length == 0 || rest.len() < length {
            return Err(Error::Frame("bundle cut off"));
        }
        frames.push(rest.split_to(length));
    }
    if frames.is_empty() { Err(Error::Frame("empty bundle")) } else { Ok(frames) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn none_too_many_and_a_cut_one_are_refused() {
        let frame = || Bytes::from_static(b"abc");
        assert_eq!(bundle(&[]), None);
        assert_eq!(bundle(&vec![frame(); MAX_BUNDLE + 1]), None);
        let whole = bundle(&[frame(), frame()]).unwrap();
        for end in (1..whole.len()).filter(|end| *end != whole.len() - 5) {
            assert!(unbundle(&whole.slice(..end)).is_err(), "cut at {end}");
        }
        let many = Bytes::from([&[0][..], &[0, 1, 7].repeat(MAX_BUNDLE + 1)].concat());
        assert_eq!(unbundle(&many), Err(Error::Frame("bundle")));
    }

    proptest! {
        #[test]
        fn every_bundle_comes_out_as_it_went_in(
            frames in proptest::collection::vec(proptest::collection::vec(1u8.., 1..400), 1..=MAX_BUNDLE),
        ) {
            let frames: Vec<Bytes> = frames.into_iter().map(Bytes::from).collect();
            prop_assert_eq!(unbundle(&bundle(&frames).unwrap()), Ok(frames.clone()));
            prop_assert_eq!(unbundle(&frames[0]), Ok(vec![frames[0].clone()]));
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = unbundle(&bytes.into());
        }
    }
}
