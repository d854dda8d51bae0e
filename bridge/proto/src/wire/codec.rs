//! How messages stand on the control stream: version, kind, length (big-endian u32), body in postcard.

use bytes::{Buf as _, BytesMut};

use super::VERSION;
use super::message::Message;

/// Bytes before a message's body.
pub const HEADER_LEN: usize = 6;

/// Appends `message` to `out`. Fails, leaving `out` as it was, when the message is larger than its kind may be.
pub fn encode(message: &Message, out: &mut Vec<u8>) -> Result<(), Error> {
    let body = message.body()?;
    let number = message.number();
    check_length(number, body.len())?;
    let length = u32::try_from(body.len()).map_err(|_| Error::Malformed(message.name()))?;
    out.extend_from_slice(&[VERSION, number]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&body);
    Ok(())
}

/// Cuts a control stream into messages. It never holds more than one message's bytes beyond what one `push` brought.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message; `None` when more bytes are needed. After an error the stream can't be read any further.
    pub fn next_message(&mut self) -> Result<Option<Message>, Error> {
        let Some((number, length)) = self.header()? else { return Ok(None) };
        if self.buffer.len() < HEADER_LEN + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER_LEN);
        let body = self.buffer.split_to(length);
        Message::parse(number, &body).map(Some)
    }

    /// True when the stream may end here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    fn header(&self) -> Result<Option<(u8, usize)>, Error> {
        let Some((&[version, number, a, b, c, d], _)) = self.buffer.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        check_length(number, length)?;
        Ok(Some((number, length)))
    }
}

/// Why bytes of a peer are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The other end speaks another version.
    #[error("wire version {0} is not spoken here (this node speaks {VERSION})")]
    Version(u8),
    /// No message has this number.
    #[error("unknown message kind {0}")]
    UnknownKind(u8),
    /// The message is larger than its kind may be.
    #[error("message kind {kind} of {bytes} bytes is over its limit of {limit}")]
    TooLarge {
        /// The kind's number.
        kind: u8,
        /// The length it has.
        bytes: usize,
        /// The length it may have.
        limit: usize,
    },
    /// The body can't be read.
    #[error("a {0} message can't be read")]
    Malformed(&'static str),
    /// There is something after the body.
    #[error("a {kind} message has {bytes} bytes too many")]
    Trailing {
        /// The kind.
        kind: &'static str,
        /// How many.
        bytes: usize,
    },
    /// A frame of media can't be read.
    #[error("a media frame can't be read: {0}")]
    Frame(&'static str),
}

fn check_length(kind: u8, bytes: usize) -> Result<(), Error> {
    match Message::limit(kind) {
        None => Err(Error::UnknownKind(kind)),
        Some(limit) if bytes > limit => Err(Error::TooLarge { kind, bytes, limit }),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
