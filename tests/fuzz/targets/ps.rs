//! Program streams, cut and torn as a network does it, in either framing of TCP.
#![no_main]

use hearing_proto::depacketize::FRAME_LIMIT;
use hearing_proto::ps::{Demuxer, Framer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, data)) = data.split_first() else { return };
    let (mut whole, mut pieces) = (Demuxer::default(), Demuxer::default());
    whole.push(data);
    data.chunks(usize::from(size).max(1)).for_each(|piece| pieces.push(piece));
    let units = |demuxer: &mut Demuxer| std::iter::from_fn(|| demuxer.poll()).collect::<Vec<_>>();
    let (at_once, in_pieces) = (units(&mut whole), units(&mut pieces));
    assert_eq!(at_once, in_pieces, "where the stream is cut makes no difference");
    assert!(at_once.iter().all(|unit| !unit.data.is_empty() && unit.data.len() <= FRAME_LIMIT));

    // The same with losses and ends of frames in between.
    let mut torn = Demuxer::default();
    for (n, piece) in data.chunks(usize::from(size).max(1)).enumerate() {
        torn.push(piece);
        match (n + usize::from(size)) % 5 {
            0 => torn.lose(),
            1 => torn.end_of_frame(),
            _ => {}
        }
    }
    let counts = torn.counts();
    assert!(units(&mut torn).len() as u64 + counts.dropped == counts.units);

    let mut framer = Framer::default();
    for piece in data.chunks(usize::from(size).max(1)) {
        if framer.feed(piece, |packet| assert!(!packet.is_empty() && packet.len() <= 65_535)).is_err() {
            break;
        }
    }
});
