//! A picture's frame on its way into QUIC, and what becomes of it there.

use std::time::Instant;

use bytes::Bytes;
use quinn::{Connection, SendStream};
use tokio::time::timeout_at;

use super::control::{GIVEN_UP, MENDED};
use super::outbox::{Class, Name};
use super::parity::protect;
use super::rank::Rank;

/// A frame on its way into QUIC, and out of it by its deadline.
pub(super) struct Write {
    pub(super) name: Name,
    pub(super) layer: u8,
    pub(super) rank: Rank,
    pub(super) deadline: Instant,
    /// For each byte.
    pub(super) parity: f64,
    /// Once all of the frame is written.
    pub(super) stream: Option<SendStream>,
    /// Datagrams of parity that went with it.
    pub(super) protected: u64,
    /// True when there was no room for it in time.
    pub(super) late: bool,
}

impl Write {
    /// Writes all of it, or gives up at the deadline.
    pub(super) async fn run(mut self, connection: Connection, bytes: Bytes, class: Class) -> Self {
        let mut stream = match timeout_at(self.deadline.into(), connection.open_uni()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return self,
            Err(_) => {
                self.late = true;
                return self;
            }
        };
        drop(stream.set_priority(priority(class, self.rank)));
        match timeout_at(self.deadline.into(), stream.write_chunk(bytes.clone())).await {
            Ok(Ok(())) if stream.finish().is_ok() => {
                self.protect(&connection, &bytes, stream.id().index());
                self.stream = Some(stream);
            }
            // Dropped as it is, the stream would end as if it were whole.
            written => {
                self.late = written.is_err();
                drop(stream.reset(GIVEN_UP));
            }
        }
        self
    }

    /// What finds no room beside sound is left out.
    fn protect(&mut self, connection: &Connection, bytes: &Bytes, stream: u64) {
        if self.parity == 0.0 {
            return;
        }
        let most = connection.max_datagram_size().unwrap_or_default();
        for datagram in protect(bytes, self.parity, stream, most) {
            let room = connection.datagram_send_buffer_space() >= datagram.len() + SOUND_ROOM;
            self.protected += u64::from(room && connection.send_datagram(datagram).is_ok());
        }
    }
}

/// What became of a frame that went with parity: the peer has it, or else its name and layer.
pub(super) async fn outcome(mut stream: SendStream, deadline: Instant, of: (Name, u8)) -> Option<(Name, u8)> {
    match timeout_at(deadline.into(), stream.stopped()).await {
        Ok(Ok(Some(code))) => {
            drop(stream.reset(code));
            (code != MENDED).then_some(of)
        }
        Ok(Ok(None) | Err(_)) => None,
        Err(_) => stream.reset(GIVEN_UP).is_ok().then_some(of),
    }
}

/// Of what QUIC has of several streams, it sends the higher first.
const fn priority(class: Class, rank: Rank) -> i32 {
    match (class, rank) {
        (Class::Sound, _) => 50,
        (Class::Key, Rank::Protected) => 40,
        (Class::Delta, Rank::Protected) => 30,
        (Class::Key, Rank::Ordinary) => 20,
        (Class::Delta, Rank::Ordinary) => 10,
        (Class::Key | Class::Delta, Rank::Last) => 5,
    }
}

/// Bytes of the buffer for datagrams that parity leaves free.
const SOUND_ROOM: usize = 48 << 10;
