//! After the close: what a sealed record lacks is fetched once the edge that may have it can be reached, and added behind the seal;
//! and edges are told what they need not keep any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearing_config::{HearingId, Kind, Role, Timestamp, TrackId, Zone};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::record::late::TOLERANCE;
use crate::record::later::{Lacking, Lacks, Shelf};
use crate::record::{Addition, Error, Recorder};
use crate::trunk::{FetchError, Lack, Trunks};

/// The way to the task. Cheap to clone.
#[derive(Clone)]
pub(crate) struct After {
    sealed: mpsc::Sender<HearingId>,
}

impl After {
    /// Starts the task; it begins with what was noted before, and ends with the last handle.
    pub(crate) fn start(recorder: &Recorder, trunks: Trunks, own: Zone) -> Self {
        let (sealed, hearings) = mpsc::channel(HEARINGS);
        let task = Task { shelf: recorder.shelf(), trunks, own, open: BTreeMap::new() };
        tokio::spawn(task.run(hearings));
        Self { sealed }
    }

    /// A record was sealed. One that does not fit is found when the node starts again.
    pub(crate) fn sealed(&self, hearing: HearingId) {
        let _ = self.sealed.try_send(hearing);
    }
}

struct Task {
    shelf: Shelf,
    trunks: Trunks,
    /// What entered here is not to be had elsewhere.
    own: Zone,
    /// Records that lack something, and how often each of it was refused.
    open: BTreeMap<HearingId, Vec<(Lacking, u32)>>,
}

/// What came of asking.
enum Came {
    /// All that was kept is in the record.
    Done,
    /// Later.
    Wait,
    /// The edge does not give it.
    Refused,
}

impl Task {
    async fn run(mut self, mut sealed: mpsc::Receiver<HearingId>) {
        let shelf = self.shelf.clone();
        for hearing in blocking(move || Ok(shelf.noted())).await.unwrap_or_default() {
            self.open(hearing).await;
        }
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                hearing = sealed.recv() => match hearing {
                    Some(hearing) => self.open(hearing).await,
                    None => return,
                },
                _ = turns.tick() => self.turn().await,
            }
        }
    }

    /// What the record lacks is looked for from now on; of everything else the edges are told that home has it.
    async fn open(&mut self, hearing: HearingId) {
        let shelf = self.shelf.clone();
        let Lacks { sheet, all } = match blocking(move || shelf.lacks(hearing)).await {
            Ok(lacks) => lacks,
            Err(error) => return warn!(%hearing, %error, "what the record lacks can't be told"),
        };
        let Some(closed) = sheet.closed else { return };
        let lacking: BTreeSet<TrackId> = all.iter().map(|lacking| lacking.track).collect();
        for seat in sheet.meta.seats.iter().filter(|seat| seat.zone != self.own) {
            for track in Kind::ALL.map(|kind| TrackId { seat: seat.id, kind }) {
                if !lacking.contains(&track) {
                    self.trunks.kept(&seat.zone, hearing, track, closed.plus(BEYOND)).await;
                }
            }
        }
        if !all.is_empty() {
            info!(%hearing, tracks = lacking.len(), "the record was sealed without what an edge may have; it is looked for");
            self.open.insert(hearing, all.into_iter().map(|lacking| (lacking, 0)).collect());
        }
    }

    async fn turn(&mut self) {
        for hearing in self.open.keys().copied().collect::<Vec<_>>() {
            let shelf = self.shelf.clone();
            let lacks = match blocking(move || shelf.lacks(hearing)).await {
                Ok(lacks) => lacks,
                Err(error) => {
                    // It was deleted, or its disk is gone.
                    debug!(%hearing, %error, "what the record lacks is not looked for any more");
                    self.open.remove(&hearing);
                    continue;
                }
            };
            self.look_for(hearing, &lacks).await;
            if self.open.get(&hearing).is_some_and(Vec::is_empty) {
                self.open.remove(&hearing);
            }
        }
    }

    async fn look_for(&mut self, hearing: HearingId, lacks: &Lacks) {
        let closed = lacks.sheet.closed.unwrap_or_default();
        let is_too_old = Timestamp::now().since(closed) > FOR;
        let (mut left, mut had) = (Vec::new(), BTreeMap::new());
        for (lacking, refused) in self.open.remove(&hearing).unwrap_or_default() {
            let track = lacking.track;
            let Some((zone, role)) = lacks.seat(track) else { continue };
            match self.ask(hearing, lacking, (&zone, role), refused >= REFUSALS || is_too_old).await {
                Ok(Came::Done) => _ = had.insert(track, zone),
                Ok(Came::Wait) => left.push((lacking, refused)),
                Ok(Came::Refused) => left.push((lacking, refused + 1)),
                Err(error) => {
                    warn!(%hearing, %track, %error, "what the record lacks can't be added to it");
                    left.push((lacking, refused));
                }
            }
        }
        for (track, zone) in had {
            if left.iter().all(|(lacking, _)| lacking.track != track) {
                self.trunks.kept(&zone, hearing, track, closed.plus(BEYOND)).await;
            }
        }
        self.open.insert(hearing, left);
    }

    /// Fetches all of it and adds it to the record; `last` ends it with nothing, without asking.
    async fn ask(
        &self,
        hearing: HearingId,
        lacking: Lacking,
        (zone, role): (&Zone, Role),
        last: bool,
    ) -> Result<Came, Error> {
        let begun = match last {
            true => None,
            false => match self.fetch(hearing, lacking, (zone, role)).await? {
                Ok(begun) => begun,
                Err(came) => return Ok(came),
            },
        };
        let (adding, edge) = (self.addition(hearing, lacking, begun).await?, zone.to_string());
        let frames = blocking(move || adding.finish(&edge, !last)).await?;
        info!(%hearing, track = %lacking.track, frames, "a sealed record was added to");
        Ok(Came::Done)
    }

    /// Fetches it piece by piece, beside the record; `None` when the edge has nothing of it.
    async fn fetch(
        &self,
        hearing: HearingId,
        lacking: Lacking,
        (zone, role): (&Zone, Role),
    ) -> Result<Result<Option<Addition>, Came>, Error> {
        let (mut begun, to) = (None, lacking.to.plus(TOLERANCE));
        let mut from = lacking.from.plus(-TOLERANCE);
        loop {
            let lack = Lack { hearing, track: lacking.track, from, to, role: Some(role) };
            let piece = match self.trunks.fetch(zone, lack).await {
                Ok(piece) => piece,
                Err(FetchError::LineDown | FetchError::Late) => return Ok(Err(Came::Wait)),
                Err(FetchError::Refused | FetchError::Denied | FetchError::NoTrunk(_)) => {
                    return Ok(Err(Came::Refused));
                }
            };
            let upto = piece.upto;
            if let Some(codec) = piece.codec {
                let mut adding = self.addition(hearing, lacking, begun.take()).await?;
                begun = Some(blocking(move || adding.take(codec, &piece.frames).map(|()| adding)).await?);
            }
            if upto >= lacking.to || upto <= from {
                return Ok(Ok(begun));
            }
            from = upto;
        }
    }

    async fn addition(&self, hearing: HearingId, lacking: Lacking, begun: Option<Addition>) -> Result<Addition, Error> {
        match begun {
            Some(begun) => Ok(begun),
            None => {
                let shelf = self.shelf.clone();
                blocking(move || shelf.begin(hearing, lacking)).await
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Stopped))
}

/// How often edges are asked.
const TURN: Duration = Duration::from_secs(5);
/// Records that may be sealed within a turn.
const HEARINGS: usize = 256;
/// How often an edge that can be reached may refuse before that is taken for its answer: a minute and a half.
const REFUSALS: u32 = 18;
/// How long after the close is looked for what is lacking, in microseconds: 30 days, the longest that an edge may be told to keep it.
const FOR: i64 = 30 * 86_400 * 1_000_000;
/// Nothing of a hearing is captured so long after its close, in microseconds.
const BEYOND: i64 = 3_600_000_000;
