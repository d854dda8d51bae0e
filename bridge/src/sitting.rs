//! A hearing as it sits at this node: its plan goes to the router and the recorder, what they see goes to the hearing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::{HearingId, NodeId, Timestamp, Zone};
use hearing_signaling::hearing::{MediaPlan, MediaReport, Phase, RecordOrder};
use hearing_signaling::registry::{HearingHandle, Refusal};
use metrics::counter;
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::late::{self, Filler};
use crate::record::spool::Spool;
use crate::record::{HearingRecord, Meta, RecordEvent, Recorder};
use crate::router::{Attach, Command, Event, LegId, Place, WorkerHandle};
use crate::trunk::Trunks;
use crate::workers::Workers;

/// Every hearing that sits at this node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sittings {
    parts: Arc<Parts>,
    seated: Arc<Mutex<HashMap<HearingId, Seated>>>,
}

/// What a sitting needs of its node.
pub(crate) struct Parts {
    /// The node's zone.
    pub(crate) zone: Zone,
    /// Its workers.
    pub(crate) workers: Workers,
    /// Its trunks.
    pub(crate) trunks: Trunks,
    /// Its recorder.
    pub(crate) recorder: Recorder,
    /// What it keeps for records elsewhere.
    pub(crate) spool: Spool,
}

/// A hearing that sits here, as others need to know it.
#[derive(Debug, Clone)]
pub(crate) struct Seated {
    /// The worker that owns it.
    pub(crate) worker: WorkerHandle,
    /// Its plan.
    pub(crate) plans: watch::Receiver<Arc<MediaPlan>>,
}

impl Sittings {
    /// None yet.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), seated: Arc::default() }
    }

    /// The hearing with this id, if it sits here.
    #[must_use]
    pub(crate) fn find(&self, hearing: HearingId) -> Option<Seated> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner).get(&hearing).cloned()
    }

    /// A hearing appeared in the registry: its sitting begins, and lasts until its plans end.
    ///
    /// # Errors
    /// The hearing's refusal when it is gone already.
    pub(crate) async fn begin(
        &self,
        hearing: HearingId,
        handle: HearingHandle,
        home: Option<NodeId>,
    ) -> Result<(), Refusal> {
        let plans = handle.plans().await?;
        let (events, reports) = mpsc::channel(EVENTS);
        let worker = self.parts.workers.of(hearing);
        tell(&worker, Command::Open { hearing, zone: self.parts.zone.clone(), events });
        let seated = Seated { worker: worker.clone(), plans: plans.clone() };
        self.seated.lock().unwrap_or_else(PoisonError::into_inner).insert(hearing, seated);
        let record = if home.is_none() {
            self.record(hearing, &handle, &worker, &plans).await?
        } else {
            let leg = self.parts.spool.leg(hearing, self.parts.zone.clone());
            tell(
                &worker,
                Command::Attach(Attach { hearing, id: LegId::fresh(), place: Place::Record, ufrag: None, leg }),
            );
            None
        };
        self.parts.trunks.carry(hearing, handle.clone(), home, worker.clone()).await?;
        let sitting = Sitting {
            hearing,
            handle,
            worker,
            plans,
            reports,
            record,
            trunks: self.parts.trunks.clone(),
            began: false,
        };
        let all = self.clone();
        tokio::spawn(async move {
            sitting.run().await;
            all.end(hearing).await;
        });
        Ok(())
    }

    async fn end(&self, hearing: HearingId) {
        let seated = self.seated.lock().unwrap_or_else(PoisonError::into_inner).remove(&hearing);
        let Some(seated) = seated else { return };
        self.parts.trunks.drop_hearing(hearing).await;
        tell(&seated.worker, Command::Close { hearing });
        self.parts.workers.release(hearing);
        info!(hearing = %hearing, "hearing left this node");
    }

    /// Hangs the recorder on the router of a hearing that is at home here. Without one, the hearing can't be opened.
    async fn record(
        &self,
        hearing: HearingId,
        handle: &HearingHandle,
        worker: &WorkerHandle,
        plans: &watch::Receiver<Arc<MediaPlan>>,
    ) -> Result<Option<Record>, Refusal> {
        let view = handle.show().await?.view;
        let (events, reports) = mpsc::channel(EVENTS);
        match self.parts.recorder.open(hearing, Meta::from(&view), events) {
            Ok((leg, record)) => {
                let id = LegId::fresh();
                tell(worker, Command::Attach(Attach { hearing, id, place: Place::Record, ufrag: None, leg }));
                let filler = Filler::start(late::Needs {
                    hearing,
                    zone: self.parts.zone.clone(),
                    plans: plans.clone(),
                    trunks: self.parts.trunks.clone(),
                    record: record.clone(),
                });
                Ok(Some(Record { record: Some(record), filler: Some(filler), reports }))
            }
            Err(fault) => {
                error!(hearing = %hearing, %fault, "no record");
                handle.report(MediaReport::RecordFailed { reason: fault.to_string() }).await?;
                Ok(None)
            }
        }
    }
}

/// The recorder's end of a hearing that is at home here.
struct Record {
    record: Option<HearingRecord>,
    /// Fills its holes.
    filler: Option<Filler>,
    reports: mpsc::Receiver<RecordEvent>,
}

/// One hearing's task.
struct Sitting {
    hearing: HearingId,
    handle: HearingHandle,
    worker: WorkerHandle,
    plans: watch::Receiver<Arc<MediaPlan>>,
    reports: mpsc::Receiver<Event>,
    record: Option<Record>,
    trunks: Trunks,
    /// True once the record was ordered to run: the next order to stop may be the end of the hearing.
    began: bool,
}

impl Sitting {
    async fn run(mut self) {
        self.apply_plan().await;
        loop {
            tokio::select! {
                changed = self.plans.changed() => match changed {
                    Ok(()) => self.apply_plan().await,
                    Err(_) => break,
                },
                Some(event) = self.reports.recv() => self.report(event).await,
                Some(event) = next(&mut self.record) => self.recorded(event).await,
            }
        }
        self.close_record().await;
    }

    async fn apply_plan(&mut self) {
        let plan = Arc::clone(&self.plans.borrow_and_update());
        let order = plan.record;
        tell(&self.worker, Command::Plan { hearing: self.hearing, plan });
        let Some(Record { record: Some(record), .. }) = &self.record else { return };
        if let Err(fault) = record.order(order, Timestamp::now()) {
            error!(hearing = %self.hearing, %fault, "the recorder takes no orders");
        }
        self.began |= order == RecordOrder::Run;
        if self.began && order == RecordOrder::Off && self.is_over().await {
            self.close_record().await;
            self.media(MediaReport::Recording { tracks: Vec::new() }).await;
        }
    }

    /// False when an opening was given up: the hearing waits again.
    async fn is_over(&self) -> bool {
        self.handle.show().await.map_or(true, |board| matches!(board.view.phase, Phase::Closed | Phase::Sealed))
    }

    async fn report(&mut self, event: Event) {
        let report = match event {
            Event::Connected(seat) => MediaReport::Connected { seat },
            Event::Disconnected(seat, reason) => {
                info!(hearing = %self.hearing, seat = %seat, reason, "seat disconnected");
                MediaReport::Disconnected { seat }
            }
            Event::LegClosed(leg, reason) => {
                warn!(hearing = %self.hearing, ?leg, reason, "leg closed");
                return;
            }
            Event::TrackUp(info) => {
                let track = info.id;
                self.trunks.track_up(self.hearing, info).await;
                MediaReport::TrackUp { track }
            }
            Event::TrackDown(track) => {
                self.trunks.track_down(self.hearing, track).await;
                MediaReport::TrackDown { track }
            }
            Event::Speaking(seats) => {
                self.trunks.speaking(self.hearing, seats.clone()).await;
                MediaReport::Speaking { seats }
            }
            Event::Quality(seat, quality) => MediaReport::Quality { seat, quality },
        };
        self.media(report).await;
    }

    async fn media(&self, report: MediaReport) {
        if self.handle.report(report).await.is_err() {
            counter!("hearing_media_reports_lost_total").increment(1);
        }
    }

    async fn recorded(&mut self, event: RecordEvent) {
        let filler = self.record.as_ref().and_then(|record| record.filler.as_ref());
        match (event, filler) {
            (RecordEvent::Recording(tracks), _) => self.media(MediaReport::Recording { tracks }).await,
            (RecordEvent::Failed(reason), _) => self.media(MediaReport::RecordFailed { reason }).await,
            (RecordEvent::Hole(hole), Some(filler)) => filler.hole(hole),
            (RecordEvent::Durable(tracks), Some(filler)) => filler.durable(tracks),
            // The record is closed.
            (RecordEvent::Hole(_) | RecordEvent::Durable(_), None) => {}
        }
    }

    async fn close_record(&mut self) {
        if let Some(filler) = self.record.as_mut().and_then(|record| record.filler.take()) {
            filler.finish().await;
        }
        if let Some(record) = self.record.as_mut().and_then(|record| record.record.take())
            && let Err(fault) = record.close().await
        {
            error!(hearing = %self.hearing, %fault, "the record did not close");
        }
    }
}

/// A command that does not fit is counted by the worker's handle; the plan that follows sets right what can be.
fn tell(worker: &WorkerHandle, command: Command) {
    if let Err(full) = worker.send(command) {
        warn!(%full, "command lost");
    }
}

async fn next(record: &mut Option<Record>) -> Option<RecordEvent> {
    match record {
        Some(record) => record.reports.recv().await,
        None => std::future::pending().await,
    }
}

/// Events of one hearing that may wait: a few seconds' worth.
const EVENTS: usize = 1024;
