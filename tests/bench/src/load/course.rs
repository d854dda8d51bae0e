//! The course of one round: join everybody, warm up, measure.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mio::{Events, Interest, Poll, Token};

use super::{FRAMES_PER_SECOND, Host, PACKETS_PER_FRAME, Peer};
use crate::process::{Usage, usage};

/// What one round showed of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// CPU microseconds of the server for one packet that a receiver got.
    pub(crate) us_per_packet: f64,
    /// Resident memory that the receivers added, for each.
    pub(crate) kb_per_subscriber: f64,
    /// From the sender's send call to the receiver's decrypted packet, milliseconds; half were faster.
    pub(crate) latency_p50_ms: f64,
    /// The same; one of a hundred was slower.
    pub(crate) latency_p99_ms: f64,
    /// Packets that did not arrive, 0.0 to 1.0.
    pub(crate) loss: f64,
}

/// Loads `host` with one sender and `subscribers` receivers and measures it for `time`.
pub(crate) fn run(host: &mut dyn Host, subscribers: usize, time: Duration) -> Result<Figures> {
    let mut course = Course::new()?;
    let mut sender = Peer::sender()?;
    host.publish(&mut sender)?;
    course.add(sender)?;
    course.go(Duration::from_secs(10), |peers| peers[0].connected)?;
    ensure!(course.peers[0].connected, "the sender does not get connected");
    // Some seconds of media, so that the tracks are there when the first receiver comes.
    course.go(SETTLE, |_| false)?;
    let empty = usage(host.process())?;
    for _ in 0..subscribers {
        let mut receiver = Peer::receiver()?;
        host.subscribe(&mut receiver)?;
        course.add(receiver)?;
        course.go(JOIN_SPACING, |_| false)?;
    }
    course.go(Duration::from_secs(20), |peers| peers.iter().all(|peer| peer.connected))?;
    let connected = course.peers.iter().filter(|peer| peer.connected).count() - 1;
    ensure!(connected == subscribers, "only {connected} of {subscribers} receivers get connected");
    course.go(WARM_UP, |_| false)?;
    course.measure(host, time, empty)
}

/// Peers that send and receive on one thread.
pub(super) struct Course {
    /// Those who send first.
    pub(super) peers: Vec<Peer>,
    /// How many of them send.
    pub(super) senders: usize,
    poll: Poll,
    next_video: Instant,
    next_audio: Instant,
    frame: u64,
    sent: u64,
}

impl Course {
    pub(super) fn new() -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            peers: Vec::new(),
            senders: 1,
            poll: Poll::new()?,
            next_video: now,
            next_audio: now,
            frame: 0,
            sent: 0,
        })
    }

    pub(super) fn add(&mut self, mut peer: Peer) -> Result<()> {
        self.poll.registry().register(&mut peer.socket, Token(self.peers.len()), Interest::READABLE)?;
        peer.read();
        self.peers.push(peer);
        Ok(())
    }

    fn measure(&mut self, host: &dyn Host, time: Duration, empty: Usage) -> Result<Figures> {
        let receivers = self.peers.len() - 1;
        for peer in &mut self.peers {
            peer.got = Default::default();
        }
        self.sent = 0;
        let (began, before) = (Instant::now(), usage(host.process())?);
        self.go(time, |_| false)?;
        let (after, sent) = (usage(host.process())?, self.sent);
        ensure!(began.elapsed() < time * 2, "this machine is too busy to send the load in time");
        let receivers_got = &self.peers[1..];
        let silent = receivers_got.iter().filter(|peer| peer.got.video == 0).count();
        ensure!(silent == 0, "{silent} of {receivers} receivers get no picture");
        let got: u64 = receivers_got.iter().map(|peer| peer.got.packets).sum();
        let mut latencies: Vec<u32> =
            receivers_got.iter().flat_map(|peer| peer.got.latencies_us.iter().copied()).collect();
        latencies.sort_unstable();
        Ok(Figures {
            us_per_packet: (after.cpu - before.cpu).as_secs_f64() * 1e6 / got as f64,
            kb_per_subscriber: (after.resident_kb - empty.resident_kb) / receivers as f64,
            latency_p50_ms: percentile(&latencies, 50),
            latency_p99_ms: percentile(&latencies, 99),
            // What was under way when counting began can make it a little more than was sent.
            loss: (1.0 - got as f64 / (sent * receivers as u64) as f64).max(0.0),
        })
    }

    /// Sends and receives until `done` or the time is over.
    pub(super) fn go(&mut self, time: Duration, done: impl Fn(&[Peer]) -> bool) -> Result<()> {
        let (end, mut events) = (Instant::now() + time, Events::with_capacity(256));
        while Instant::now() < end && !done(&self.peers) {
            self.send_what_is_due();
            let pause = self.next_due().min(end).saturating_duration_since(Instant::now());
            self.poll.poll(&mut events, Some(pause))?;
            for event in events.iter() {
                self.peers[event.token().0].read();
            }
            let now = Instant::now();
            self.peers.iter_mut().for_each(|peer| peer.tick(now));
        }
        Ok(())
    }

    fn next_due(&mut self) -> Instant {
        let ticks = self.peers.iter_mut().filter_map(Peer::next_tick);
        ticks.chain([self.next_video, self.next_audio]).min().unwrap_or(self.next_audio)
    }

    fn send_what_is_due(&mut self) {
        let now = Instant::now();
        let senders = self.senders.min(self.peers.len());
        let senders = &mut self.peers[..senders];
        if senders.is_empty() {
            return;
        }
        while self.next_video <= now {
            let key = self.frame.is_multiple_of(2 * FRAMES_PER_SECOND);
            for sender in &mut *senders {
                for packet in 0..PACKETS_PER_FRAME {
                    sender.send_video(packet == 0, packet + 1 == PACKETS_PER_FRAME, key);
                }
            }
            self.frame += 1;
            self.sent += PACKETS_PER_FRAME as u64;
            self.next_video += Duration::from_secs(1) / FRAMES_PER_SECOND as u32;
        }
        while self.next_audio <= now {
            senders.iter_mut().for_each(Peer::send_audio);
            self.sent += 1;
            self.next_audio += Duration::from_millis(20);
        }
    }
}

/// Milliseconds, of sorted microseconds.
fn percentile(sorted: &[u32], percent: usize) -> f64 {
    sorted.get(sorted.len() * percent / 100).map_or(f64::NAN, |us| f64::from(*us) / 1e3)
}

const SETTLE: Duration = Duration::from_secs(1);
const JOIN_SPACING: Duration = Duration::from_millis(20);
const WARM_UP: Duration = Duration::from_secs(3);
