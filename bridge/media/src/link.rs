//! The socket to the node, at standard input.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};

use hearing_proto::child::{self, Decoder, FromChild, ToChild};

/// What comes from the node.
#[derive(Debug)]
pub struct Receiver {
    socket: File,
    decoder: Decoder,
    buffer: Box<[u8]>,
}

/// Where messages to the node go. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    socket: Arc<Mutex<File>>,
}

/// Why nothing comes any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket failed.
    #[error("the socket to the node: {0}")]
    Socket(#[from] io::Error),
    /// The node speaks another version.
    #[error("the node sent {0}")]
    Wire(#[from] child::Error),
}

/// Both ends of the link at standard input.
///
/// # Errors
/// Standard input can't be duplicated.
pub fn open() -> io::Result<(Receiver, Sender)> {
    // A file reads and writes sockets with read and write, so that seccomp need not allow the calls for networks.
    let socket = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let other = socket.try_clone()?;
    let receiver = Receiver { socket, decoder: Decoder::new(), buffer: vec![0; 64 << 10].into() };
    Ok((receiver, Sender { socket: Arc::new(Mutex::new(other)) }))
}

impl Receiver {
    /// The next message; `None` when the node has closed the link.
    ///
    /// # Errors
    /// The socket failed or what came is no message.
    pub fn receive(&mut self) -> Result<Option<ToChild>, Error> {
        loop {
            if let Some(message) = self.decoder.message()? {
                return Ok(Some(message));
            }
            match self.socket.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.decoder.push(&self.buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Sender {
    /// Sends a message; false when the node is gone, which the receiver notices as well.
    pub fn send(&self, message: &FromChild) -> bool {
        let Ok(bytes) = child::encode(message) else { return false };
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes).is_ok()
    }
}
