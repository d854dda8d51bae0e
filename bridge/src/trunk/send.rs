//! The task that sends a link's media: sound as datagrams, every picture a stream of its own that is reset at its deadline.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_proto::wire::encode_frame;
use quinn::{Connection, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout_at};

use super::control::GIVEN_UP;
use super::outbox::{Class, Due, Name, Outbox};
use super::status::{Count, Gauges};
use crate::router::{Command, Frame, WorkerHandle};

/// What the gate lets out.
pub(super) enum Passage {
    /// A track, by the number that stands for it on the wire; `worker` carries its hearing.
    Open(Name, u32, WorkerHandle),
    /// No longer.
    Close(Name),
}

/// Owns what waits, until the link is over.
pub(super) struct Sender {
    pub(super) connection: Connection,
    pub(super) outbox: Outbox,
    pub(super) passages: mpsc::Receiver<Passage>,
    pub(super) frames: mpsc::Receiver<(Name, Frame)>,
    pub(super) gauges: Arc<Gauges>,
}

/// What goes on while it runs.
#[derive(Default)]
struct Work {
    workers: Vec<(Name, WorkerHandle)>,
    writes: JoinSet<Write>,
    /// Written, perhaps not there yet.
    sent: VecDeque<(Instant, Name, u8, SendStream)>,
}

impl Sender {
    /// Sends until the link's other tasks end it.
    pub(super) async fn run(mut self) {
        let mut work = Work::default();
        loop {
            let now = Instant::now();
            self.send_due(now, &mut work);
            self.ask_keys(now, &work);
            let next = work.sent.front().map_or(now + KEY_RETRY, |(at, ..)| (*at).min(now + KEY_RETRY));
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
                frame = receive(&mut self.frames) => self.outbox.push(Instant::now(), frame.0, frame.1),
                () = sleep_until(next.into()) => self.reset_late(Instant::now(), &mut work),
            }
            self.count();
        }
    }

    fn handle_passage(&mut self, passage: Passage, work: &mut Work) {
        match passage {
            Passage::Open(name, number, worker) => {
                self.outbox.open(name, number);
                work.workers.retain(|(known, _)| *known != name);
                work.workers.push((name, worker));
            }
            Passage::Close(name) => {
                self.outbox.close(name);
                work.workers.retain(|(known, _)| *known != name);
            }
        }
    }

    /// All sound, and a picture if none is on its way into QUIC.
    fn send_due(&mut self, now: Instant, work: &mut Work) {
        loop {
            let due = if work.writes.is_empty() { self.outbox.pop(now) } else { self.outbox.pop_sound(now) };
            let Some(due) = due else { return };
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
        let sound = due.class == Class::Sound;
        if !(sound && self.connection.max_datagram_size().is_some_and(|most| bytes.len() <= most)) {
            let write = Write { name: due.name, layer: due.head.layer, deadline: due.deadline, stream: None };
            work.writes.spawn(write.run(self.connection.clone(), bytes, due.class));
        } else if self.connection.datagram_send_buffer_space() >= bytes.len()
            && self.connection.send_datagram(bytes).is_ok()
        {
            self.gauges.add(Count::Sent, 1);
        } else {
            self.lose(due.name, due.head.layer);
        }
    }

    fn handle_write(&mut self, write: Write, work: &mut Work) {
        match write.stream {
            Some(stream) => {
                self.gauges.add(Count::Sent, 1);
                work.sent.push_back((write.deadline, write.name, write.layer, stream));
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

    fn count(&mut self) {
        let (dropped, stray) = self.outbox.take_counts();
        self.gauges.add(Count::Shed, dropped);
        self.gauges.add(Count::Stray, stray);
    }
}

/// Never, once no leg is left that could have a frame: the link may still get one.
async fn receive(frames: &mut mpsc::Receiver<(Name, Frame)>) -> (Name, Frame) {
    match frames.recv().await {
        Some(frame) => frame,
        None => pending().await,
    }
}

/// A frame on its way into QUIC, and out of it by its deadline.
struct Write {
    name: Name,
    layer: u8,
    deadline: Instant,
    /// Once all of the frame is written.
    stream: Option<SendStream>,
}

impl Write {
    async fn run(mut self, connection: Connection, bytes: Bytes, class: Class) -> Self {
        let Ok(Ok(mut stream)) = timeout_at(self.deadline.into(), connection.open_uni()).await else { return self };
        let priority = match class {
            Class::Sound => 20,
            Class::Key => 10,
            Class::Delta => 0,
        };
        drop(stream.set_priority(priority));
        match timeout_at(self.deadline.into(), stream.write_chunk(bytes)).await {
            Ok(Ok(())) if stream.finish().is_ok() => self.stream = Some(stream),
            // Dropped as it is, the stream would end as if it were whole.
            Ok(_) | Err(_) => drop(stream.reset(GIVEN_UP)),
        }
        self
    }
}

const KEY_RETRY: Duration = Duration::from_millis(100);
