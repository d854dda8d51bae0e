//! Everything that a peer says over a trunk: messages, frames, bundles, parity, late media.
#![no_main]

use bytes::Bytes;
use hearing_proto::wire::{
    Decoder, decode_frame, decode_late, decode_parity, encode, encode_frame, encode_parity, is_late, unbundle,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((cut, data)) = data.split_first() else { return };
    let mut decoder = Decoder::default();
    // In two pieces, as a stream may come.
    let (one, two) = data.split_at(usize::from(*cut).min(data.len()));
    for piece in [one, two] {
        decoder.push(piece);
        while let Ok(Some(message)) = decoder.next_message() {
            let mut again = Vec::new();
            encode(&message, &mut again).expect("what was read can be said");
        }
    }
    let bytes = Bytes::copy_from_slice(data);
    if let Ok((head, payloads)) = decode_frame(&bytes) {
        encode_frame(&head, &payloads).expect("a frame that came can go");
    }
    drop(unbundle(&bytes));
    if let Ok((head, symbols)) = decode_parity(&bytes) {
        let symbols: Vec<&[u8]> = symbols.iter().map(|symbol| &symbol[..]).collect();
        encode_parity(&head, &symbols).expect("parity that came can go");
    }
    is_late(data);
    drop(decode_late(&bytes));
});
