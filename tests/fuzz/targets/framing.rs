//! RFC 4571 frames out of a stream of bytes.
#![no_main]

use hearing_bridge::net::frames::Frames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((size, data)) = data.split_first() else { return };
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    let at_once = Frames::default().feed(data, |frame| whole.push(frame.to_vec()));
    let mut frames = Frames::default();
    let in_pieces = data.chunks(usize::from(*size).max(1)).try_for_each(|piece| {
        frames.feed(piece, |frame| pieces.push(frame.to_vec()))
    });
    assert_eq!((at_once, whole), (in_pieces, pieces), "where the stream is cut makes no difference");
});
