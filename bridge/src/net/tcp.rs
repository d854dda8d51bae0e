//! Datagrams over accepted TCP connections, framed as RFC 4571 says: nonblocking, each with bounded buffers.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::frames::{self, Frames, TooLong};
use super::visitors::Visit;

/// A connection that was accepted and turned out to carry media.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, nonblocking, nothing read yet.
    pub stream: std::net::TcpStream,
    /// Its other end.
    pub remote: SocketAddr,
    /// Its place in the house.
    pub visit: Visit,
}

/// All such connections of one worker.
#[derive(Debug)]
pub struct Streams {
    first: usize,
    slots: Vec<Option<Stream>>,
    places: HashMap<SocketAddr, usize>,
    /// Those that may have something to read.
    readable: VecDeque<usize>,
    /// Those that were given something to send.
    dirty: Vec<usize>,
    buffer: Vec<u8>,
    counters: Counters,
}

/// What the connections did since the worker began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections taken over.
    pub opened: u64,
    /// Connections that were refused because there were too many.
    pub refused: u64,
    /// Connections closed because what came was no frame.
    pub malformed: u64,
    /// Connections closed because nothing useful came for long.
    pub silent: u64,
    /// Connections closed because the other end took nothing for long.
    pub stalled: u64,
    /// Frames that came in.
    pub received: u64,
    /// Frames taken over by the kernel, or waiting for it.
    pub sent: u64,
    /// Frames dropped because the other end takes them too slowly.
    pub overflowed: u64,
}

/// Settings of every connection for media: no delay, and an end when the other side is silent about what was sent.
///
/// # Errors
/// As the system says: the connection is gone.
pub fn prepare(stream: &tokio::net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

impl Streams {
    /// None yet; their tokens are `first` and above.
    #[must_use]
    pub fn new(first: Token) -> Self {
        Self {
            first: first.0,
            slots: Vec::new(),
            places: HashMap::new(),
            readable: VecDeque::new(),
            dirty: Vec::new(),
            buffer: vec![0; BUFFER],
            counters: Counters::default(),
        }
    }

    /// What they did so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes a connection over; one from the same address that was there before is gone.
    pub fn add(&mut self, registry: &Registry, now: Instant, accepted: Accepted) {
        if let Some(place) = self.places.get(&accepted.remote).copied() {
            self.close(place);
        }
        if self.places.len() >= MOST {
            self.counters.refused += 1;
            return;
        }
        let place = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        let token = Token(self.first + place);
        let remote = accepted.remote;
        let Ok(stream) = Stream::begin(registry, token, now, accepted) else { return };
        if place == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[place] = Some(stream);
        self.places.insert(remote, place);
        self.readable.push_back(place);
        self.counters.opened += 1;
    }

    /// The poll reported something of a connection.
    pub fn handle_event(&mut self, token: Token, readable: bool, writable: bool) {
        let Some(place) = token.0.checked_sub(self.first) else { return };
        if readable && !self.readable.contains(&place) {
            self.readable.push_back(place);
        }
        if writable {
            self.dirty.push(place);
        }
    }

    /// True while something may be read.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.readable.is_empty()
    }

    /// Reads a share of one connection and hands its frames over; `handle` says whether one was of any use. False when nothing is
    /// left for now.
    pub fn receive(&mut self, now: Instant, mut handle: impl FnMut(SocketAddr, &[u8]) -> bool) -> bool {
        let Some(place) = self.readable.pop_front() else { return false };
        let Some(Some(stream)) = self.slots.get_mut(place) else { return !self.readable.is_empty() };
        match stream.read(now, &mut self.buffer, &mut self.counters.received, &mut handle) {
            Ok(Progress::More) => self.readable.push_back(place),
            Ok(Progress::Later) => {}
            Err(End::Malformed) => {
                self.counters.malformed += 1;
                self.close(place);
            }
            Err(End::Gone) => self.close(place),
        }
        !self.readable.is_empty()
    }

    /// Gathers `datagrams` (segments of `segment` bytes each, one when `None`) for the connection to `to`; [`Self::flush`] has to
    /// follow. False when there is no such connection.
    pub fn send(&mut self, to: SocketAddr, datagrams: &Bytes, segment: Option<u16>) -> bool {
        let Some(place) = self.places.get(&to).copied() else { return false };
        let Some(Some(stream)) = self.slots.get_mut(place) else { return false };
        let size = segment.map_or(datagrams.len(), usize::from).max(1);
        let count = datagrams.len().div_ceil(size) as u64;
        if stream.out.push(datagrams, size) {
            self.counters.sent += count;
            self.dirty.push(place);
        } else {
            self.counters.overflowed += count;
        }
        true
    }

    /// Sends what was gathered, as far as the kernel takes it.
    pub fn flush(&mut self, now: Instant) {
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_unstable();
        dirty.dedup();
        for place in dirty.drain(..) {
            let Some(Some(stream)) = self.slots.get_mut(place) else { continue };
            if stream.write(now).is_err() {
                self.close(place);
            }
        }
        self.dirty = dirty;
    }

    /// Closes those from which nothing useful came for long, and those that take nothing; call it about once a second.
    pub fn handle_timeout(&mut self, now: Instant) {
        for place in 0..self.slots.len() {
            let Some(stream) = &self.slots[place] else { continue };
            if now.saturating_duration_since(stream.useful) >= SILENCE {
                self.counters.silent += 1;
            } else if !stream.out.is_empty() && now.saturating_duration_since(stream.moved) >= STALL {
                self.counters.stalled += 1;
            } else {
                continue;
            }
            self.close(place);
        }
    }

    fn close(&mut self, place: usize) {
        if let Some(stream) = self.slots.get_mut(place).and_then(Option::take) {
            self.places.remove(&stream.remote);
        }
    }
}

#[derive(Debug)]
struct Stream {
    socket: TcpStream,
    remote: SocketAddr,
    frames: Frames,
    out: Outbound,
    /// When the last frame came that somebody took.
    useful: Instant,
    /// When the kernel last took something, or had nothing to take.
    moved: Instant,
    _visit: Visit,
}

enum Progress {
    More,
    Later,
}

enum End {
    Gone,
    Malformed,
}

impl From<TooLong> for End {
    fn from(_: TooLong) -> Self {
        Self::Malformed
    }
}

impl Stream {
    fn begin(registry: &Registry, token: Token, now: Instant, accepted: Accepted) -> io::Result<Self> {
        let Accepted { stream, remote, visit } = accepted;
        // What the kernel holds can no longer be dropped, and ages there.
        SockRef::from(&stream).set_send_buffer_size(KERNEL_BUFFER)?;
        let mut socket = TcpStream::from_std(stream);
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let (frames, out) = (Frames::default(), Outbound::default());
        Ok(Self { socket, remote, frames, out, useful: now, moved: now, _visit: visit })
    }

    fn read(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        received: &mut u64,
        handle: &mut impl FnMut(SocketAddr, &[u8]) -> bool,
    ) -> Result<Progress, End> {
        let len = match self.socket.read(buffer) {
            Ok(0) => return Err(End::Gone),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Later),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Progress::More),
            Err(_) => return Err(End::Gone),
        };
        let (remote, mut useful) = (self.remote, false);
        self.frames.feed(&buffer[..len], |frame| {
            *received += 1;
            useful |= handle(remote, frame);
        })?;
        if useful {
            self.useful = now;
        }
        Ok(Progress::More)
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        while let Some(bytes) = self.out.next() {
            match self.socket.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => {
                    self.out.done(len);
                    self.moved = now;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.moved = now;
        Ok(())
    }
}

/// What waits for the kernel, whole frames only. Above its limit pictures are dropped; sound, reports and checks, which are short and
/// come alone, still get through until twice the limit.
#[derive(Debug, Default)]
struct Outbound {
    bytes: Vec<u8>,
    start: usize,
    /// True from the first drop until half of the limit is free again: a picture with a hole is worth nothing.
    dropping: bool,
}

impl Outbound {
    fn push(&mut self, datagrams: &[u8], size: usize) -> bool {
        let waiting = self.bytes.len() - self.start;
        self.dropping = waiting + datagrams.len() > LIMIT || (self.dropping && waiting > LIMIT / 2);
        let short = datagrams.len() <= SHORT && waiting + datagrams.len() <= LIMIT * 2;
        if size > usize::from(u16::MAX) || (self.dropping && !short) {
            return false;
        }
        for datagram in datagrams.chunks(size) {
            frames::append(&mut self.bytes, datagram);
        }
        true
    }

    fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    fn next(&self) -> Option<&[u8]> {
        Some(&self.bytes[self.start..]).filter(|bytes| !bytes.is_empty())
    }

    fn done(&mut self, len: usize) {
        self.start += len;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > LIMIT {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

/// Connections of one worker.
const MOST: usize = 1_024;
/// What one connection is read at a time, so that none keeps the others waiting.
const BUFFER: usize = 64 * 1024;
const KERNEL_BUFFER: usize = 64 * 1024;
/// Half a second of a large picture at 2 Mbit/s; older media is worthless.
const LIMIT: usize = 128 * 1024;
/// Sound, reports, checks.
const SHORT: usize = 500;
/// Without a frame that anybody takes for so long, a connection is closed. A client whose path is another keeps it with a check every few seconds.
const SILENCE: Duration = Duration::from_secs(20);
/// Without a byte taken for so long while some wait, a connection is closed.
const STALL: Duration = Duration::from_secs(10);
/// How long the other end may leave unacknowledged what was sent.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
