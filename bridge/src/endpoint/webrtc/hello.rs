//! Which SRTP profiles a ClientHello names (RFC 5764 section 4.1.1), before DTLS itself reads it. A hello may come in pieces:
//! with post-quantum key shares it is larger than a datagram.

use std::ops::Range;

/// The pieces of the first ClientHello.
#[derive(Debug, Default)]
pub(super) struct ClientHello {
    body: Vec<u8>,
    have: Vec<Range<usize>>,
    datagrams: Vec<Vec<u8>>,
}

/// What is known after a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// It is no part of a ClientHello.
    Foreign,
    /// More has to come.
    Partial,
    /// The whole hello is there; the profiles that it names, none when it does not speak of SRTP.
    Whole(Vec<u16>),
}

impl ClientHello {
    /// Takes a datagram, which may hold several records (RFC 6347 section 4.1).
    pub(super) fn add(&mut self, datagram: &[u8]) -> Hello {
        let mut records = Cursor(datagram);
        let mut any = false;
        while let Some(piece) = piece(&mut records) {
            any |= self.insert(&piece);
        }
        if !any {
            return Hello::Foreign;
        }
        if self.datagrams.len() == DATAGRAMS {
            self.datagrams.clear();
        }
        self.datagrams.push(datagram.to_vec());
        if self.is_whole() { Hello::Whole(profiles(&self.body).unwrap_or_default()) } else { Hello::Partial }
    }

    /// The datagrams of the hello, for DTLS to read.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(self).datagrams
    }

    fn insert(&mut self, piece: &Piece<'_>) -> bool {
        let range = piece.offset..piece.offset + piece.bytes.len();
        if piece.length > LIMIT || range.end > piece.length {
            return false;
        }
        if self.body.len() != piece.length {
            (self.body, self.have) = (vec![0; piece.length], Vec::new());
            self.datagrams.clear();
        }
        self.body[range.clone()].copy_from_slice(piece.bytes);
        if self.have.len() < PIECES {
            self.have.push(range);
        }
        true
    }

    fn is_whole(&mut self) -> bool {
        self.have.sort_unstable_by_key(|range| range.start);
        let reach =
            self.have.iter().fold(0, |reach, range| if range.start <= reach { reach.max(range.end) } else { reach });
        reach == self.body.len()
    }
}

/// A fragment of a handshake message.
struct Piece<'a> {
    length: usize,
    offset: usize,
    bytes: &'a [u8],
}

fn piece<'a>(records: &mut Cursor<'a>) -> Option<Piece<'a>> {
    let kind = records.take(1)?[0];
    records.skip(2 + 2 + 6)?;
    let len = records.number(2)?;
    let mut record = Cursor(records.take(len)?);
    if kind != HANDSHAKE || record.take(1)?[0] != CLIENT_HELLO {
        return None;
    }
    let length = record.number(3)?;
    record.skip(2)?;
    let (offset, size) = (record.number(3)?, record.number(3)?);
    Some(Piece { length, offset, bytes: record.take(size)? })
}

fn profiles(hello: &[u8]) -> Option<Vec<u16>> {
    let mut hello = Cursor(hello);
    hello.skip(2 + 32)?;
    for width in [1, 1, 2, 1] {
        // Session id, cookie, cipher suites, compression methods.
        let len = hello.number(width)?;
        hello.skip(len)?;
    }
    hello.skip(2)?;
    loop {
        let (kind, len) = (hello.number(2)?, hello.number(2)?);
        let body = hello.take(len)?;
        if kind == USE_SRTP {
            let mut body = Cursor(body);
            let len = body.number(2)?;
            return Some(body.take(len)?.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect());
        }
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn skip(&mut self, len: usize) -> Option<()> {
        self.take(len).map(drop)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        self.take(width).map(|bytes| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const USE_SRTP: usize = 14;
const LIMIT: usize = 8_192;
const DATAGRAMS: usize = 16;
const PIECES: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(profiles: &[u8]) -> Vec<u8> {
        let mut body = vec![0; 34];
        body.extend_from_slice(&[0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        let mut extensions = vec![0, 10, 0, 2, 9, 9, 0, 14, 0, profiles.len() as u8 + 3, 0, profiles.len() as u8];
        extensions.extend_from_slice(profiles);
        extensions.push(0);
        body.extend_from_slice(&(extensions.len() as u16).to_be_bytes());
        body.extend_from_slice(&extensions);
        body
    }

    fn record(body: &[u8], range: Range<usize>) -> Vec<u8> {
        let part = &body[range.clone()];
        let be24 = |n: usize| [0, (n >> 8) as u8, n as u8];
        let mut record = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, part.len() as u8 + 12, 1];
        record.extend_from_slice(&be24(body.len()));
        record.extend_from_slice(&[0, 0]);
        record.extend_from_slice(&be24(range.start));
        record.extend_from_slice(&be24(part.len()));
        record.extend_from_slice(part);
        record
    }

    #[test]
    fn profiles_are_found_in_a_hello_of_one_piece() {
        let body = body(&[0, 1, 0, 7]);
        assert_eq!(ClientHello::default().add(&record(&body, 0..body.len())), Hello::Whole(vec![1, 7]));
    }

    #[test]
    fn profiles_are_found_in_a_hello_of_pieces_in_any_order() {
        let body = body(&[0, 8]);
        let (first, second) = (record(&body, 0..40), record(&body, 40..body.len()));
        let mut hello = ClientHello::default();
        assert_eq!(hello.add(&second), Hello::Partial);
        assert_eq!(hello.add(&second), Hello::Partial);
        assert_eq!(hello.add(&first), Hello::Whole(vec![8]));
        assert_eq!(hello.take().len(), 3);
        let together = [first, second].concat();
        assert_eq!(ClientHello::default().add(&together), Hello::Whole(vec![8]));
    }

    #[test]
    fn what_is_no_hello_is_foreign() {
        assert_eq!(ClientHello::default().add(&[22; 50]), Hello::Foreign);
        assert_eq!(ClientHello::default().add(&[]), Hello::Foreign);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(at in 0_usize..80, value: u8, cut in 0_usize..90) {
            let body = body(&[0, 7]);
            let mut bytes = record(&body, 0..body.len());
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(cut);
            let mut hello = ClientHello::default();
            let _ = hello.add(&bytes);
            let _ = hello.add(&bytes);
        }
    }
}
