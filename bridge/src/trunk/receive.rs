//! The task that receives a link's media, puts it in order and hands it to the routers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::Timestamp;
use hearing_proto::wire::{self, decode_frame, decode_late, decode_parity, is_late, is_parity, unbundle};
use quinn::Connection;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::cause::Cause;
use super::clock::Mapping;
use super::convert;
use super::event::Event;
use super::flows::Latency;
use super::inbox::{Accepted, By, Inbox};
use super::line::Line;
use super::outbox::Name;
use super::read::{Came, Read, read};
use super::shelf::Shelf;
use super::status::{Count, Gauges};
use crate::router::{Command, Frame, LegId, WorkerHandle};

/// What the gate lets in.
pub(super) enum Admission {
    /// A flow, whose frames go to `worker`.
    Open(u32, Accepted, WorkerHandle),
    /// No longer.
    Close(u32),
}

/// Owns what waits for its turn, until the link is over.
pub(super) struct Receiver {
    connection: Connection,
    inbox: Inbox,
    workers: HashMap<LegId, WorkerHandle>,
    admissions: mpsc::Receiver<Admission>,
    readers: JoinSet<Came>,
    shelf: Shelf,
    line: Line,
    gauges: Arc<Gauges>,
    /// The link's number.
    number: u64,
    events: mpsc::Sender<Event>,
    latencies: HashMap<Name, Latency>,
    told: Instant,
    mapping: Mapping,
    malformed: (Instant, u32),
}

impl Receiver {
    pub(super) fn new(
        connection: Connection,
        admissions: mpsc::Receiver<Admission>,
        line: Line,
        gauges: Arc<Gauges>,
        (number, events): (u64, mpsc::Sender<Event>),
    ) -> Self {
        let (inbox, workers, readers, shelf) = Default::default();
        let (latencies, told, mapping, malformed) =
            (HashMap::new(), Instant::now(), Mapping::default(), (Instant::now(), 0));
        Self {
            connection,
            inbox,
            workers,
            admissions,
            readers,
            shelf,
            line,
            gauges,
            number,
            events,
            latencies,
            told,
            mapping,
            malformed,
        }
    }

    /// Receives until the link's other tasks end it, the connection does, or the peer sends too much rubbish.
    pub(super) async fn run(mut self) -> Cause {
        loop {
            let wake = self.inbox.poll_timeout().unwrap_or_else(|| Instant::now() + REPORT_EVERY);
            tokio::select! {
                biased;
                admission = self.admissions.recv() => match admission {
                    Some(admission) => self.handle_admission(admission),
                    None => return Cause::Shutdown,
                },
                datagram = self.connection.read_datagram() => match datagram {
                    Ok(bytes) => self.handle_datagram(&bytes),
                    Err(error) => return Cause::of(error),
                },
                stream = self.connection.accept_uni() => match stream {
                    Ok(stream) => {
                        let parity = self.shelf.begin(Instant::now(), stream.id().index());
                        self.readers.spawn(read(stream, parity));
                    }
                    Err(error) => return Cause::of(error),
                },
                Some(came) = self.readers.join_next() => {
                    if let Ok(came) = came {
                        self.handle_stream(came).await;
                    }
                }
                () = sleep_until(wake.into()) => self.inbox.handle_timeout(Instant::now()),
            }
            self.deliver();
            if self.malformed.1 >= MALFORMED_LIMIT {
                return Cause::BadMedia;
            }
        }
    }

    fn handle_admission(&mut self, admission: Admission) {
        match admission {
            Admission::Open(number, accepted, worker) => {
                self.inbox.open(number, accepted);
                self.workers.insert(accepted.leg, worker);
            }
            Admission::Close(number) => self.inbox.close(number),
        }
    }

    /// All but the last frame of a datagram were sent before.
    fn handle_datagram(&mut self, datagram: &Bytes) {
        if is_parity(datagram) {
            return self.handle_parity(datagram);
        }
        match unbundle(datagram) {
            Ok(frames) => {
                let newest = frames.len().saturating_sub(1);
                let by = |at| if at < newest { By::Copy } else { By::Itself };
                frames.iter().enumerate().for_each(|(at, frame)| self.handle_frame(frame, by(at)));
            }
            Err(error) => {
                tracing::debug!(%error, "a datagram of the peer can't be read");
                self.count_malformed();
            }
        }
    }

    fn handle_parity(&mut self, datagram: &Bytes) {
        let taken = decode_parity(datagram).map(|piece| self.shelf.push(Instant::now(), piece));
        if !matches!(taken, Ok(Ok(()))) {
            tracing::debug!(?taken, "parity of the peer can't be used");
            self.count_malformed();
        }
    }

    async fn handle_stream(&mut self, came: Came) {
        self.shelf.end(came.stream);
        (0..came.refused).for_each(|_| self.count_malformed());
        match came.read {
            Read::Whole(bytes) if is_late(&bytes) => self.handle_late(&bytes).await,
            Read::Whole(bytes) => self.handle_frame(&bytes, By::Itself),
            Read::Mended(bytes) => self.handle_frame(&bytes, By::Parity),
            Read::Malformed => self.count_malformed(),
            Read::GivenUp => {}
        }
    }

    async fn handle_late(&mut self, bytes: &Bytes) {
        match decode_late(bytes) {
            // The peer's task is what has asked; media waits for it as long as it would for any message.
            Ok((head, frames)) => drop(self.events.send(Event::Late(self.number, head, frames)).await),
            Err(error) => {
                tracing::debug!(%error, "late media of the peer can't be read");
                self.count_malformed();
            }
        }
    }

    fn handle_frame(&mut self, bytes: &Bytes, by: By) {
        match decode_frame(bytes) {
            Ok((head, payloads)) => self.inbox.push(Instant::now(), &head, payloads, by),
            Err(error) => {
                tracing::debug!(%error, "a frame of the peer can't be read");
                self.count_malformed();
            }
        }
    }

    fn count_malformed(&mut self) {
        self.gauges.add(Count::Malformed, 1);
        let now = Instant::now();
        if now.duration_since(self.malformed.0) >= Duration::from_secs(1) {
            self.malformed = (now, 0);
        }
        self.malformed.1 += 1;
    }

    fn deliver(&mut self) {
        while let Some((accepted, frame)) = self.inbox.poll_frame() {
            self.inject(accepted, frame);
        }
        while let Some((accepted, layer)) = self.inbox.poll_key(Instant::now()) {
            let (hearing, track) = (convert::hearing_to(accepted.hearing), convert::track_to(accepted.track));
            self.line.say(wire::KeyFrame { hearing, track, layer: layer.0 });
        }
        let counts = self.inbox.take_counts();
        self.gauges.add(Count::Stray, counts.stray);
        self.gauges.add(Count::Lost, counts.lost);
        self.gauges.add(Count::Dropped, counts.dropped);
        self.gauges.add(Count::Repaired, counts.repaired);
        self.gauges.add(Count::Mended, counts.mended);
        self.report(Instant::now());
    }

    /// What became of the tracks, twice a second.
    fn report(&mut self, now: Instant) {
        if now.duration_since(self.told) < REPORT_EVERY {
            return;
        }
        self.told = now;
        let present: Vec<Name> = self.inbox.tallies().map(|(of, _)| (of.hearing, of.track)).collect();
        self.latencies.retain(|name, _| present.contains(name));
        self.gauges.flows.set_in(self.inbox.tallies().map(|(of, tally)| {
            let name = (of.hearing, of.track);
            (name, tally, self.latencies.get(&name).and_then(Latency::quantiles))
        }));
    }

    /// From here on the frame's times are this node's.
    fn inject(&mut self, accepted: Accepted, mut frame: Frame) {
        let (now, offset) = (Instant::now(), self.gauges.offset());
        for packet in &mut frame.packets {
            packet.captured = self.mapping.map(now, offset, packet.captured);
        }
        let Accepted { hearing, track, leg } = accepted;
        let (now, age) = (Instant::now(), Timestamp::now().since(frame.head().captured));
        self.latencies.entry((hearing, track)).or_insert_with(|| Latency::new(now)).record(now, age);
        let sent = self.workers.get(&leg).map(|worker| worker.send(Command::Inject { hearing, leg, track, frame }));
        let count = if matches!(sent, Some(Ok(()))) { Count::Received } else { Count::Dropped };
        self.gauges.add(count, 1);
    }
}

const MALFORMED_LIMIT: u32 = 100;
const REPORT_EVERY: Duration = Duration::from_millis(500);
