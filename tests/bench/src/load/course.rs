//! The course of one round: join everybody, warm up, measure.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use mio::{Events, Interest, Poll, Token};

use super::{FRAMES_PER_SECOND, Host, PACKETS_PER_FRAME, Peer, Room, Shape};
use crate::process::{Usage, threads, usage};

/// What one round showed of a server.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    /// CPU microseconds of the server for one packet that a receiver got.
    pub(crate) us_per_packet: f64,
    /// Of one core, 0.0 and more.
    pub(crate) cores: f64,
    /// The same of the server's busiest thread.
    pub(crate) busiest: f64,
    /// Milliseconds of every second that its threads waited for a processor, all together.
    pub(crate) waited_ms: f64,
    /// Resident memory that the receivers added, for each.
    pub(crate) kb_per_receiver: f64,
    /// From the sender's send call to the receiver's decrypted packet, microseconds, sorted.
    pub(crate) latencies_us: Vec<u32>,
    /// Packets that did not arrive, 0.0 to 1.0.
    pub(crate) loss: f64,
}

impl Figures {
    /// Milliseconds within which `percent` of the packets came.
    pub(crate) fn latency_ms(&self, percent: f64) -> f64 {
        let at = (self.latencies_us.len() as f64 * percent / 100.0) as usize;
        self.latencies_us.get(at).map_or(f64::NAN, |us| f64::from(*us) / 1e3)
    }
}

/// Loads `host` and measures it for `time`.
pub(crate) fn run(host: &mut dyn Host, shape: Shape, time: Duration) -> Result<Figures> {
    let mut course = Course::new(shape.rate)?;
    match shape.room {
        Room::Lecture(_) => (0..shape.rooms).try_for_each(|room| course.lecturer(host, room))?,
        Room::Meeting(seats) => (0..shape.rooms).try_for_each(|room| course.join(host.gather(room, seats)?))?,
    }
    course.connect()?;
    // Some moments of media, so that the tracks are there when the first receiver comes.
    course.go(SETTLE, |_| false)?;
    let empty = usage(host.process())?;
    for room in 0..shape.rooms {
        match shape.room {
            Room::Lecture(receivers) => course.listeners(host, room, receivers)?,
            Room::Meeting(seats) => course.join(host.complete(room, seats)?)?,
        }
    }
    course.connect()?;
    if shape.deaf {
        course.deafen();
    }
    course.unleash(shape.storming);
    course.go(WARM_UP, |_| false)?;
    course.measure(host, shape, time, empty)
}

/// Clients that send and receive on one thread.
pub(super) struct Course {
    pub(super) peers: Vec<Peer>,
    poll: Poll,
    clocks: Vec<SenderClock>,
    picture: Duration,
    sound: Duration,
    /// Of so many pictures one is a key frame: one every two seconds, for nobody answers requests.
    key_every: u64,
    sent: u64,
    /// When those who ask for everything ask next.
    squall: Instant,
}

/// When a sender is due; no two at the same time.
struct SenderClock {
    peer: usize,
    video: Instant,
    audio: Instant,
    frame: u64,
}

impl Course {
    pub(super) fn new(rate: f64) -> Result<Self> {
        let spaced = |per_second: u64| (Duration::from_secs(1) / per_second as u32).div_f64(rate);
        let (picture, sound) = (spaced(FRAMES_PER_SECOND), spaced(50));
        let key_every = ((2 * FRAMES_PER_SECOND) as f64 * rate).round().max(1.0) as u64;
        let (peers, clocks, squall) = (Vec::new(), Vec::new(), Instant::now());
        Ok(Self { peers, poll: Poll::new()?, clocks, picture, sound, key_every, sent: 0, squall })
    }

    fn lecturer(&mut self, host: &mut dyn Host, room: usize) -> Result<()> {
        let mut sender = Peer::sender()?;
        host.publish(room, &mut sender)?;
        self.add(sender)
    }

    fn listeners(&mut self, host: &mut dyn Host, room: usize, count: usize) -> Result<()> {
        for _ in 0..count {
            let mut receiver = Peer::receiver(1)?;
            host.subscribe(room, &mut receiver)?;
            self.add(receiver)?;
            self.go(JOIN_SPACING, |_| false)?;
        }
        Ok(())
    }

    fn join(&mut self, peers: Vec<Peer>) -> Result<()> {
        peers.into_iter().try_for_each(|peer| self.add(peer))?;
        self.go(JOIN_SPACING, |_| false)
    }

    pub(super) fn add(&mut self, mut peer: Peer) -> Result<()> {
        self.poll.registry().register(&mut peer.socket, Token(self.peers.len()), Interest::READABLE)?;
        peer.read();
        if peer.sends() {
            let ahead = self.picture.mul_f64((self.clocks.len() * 7 % 30) as f64 / 30.0);
            let due = Instant::now() + ahead;
            self.clocks.push(SenderClock { peer: self.peers.len(), video: due, audio: due, frame: 0 });
        }
        self.peers.push(peer);
        Ok(())
    }

    fn connect(&mut self) -> Result<()> {
        self.go(Duration::from_secs(30), |peers| peers.iter().all(|peer| peer.connected))?;
        let connected = self.peers.iter().filter(|peer| peer.connected).count();
        ensure!(connected == self.peers.len(), "only {connected} of {} clients get connected", self.peers.len());
        Ok(())
    }

    fn deafen(&mut self) {
        let receivers = self.peers.iter_mut().filter(|peer| peer.receives());
        receivers.enumerate().filter(|(number, _)| number % LISTENING != 0).for_each(|(_, peer)| peer.deaf = true);
    }

    /// Some receivers begin to ask for everything.
    fn unleash(&mut self, count: usize) {
        self.peers.iter_mut().filter(|peer| peer.receives()).take(count).for_each(|peer| peer.storming = true);
    }

    fn measure(&mut self, host: &dyn Host, shape: Shape, time: Duration, empty: Usage) -> Result<Figures> {
        for peer in &mut self.peers {
            peer.got = Default::default();
        }
        self.sent = 0;
        let (began, before, idle) = (Instant::now(), usage(host.process())?, threads(host.process())?);
        self.go(time, |_| false)?;
        let (after, sent, took) = (usage(host.process())?, self.sent, began.elapsed());
        let used = threads(host.process())?.into_iter().map(|(thread, cpu)| cpu - *idle.get(&thread).unwrap_or(&cpu));
        let busiest = used.max().unwrap_or_default();
        ensure!(took < time * 2, "this machine is too busy to send the load in time");
        let receivers: Vec<&Peer> = self.peers.iter().filter(|peer| peer.receives() && !peer.storming).collect();
        let silent = receivers.iter().filter(|peer| peer.got.video == 0).count();
        // On a machine that is nearly full some lines look too thin for the one layer that there is; that shows as loss.
        ensure!(silent * 50 <= receivers.len(), "{silent} of {} receivers get no picture", receivers.len());
        let got: u64 = receivers.iter().map(|peer| peer.got.packets).sum();
        let mut latencies_us: Vec<u32> =
            receivers.iter().flat_map(|peer| peer.got.latencies_us.iter().copied()).collect();
        latencies_us.sort_unstable();
        let cpu = (after.cpu - before.cpu).as_secs_f64();
        let subscriptions = (shape.subscriptions() - shape.storming) as f64;
        let wanted = sent as f64 * subscriptions / self.clocks.len() as f64;
        Ok(Figures {
            us_per_packet: cpu * 1e6 / got as f64,
            cores: cpu / took.as_secs_f64(),
            busiest: busiest.as_secs_f64() / took.as_secs_f64(),
            waited_ms: (after.waited - before.waited).as_secs_f64() * 1e3 / took.as_secs_f64(),
            kb_per_receiver: (after.resident_kb - empty.resident_kb) / shape.receivers() as f64,
            latencies_us,
            // What was under way when counting began can make it a little more than was sent.
            loss: (1.0 - got as f64 / wanted).max(0.0),
        })
    }

    /// Sends and receives until `done` or the time is over.
    pub(super) fn go(&mut self, time: Duration, done: impl Fn(&[Peer]) -> bool) -> Result<()> {
        let (end, mut events) = (Instant::now() + time, Events::with_capacity(1_024));
        while Instant::now() < end && !done(&self.peers) {
            self.send_what_is_due();
            let pause = self.next_due().min(end).saturating_duration_since(Instant::now());
            self.poll.poll(&mut events, Some(pause))?;
            for event in events.iter() {
                self.peers[event.token().0].read();
            }
            let now = Instant::now();
            self.peers.iter_mut().for_each(|peer| peer.tick(now));
            self.storm(now);
        }
        Ok(())
    }

    fn storm(&mut self, now: Instant) {
        if self.squall <= now && self.peers.iter().any(|peer| peer.storming) {
            self.squall = now + SQUALLS;
            self.peers.iter_mut().filter(|peer| peer.storming).for_each(|peer| peer.storm(now));
        }
    }

    fn next_due(&mut self) -> Instant {
        let squall = self.peers.iter().any(|peer| peer.storming).then_some(self.squall);
        let ticks = self.peers.iter_mut().filter_map(Peer::next_tick);
        let sends = self.clocks.iter().flat_map(|clock| [clock.video, clock.audio]);
        ticks.chain(sends).chain(squall).min().unwrap_or_else(|| Instant::now() + SETTLE)
    }

    fn send_what_is_due(&mut self) {
        let now = Instant::now();
        for clock in &mut self.clocks {
            let sender = &mut self.peers[clock.peer];
            while clock.video <= now {
                let key = clock.frame.is_multiple_of(self.key_every);
                for packet in 0..PACKETS_PER_FRAME {
                    sender.send_video(packet == 0, packet + 1 == PACKETS_PER_FRAME, key);
                }
                clock.frame += 1;
                self.sent += PACKETS_PER_FRAME as u64;
                clock.video += self.picture;
            }
            while clock.audio <= now {
                sender.send_audio();
                self.sent += 1;
                clock.audio += self.sound;
            }
        }
    }
}

const SETTLE: Duration = Duration::from_secs(1);
const JOIN_SPACING: Duration = Duration::from_millis(20);
/// Also the time in which a measured line is found to carry the picture.
const WARM_UP: Duration = Duration::from_secs(4);
/// Between two rounds of asking for everything.
const SQUALLS: Duration = Duration::from_millis(1);
/// Of so many receivers one decrypts where the others are deaf.
const LISTENING: usize = 10;
