//! A hearing's record as its sitting drives it: orders and journal go to the recorder, the witness is asked, and at the end
//! the record is sealed, however often that has to be tried.

use std::time::Duration;

use hearing_config::{HearingId, Zone};
use hearing_proto::manifest::Request;
use hearing_signaling::hearing::{MediaReport, Proof, RecordOrder};
use hearing_signaling::registry::{HearingHandle, Journaled, Refusal};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

use crate::after::After;
use crate::late::{self, Filler};
use crate::net::clock::NodeClock;
use crate::record::{Error, HearingRecord, Judged, Meta, RecordEvent, Recorder, Seal};
use crate::router::{Attach, Command, Leg, LegId, Place, WorkerHandle};
use crate::trunk::{CrossingVerdict, Trunks, Unwitnessed};
use crate::witnessing::Later;

/// The record of a hearing that is at home here.
pub(crate) struct Recording {
    parts: Parts,
    record: Option<HearingRecord>,
    leg: LegId,
    reports: mpsc::Receiver<RecordEvent>,
    journal: Option<mpsc::Receiver<Journaled>>,
    /// The last journal entry that the recorder knows.
    last: u64,
    crossings: broadcast::Receiver<CrossingVerdict>,
    closing: Option<Closing>,
    /// Fills its holes.
    filler: Option<Filler>,
    /// When sealing is tried again.
    retry: Option<Instant>,
}

type Closing = JoinHandle<Result<Option<Seal>, Error>>;

/// What a record needs of its node.
#[derive(Clone)]
pub(crate) struct Parts {
    /// The hearing.
    pub(crate) hearing: HearingId,
    /// Reaches it.
    pub(crate) handle: HearingHandle,
    /// Its media worker.
    pub(crate) worker: WorkerHandle,
    /// The node's recorder.
    pub(crate) recorder: Recorder,
    /// The node's trunks: witnesses and verdicts.
    pub(crate) trunks: Trunks,
    /// The node's clock, by which orders hold.
    pub(crate) clock: NodeClock,
    /// The node's zone.
    pub(crate) zone: Zone,
    /// Looks for a witness later, when there is none at the end.
    pub(crate) later: Later,
    /// Fetches what an edge could not be asked for in time.
    pub(crate) after: After,
}

impl Recording {
    /// Hangs the recorder on the router. Without one, the hearing can't be opened; it is told why.
    ///
    /// # Errors
    /// The hearing's refusal when it is gone.
    pub(crate) async fn open(parts: Parts) -> Result<Option<Self>, Refusal> {
        let crossings = parts.trunks.crossings();
        let meta = Meta::from(&parts.handle.show().await?.view);
        match attach(&parts, meta) {
            Ok((record, leg, reports)) => {
                let journal = Some(parts.handle.journal(0).await?);
                let filler = Some(Filler::start(late::Needs {
                    hearing: parts.hearing,
                    zone: parts.zone.clone(),
                    plans: parts.handle.plans().await?,
                    trunks: parts.trunks.clone(),
                    record: record.clone(),
                    shelf: parts.recorder.shelf(),
                }));
                let (record, closing, retry) = (Some(record), None, None);
                Ok(Some(Self { parts, record, leg, reports, journal, last: 0, crossings, closing, filler, retry }))
            }
            Err(fault) => {
                error!(hearing = %parts.hearing, %fault, "no record");
                parts.handle.report(MediaReport::RecordFailed { reason: fault.to_string() }).await?;
                Ok(None)
            }
        }
    }

    /// True for the leg that hangs on the router now.
    pub(crate) fn is_leg(&self, leg: LegId) -> bool {
        self.record.is_some() && self.leg == leg
    }

    /// Hangs a leg on the router in place of one that ended by itself.
    pub(crate) fn hang_anew(&mut self) {
        if let Some(record) = &mut self.record {
            self.leg = hang(&self.parts, record.leg());
        }
    }

    /// What to do with what is captured from now on.
    pub(crate) fn order(&self, order: RecordOrder) {
        if let Some(record) = &self.record
            && let Err(fault) = record.order(order, self.parts.clock.now())
        {
            error!(hearing = %self.parts.hearing, %fault, "the recorder takes no orders");
        }
    }

    /// Begins the end of the record: [`Recording::next`] will say when it is sealed.
    pub(crate) fn close(&mut self) {
        let Some(record) = self.record.clone().filter(|_| self.closing.is_none()) else { return };
        // What the journal said before the close belongs into the record.
        while let Some(Ok(journaled)) = self.journal.as_mut().map(mpsc::Receiver::try_recv) {
            self.note(journaled);
        }
        let filler = self.filler.clone();
        self.closing = Some(tokio::spawn(async move {
            if let Some(filler) = filler {
                filler.finish().await;
            }
            record.close().await
        }));
    }

    /// The next thing that the hearing has to know. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> MediaReport {
        loop {
            let retry = self.retry;
            tokio::select! {
                Some(event) = self.reports.recv() => {
                    if let Some(report) = self.take(event) {
                        return report;
                    }
                }
                journaled = next_entry(&mut self.journal) => match journaled {
                    Some(journaled) => self.note(journaled),
                    // It lagged, or the hearing is gone.
                    None => self.follow().await,
                },
                verdict = self.crossings.recv() => self.judge(verdict),
                closed = end(&mut self.closing) => return self.closed(closed),
                () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => self.close_again().await,
            }
        }
    }

    fn take(&self, event: RecordEvent) -> Option<MediaReport> {
        Some(match event {
            RecordEvent::Recording(tracks) => MediaReport::Recording { tracks },
            RecordEvent::Failed(reason) => MediaReport::RecordFailed { reason },
            RecordEvent::Warning(warning) => MediaReport::RecordWarning { warning },
            RecordEvent::Hole(hole) => {
                self.filler.iter().for_each(|filler| filler.hole(hole));
                return None;
            }
            RecordEvent::Durable(tracks) => {
                self.filler.iter().for_each(|filler| filler.durable(tracks.clone()));
                return None;
            }
            RecordEvent::Proof(proof) => MediaReport::Proof { proof },
            RecordEvent::Cosign(request) => {
                self.ask_witness(*request);
                return None;
            }
        })
    }

    /// Asks the witness; the record does not wait for it.
    fn ask_witness(&self, request: Request) {
        let Some(record) = self.record.clone() else { return };
        let (trunks, hearing) = (self.parts.trunks.clone(), self.parts.hearing);
        tokio::spawn(async move {
            let answer = match trunks.witness(hearing, request).await {
                Ok(word) => Ok(word),
                Err(Unwitnessed::Since(size)) => Err(size),
                Err(why @ (Unwitnessed::Nobody | Unwitnessed::Unanswered)) => {
                    return tracing::debug!(%hearing, %why, "checkpoint not cosigned");
                }
                Err(why @ Unwitnessed::Refused(_)) => return warn!(%hearing, %why, "checkpoint not cosigned"),
            };
            // A recorder that is gone needs no witness.
            _ = record.witnessed(answer);
        });
    }

    fn note(&mut self, journaled: Journaled) {
        self.last = journaled.entry.seq;
        if let Some(record) = &self.record
            && let Err(fault) = record.journaled(journaled)
        {
            error!(hearing = %self.parts.hearing, %fault, "the recorder does not hear of the hearing");
        }
    }

    async fn follow(&mut self) {
        self.journal = None;
        match self.parts.handle.journal(self.last).await {
            Ok(journal) => self.journal = Some(journal),
            Err(refusal) => warn!(hearing = %self.parts.hearing, %refusal, "the record hears no more of the hearing"),
        }
    }

    fn judge(&self, verdict: Result<CrossingVerdict, broadcast::error::RecvError>) {
        match verdict {
            Ok(verdict) if verdict.hearing == self.parts.hearing => {
                if let Some(record) = &self.record {
                    // A recorder that is gone has told so before.
                    let CrossingVerdict { track, from, to, verdict, .. } = verdict;
                    _ = record.crossing(Judged { track, from, to, verdict });
                }
            }
            Ok(_) | Err(broadcast::error::RecvError::Closed) => {}
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                metrics::counter!("hearing_record_verdicts_lost_total").increment(missed);
            }
        }
    }

    fn closed(&mut self, result: Result<Option<Seal>, Error>) -> MediaReport {
        self.closing = None;
        match result {
            Ok(seal) => {
                self.record = None;
                if seal.is_some() {
                    self.parts.later.sealed(self.parts.hearing);
                    self.parts.after.sealed(self.parts.hearing);
                }
                let (integrity, witness) = seal.map(|seal| (seal.integrity, seal.witness)).unzip();
                MediaReport::Sealed { proof: Proof { binding: None, integrity, witness: witness.flatten() } }
            }
            Err(fault) => {
                error!(hearing = %self.parts.hearing, %fault, "the record is not sealed yet");
                self.retry = Some(Instant::now() + RETRY);
                MediaReport::RecordFailed { reason: format!("尚未封存 not sealed yet: {fault}") }
            }
        }
    }

    /// The writer has given up on the record: it is opened again, as after a crash, and closed.
    async fn close_again(&mut self) {
        self.retry = Some(Instant::now() + RETRY);
        let Ok(board) = self.parts.handle.show().await else { return };
        match attach(&self.parts, Meta::from(&board.view)) {
            Ok((record, leg, reports)) => {
                (self.record, self.leg, self.reports, self.retry) = (Some(record), leg, reports, None);
                self.close();
            }
            Err(fault) => error!(hearing = %self.parts.hearing, %fault, "the record can't be opened to seal it"),
        }
    }
}

fn attach(parts: &Parts, meta: Meta) -> Result<(HearingRecord, LegId, mpsc::Receiver<RecordEvent>), Error> {
    let (events, reports) = mpsc::channel(EVENTS);
    let (leg, record) = parts.recorder.open(parts.hearing, meta, events)?;
    Ok((record, hang(parts, leg), reports))
}

/// Hangs the recorder on the hearing's router.
fn hang(parts: &Parts, leg: Box<dyn Leg>) -> LegId {
    let id = LegId::fresh();
    let attach = Attach { hearing: parts.hearing, id, place: Place::Record, ufrag: None, leg };
    if let Err(full) = parts.worker.send(Command::Attach(attach)) {
        warn!(hearing = %parts.hearing, %full, "the media worker takes no recorder");
    }
    id
}

async fn next_entry(journal: &mut Option<mpsc::Receiver<Journaled>>) -> Option<Journaled> {
    match journal {
        Some(journal) => journal.recv().await,
        None => std::future::pending().await,
    }
}

async fn end(closing: &mut Option<Closing>) -> Result<Option<Seal>, Error> {
    match closing {
        Some(closing) => closing.await.unwrap_or(Err(Error::Stopped)),
        None => std::future::pending().await,
    }
}

/// Events of one record that may wait: a few seconds' worth.
const EVENTS: usize = 1024;
/// How long until sealing is tried again.
const RETRY: Duration = Duration::from_secs(5);
