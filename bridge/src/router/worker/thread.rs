//! The shell around a switchboard: one operating system thread, one socket, one poll.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use tracing::{error, info};

use super::super::leg::{Path, Transport};
use super::super::lobby::Lobby;
use super::super::switchboard::Switchboard;
use super::queue::{Inbox, Taken, WorkerHandle, queue};
use crate::net::{tcp, udp};

/// A media worker; it lives in its thread and is reached through its [`WorkerHandle`].
pub struct Worker {
    index: usize,
    poll: Poll,
    socket: udp::Socket,
    /// True until the socket says that nothing is left.
    readable: bool,
    streams: tcp::Streams,
    inbox: Inbox,
    /// True until the queues are found empty.
    pending: bool,
    board: Switchboard,
    published: Instant,
    /// Since then, how long it did something.
    busy: Duration,
    load: Arc<AtomicU32>,
}

impl Worker {
    /// Binds `bind` and starts the worker `index` in a thread of its own, named `media-{index}`.
    /// Metrics go to whatever recorder is installed by then.
    ///
    /// # Errors
    /// When the address can't be bound or the system gives no thread.
    pub fn spawn(bind: SocketAddr, index: usize) -> io::Result<WorkerHandle> {
        let poll = Poll::new()?;
        let mut socket = udp::Socket::bind(bind)?;
        socket.register(poll.registry(), SOCKET)?;
        let local = socket.local_addr()?;
        let lobby = Lobby::default();
        let (handle, inbox) = queue(Waker::new(poll.registry(), QUEUE)?, local, lobby.clone());
        let (streams, board) = (tcp::Streams::new(STREAMS), Switchboard::new(lobby));
        let (published, busy, load) = (Instant::now(), Duration::ZERO, handle.load());
        let (readable, pending) = (true, true);
        let worker = Self { index, poll, socket, readable, streams, inbox, pending, board, published, busy, load };
        thread::Builder::new().name(format!("media-{index}")).spawn(move || worker.run())?;
        info!(worker = index, %local, "media worker runs");
        Ok(handle)
    }

    fn run(mut self) {
        prefer(self.index);
        let mut events = Events::with_capacity(64);
        loop {
            if let Err(error) = self.wait(&mut events)
                && error.kind() != io::ErrorKind::Interrupted
            {
                error!(worker = self.index, %error, "media worker can't wait for events and ends");
                return;
            }
            let now = Instant::now();
            if self.take_commands(now) {
                info!(worker = self.index, "media worker ends");
                return;
            }
            self.pending |= self.board.take_items(now);
            self.take_datagrams(now);
            self.take_frames(now);
            self.board.handle_timeout(now);
            self.settle(now);
            self.publish(now);
            self.busy += now.elapsed();
        }
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        self.poll.poll(events, Some(self.pause()))?;
        for event in events.iter() {
            match event.token() {
                SOCKET => self.readable |= event.is_readable(),
                QUEUE => self.pending = true,
                stream => self.streams.handle_event(stream, event.is_readable(), event.is_writable()),
            }
        }
        Ok(())
    }

    fn pause(&self) -> Duration {
        if self.readable || self.pending || self.streams.has_more() {
            return Duration::ZERO;
        }
        let longest = if self.board.has_events() { EVENTS_PAUSE } else { LONGEST_PAUSE };
        let next = self.board.poll_timeout();
        next.map_or(longest, |at| at.saturating_duration_since(Instant::now()).min(longest))
    }

    /// True when no handle is left. At most a share of the commands at a time, so that datagrams are not kept waiting.
    fn take_commands(&mut self, now: Instant) -> bool {
        self.inbox.rearm();
        self.pending = false;
        while let Some(accepted) = self.inbox.connection() {
            self.streams.add(self.poll.registry(), now, accepted);
        }
        for _ in 0..COMMANDS_AT_A_TIME {
            match self.inbox.take() {
                Taken::Command(command) => self.board.handle_command(now, command),
                Taken::Nothing => return false,
                Taken::Ended => return true,
            }
        }
        self.pending = true;
        false
    }

    fn take_datagrams(&mut self, now: Instant) {
        for _ in 0..BATCHES_AT_A_TIME {
            let board = &mut self.board;
            self.readable = self.socket.receive(|remote, datagram| {
                board.handle_datagram(now, Path { remote, transport: Transport::Udp }, datagram);
            });
            if !self.readable {
                return;
            }
            self.settle(now);
        }
    }

    /// Each connection is read a share at a time.
    fn take_frames(&mut self, now: Instant) {
        for _ in 0..STREAMS_AT_A_TIME {
            let board = &mut self.board;
            let more = self.streams.receive(now, |remote, frame| {
                board.handle_datagram(now, Path { remote, transport: Transport::Tcp }, frame)
            });
            if !more {
                break;
            }
        }
        self.settle(now);
    }

    fn settle(&mut self, now: Instant) {
        let (socket, streams, mut unroutable) = (&mut self.socket, &mut self.streams, 0);
        self.board.settle(now, |path, datagrams, segment| match path.transport {
            Transport::Udp => socket.send(path.remote, datagrams, segment),
            Transport::Tcp => unroutable += u64::from(!streams.send(path.remote, datagrams, segment)),
        });
        (0..unroutable).for_each(|_| self.board.count_unroutable());
        self.socket.flush();
        self.streams.flush(now);
    }

    fn publish(&mut self, now: Instant) {
        if now < self.published + LONGEST_PAUSE {
            return;
        }
        let share = self.busy.as_secs_f64() / now.saturating_duration_since(self.published).as_secs_f64();
        self.load.store((share * 1e3) as u32, Ordering::Relaxed);
        metrics::gauge!("hearing_worker_busy", "worker" => self.index.to_string()).set(share);
        (self.published, self.busy) = (now, Duration::ZERO);
        self.streams.handle_timeout(now);
        metrics::gauge!("hearing_tcp_connections", "worker" => self.index.to_string()).set(self.streams.len() as f64);
        metrics::gauge!("hearing_far_sessions", "worker" => self.index.to_string()).set(self.board.guests() as f64);
        let (socket, streams) = (self.socket.counters(), self.streams.counters());
        let socket = [
            ("hearing_udp_received_total", socket.received),
            ("hearing_udp_sent_total", socket.sent),
            ("hearing_udp_sends_total", socket.sends),
            ("hearing_udp_overflowed_total", socket.overflowed),
            ("hearing_udp_refused_total", socket.refused),
            ("hearing_udp_receive_errors_total", socket.receive_errors),
        ];
        let streams = [
            ("hearing_tcp_opened_total", streams.opened),
            ("hearing_tcp_refused_total", streams.refused),
            ("hearing_tcp_malformed_total", streams.malformed),
            ("hearing_tcp_silent_total", streams.silent),
            ("hearing_tcp_stalled_total", streams.stalled),
            ("hearing_tcp_received_total", streams.received),
            ("hearing_tcp_sent_total", streams.sent),
            ("hearing_tcp_overflowed_total", streams.overflowed),
        ];
        for (name, value) in self.board.tally().metrics().into_iter().chain(socket).chain(streams) {
            metrics::counter!(name, "worker" => self.index.to_string()).absolute(value);
        }
    }
}

/// Sound waits for this thread, so it goes before others where the system allows it: with CAP_SYS_NICE.
fn prefer(index: usize) {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        info!(worker = index, %error, "the media thread runs at the usual priority; CAP_SYS_NICE lets it go before others");
    }
}

const NICE: i32 = -10;
const SOCKET: Token = Token(0);
const QUEUE: Token = Token(1);
/// The first of those of TCP connections.
const STREAMS: Token = Token(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How soon reports are tried again that nobody had room for.
const EVENTS_PAUSE: Duration = Duration::from_millis(20);
const COMMANDS_AT_A_TIME: usize = 256;
const BATCHES_AT_A_TIME: usize = 8;
const STREAMS_AT_A_TIME: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use hearing_config::{HearingId, SeatId};
    use tokio::sync::mpsc;
    use uuid::Uuid;

    use super::super::super::fake::{fake_leg, path, stun, zone};
    use super::super::super::leg::{LegId, Output, Place};
    use super::super::{Attach, Command, Event};
    use super::*;

    #[test]
    fn a_datagram_reaches_its_leg_and_the_answer_comes_back_over_the_same_socket() {
        let worker = Worker::spawn("127.0.0.1:0".parse().unwrap(), 0).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (events, mut reports) = mpsc::channel(8);
        let (leg, notes) = fake_leg();
        let datagrams = bytes::Bytes::from_static(b"answer");
        let path = path(client.local_addr().unwrap().port());
        notes.lock().unwrap().say([Output::Connected, Output::Transmit { path, datagrams, segment: None }]);
        let hearing = HearingId(Uuid::nil());
        worker.send(Command::Open { hearing, zone: zone("gov"), events }).unwrap();
        let place = Place::Seat(SeatId(0));
        worker
            .send(Command::Attach(Attach { hearing, id: LegId(1), place, ufrag: Some("u1".to_owned()), leg }))
            .unwrap();
        assert_eq!(reports.blocking_recv(), Some(Event::Connected(SeatId(0))));

        client.send_to(&stun("u1:peer"), worker.local_addr()).unwrap();
        let mut buffer = [0; 64];
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"answer");

        drop(worker);
        assert_eq!(reports.blocking_recv(), None, "without a handle the thread ends and its hearings with it");
    }

    #[test]
    fn an_address_in_use_is_refused() {
        let worker = Worker::spawn("127.0.0.1:0".parse().unwrap(), 0).unwrap();
        assert_eq!(Worker::spawn(worker.local_addr(), 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
