//! Parity on its way to the stream it belongs to, also when it comes before the stream does. Bounded; told the time.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::mend::{Piece, Refused};

/// Of one connection.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Streams that are being read.
    running: HashMap<u64, mpsc::Sender<Piece>>,
    /// Parity of streams that have not begun.
    early: BTreeMap<u64, Vec<Piece>>,
    bytes: usize,
    /// The number of the next stream.
    next: u64,
    /// When parity came last.
    heard: Option<Instant>,
}

impl Shelf {
    /// Parity came. What there is no room for is dropped, the oldest first; of a stream that has ended nothing is needed.
    ///
    /// # Errors
    /// When it is of a stream that the peer can't have opened.
    pub(super) fn push(&mut self, now: Instant, piece: Piece) -> Result<(), Refused> {
        let stream = piece.0.stream;
        if stream >= self.next.saturating_add(AHEAD) {
            return Err(Refused);
        }
        self.heard = Some(now);
        if stream < self.next {
            // A reader that does not keep up gets its frame from the stream.
            drop(self.running.get(&stream).map(|reader| reader.try_send(piece)));
            return Ok(());
        }
        self.bytes += size(&piece);
        self.early.entry(stream).or_default().push(piece);
        while self.bytes > EARLY {
            let Some((_, pieces)) = self.early.pop_first() else { break };
            self.bytes -= pieces.iter().map(size).sum::<usize>();
        }
        Ok(())
    }

    /// A stream begins: its parity comes from here, unless the peer has sent none for a while.
    pub(super) fn begin(&mut self, now: Instant, stream: u64) -> Option<mpsc::Receiver<Piece>> {
        self.next = self.next.max(stream.saturating_add(1));
        let early = self.early.remove(&stream).unwrap_or_default();
        self.bytes -= early.iter().map(size).sum::<usize>();
        self.heard.filter(|heard| now.duration_since(*heard) < SILENCE)?;
        let (sender, receiver) = mpsc::channel(PIECES);
        early.into_iter().for_each(|piece| drop(sender.try_send(piece)));
        self.running.insert(stream, sender);
        Some(receiver)
    }

    /// A stream is over.
    pub(super) fn end(&mut self, stream: u64) {
        self.running.remove(&stream);
    }
}

fn size((_, symbols): &Piece) -> usize {
    symbols.iter().map(bytes::Bytes::len).sum()
}

/// Streams that a peer may open before this node knows of them.
const AHEAD: u64 = 4_096;
/// Bytes of parity that may wait for their streams.
const EARLY: usize = 512 << 10;
/// Datagrams of parity that one stream may have waiting: as many as the largest frame may have.
const PIECES: usize = 1_024;
const SILENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hearing_proto::wire::{ParityHead, SYMBOL};

    use super::*;

    fn piece(stream: u64, symbols: usize) -> Piece {
        let head = ParityHead { stream, length: 8_000, count: 20, first: 0 };
        (head, vec![Bytes::from_static(&[7; SYMBOL]); symbols])
    }

    fn waiting(receiver: Option<mpsc::Receiver<Piece>>) -> usize {
        receiver.map_or(0, |receiver| receiver.len())
    }

    #[test]
    fn parity_reaches_its_stream_before_and_after_that_began_and_no_other() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        shelf.push(now, piece(1, 6)).unwrap();
        shelf.push(now, piece(1, 6)).unwrap();
        assert_eq!(waiting(shelf.begin(now, 0)), 0);
        let reader = shelf.begin(now, 1);
        shelf.push(now, piece(1, 6)).unwrap();
        shelf.push(now, piece(2, 6)).unwrap();
        assert_eq!(waiting(reader), 3);
        shelf.end(1);
        shelf.push(now, piece(1, 6)).unwrap();
        assert_eq!((shelf.bytes, shelf.early.len()), (6 * SYMBOL, 1));
    }

    #[test]
    fn where_no_parity_comes_streams_are_read_without_asking_for_any() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        assert!(shelf.begin(now, 0).is_none());
        shelf.push(now, piece(1, 1)).unwrap();
        assert!(shelf.begin(now, 1).is_some());
        assert!(shelf.begin(now + SILENCE, 2).is_none());
    }

    #[test]
    fn parity_of_streams_that_cannot_be_there_is_refused_and_what_waits_is_bounded() {
        let (mut shelf, now) = (Shelf::default(), Instant::now());
        assert_eq!(shelf.push(now, piece(AHEAD, 6)), Err(Refused));
        for stream in 0..4_000 {
            shelf.push(now, piece(stream, 6)).unwrap();
        }
        assert!(shelf.bytes <= EARLY && shelf.early.len() < 500, "{}", shelf.bytes);
        assert!(shelf.early.contains_key(&3_999), "the newest is kept");
    }
}
