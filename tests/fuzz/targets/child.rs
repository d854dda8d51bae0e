//! What a media child and its node say to each other.
#![no_main]

use hearing_proto::child::{Decoder, FromChild, ToChild};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for cut in [0, data.len() / 2] {
        let (mut to, mut from) = (Decoder::new(), Decoder::new());
        for piece in [&data[..cut], &data[cut..]] {
            to.push(piece);
            from.push(piece);
            while let Ok(Some(_)) = to.message::<ToChild>() {}
            while let Ok(Some(_)) = from.message::<FromChild>() {}
        }
    }
});
