//! Late media: what the record of a hearing lacks is fetched from the node at which it entered, and what this node keeps is
//! given to the hearing's home.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearing_config::{HearingId, Kind, SeatId, Timestamp, TrackId, Zone};
use hearing_signaling::hearing::MediaPlan;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;
use tracing::{info, warn};

use crate::record::HearingRecord;
use crate::record::late::{Hole, Holes, LateMedia, Rest, Want, Where};
use crate::record::later::{Lacking, Shelf};
use crate::record::spool::Spool;
use crate::trunk::{FetchError, Lack, LateAsk, LatePiece, Trunks};

/// Gives peers what this node keeps, until the trunks are gone.
pub(crate) async fn serve(mut asked: mpsc::Receiver<LateAsk>, spool: Spool) {
    while let Some(ask) = asked.recv().await {
        match ask {
            LateAsk::Read { hearing, track, from, to, reply } => {
                let piece = spool.read(hearing, track, from, to).await;
                // The link may be gone.
                drop(reply.send(LatePiece { codec: piece.codec, frames: piece.frames, upto: piece.upto }));
            }
            LateAsk::Kept { hearing, track, through } => spool.kept(hearing, track, through),
        }
    }
}

/// The way to the task that fills the holes of one record. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Filler {
    words: mpsc::Sender<Word>,
}

/// What it needs.
pub(crate) struct Needs {
    /// The hearing, which is at home here.
    pub(crate) hearing: HearingId,
    /// This node's zone: what entered here is not to be had elsewhere.
    pub(crate) zone: Zone,
    /// Which seat is in which zone.
    pub(crate) plans: watch::Receiver<Arc<MediaPlan>>,
    /// The ways to where it entered.
    pub(crate) trunks: Trunks,
    /// Where it belongs.
    pub(crate) record: HearingRecord,
    /// Where is noted what it lacks when it is sealed.
    pub(crate) shelf: Shelf,
}

enum Word {
    Hole(Hole),
    Durable(Vec<(TrackId, Timestamp)>),
    Finish(oneshot::Sender<()>),
}

impl Filler {
    /// Starts the task; it ends with the handle.
    pub(crate) fn start(needs: Needs) -> Self {
        let (words, received) = mpsc::channel(WORDS);
        let task = Task {
            needs,
            words: received,
            holes: Holes::default(),
            taken: BTreeSet::new(),
            lacking: Vec::new(),
            finish: None,
        };
        tokio::spawn(task.run());
        Self { words }
    }

    /// The record lacks something. A word that does not fit is found again when the record is opened anew.
    pub(crate) fn hole(&self, hole: Hole) {
        drop(self.words.try_send(Word::Hole(hole)));
    }

    /// What is durable in the record.
    pub(crate) fn durable(&self, tracks: Vec<(TrackId, Timestamp)>) {
        drop(self.words.try_send(Word::Durable(tracks)));
    }

    /// The hearing closes, and the record was ordered to end: waits for what can still be had, the ends of tracks included.
    /// What can't be had is named in the record.
    pub(crate) async fn finish(self) {
        let (reply, finished) = oneshot::channel();
        if self.words.send(Word::Finish(reply)).await.is_ok() {
            // A task that ends without an answer has nothing more to fetch.
            drop(finished.await);
        }
    }
}

struct Task {
    needs: Needs,
    words: mpsc::Receiver<Word>,
    holes: Holes,
    /// Seats on which somebody sat.
    taken: BTreeSet<SeatId>,
    /// What could not be had before the close.
    lacking: Vec<Lacking>,
    finish: Option<Finish>,
}

/// Somebody waits for the end.
struct Finish {
    reply: oneshot::Sender<()>,
    /// How long, if nothing more comes.
    patience: Instant,
    /// How long at most.
    until: Instant,
}

type Fetching = Pin<Box<dyn Future<Output = (Want, Result<LatePiece, FetchError>)> + Send>>;

impl Task {
    async fn run(mut self) {
        let mut fetching: Option<Fetching> = None;
        self.look_who_sits();
        loop {
            if let (None, Some(want)) = (&fetching, self.holes.poll(Instant::now())) {
                fetching = Some(self.fetch(want));
            }
            let due = self.due();
            tokio::select! {
                word = self.words.recv() => match word {
                    Some(word) => self.handle(word).await,
                    None => return,
                },
                (want, result) = next(&mut fetching) => {
                    fetching = None;
                    self.take(want, result);
                }
                Ok(()) = self.needs.plans.changed() => self.look_who_sits(),
                () = sleep_until(due.into()) => {}
            }
            if self.end().await {
                return;
            }
        }
    }

    fn look_who_sits(&mut self) {
        let plan = Arc::clone(&self.needs.plans.borrow_and_update());
        self.taken.extend(plan.seats.iter().filter(|seat| seat.admitted).map(|seat| seat.id));
    }

    fn due(&self) -> Instant {
        let patience = self.finish.as_ref().map(|finish| finish.patience);
        let due = self.holes.poll_timeout().into_iter().chain(patience).min();
        due.unwrap_or_else(|| Instant::now() + FINISH)
    }

    /// True when somebody waited for the end and it has come.
    async fn end(&mut self) -> bool {
        let is_over = |finish: &mut Finish| self.holes.is_empty() || finish.patience <= Instant::now();
        let Some(finish) = self.finish.take_if(is_over) else { return false };
        for (hole, from) in self.holes.abandon() {
            warn!(hearing = %self.needs.hearing, track = %hole.track, "the record is closed while media is missing that an edge may have");
            self.lack(hole, from);
        }
        self.note().await;
        // Whoever waited may be gone.
        let _ = finish.reply.send(());
        true
    }

    /// The record is closed without it.
    fn lack(&mut self, hole: Hole, from: Timestamp) {
        self.lacking.push(Lacking::of(&hole, from));
        self.write(hole, NOTHING, Rest::Lacking(from));
    }

    /// What the record lacks is noted before it is sealed, to be fetched once the edge can be reached.
    async fn note(&mut self) {
        let (shelf, hearing, lacking) =
            (self.needs.shelf.clone(), self.needs.hearing, std::mem::take(&mut self.lacking));
        if lacking.is_empty() {
            return;
        }
        match tokio::task::spawn_blocking(move || shelf.note(hearing, &lacking)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%hearing, %error, "what the record lacks will not be fetched after the close"),
            Err(error) => warn!(%hearing, %error, "what the record lacks will not be fetched after the close"),
        }
    }

    async fn handle(&mut self, word: Word) {
        match word {
            Word::Hole(hole) if self.zone_of(hole.track).is_some() => self.holes.handle_hole(Instant::now(), hole),
            // It entered here: nobody else has it.
            Word::Hole(_) => {}
            Word::Durable(tracks) => {
                for (track, last) in tracks {
                    if let Some(zone) = self.zone_of(track) {
                        let through = self.holes.kept(track, last);
                        self.needs.trunks.kept(&zone, self.needs.hearing, track, through).await;
                    }
                }
            }
            Word::Finish(reply) => {
                let tails = self.needs.record.end_media(self.elsewhere()).await;
                let now = Instant::now();
                self.holes.handle_end(now, tails.unwrap_or_default());
                self.finish = Some(Finish { reply, patience: now + FINISH, until: now + LONGEST });
            }
        }
    }

    /// Every track that may have entered at another node: of seats on which nobody ever sat there is none.
    fn elsewhere(&self) -> Vec<TrackId> {
        let plan = self.needs.plans.borrow();
        let seats = plan.seats.iter().filter(|seat| seat.zone != self.needs.zone && self.taken.contains(&seat.id));
        seats.flat_map(|seat| Kind::ALL.map(|kind| TrackId { seat: seat.id, kind })).collect()
    }

    fn fetch(&self, want: Want) -> Fetching {
        let (zone, trunks) = (self.zone_of(want.hole.track), self.needs.trunks.clone());
        let lack =
            Lack { hearing: self.needs.hearing, track: want.hole.track, from: want.from, to: want.to, role: None };
        Box::pin(async move {
            match zone {
                Some(zone) => (want, trunks.fetch(&zone, lack).await),
                None => (want, Err(FetchError::Denied)),
            }
        })
    }

    fn take(&mut self, want: Want, result: Result<LatePiece, FetchError>) {
        let (hearing, track, now) = (self.needs.hearing, want.hole.track, Instant::now());
        match result {
            Ok(piece) => {
                let last = self.holes.handle_piece(now, piece.upto);
                info!(%hearing, %track, frames = piece.frames.len(), last, "late media came");
                if let Some(finish) = self.finish.as_mut().filter(|_| !piece.frames.is_empty()) {
                    finish.patience = (now + FINISH).min(finish.until);
                }
                self.write(want.hole, piece, if last { Rest::Nothing } else { Rest::Open });
            }
            Err(error) => {
                let is_refused = match error {
                    FetchError::Denied | FetchError::Refused | FetchError::NoTrunk(_) => true,
                    FetchError::LineDown | FetchError::Late => false,
                };
                let is_final = matches!(error, FetchError::Denied | FetchError::NoTrunk(_));
                if let Some(hole) = self.holes.handle_failure(now, is_refused, is_final && self.finish.is_some()) {
                    warn!(%hearing, %track, %error, "late media does not come");
                    // An edge that has only just started does not carry the hearing: it may have what it refuses now.
                    match (hole.lies, self.finish.is_some() && !is_final) {
                        (Where::Between | Where::Tail, true) => self.lack(hole, hole.from),
                        (Where::Whole, true) | (_, false) => self.write(hole, NOTHING, Rest::Nothing),
                    }
                }
            }
        }
    }

    fn write(&self, hole: Hole, piece: LatePiece, rest: Rest) {
        let edge = self.zone_of(hole.track).map_or_else(String::new, |zone| zone.to_string());
        let media = LateMedia { hole, edge, codec: piece.codec, frames: piece.frames, rest };
        if let Err(error) = self.needs.record.late(media) {
            warn!(hearing = %self.needs.hearing, %error, "late media is not written");
        }
    }

    /// The zone in which a track entered, if it is not this node's.
    fn zone_of(&self, track: TrackId) -> Option<Zone> {
        let plan = self.needs.plans.borrow();
        plan.seat(track.seat).map(|seat| seat.zone.clone()).filter(|zone| *zone != self.needs.zone)
    }
}

async fn next(fetching: &mut Option<Fetching>) -> (Want, Result<LatePiece, FetchError>) {
    match fetching {
        Some(fetching) => fetching.await,
        None => std::future::pending().await,
    }
}

const WORDS: usize = 4_096;
/// How long the end of a record waits for late media when none comes.
const FINISH: Duration = Duration::from_secs(5);
/// How long it waits for what does come.
const LONGEST: Duration = Duration::from_secs(120);
const NOTHING: LatePiece = LatePiece { codec: None, frames: Vec::new(), upto: Timestamp(0) };

#[cfg(test)]
mod tests;
