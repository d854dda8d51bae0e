//! The child wire: any cutting, any bytes, its limits.

use super::*;
use proptest::prelude::*;

fn frame(bytes: Vec<u8>) -> ToChild {
    ToChild::Frame(Coded { stream: 3, pts: -40, key: true, bytes: bytes.into() })
}

proptest! {
    #[test]
    fn messages_survive_any_cutting_of_the_stream(payload in prop::collection::vec(any::<u8>(), 0..500), cut in 1_usize..64) {
        let sent = [frame(payload), ToChild::Stop, ToChild::KeyFrame { stream: 9 }];
        let bytes: Vec<u8> = sent.iter().flat_map(|message| encode(message).unwrap()).collect();
        let (mut decoder, mut received) = (Decoder::new(), Vec::new());
        for piece in bytes.chunks(cut) {
            decoder.push(piece);
            while let Some(message) = decoder.message::<ToChild>().unwrap() {
                received.push(message);
            }
        }
        prop_assert_eq!(&received[..], &sent[..]);
    }

    #[test]
    fn any_bytes_are_refused_or_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.message::<FromChild>() {}
    }
}

#[test]
fn an_announced_length_over_the_limit_is_refused_before_it_is_buffered() {
    let mut decoder = Decoder::new();
    decoder.push(&u32::MAX.to_le_bytes());
    assert_eq!(decoder.message::<ToChild>(), Err(Error::TooLong(u32::MAX as usize)));
}

#[test]
fn a_message_over_the_limit_is_not_sent() {
    assert!(matches!(encode(&frame(vec![0; MESSAGE_LIMIT])), Err(Error::TooLong(_))));
}

#[test]
fn bytes_behind_a_message_are_malformed() {
    let mut bytes = encode(&ToChild::Stop).unwrap();
    bytes.push(0);
    bytes[0] += 1;
    let mut decoder = Decoder::new();
    decoder.push(&bytes);
    assert!(matches!(decoder.message::<ToChild>(), Err(Error::Malformed(_))));
}
