//! The task that receives a link's media, puts it in order and hands it to the routers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_proto::wire::{self, MAX_FRAME, decode_frame};
use quinn::{Connection, ReadToEndError, RecvStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use super::cause::Cause;
use super::clock::Mapping;
use super::convert;
use super::inbox::{Accepted, Inbox};
use super::line::Line;
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
    readers: JoinSet<Option<Result<Bytes, Malformed>>>,
    line: Line,
    gauges: Arc<Gauges>,
    mapping: Mapping,
    malformed: (Instant, u32),
}

/// A stream that holds no frame.
struct Malformed;

impl Receiver {
    pub(super) fn new(
        connection: Connection,
        admissions: mpsc::Receiver<Admission>,
        line: Line,
        gauges: Arc<Gauges>,
    ) -> Self {
        let (inbox, workers, readers) = (Inbox::default(), HashMap::new(), JoinSet::new());
        let (mapping, malformed) = (Mapping::default(), (Instant::now(), 0));
        Self { connection, inbox, workers, admissions, readers, line, gauges, mapping, malformed }
    }

    /// Receives until the link's other tasks end it, the connection does, or the peer sends too much rubbish.
    pub(super) async fn run(mut self) -> Cause {
        loop {
            let wake = self.inbox.poll_timeout().unwrap_or_else(|| Instant::now() + LONGEST);
            tokio::select! {
                biased;
                admission = self.admissions.recv() => match admission {
                    Some(admission) => self.handle_admission(admission),
                    None => return Cause::Shutdown,
                },
                datagram = self.connection.read_datagram() => match datagram {
                    Ok(bytes) => self.handle_bytes(&bytes),
                    Err(error) => return Cause::of(error),
                },
                stream = self.connection.accept_uni() => match stream {
                    Ok(stream) => drop(self.readers.spawn(read(stream))),
                    Err(error) => return Cause::of(error),
                },
                Some(read) = self.readers.join_next() => match read {
                    Ok(Some(Ok(bytes))) => self.handle_bytes(&bytes),
                    Ok(Some(Err(Malformed))) => self.count_malformed(),
                    // The sender gave it up.
                    Ok(None) | Err(_) => {}
                },
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

    fn handle_bytes(&mut self, bytes: &Bytes) {
        match decode_frame(bytes) {
            Ok((head, payloads)) => self.inbox.push(Instant::now(), &head, payloads),
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
    }

    /// From here on the frame's times are this node's.
    fn inject(&mut self, accepted: Accepted, mut frame: Frame) {
        let (now, offset) = (Instant::now(), self.gauges.offset());
        for packet in &mut frame.packets {
            packet.captured = self.mapping.map(now, offset, packet.captured);
        }
        let Accepted { hearing, track, leg } = accepted;
        let sent = self.workers.get(&leg).map(|worker| worker.send(Command::Inject { hearing, leg, track, frame }));
        let count = if matches!(sent, Some(Ok(()))) { Count::Received } else { Count::Dropped };
        self.gauges.add(count, 1);
    }
}

/// The bytes of one stream; `None` when the sender gave it up or it took too long.
async fn read(mut stream: RecvStream) -> Option<Result<Bytes, Malformed>> {
    match timeout(READ_LIMIT, stream.read_to_end(MAX_FRAME)).await {
        Ok(Ok(bytes)) => Some(Ok(bytes.into())),
        Ok(Err(ReadToEndError::TooLong)) => Some(Err(Malformed)),
        Ok(Err(ReadToEndError::Read(_))) | Err(_) => None,
    }
}

const LONGEST: Duration = Duration::from_secs(1);
const READ_LIMIT: Duration = Duration::from_secs(1);
const MALFORMED_LIMIT: u32 = 100;
