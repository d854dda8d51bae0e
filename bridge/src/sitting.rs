//! A hearing as it sits at this node: its plan goes to the router and the recorder, what they see goes to the hearing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::{HearingId, NodeId, SeatId, TrackId, Zone};
use hearing_signaling::access::SessionId;
use hearing_signaling::hearing::{MediaPlan, MediaReport};
use hearing_signaling::registry::{HearingHandle, Request};
use metrics::counter;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::record::{HearingRecord, Meta, RecordEvent, Recorder};
use crate::router::{Attach, Command, Event, LegId, Place, WorkerHandle};
use crate::trunk::Trunks;
use crate::workers::Workers;

/// Every hearing that sits at this node. Cheap to clone.
#[derive(Clone)]
pub struct Sittings {
    parts: Arc<Parts>,
    seated: Arc<Mutex<HashMap<HearingId, Seated>>>,
}

/// What a sitting needs of its node.
pub struct Parts {
    /// The node's zone.
    pub zone: Zone,
    /// Its workers.
    pub workers: Workers,
    /// Its trunks.
    pub trunks: Trunks,
    /// Its recorder.
    pub recorder: Recorder,
}

/// A hearing that sits here, as others need to know it.
#[derive(Debug, Clone)]
pub struct Seated {
    /// The worker that owns it.
    pub worker: WorkerHandle,
    /// Its plan.
    pub plans: watch::Receiver<Arc<MediaPlan>>,
}

impl Sittings {
    /// None yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), seated: Arc::default() }
    }

    /// The hearing with this id, if it sits here.
    #[must_use]
    pub fn find(&self, hearing: HearingId) -> Option<Seated> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner).get(&hearing).cloned()
    }

    /// A hearing appeared in the registry: its sitting begins and lasts until its task drops the plan's sender.
    pub async fn begin(&self, hearing: HearingId, handle: HearingHandle, home: Option<NodeId>) {
        let Some(plans) = plans_of(&handle).await else {
            warn!(hearing = %hearing, "the hearing ended before it could sit here");
            return;
        };
        let (events, reports) = mpsc::channel(EVENTS);
        let worker = self.parts.workers.of(hearing);
        tell(&worker, Command::Open { hearing, zone: self.parts.zone.clone(), events });
        let seated = Seated { worker: worker.clone(), plans: plans.clone() };
        self.seated.lock().unwrap_or_else(PoisonError::into_inner).insert(hearing, seated);
        let record = if home.is_none() { self.record(hearing, &handle, &worker, &plans).await } else { None };
        self.parts.trunks.carry(hearing, handle.clone(), home);
        let sitting = Sitting { hearing, handle, worker, plans, reports, record, parts: Arc::clone(&self.parts) };
        let all = self.clone();
        tokio::spawn(async move {
            sitting.run().await;
            all.end(hearing);
        });
    }

    fn end(&self, hearing: HearingId) {
        let Some(seated) = self.seated.lock().unwrap_or_else(PoisonError::into_inner).remove(&hearing) else { return };
        tell(&seated.worker, Command::Close { hearing });
        self.parts.trunks.drop_hearing(hearing);
        self.parts.workers.release(hearing);
        info!(hearing = %hearing, "hearing left this node");
    }

    /// Hangs the recorder on the router of a hearing that is at home here.
    async fn record(
        &self,
        hearing: HearingId,
        handle: &HearingHandle,
        worker: &WorkerHandle,
        plans: &watch::Receiver<Arc<MediaPlan>>,
    ) -> Option<Record> {
        let (reply, board) = oneshot::channel();
        handle.requests.send(Request::Show(reply)).await.ok()?;
        let view = board.await.ok()?.view;
        let seats = plans.borrow().seats.clone();
        let (events, reports) = mpsc::channel(EVENTS);
        let meta = Meta { case: view.case, template: view.template, seats };
        let (leg, record) = self.parts.recorder.open(hearing, meta, events);
        tell(worker, Command::Attach(Attach { hearing, id: LegId::fresh(), place: Place::Record, ufrag: None, leg }));
        Some(Record { record, reports })
    }
}

/// The recorder's end of a hearing that is at home here.
struct Record {
    record: HearingRecord,
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
    parts: Arc<Parts>,
}

impl Sitting {
    async fn run(mut self) {
        self.apply_plan();
        loop {
            tokio::select! {
                changed = self.plans.changed() => match changed {
                    Ok(()) => self.apply_plan(),
                    Err(_) => break,
                },
                Some(event) = self.reports.recv() => self.report(event).await,
                Some(event) = next(&mut self.record) => self.media(from_record(event)).await,
            }
        }
        if let Some(Record { record, .. }) = self.record {
            record.close();
        }
    }

    fn apply_plan(&mut self) {
        let plan = Arc::clone(&self.plans.borrow_and_update());
        if let Some(Record { record, .. }) = &self.record {
            record.order(plan.record, now());
        }
        tell(&self.worker, Command::Plan { hearing: self.hearing, plan });
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
                self.parts.trunks.track_up(self.hearing, info);
                MediaReport::TrackUp { track }
            }
            Event::TrackDown(track) => {
                self.parts.trunks.track_down(self.hearing, track);
                MediaReport::TrackDown { track }
            }
            Event::Speaking(seats) => MediaReport::Speaking { seats },
            Event::Quality(seat, quality) => MediaReport::Quality { seat, quality },
        };
        self.media(report).await;
    }

    async fn media(&self, report: MediaReport) {
        if self.handle.requests.send(Request::Media(report)).await.is_err() {
            counter!("hearing_media_reports_lost_total").increment(1);
        }
    }
}

async fn next(record: &mut Option<Record>) -> Option<RecordEvent> {
    match record {
        Some(record) => record.reports.recv().await,
        None => std::future::pending().await,
    }
}

fn from_record(event: RecordEvent) -> MediaReport {
    match event {
        RecordEvent::Recording(tracks) => MediaReport::Recording { tracks },
        RecordEvent::Failed(reason) => MediaReport::RecordFailed { reason },
    }
}

async fn plans_of(handle: &HearingHandle) -> Option<watch::Receiver<Arc<MediaPlan>>> {
    let (reply, plans) = oneshot::channel();
    handle.requests.send(Request::Plans(reply)).await.ok()?;
    plans.await.ok()
}

/// Events of one hearing that may wait: a few seconds' worth.
const EVENTS: usize = 1024;
