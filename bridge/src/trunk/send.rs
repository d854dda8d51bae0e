//! The task that sends a link's media: sound as datagrams, every picture a stream of its own that is reset at its deadline.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_proto::wire::encode_frame;
use quinn::{Connection, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::control::GIVEN_UP;
use super::event::Event;
use super::narrow::{Lack, Narrow, Narrowed, Room};
use super::outbox::{Class, Door, Due, Name, Outbox};
use super::parity::Parity;
use super::rank::Rank;
use super::redundancy::{Path, Redundancy};
use super::status::{Count, Gauges};
use super::write::{Write, outcome};
use crate::router::{Command, Frame, LayerSet, WorkerHandle};

/// What the gate lets out.
pub(super) enum Passage {
    /// A track, by the number that stands for it on the wire.
    Open(Box<Opening>),
    /// It has other layers than before.
    Layers(Name, LayerSet),
    /// Its seat has another role, or began or ended to speak.
    Rank(Name, Rank),
    /// No longer.
    Close(Name),
}

/// A track that is let out.
pub(super) struct Opening {
    pub(super) name: Name,
    pub(super) number: u32,
    pub(super) rank: Rank,
    pub(super) layers: LayerSet,
    /// What the line had no room for.
    pub(super) lack: Lack,
    /// Carries its hearing.
    pub(super) worker: WorkerHandle,
}

/// Owns what waits, until the link is over.
pub(super) struct Sender {
    /// The link's number.
    pub(super) number: u64,
    pub(super) connection: Connection,
    pub(super) outbox: Outbox,
    /// What the line had no room for before.
    pub(super) narrowed: Narrowed,
    pub(super) passages: mpsc::Receiver<Passage>,
    pub(super) frames: mpsc::Receiver<(Name, Frame)>,
    pub(super) events: mpsc::WeakSender<Event>,
    pub(super) gauges: Arc<Gauges>,
}

/// What goes on while it runs.
struct Work {
    workers: Vec<(Name, WorkerHandle)>,
    writes: JoinSet<Write>,
    /// Writes of each rank.
    writing: [usize; Rank::COUNT],
    narrow: Narrow,
    /// What the peer's task took no note of yet.
    untold: BTreeMap<Name, Room>,
    redundancy: Redundancy,
    parity: Parity,
    /// Frames that went with parity; what they give was lost.
    outcomes: JoinSet<Option<(Name, u8)>>,
    /// Written, perhaps not there yet.
    sent: VecDeque<(Instant, Name, u8, SendStream)>,
}

impl Sender {
    /// Sends until the link's other tasks end it.
    pub(super) async fn run(mut self) {
        let mut work = Work::new(Instant::now(), &self.narrowed);
        loop {
            let now = Instant::now();
            self.send_due(now, &mut work);
            self.ask_keys(now, &work);
            self.look(now, &mut work);
            let next = (now + KEY_RETRY).min(work.narrow.poll_timeout());
            let next = work.sent.front().map_or(next, |(at, ..)| (*at).min(next));
            tokio::select! {
                biased;
                passage = self.passages.recv() => match passage {
                    Some(passage) => self.handle_passage(passage, &mut work),
                    None => return,
                },
                Some(write) = work.writes.join_next() => {
                    if let Ok(write) = write {
                        self.handle_write(write, &mut work);
                    }
                }
                Some(outcome) = work.outcomes.join_next() => {
                    if let Ok(Some((name, layer))) = outcome {
                        self.lose(name, layer);
                    }
                }
                frame = receive(&mut self.frames) => self.outbox.push(Instant::now(), frame.0, frame.1),
                () = sleep_until(next.into()) => self.reset_late(Instant::now(), &mut work),
            }
            self.count();
        }
    }

    fn handle_passage(&mut self, passage: Passage, work: &mut Work) {
        match passage {
            Passage::Open(opening) => {
                let Opening { name, number, rank, layers, lack, worker } = *opening;
                self.outbox.open(name, number, rank);
                self.outbox.hold(name, lack.held);
                work.narrow.offer(name, layers, rank, lack);
                work.workers.retain(|(known, _)| *known != name);
                work.workers.push((name, worker));
            }
            Passage::Layers(name, layers) => {
                let room = work.narrow.layers(name, layers);
                self.tell_room(name, room, work);
            }
            Passage::Rank(name, rank) => {
                if let Some(room) = work.narrow.rank(Instant::now(), name, rank) {
                    self.give_room(name, room, work);
                }
            }
            Passage::Close(name) => {
                self.outbox.close(name);
                work.narrow.close(name);
                work.redundancy.close(name);
                work.untold.remove(&name);
                work.workers.retain(|(known, _)| *known != name);
            }
        }
        self.rank(work);
    }

    fn rank(&mut self, work: &Work) {
        work.narrow.ranks().for_each(|(name, rank)| self.outbox.rank(name, rank));
    }

    /// All sound, and a picture of a rank of which none is on its way into QUIC, nor of one before it.
    fn send_due(&mut self, now: Instant, work: &mut Work) {
        while let Some(due) = self.outbox.pop(now, work.door()) {
            let payloads: Vec<Bytes> = due.frame.packets.iter().map(|packet| packet.payload.clone()).collect();
            match encode_frame(&due.head, &payloads) {
                Ok(bytes) => self.send(&due, bytes, work),
                Err(error) => {
                    tracing::debug!(track = %due.name.1, %error, "a frame can't be sent");
                    self.lose(due.name, due.head.layer);
                }
            }
        }
    }

    fn send(&mut self, due: &Due, bytes: Bytes, work: &mut Work) {
        let most = self.connection.max_datagram_size().filter(|most| due.class == Class::Sound && bytes.len() <= *most);
        let Some(most) = most else {
            work.writing[due.rank as usize] += 1;
            let write = Write {
                name: due.name,
                layer: due.head.layer,
                rank: due.rank,
                deadline: due.deadline,
                parity: if due.class == Class::Sound { 0.0 } else { work.parity.share(due.rank) },
                stream: None,
                protected: 0,
                late: false,
            };
            work.writes.spawn(write.run(self.connection.clone(), bytes, due.class));
            return;
        };
        let datagram = work.redundancy.pack(due.name, bytes, most);
        if self.connection.datagram_send_buffer_space() >= datagram.len()
            && self.connection.send_datagram(datagram).is_ok()
        {
            self.gauges.add(Count::Sent, 1);
        } else {
            self.lose(due.name, due.head.layer);
        }
    }

    fn handle_write(&mut self, write: Write, work: &mut Work) {
        work.writing[write.rank as usize] = work.writing[write.rank as usize].saturating_sub(1);
        match write.stream {
            Some(stream) => {
                self.gauges.add(Count::Sent, 1);
                self.gauges.add(Count::Parity, write.protected);
                self.outbox.protected(write.name, write.protected);
                let Write { deadline, name, layer, protected, .. } = write;
                if protected > 0 {
                    work.outcomes.spawn(outcome(stream, deadline, (name, layer)));
                } else {
                    work.sent.push_back((deadline, name, layer, stream));
                }
            }
            None if write.late => {
                self.gauges.add(Count::Shed, 1);
                self.outbox.refused(write.name, write.layer);
            }
            None => self.lose(write.name, write.layer),
        }
    }

    /// A frame that is not there by its deadline would only keep the next ones waiting.
    fn reset_late(&mut self, now: Instant, work: &mut Work) {
        while work.sent.front().is_some_and(|(at, ..)| *at <= now) {
            if let Some((_, name, layer, mut stream)) = work.sent.pop_front()
                && stream.reset(GIVEN_UP).is_ok()
            {
                self.lose(name, layer);
            }
        }
    }

    fn lose(&mut self, name: Name, layer: u8) {
        self.gauges.add(Count::Shed, 1);
        self.outbox.lost(name, layer);
    }

    fn ask_keys(&mut self, now: Instant, work: &Work) {
        while let Some(((hearing, track), layer)) = self.outbox.poll_key(now) {
            if let Some((_, worker)) = work.workers.iter().find(|(name, _)| *name == (hearing, track))
                && worker.send(Command::KeyFrame { hearing, track, layer }).is_err()
            {
                // Counted by the worker; asked again in half a second.
                tracing::debug!(%hearing, %track, "the media worker takes no key frame request");
            }
        }
    }

    /// Looks twice a second whether the line is too narrow or loses packets.
    fn look(&mut self, now: Instant, work: &mut Work) {
        while let Some(name) = self.outbox.poll_pressed() {
            work.narrow.handle_shed(now, name);
        }
        if work.narrow.poll_timeout() > now {
            return;
        }
        let path = self.connection.stats().path;
        let loss = work.redundancy.handle_path(now, Path { sent: path.sent_packets, lost: path.lost_packets });
        loss.into_iter().for_each(|loss| work.parity.handle_loss(now, loss));
        self.outbox.tallies().for_each(|(name, _, tally)| work.narrow.handle_tally(name, &tally));
        work.narrow.handle_rtt(now, path.rtt);
        if !work.narrow.is_pressed() && !work.narrow.has_queue() {
            work.parity.handle_room(now);
        } else if work.narrow.is_pressed() && work.parity.give_way(now) {
            work.narrow.spare();
        }
        self.gauges.flows.set_out(self.outbox.tallies());
        self.gauges.set_redundancy(work.redundancy.depth());
        self.gauges.set_parity(work.parity.share(Rank::Protected));
        self.gauges.set_held(self.outbox.tallies().filter(|(.., tally)| tally.holds).count());
        for (name, room) in work.narrow.look(now) {
            tracing::info!(track = %name.1, layers = room.layers.0, "the line has room for these layers of a track");
            self.give_room(name, room, work);
        }
        for (name, room) in std::mem::take(&mut work.untold) {
            self.tell_room(name, room, work);
        }
        self.rank(work);
    }

    fn give_room(&mut self, name: Name, room: Room, work: &mut Work) {
        self.outbox.hold(name, room.lack.held);
        self.tell_room(name, room, work);
    }

    /// A peer's task that does not keep up is told again at the next look.
    fn tell_room(&self, name: Name, room: Room, work: &mut Work) {
        if let Some(events) = self.events.upgrade()
            && events.try_send(Event::Room(self.number, name, room)).is_err()
        {
            work.untold.insert(name, room);
        } else {
            work.untold.remove(&name);
        }
    }

    fn count(&mut self) {
        let (shed, stray) = (self.outbox.take_shed(), self.outbox.take_stray());
        self.gauges.add(Count::Shed, shed);
        self.gauges.add(Count::Stray, stray);
    }
}

impl Work {
    fn new(now: Instant, narrowed: &Narrowed) -> Self {
        Self {
            workers: Vec::new(),
            writes: JoinSet::new(),
            writing: [0; Rank::COUNT],
            narrow: Narrow::new(now, narrowed),
            untold: BTreeMap::new(),
            redundancy: Redundancy::new(now),
            parity: Parity::new(now),
            outcomes: JoinSet::new(),
            sent: VecDeque::new(),
        }
    }

    /// What may be handed to QUIC now. More than one picture of a rank at a time would only wait there.
    const fn door(&self) -> Door {
        match self.writing {
            [0, 0, 0] => Door::All,
            [0, 0, _] => Door::Ordinary,
            [0, ..] => Door::Protected,
            [..] => Door::Sound,
        }
    }
}

/// Never, once no leg is left that could have a frame: the link may still get one.
async fn receive(frames: &mut mpsc::Receiver<(Name, Frame)>) -> (Name, Frame) {
    match frames.recv().await {
        Some(frame) => frame,
        None => pending().await,
    }
}

const KEY_RETRY: Duration = Duration::from_millis(100);
