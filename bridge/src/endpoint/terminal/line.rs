//! The task's end of a terminal's leg: what the terminal sends goes in here, what the seat may have comes out.

use hearing_config::{Codec, HearingId, Kind, SeatId, TrackId, Zone};
use hearing_signaling::hearing::SeatQuality;
use tokio::sync::{mpsc, watch};

use super::leg::TerminalLeg;
use crate::router::{
    Attach, Command, FeedInput, Frame, Full, Layer, LayerSet, LegId, Output, Packet, Place, TrackInfo, Wishes,
    WorkerHandle,
};

/// The seat of a terminal, and the worker that owns its hearing's media.
#[derive(Debug, Clone)]
pub struct Seat {
    /// The hearing.
    pub hearing: HearingId,
    /// The seat.
    pub seat: SeatId,
    /// This node's zone, from which the terminal's tracks come.
    pub zone: Zone,
    /// The worker.
    pub worker: WorkerHandle,
}

/// What a terminal's task is told by the router.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Something for the feed.
    Feed(FeedInput),
    /// Somebody needs a key frame of what the terminal sends. The task throttles.
    KeyFrame(Kind),
    /// Whether anybody takes what the terminal sends.
    Demand(Kind, bool),
}

/// A terminal on the router. Dropping it takes the terminal off its seat.
#[derive(Debug)]
pub struct Line {
    seat: Seat,
    leg: LegId,
    orders: mpsc::Receiver<Told>,
    frames: mpsc::Receiver<(TrackId, Frame)>,
    wishes: watch::Sender<Wishes>,
}

impl Line {
    /// Puts a terminal that is connected onto its seat; another one that was there is taken off.
    ///
    /// # Errors
    /// [`Full`] when the worker takes no more commands.
    pub fn attach(seat: Seat) -> Result<Self, Full> {
        let ((order, orders), (frame, frames)) = (mpsc::channel(ORDERS), mpsc::channel(FRAMES));
        let (wishes, wished) = watch::channel(Wishes::new());
        let leg = LegId::fresh();
        seat.worker.send(Command::Attach(Attach {
            hearing: seat.hearing,
            id: leg,
            place: Place::Seat(seat.seat),
            ufrag: None,
            leg: Box::new(TerminalLeg::new(order, frame, wished)),
        }))?;
        Ok(Self { seat, leg, orders, frames, wishes })
    }

    /// What the router has next for the terminal; `None` when the seat is no longer its own. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Told> {
        tokio::select! {
            biased;
            told = self.orders.recv() => told,
            Some((track, frame)) = self.frames.recv() => Some(Told::Feed(FeedInput::Frame(track, frame))),
        }
    }

    /// The terminal sends `kind` in `codec` from now on.
    ///
    /// # Errors
    /// As all that follow: [`Full`] when the worker takes no more commands; it is counted.
    pub fn publish(&self, kind: Kind, codec: Codec) -> Result<(), Full> {
        let (id, origin) = (self.track(kind), self.seat.zone.clone());
        self.say(vec![Output::Track(TrackInfo { id, codec, origin, layers: LayerSet::only(Layer(0)), held: false })])
    }

    /// It sends it no more.
    ///
    /// # Errors
    /// [`Full`].
    pub fn unpublish(&self, kind: Kind) -> Result<(), Full> {
        self.say(vec![Output::TrackEnd(self.track(kind))])
    }

    /// Packets of what it sends.
    ///
    /// # Errors
    /// [`Full`]: they are lost, and were counted.
    pub fn send(&self, kind: Kind, packets: Vec<Packet>) -> Result<(), Full> {
        let track = self.track(kind);
        self.say(packets.into_iter().map(|packet| Output::Packet(track, packet)).collect())
    }

    /// The figures of its connection.
    ///
    /// # Errors
    /// [`Full`].
    pub fn quality(&self, quality: SeatQuality) -> Result<(), Full> {
        self.say(vec![Output::Quality(quality)])
    }

    /// A key frame of a track that it is handed is needed.
    ///
    /// # Errors
    /// [`Full`].
    pub fn key_frame(&self, track: TrackId, layer: Layer) -> Result<(), Full> {
        self.say(vec![Output::KeyFrame(track, layer)])
    }

    /// Something of a picture that it sends was lost, and comes no more: it is asked for a key frame when that is due.
    ///
    /// # Errors
    /// [`Full`].
    pub fn broken(&self, kind: Kind) -> Result<(), Full> {
        let (hearing, track) = (self.seat.hearing, self.track(kind));
        self.seat.worker.send(Command::KeyFrame { hearing, track, layer: Layer(0) })
    }

    /// What it wants to be handed from now on.
    ///
    /// # Errors
    /// [`Full`].
    pub fn wish(&self, wishes: Wishes) -> Result<(), Full> {
        let before = self.wishes.send_replace(wishes.clone());
        let named = before.keys().chain(wishes.keys());
        let mut changed: Vec<_> = named.filter(|track| before.get(track) != wishes.get(track)).copied().collect();
        changed.dedup();
        self.say(changed.into_iter().map(Output::Wanted).collect())
    }

    /// The seat.
    #[must_use]
    pub const fn seat(&self) -> &Seat {
        &self.seat
    }

    fn track(&self, kind: Kind) -> TrackId {
        TrackId { seat: self.seat.seat, kind }
    }

    fn say(&self, outputs: Vec<Output>) -> Result<(), Full> {
        self.seat.worker.send(Command::Say { hearing: self.seat.hearing, leg: self.leg, outputs })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A worker that takes no more commands closes the leg when it finds nobody who takes its orders.
        let _ = self.seat.worker.send(Command::Detach { hearing: self.seat.hearing, leg: self.leg });
    }
}

/// Orders that may wait; they come when a track or the speaker changes.
const ORDERS: usize = 512;
/// Frames that may wait: about two seconds of one picture and one sound.
const FRAMES: usize = 256;
