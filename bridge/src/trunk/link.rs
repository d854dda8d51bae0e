//! One live link: the tasks that read, write, send, receive and watch, and the ways to them. Dropped, it is over at once,
//! with everything that was queued.

use std::collections::HashMap;
use std::sync::Arc;

use hearing_proto::wire;
use quinn::Connection;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use super::cause::Cause;
use super::control::{self, Greeted, Reader};
use super::event::Event;
use super::line::Line;
use super::narrow::Narrowed;
use super::outbox::{Name, Outbox};
use super::receive::{Admission, Receiver};
use super::send::{Passage, Sender};
use super::status::Gauges;
use super::transport;
use crate::router::Frame;

/// Both ends have welcomed each other; media may flow.
pub(super) struct Link {
    /// Counts the links to the peer.
    pub(super) number: u64,
    pub(super) connection: Connection,
    /// The serial number of the peer's certificate.
    pub(super) serial: Vec<u8>,
    pub(super) line: Line,
    pub(super) frames: mpsc::Sender<(Name, Frame)>,
    /// What serves the peer's requests.
    pub(super) tasks: JoinSet<()>,
    pub(super) serving: Arc<Semaphore>,
    /// The peer's followers, by their requests.
    pub(super) follows: HashMap<u32, AbortHandle>,
    passages: mpsc::Sender<Passage>,
    admissions: mpsc::Sender<Admission>,
    overflow: Arc<Notify>,
    flows: u32,
}

impl Link {
    /// Starts its tasks; they report to `events` under `number`.
    pub(super) fn start(
        number: u64,
        greeted: Greeted,
        (kbps, narrowed): (u32, &Narrowed),
        gauges: &Arc<Gauges>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let Greeted { connection, serial, send, receive, .. } = greeted;
        let (line, messages, overflow) = Line::new();
        let (frames, frames_end) = mpsc::channel(FRAMES_LIMIT);
        let (passages, passages_end) = mpsc::channel(CHANGES_LIMIT);
        let (admissions, admissions_end) = mpsc::channel(CHANGES_LIMIT);
        let sender = Sender {
            number,
            connection: connection.clone(),
            outbox: Outbox::new(transport::outbox_limit(kbps)),
            narrowed: narrowed.clone(),
            passages: passages_end,
            frames: frames_end,
            events: events.downgrade(),
            gauges: gauges.clone(),
        };
        let from = (number, events.clone());
        let receiver = Receiver::new(connection.clone(), admissions_end, line.clone(), gauges.clone(), from);
        let mut parts = JoinSet::new();
        parts.spawn(control::write(send, messages));
        parts.spawn(read(number, receive, events.clone()));
        parts.spawn(receiver.run());
        parts.spawn(async move {
            sender.run().await;
            Cause::Shutdown
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(supervise((number, connection.clone()), parts, overflow.clone(), events, gauges.clone()));
        let (serving, follows) = (Arc::new(Semaphore::new(SERVING_LIMIT)), HashMap::new());
        Self {
            number,
            connection,
            serial,
            line,
            frames,
            tasks,
            serving,
            follows,
            passages,
            admissions,
            overflow,
            flows: wire::FIRST_FLOW - 1,
        }
    }

    /// A number for a track that goes out; never used twice on this link.
    pub(super) const fn next_flow(&mut self) -> u32 {
        self.flows += 1;
        self.flows
    }

    /// Lets a track out, or no longer.
    pub(super) fn pass(&self, passage: Passage) {
        if self.passages.try_send(passage).is_err() {
            self.overflow.notify_one();
        }
    }

    /// Lets a track in, or no longer.
    pub(super) fn admit(&self, admission: Admission) {
        if self.admissions.try_send(admission).is_err() {
            self.overflow.notify_one();
        }
    }
}

async fn read(number: u64, mut reader: Reader, events: mpsc::Sender<Event>) -> Cause {
    loop {
        match reader.next().await {
            Ok(message) => {
                if events.send(Event::Message(number, message)).await.is_err() {
                    return Cause::Shutdown;
                }
            }
            Err(cause) => return cause,
        }
    }
}

/// Whatever ends first ends the link.
async fn supervise(
    (number, connection): (u64, Connection),
    mut parts: JoinSet<Cause>,
    overflow: Arc<Notify>,
    events: mpsc::Sender<Event>,
    gauges: Arc<Gauges>,
) {
    let cause = tokio::select! {
        ended = parts.join_next() => match ended {
            Some(Ok(cause)) => cause,
            Some(Err(error)) => Cause::Lost(error.to_string()),
            None => Cause::Shutdown,
        },
        cause = transport::watch(&connection, &gauges) => cause,
        () = overflow.notified() => Cause::Overload,
    };
    control::close(&connection, &cause);
    drop(events.send(Event::Ended(number, cause)).await);
}

/// Frames between the workers and the sending task.
const FRAMES_LIMIT: usize = 1_024;
/// Tracks that come and go, more than all tracks of several hearings at once.
const CHANGES_LIMIT: usize = 4_096;
/// Requests of the peer that are served at a time, followers included.
const SERVING_LIMIT: usize = 1_024;
