//! Reads one stream of the peer: a frame, out of the stream and of the parity that came beside it, or late media.

use std::future::pending;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_proto::wire::{MAX_FRAME, MAX_LATE, is_late};
use quinn::{Chunk, RecvStream};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::control::MENDED;
use super::mend::{Mending, Piece};

/// What became of a stream.
pub(super) struct Came {
    /// Its number.
    pub(super) stream: u64,
    pub(super) read: Read,
    /// Pieces of parity that contradicted it or each other.
    pub(super) refused: u32,
}

/// What was read.
pub(super) enum Read {
    /// All of it came.
    Whole(Bytes),
    /// It is whole by parity.
    Mended(Bytes),
    /// It holds no frame.
    Malformed,
    /// The sender gave it up, or it took too long.
    GivenUp,
}

/// Reads to the end, or until parity makes that needless. What is fetched late takes its time.
pub(super) async fn read(mut stream: RecvStream, mut parity: Option<mpsc::Receiver<Piece>>) -> Came {
    let (began, number, mut refused) = (Instant::now(), stream.id().index(), 0);
    let came = |read, refused| Came { stream: number, read, refused };
    let mut mending = Mending::default();
    loop {
        let (limit, most) = bounds(&mending);
        match next(&mut stream, &mut parity, began + limit).await {
            Next::Bytes(chunk) => {
                if mending.push(chunk.offset, chunk.bytes).is_err() {
                    return came(Read::Malformed, refused);
                }
            }
            Next::Parity(piece) => refused += u32::from(mending.push_parity(piece).is_err()),
            Next::End => {
                let (whole, contradicted) = mending.end();
                return came(Read::Whole(whole), refused + u32::from(contradicted));
            }
            Next::Over => return came(Read::GivenUp, refused),
        }
        if mending.reach() > most {
            return came(Read::Malformed, refused);
        }
        let whole = mending.complete().map(Read::Whole);
        let read = whole.or_else(|| {
            let mended = mending.mend();
            refused += u32::from(mended.is_err());
            mended.ok().flatten().map(Read::Mended)
        });
        if let Some(read) = read {
            // What is still lacking need not be sent again.
            drop(stream.stop(MENDED));
            return came(read, refused);
        }
    }
}

/// What happens next.
enum Next {
    Bytes(Chunk),
    Parity(Piece),
    End,
    Over,
}

async fn next(stream: &mut RecvStream, parity: &mut Option<mpsc::Receiver<Piece>>, until: Instant) -> Next {
    // In order is cheaper, and what is behind a gap is of use only with parity.
    let ordered = parity.is_none();
    tokio::select! {
        biased;
        piece = piece(parity) => Next::Parity(piece),
        chunk = timeout_at(until.into(), stream.read_chunk(CHUNK, ordered)) => match chunk {
            Ok(Ok(Some(chunk))) => Next::Bytes(chunk),
            Ok(Ok(None)) => Next::End,
            Ok(Err(_)) | Err(_) => Next::Over,
        },
    }
}

/// Never, where none comes.
async fn piece(parity: &mut Option<mpsc::Receiver<Piece>>) -> Piece {
    let piece = match parity {
        Some(parity) => parity.recv().await,
        None => None,
    };
    match piece {
        Some(piece) => piece,
        None => pending().await,
    }
}

/// How long it may take and how many bytes it may have; what it is shows at its beginning.
fn bounds(mending: &Mending) -> (Duration, usize) {
    match mending.begun() {
        [] => (READ_LIMIT, MAX_LATE),
        begun if is_late(begun) => (LATE_LIMIT, MAX_LATE),
        _ => (READ_LIMIT, MAX_FRAME),
    }
}

const CHUNK: usize = 64 << 10;
const LATE_LIMIT: Duration = Duration::from_secs(30);
const READ_LIMIT: Duration = Duration::from_secs(1);
