//! The control stream of a link: hello and welcome, then messages in both directions.

use std::time::Duration;

use hearing_proto::wire::{Decoder, Hello, Message, Welcome, encode};
use quinn::{Connection, RecvStream, SendStream, VarInt, WriteError};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::cause::Cause;
use super::transport;
use crate::net::tls::Identity;

/// A connection whose two ends have welcomed each other.
pub(super) struct Greeted {
    pub(super) connection: Connection,
    /// True when this node dialled.
    pub(super) opens: bool,
    /// The serial number of the peer's certificate.
    pub(super) serial: Vec<u8>,
    pub(super) send: SendStream,
    pub(super) receive: Reader,
}

/// Greets a connection that `own` dialled (`opens`) or accepted. The peer was checked to be `peer`; now its hello must say the same.
/// Nothing else is said or listened to before both ends have said welcome.
pub(super) async fn greet(
    connection: Connection,
    opens: bool,
    own: &Identity,
    peer: &Identity,
) -> Result<Greeted, (Connection, Cause)> {
    let result = match timeout(GREETING, exchange(&connection, opens, own, peer)).await {
        Ok(result) => result,
        Err(_) => Err(Cause::NoGreeting(GREETING)),
    };
    match result {
        Ok((send, receive, serial)) => Ok(Greeted { connection, opens, serial, send, receive }),
        Err(cause) => Err((connection, cause)),
    }
}

/// Closes a connection so that the other end learns why.
pub(super) fn close(connection: &Connection, cause: &Cause) {
    metrics::counter!("hearing_trunk_ends_total", "cause" => cause.word()).increment(1);
    connection.close(cause.code(), cause.word().as_bytes());
}

/// Writes what the line carries, until either is over.
pub(super) async fn write(mut stream: SendStream, mut messages: mpsc::Receiver<Message>) -> Cause {
    let mut bytes = Vec::new();
    while let Some(message) = messages.recv().await {
        bytes.clear();
        if let Err(error) = encode(&message, &mut bytes) {
            return Cause::Wire(error);
        }
        // What waits behind it goes in the same write.
        while let Ok(message) = messages.try_recv() {
            if let Err(error) = encode(&message, &mut bytes) {
                return Cause::Wire(error);
            }
        }
        if let Err(error) = stream.write_all(&bytes).await {
            return written(error);
        }
    }
    Cause::Shutdown
}

/// The other direction.
pub(super) struct Reader {
    stream: RecvStream,
    decoder: Decoder,
}

impl Reader {
    /// The next message; an error when there will be none.
    pub(super) async fn next(&mut self) -> Result<Message, Cause> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            match self.stream.read_chunk(CHUNK, true).await {
                Ok(Some(chunk)) => self.decoder.push(&chunk.bytes),
                Ok(None) => return Err(Cause::Protocol("the control stream ended")),
                Err(quinn::ReadError::ConnectionLost(error)) => return Err(Cause::of(error)),
                Err(error) => return Err(Cause::Lost(error.to_string())),
            }
        }
    }
}

async fn exchange(
    connection: &Connection,
    opens: bool,
    own: &Identity,
    peer: &Identity,
) -> Result<(SendStream, Reader, Vec<u8>), Cause> {
    let (_, serial) = transport::identity(connection)?;
    let streams = if opens { connection.open_bi().await } else { connection.accept_bi().await };
    let (mut send, receive) = streams.map_err(Cause::of)?;
    // Nothing on this link is more urgent than its control.
    drop(send.set_priority(CONTROL_PRIORITY));
    let mut reader = Reader { stream: receive, decoder: Decoder::default() };
    if opens {
        say(&mut send, &hello(own).into()).await?;
        expect_hello(&reader.next().await?, peer)?;
        expect_welcome(&reader.next().await?)?;
        say(&mut send, &Welcome {}.into()).await?;
    } else {
        expect_hello(&reader.next().await?, peer)?;
        say(&mut send, &hello(own).into()).await?;
        say(&mut send, &Welcome {}.into()).await?;
        expect_welcome(&reader.next().await?)?;
    }
    Ok((send, reader, serial))
}

fn hello(own: &Identity) -> Hello {
    let software = env!("CARGO_PKG_VERSION").to_owned();
    Hello { node: own.node.to_string(), zone: own.zone.to_string(), software }
}

fn expect_hello(message: &Message, peer: &Identity) -> Result<(), Cause> {
    let Message::Hello(hello) = message else { return Err(Cause::Protocol("something came before the hello")) };
    if hello.node == peer.node.as_str() && hello.zone == peer.zone.as_str() {
        return Ok(());
    }
    let hello = format!("{:?}", (&hello.zone, &hello.node));
    Err(Cause::Contradiction { hello, certificate: peer.clone() })
}

const fn expect_welcome(message: &Message) -> Result<(), Cause> {
    if matches!(message, Message::Welcome(_)) {
        Ok(())
    } else {
        Err(Cause::Protocol("something came before the welcome"))
    }
}

/// Writes one message.
pub(super) async fn say(stream: &mut SendStream, message: &Message) -> Result<(), Cause> {
    let mut bytes = Vec::new();
    encode(message, &mut bytes)?;
    stream.write_all(&bytes).await.map_err(written)
}

fn written(error: WriteError) -> Cause {
    match error {
        WriteError::ConnectionLost(error) => Cause::of(error),
        other => Cause::Lost(other.to_string()),
    }
}

/// How a stream that is given up is reset or stopped.
pub(super) const GIVEN_UP: VarInt = VarInt::from_u32(100);
/// A frame is whole by parity: the rest of its stream need not come.
pub(super) const MENDED: VarInt = VarInt::from_u32(101);

const GREETING: Duration = Duration::from_secs(3);
const CHUNK: usize = 16 << 10;
const CONTROL_PRIORITY: i32 = 100;
