//! Datagrams in batches: one nonblocking UDP socket that receives many at a time and sends runs by segmentation offload.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use bytes::Bytes;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::SockRef;

/// Room in the kernel for what comes while whoever reads is kept from it: a second or two of a terminal's picture.
///
/// # Errors
/// As the system says. It may grant less (`net.core.rmem_max`), which is none.
pub fn widen(socket: &tokio::net::UdpSocket) -> io::Result<()> {
    SockRef::from(socket).set_recv_buffer_size(TERMINAL_BUFFER)
}

/// A nonblocking UDP socket. What can't be sent at once waits in a bounded queue; beyond it, datagrams are counted and lost.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    run: Run,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    buffers: Vec<u8>,
    counters: Counters,
}

/// What a socket did since it was bound, in datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Came in.
    pub received: u64,
    /// Handed to the kernel.
    pub sent: u64,
    /// Calls of the kernel that sent them.
    pub sends: u64,
    /// Lost because the kernel took no more and the queue was full.
    pub overflowed: u64,
    /// Refused by the kernel: too large, no way there.
    pub refused: u64,
    /// Receive calls that failed for another reason than that nothing was there.
    pub receive_errors: u64,
}

impl Socket {
    /// Binds `address`.
    ///
    /// # Errors
    /// As the system says: address in use, not a local address, no permission.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // The system may grant less; a burst of key frames to every seat must fit without a wait.
        state.set_send_buffer_size(UdpSockRef::from(&socket), KERNEL_BUFFER)?;
        state.set_recv_buffer_size(UdpSockRef::from(&socket), KERNEL_BUFFER)?;
        let buffers = vec![0; BUFFERS * BUFFER];
        let (run, waiting) = (Run::default(), VecDeque::new());
        Ok(Self { socket, state, run, waiting, waiting_bytes: 0, buffers, counters: Counters::default() })
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// As the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What it did so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Has readiness reported as `token`, at the edge: after it, call [`Self::receive`] until it says there is no more, and [`Self::flush`].
    ///
    /// # Errors
    /// As the system says.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Takes one batch in; false when nothing is left for now.
    pub fn receive(&mut self, mut handle: impl FnMut(SocketAddr, &[u8])) -> bool {
        let mut meta = [RecvMeta::default(); BUFFERS];
        let mut slices = self.buffers.chunks_exact_mut(BUFFER);
        let mut slices: [IoSliceMut<'_>; BUFFERS] =
            std::array::from_fn(|_| IoSliceMut::new(slices.next().expect("buffers holds BUFFERS chunks")));
        let count = match self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut meta) {
            Ok(count) => count,
            Err(error) => {
                let nothing = error.kind() == io::ErrorKind::WouldBlock;
                self.counters.receive_errors += u64::from(!nothing);
                return !nothing;
            }
        };
        for (buffer, meta) in slices.iter().zip(&meta[..count]) {
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                self.counters.received += 1;
                handle(meta.addr, datagram);
            }
        }
        true
    }

    /// Sends `datagrams`: segments of `segment` bytes each, the last may be shorter; one when `None`.
    /// Neighbours to one destination are gathered into one call of the kernel, so [`Self::flush`] has to follow.
    pub fn send(&mut self, to: SocketAddr, datagrams: &Bytes, segment: Option<u16>) {
        let size = segment.map_or(datagrams.len(), usize::from);
        if size == 0 {
            return;
        }
        if datagrams.len() > size {
            self.send_run();
            let at_once = self.state.max_gso_segments().min((RUN_LIMIT / size).max(1)) * size;
            datagrams.chunks(at_once).for_each(|chunk| self.send_or_wait(to, chunk, size));
            return;
        }
        if !self.run.takes(to, datagrams.len(), self.state.max_gso_segments()) {
            self.send_run();
            self.run.begin(to, datagrams.len());
        }
        self.run.bytes.extend_from_slice(datagrams);
    }

    /// Sends what was gathered and what waits, as far as the kernel takes it.
    pub fn flush(&mut self) {
        while let Some(next) = self.waiting.front() {
            if self.transmit(next.to, &next.bytes, next.segment) == Sent::Later {
                break;
            }
            let done = self.waiting.pop_front().expect("front was there");
            self.waiting_bytes -= done.bytes.len();
            self.count_sent(done.bytes.len(), done.segment);
        }
        self.send_run();
    }

    fn send_run(&mut self) {
        if self.run.bytes.is_empty() {
            return;
        }
        let mut run = std::mem::take(&mut self.run);
        self.send_or_wait(run.to, &run.bytes, run.segment);
        run.bytes.clear();
        self.run = run;
    }

    /// In the order of the calls: nothing overtakes what waits.
    fn send_or_wait(&mut self, to: SocketAddr, bytes: &[u8], segment: usize) {
        if self.waiting.is_empty() {
            self.send_now(to, bytes, segment);
        } else {
            self.wait(to, bytes, segment);
        }
    }

    fn send_now(&mut self, to: SocketAddr, bytes: &[u8], segment: usize) {
        match self.transmit(to, bytes, segment) {
            Sent::Done => self.count_sent(bytes.len(), segment),
            Sent::Later => self.wait(to, bytes, segment),
            Sent::Refused if bytes.len() > segment => {
                // The way there takes no segments (or not of this size): one by one.
                for datagram in bytes.chunks(segment) {
                    self.send_now(to, datagram, datagram.len());
                }
            }
            Sent::Refused => self.counters.refused += 1,
        }
    }

    fn wait(&mut self, to: SocketAddr, bytes: &[u8], segment: usize) {
        if self.waiting_bytes + bytes.len() > WAITING_LIMIT {
            self.counters.overflowed += bytes.len().div_ceil(segment) as u64;
            return;
        }
        self.waiting_bytes += bytes.len();
        self.waiting.push_back(Waiting { to, bytes: Bytes::copy_from_slice(bytes), segment });
    }

    fn transmit(&self, to: SocketAddr, contents: &[u8], segment: usize) -> Sent {
        let segment_size = (contents.len() > segment).then_some(segment);
        let transmit = Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
        match self.state.try_send(UdpSockRef::from(&self.socket), &transmit) {
            Ok(()) => Sent::Done,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Sent::Later,
            Err(_) => Sent::Refused,
        }
    }

    fn count_sent(&mut self, bytes: usize, segment: usize) {
        self.counters.sent += bytes.div_ceil(segment) as u64;
        self.counters.sends += 1;
    }
}

/// Datagrams to one destination that go out in one call: all of `segment` bytes, only the last may be shorter.
#[derive(Debug)]
struct Run {
    to: SocketAddr,
    segment: usize,
    bytes: Vec<u8>,
}

impl Run {
    fn takes(&self, to: SocketAddr, len: usize, segments: usize) -> bool {
        self.to == to
            && !self.bytes.is_empty()
            && len <= self.segment
            && self.bytes.len().is_multiple_of(self.segment)
            && self.bytes.len() / self.segment < segments
            && self.bytes.len() + len <= RUN_LIMIT
    }

    fn begin(&mut self, to: SocketAddr, segment: usize) {
        (self.to, self.segment) = (to, segment);
        self.bytes.clear();
    }
}

impl Default for Run {
    fn default() -> Self {
        Self { to: SocketAddr::from(([0, 0, 0, 0], 0)), segment: 1, bytes: Vec::new() }
    }
}

#[derive(Debug)]
struct Waiting {
    to: SocketAddr,
    bytes: Bytes,
    segment: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Done,
    Later,
    Refused,
}

/// Receive buffers, each large enough for whatever the kernel joins into one.
const BUFFERS: usize = if BATCH_SIZE < 16 { BATCH_SIZE } else { 16 };
const BUFFER: usize = 65_535;
/// The most bytes in one call, below the limit of an IP packet (RFC 791).
const RUN_LIMIT: usize = 65_000;
const KERNEL_BUFFER: usize = 4 << 20;
/// Ten times what the system gives by itself, which is 90 packets.
const TERMINAL_BUFFER: usize = 2 << 20;
/// About 100 ms at 300 Mbit/s; older media is worthless.
const WAITING_LIMIT: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Socket, Socket) {
        let bind = || Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        (bind(), bind())
    }

    fn receive_all(socket: &mut Socket) -> Vec<Vec<u8>> {
        let mut got = Vec::new();
        while socket.receive(|_, datagram| got.push(datagram.to_vec())) {}
        got
    }

    #[test]
    fn datagrams_to_one_destination_leave_in_one_call_and_arrive_whole() {
        let (mut from, mut to) = pair();
        let address = to.local_addr().unwrap();
        for n in 0..9u8 {
            from.send(address, &Bytes::from(vec![n; 1_200]), None);
        }
        from.send(address, &Bytes::from(vec![9; 80]), None);
        from.flush();

        assert_eq!(from.counters().sent, 10);
        let limit = from.state.max_gso_segments();
        assert_eq!(from.counters().sends, if limit > 1 { 1 } else { 10 });
        let got = receive_all(&mut to);
        assert_eq!(got.len(), 10);
        for (n, datagram) in got.iter().enumerate() {
            assert!(datagram.iter().all(|byte| usize::from(*byte) == n));
            assert_eq!(datagram.len(), if n == 9 { 80 } else { 1_200 });
        }
    }

    #[test]
    fn a_longer_datagram_or_another_destination_begins_a_new_run() {
        let (mut from, mut to) = pair();
        let address = to.local_addr().unwrap();
        let (mut third, _) = pair();
        from.send(address, &Bytes::from_static(b"short"), None);
        from.send(address, &Bytes::from_static(b"longer one"), None);
        from.send(third.local_addr().unwrap(), &Bytes::from_static(b"elsewhere"), None);
        from.flush();

        assert_eq!(receive_all(&mut to), [b"short".to_vec(), b"longer one".to_vec()]);
        assert_eq!(receive_all(&mut third), [b"elsewhere".to_vec()]);
    }

    #[test]
    fn segments_that_exceed_one_call_are_split_and_none_is_lost() {
        let (mut from, mut to) = pair();
        let address = to.local_addr().unwrap();
        from.send(address, &Bytes::from(vec![7; 100 * 1_000 + 10]), Some(1_000));
        from.flush();

        let got = receive_all(&mut to);
        assert_eq!(got.len(), 101);
        assert_eq!(got.iter().map(Vec::len).sum::<usize>(), 100_010);
    }

    #[test]
    fn what_the_kernel_refuses_is_counted() {
        let (mut from, _) = pair();
        from.send("127.0.0.1:9".parse().unwrap(), &Bytes::from(vec![0; 65_530]), None);
        from.flush();
        assert_eq!((from.counters().sent, from.counters().refused), (0, 1));
    }

    #[test]
    fn what_does_not_fit_the_queue_is_counted_as_lost() {
        let (mut from, to) = pair();
        let address = to.local_addr().unwrap();
        for _ in 0..WAITING_LIMIT / 1_000 {
            from.wait(address, &[0; 1_000], 1_000);
        }
        assert_eq!(from.counters().overflowed, 0);
        from.wait(address, &[0; 5_000], 1_000);
        assert_eq!(from.counters().overflowed, 5);
        from.flush();
        assert!(from.waiting.is_empty());
        assert_eq!(from.counters().sent, (WAITING_LIMIT / 1_000) as u64);
    }
}
