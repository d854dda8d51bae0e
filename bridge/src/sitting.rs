//! A hearing as it sits at this node: its plan goes to the router and the recorder, what they see goes to the hearing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::{HearingId, NodeId, Zone};
use hearing_proto::scene::Words;
use hearing_signaling::hearing::{MediaPlan, MediaReport, Phase, RecordOrder, SeatView};
use hearing_signaling::http::Demands;
use hearing_signaling::registry::{HearingHandle, Refusal};
use metrics::counter;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::after::After;
use crate::net::clock::NodeClock;
use crate::pipeline::Renditions;
use crate::pipeline::desk::{Desks, Room};
use crate::record::Recorder;
use crate::record::spool::Spool;
use crate::recording::{self, Recording};
use crate::router::{Attach, Command, Event, Layer, LegId, Place, WorkerHandle};
use crate::terminals::Terminals;
use crate::trunk::Trunks;
use crate::witnessing::Later;
use crate::workers::Workers;

/// Every hearing that sits at this node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sittings {
    parts: Arc<Parts>,
    later: Later,
    after: After,
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
    /// What its pages are asked to send.
    pub(crate) demands: Demands,
    /// Its clock for media.
    pub(crate) clock: NodeClock,
    /// Makes what terminals see and hear, where there are media children.
    pub(crate) desks: Option<Desks>,
    /// The terminals of its zone.
    pub(crate) terminals: Terminals,
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
    /// None yet. Records that were sealed before without a witness, or without what an edge may have, are looked after from now on.
    #[must_use]
    pub(crate) fn new(parts: Parts) -> Self {
        let later = Later::start(parts.recorder.clone(), parts.trunks.clone());
        let after = After::start(&parts.recorder, parts.trunks.clone(), parts.zone.clone());
        Self { parts: Arc::new(parts), later, after, seated: Arc::default() }
    }

    /// The hearing with this id, if it sits here.
    #[must_use]
    pub(crate) fn find(&self, hearing: HearingId) -> Option<Seated> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner).get(&hearing).cloned()
    }

    /// The threads that carry their media.
    pub(crate) fn workers(&self) -> &Workers {
        &self.parts.workers
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
        let record = match self.equip(hearing, &handle, home, &worker).await {
            Ok(record) => record,
            Err(refusal) => {
                self.end(hearing).await;
                return Err(refusal);
            }
        };
        self.furnish(hearing, &handle, &plans).await;
        let terminals = self.parts.terminals.clone();
        tokio::spawn(terminals.follow(hearing, worker.clone(), plans.clone()));
        let over = record.is_some() && handle.show().await.is_ok_and(|board| board.view.phase.is_over());
        let renditions = Renditions::new(hearing, worker.clone(), self.parts.desks.as_ref().map(Desks::program));
        let sitting = Sitting {
            hearing,
            handle,
            worker,
            plans,
            reports,
            record,
            renditions,
            trunks: self.parts.trunks.clone(),
            demands: self.parts.demands.clone(),
            // A record that was closed before this node started is sealed now.
            began: over,
        };
        let all = self.clone();
        tokio::spawn(async move {
            sitting.run().await;
            all.end(hearing).await;
        });
        Ok(())
    }

    /// Its record, when it is at home here, and its place on the trunks.
    async fn equip(
        &self,
        hearing: HearingId,
        handle: &HearingHandle,
        home: Option<NodeId>,
        worker: &WorkerHandle,
    ) -> Result<Option<Recording>, Refusal> {
        let parts = recording::Parts {
            hearing,
            handle: handle.clone(),
            worker: worker.clone(),
            recorder: self.parts.recorder.clone(),
            trunks: self.parts.trunks.clone(),
            clock: self.parts.clock,
            zone: self.parts.zone.clone(),
            later: self.later.clone(),
            after: self.after.clone(),
        };
        // The record hears of every verdict, so it is there before the trunks are.
        let record = if home.is_none() {
            Recording::open(parts).await?
        } else {
            let leg = self.parts.spool.leg(hearing, self.parts.zone.clone());
            let attach = Attach { hearing, id: LegId::fresh(), place: Place::Record, ufrag: None, leg };
            tell(worker, Command::Attach(attach));
            None
        };
        self.parts.trunks.carry(hearing, handle.clone(), home, worker.clone()).await?;
        Ok(record)
    }

    /// Before its terminals are rung, what they will see has names.
    async fn furnish(&self, hearing: HearingId, handle: &HearingHandle, plans: &watch::Receiver<Arc<MediaPlan>>) {
        let Some(desks) = &self.parts.desks else { return };
        let view = handle.show().await.ok().map(|board| board.view);
        let words = |seat: &SeatView| (seat.id, Words { zh: seat.title.clone(), en: seat.title_en.clone() });
        let names = view.iter().flat_map(|view| view.seats.iter().map(words)).collect();
        let heading = view.map(|view| view.case).unwrap_or_default();
        let utc_offset = jiff::Zoned::now().offset().seconds();
        desks.furnish(hearing, Room { plans: plans.clone(), names, heading, utc_offset });
    }

    async fn end(&self, hearing: HearingId) {
        self.parts.desks.iter().for_each(|desks| desks.clear(hearing));
        let seated = self.seated.lock().unwrap_or_else(PoisonError::into_inner).remove(&hearing);
        let Some(seated) = seated else { return };
        self.parts.trunks.drop_hearing(hearing).await;
        tell(&seated.worker, Command::Close { hearing });
        self.parts.workers.release(hearing);
        self.parts.demands.forget(hearing);
        info!(hearing = %hearing, "hearing left this node");
    }
}

/// One hearing's task.
struct Sitting {
    hearing: HearingId,
    handle: HearingHandle,
    worker: WorkerHandle,
    plans: watch::Receiver<Arc<MediaPlan>>,
    reports: mpsc::Receiver<Event>,
    record: Option<Recording>,
    renditions: Renditions,
    trunks: Trunks,
    demands: Demands,
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
                report = next(&mut self.record) => self.media(report).await,
            }
        }
    }

    async fn apply_plan(&mut self) {
        let plan = Arc::clone(&self.plans.borrow_and_update());
        let order = plan.record;
        tell(&self.worker, Command::Plan { hearing: self.hearing, plan });
        let Some(record) = &mut self.record else { return };
        record.order(order);
        self.began |= order == RecordOrder::Run;
        if self.began && order == RecordOrder::Off && self.is_over().await {
            self.record.iter_mut().for_each(Recording::close);
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
            Event::Left(seat) => {
                info!(hearing = %self.hearing, seat = %seat, "seat left");
                MediaReport::Left { seat }
            }
            Event::LegClosed(leg, reason) => return self.leg_closed(leg, &reason).await,
            Event::TrackUp(info) => {
                let track = info.id;
                self.trunks.track_up(self.hearing, info).await;
                MediaReport::TrackUp { track }
            }
            Event::TrackDown(track) => {
                self.trunks.track_down(self.hearing, track).await;
                MediaReport::TrackDown { track }
            }
            Event::Active(track, layers) => {
                let active = (0..Layer::LIMIT as u8).map(|number| layers.contains(Layer(number))).collect();
                self.demands.ask(self.hearing, track.seat, track.kind, active);
                return;
            }
            Event::Speaking(seats) => {
                self.trunks.speaking(self.hearing, seats.clone()).await;
                MediaReport::Speaking { seats }
            }
            Event::Rendition { info, codec, wanted } => {
                self.renditions.tell(info, codec, wanted);
                return;
            }
            Event::Quality(seat, quality) => MediaReport::Quality { seat, quality },
        };
        self.media(report).await;
    }

    /// A leg that ended by itself is hung on anew: nobody else would.
    async fn leg_closed(&mut self, leg: LegId, reason: &str) {
        warn!(hearing = %self.hearing, ?leg, reason, "leg closed");
        match &mut self.record {
            Some(record) if record.is_leg(leg) => record.hang_anew(),
            _ if self.renditions.is_leg(leg) => self.renditions.hang_anew(leg),
            _ => self.trunks.leg_closed(self.hearing, leg).await,
        }
    }

    async fn media(&self, report: MediaReport) {
        if self.handle.report(report).await.is_err() {
            counter!("hearing_media_reports_lost_total").increment(1);
        }
    }
}

/// A command that does not fit is counted by the worker's handle; the plan that follows sets right what can be.
fn tell(worker: &WorkerHandle, command: Command) {
    if let Err(full) = worker.send(command) {
        warn!(%full, "command lost");
    }
}

async fn next(record: &mut Option<Recording>) -> MediaReport {
    match record {
        Some(record) => record.next().await,
        None => std::future::pending().await,
    }
}

/// Events of one hearing that may wait: a few seconds' worth.
const EVENTS: usize = 1024;
