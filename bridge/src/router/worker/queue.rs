//! How a worker is told something: two bounded queues, so that media can never keep control from getting through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use hearing_config::HearingId;
use mio::Waker;

use super::super::demux::local_ufrag;
use super::super::leg::{LegId, Output};
use super::super::lobby::Lobby;
use super::Command;
use crate::net::tcp::Accepted;

/// Talks to a worker. Cheap to clone; the worker ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    control: SyncSender<Command>,
    media: SyncSender<Command>,
    connections: SyncSender<Accepted>,
    lobby: Lobby,
    bell: Arc<Bell>,
    local: SocketAddr,
    load: Arc<AtomicU32>,
}

/// The command was not taken: the worker's queue is full, or the worker has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media worker takes no more commands for now")]
pub struct Full;

impl WorkerHandle {
    /// Tells the worker something. Commands keep their order, except that control may overtake media ([`Command::Inject`], packets of [`Command::Say`]).
    ///
    /// # Errors
    /// [`Full`] when it did not fit; lost media is counted, lost control is for the caller to deal with.
    pub fn send(&self, command: Command) -> Result<(), Full> {
        let media = is_media(&command);
        let queue = if media { &self.media } else { &self.control };
        // Known at the front door before the client is told.
        let ufrag = ufrag_of(&command).map(str::to_owned);
        if let Some(ufrag) = &ufrag {
            self.lobby.expect(ufrag);
        }
        if queue.try_send(command).is_err() {
            let what = if media { "media" } else { "control" };
            metrics::counter!("hearing_worker_commands_lost_total", "what" => what).increment(1);
            ufrag.iter().for_each(|ufrag| self.lobby.forget(ufrag));
            return Err(Full);
        }
        self.bell.ring();
        Ok(())
    }

    /// As [`Command::Say`] with what is not media; what finds no room stays in `words`.
    ///
    /// # Errors
    /// [`Full`] when it did not fit.
    pub(in crate::router) fn say(
        &self,
        (hearing, leg): (HearingId, LegId),
        words: &mut Vec<Output>,
    ) -> Result<(), Full> {
        let outputs = std::mem::take(words);
        match self.control.try_send(Command::Say { hearing, leg, outputs }) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full(command) | TrySendError::Disconnected(command)) => {
                if let Command::Say { outputs, .. } = command {
                    *words = outputs;
                }
                Err(Full)
            }
        }
    }

    /// True when both talk to the same worker.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bell, &other.bell)
    }

    /// What wakes the worker, for those who must not keep it alive.
    pub(in crate::router) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// True when a leg of this worker awaits the client that sent `datagram`, a STUN request.
    #[must_use]
    pub fn awaits(&self, datagram: &[u8]) -> bool {
        local_ufrag(datagram).is_some_and(|ufrag| self.lobby.awaits(ufrag))
    }

    /// Hands over a TCP connection that carries a client's media.
    ///
    /// # Errors
    /// [`Full`] when too many wait to be taken over; the connection is closed and counted.
    pub fn adopt(&self, accepted: Accepted) -> Result<(), Full> {
        if self.connections.try_send(accepted).is_err() {
            metrics::counter!("hearing_worker_commands_lost_total", "what" => "connection").increment(1);
            return Err(Full);
        }
        self.bell.ring();
        Ok(())
    }

    /// How busy the worker was in the last second, in thousandths.
    #[must_use]
    pub fn busy(&self) -> u32 {
        self.load.load(Ordering::Relaxed)
    }

    /// Where the worker tells how busy it is.
    pub(super) fn load(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.load)
    }

    /// The address of the worker's UDP socket.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

fn is_media(command: &Command) -> bool {
    let packets = |outputs: &[Output]| matches!(outputs.first(), Some(Output::Packet(..)));
    matches!(command, Command::Inject { .. }) || matches!(command, Command::Say { outputs, .. } if packets(outputs))
}

/// The user fragment that a command makes known.
fn ufrag_of(command: &Command) -> Option<&str> {
    match command {
        Command::Attach(attach) => attach.ufrag.as_deref(),
        Command::Lodge(lodge) => lodge.ufrag.as_deref(),
        Command::Restart { restart, .. } => Some(&restart.ufrag),
        Command::Open { .. }
        | Command::Close { .. }
        | Command::Plan { .. }
        | Command::Detach { .. }
        | Command::Announce { .. }
        | Command::Withdraw { .. }
        | Command::Inject { .. }
        | Command::Say { .. }
        | Command::Demand { .. }
        | Command::KeyFrame { .. }
        | Command::Prefer { .. }
        | Command::Report { .. } => None,
    }
}

/// The worker's end of its queues.
pub(in crate::router) struct Inbox {
    control: Receiver<Command>,
    media: Receiver<Command>,
    connections: Receiver<Accepted>,
    bell: Arc<Bell>,
}

/// What `Inbox::take` found.
pub(in crate::router) enum Taken {
    Command(Command),
    Nothing,
    /// No handle is left.
    Ended,
}

impl Inbox {
    /// Before the queues are read: whatever is sent from now on wakes the worker again.
    pub(in crate::router) fn rearm(&self) {
        self.bell.rung.store(false, Ordering::SeqCst);
    }

    /// The next TCP connection to take over.
    pub(super) fn connection(&self) -> Option<Accepted> {
        self.connections.try_recv().ok()
    }

    /// The next command, control first.
    pub(in crate::router) fn take(&self) -> Taken {
        match self.control.try_recv() {
            Ok(command) => Taken::Command(command),
            Err(TryRecvError::Empty) => self.media.try_recv().map_or(Taken::Nothing, Taken::Command),
            Err(TryRecvError::Disconnected) => Taken::Ended,
        }
    }
}

/// The two ends of a worker's queues.
pub(in crate::router) fn queue(waker: Waker, local: SocketAddr, lobby: Lobby) -> (WorkerHandle, Inbox) {
    let ((control, control_end), (media, media_end)) = (sync_channel(CONTROL_LIMIT), sync_channel(MEDIA_LIMIT));
    let (connections, connections_end) = sync_channel(CONNECTIONS_LIMIT);
    let bell = Arc::new(Bell { waker, rung: AtomicBool::new(false) });
    let inbox = Inbox { control: control_end, media: media_end, connections: connections_end, bell: bell.clone() };
    let load = Arc::default();
    (WorkerHandle { control, media, connections, lobby, bell, local, load }, inbox)
}

/// Wakes the worker, once for all that is sent while it has not looked.
#[derive(Debug)]
pub(in crate::router) struct Bell {
    waker: Waker,
    rung: AtomicBool,
}

impl Bell {
    pub(in crate::router) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) && self.waker.wake().is_err() {
            // The worker looks at its queues once a second anyway.
            metrics::counter!("hearing_worker_wakes_failed_total").increment(1);
        }
    }
}

pub(in crate::router) const CONTROL_LIMIT: usize = 1_024;
/// TCP connections that wait for the worker's next round.
const CONNECTIONS_LIMIT: usize = 128;
/// Frames; 25 pictures a second of 60 tracks for two seconds.
const MEDIA_LIMIT: usize = 3_072;

#[cfg(test)]
mod tests {
    use hearing_config::{HearingId, Kind, SeatId, TrackId};
    use uuid::Uuid;

    use super::super::super::leg::LegId;
    use super::super::super::packet::Frame;
    use super::*;

    fn inject() -> Command {
        let track = TrackId { seat: SeatId(0), kind: Kind::Video };
        Command::Inject { hearing: HearingId(Uuid::nil()), leg: LegId(1), track, frame: Frame { packets: Vec::new() } }
    }

    fn close() -> Command {
        Command::Close { hearing: HearingId(Uuid::nil()) }
    }

    fn pair() -> (WorkerHandle, Inbox, mio::Poll) {
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(1)).unwrap();
        let (handle, inbox) = queue(waker, "127.0.0.1:1".parse().unwrap(), Lobby::default());
        (handle, inbox, poll)
    }

    #[test]
    fn media_beyond_its_share_is_refused_and_control_still_gets_through_first() {
        let (handle, inbox, _poll) = pair();
        for _ in 0..MEDIA_LIMIT {
            handle.send(inject()).unwrap();
        }
        assert_eq!(handle.send(inject()), Err(Full));
        handle.send(close()).unwrap();
        assert!(matches!(inbox.take(), Taken::Command(Command::Close { .. })));
        assert!(matches!(inbox.take(), Taken::Command(Command::Inject { .. })));
    }

    #[test]
    fn a_worker_without_handles_learns_that_it_is_over() {
        let (handle, inbox, _poll) = pair();
        handle.send(close()).unwrap();
        drop(handle);
        assert!(matches!(inbox.take(), Taken::Command(_)));
        assert!(matches!(inbox.take(), Taken::Ended));
    }
}
