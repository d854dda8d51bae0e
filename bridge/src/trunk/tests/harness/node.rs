//! A node that carries every hearing that it knows, without pages and without a record.

use std::collections::HashMap;
use std::path::PathBuf;

use hearing_config::{HearingId, Kind, NodeId, Pki, Role, SeatId, Template, TemplateSeat, Zone};
use hearing_signaling::access::JoinToken;
use hearing_signaling::hearing::{Action, Identity as Checked, MediaReport};
use hearing_signaling::registry::{HearingHandle, Join, Joined, Refusal, Registry, RegistryChange, Started};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::super::{Asked, LateAsk, Rehearsal, Settings, TrunkStatus, Trunks};
use super::endpoint::{Endpoint, Heard};
use super::{until, zone};
use crate::net::clock::NodeClock;
use crate::net::tls::{Identity, TrunkTls};
use crate::router::{Attach, Command, Event, Layer, LayerSet, LegId, Place, Worker, WorkerHandle};

/// A node without pages.
pub(crate) struct Node {
    pub(crate) trunks: Trunks,
    pub(crate) registry: Registry,
    pub(crate) worker: WorkerHandle,
    pub(crate) rehearsals: mpsc::Receiver<Rehearsal>,
    _late: mpsc::Receiver<LateAsk>,
    pub(crate) identity: Identity,
    clock: NodeClock,
    _data: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl Node {
    pub(crate) async fn start(settings: Settings, pki: &Pki) -> Self {
        let data = tempfile::tempdir().unwrap();
        let registry = registry(&settings.own, data.path().to_owned()).await;
        let worker = Worker::spawn("127.0.0.1:0".parse().unwrap(), 0).unwrap();
        let (identity, clock, tls) = (settings.own.clone(), settings.clock, TrunkTls::load(pki).unwrap());
        let (trunks, Asked { rehearsals, late }) = Trunks::start(settings, tls, registry.clone()).unwrap();
        let mut tasks = JoinSet::new();
        let changes = registry.watch();
        tasks.spawn(carry_all(changes, trunks.clone(), worker.clone(), identity.zone.clone()));
        Self { trunks, registry, worker, rehearsals, _late: late, identity, clock, _data: data, _tasks: tasks }
    }

    pub(crate) fn status(&self) -> TrunkStatus {
        self.trunks.status().remove(0)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.status().up
    }

    /// The handle, once the hearing is known here.
    pub(crate) async fn handle(&self, hearing: HearingId) -> HearingHandle {
        known(&self.registry, hearing).await
    }

    /// Joins with a seat's link, at this node.
    pub(crate) async fn join(&self, started: &Started, seat: &str, device: u8) -> Result<Joined, Refusal> {
        join(&self.registry, &self.identity, started, (seat, device)).await
    }

    /// An endpoint sits down and sends `kinds`.
    pub(crate) fn sit(&self, hearing: HearingId, seat: u8, kinds: &[Kind]) -> Heard {
        self.sit_with(hearing, seat, kinds, LayerSet::only(Layer(0)))
    }

    /// Its pictures have these layers, each three times as large as the one below.
    pub(crate) fn sit_with(&self, hearing: HearingId, seat: u8, kinds: &[Kind], layers: LayerSet) -> Heard {
        let heard = Heard::default();
        let leg = Endpoint::new(seat, &self.identity.zone, (kinds, layers), (heard.clone(), self.clock));
        let id = LegId::fresh();
        let place = Place::Seat(SeatId(seat));
        self.worker.send(Command::Attach(Attach { hearing, id, place, ufrag: None, leg: Box::new(leg) })).unwrap();
        heard
    }
}

async fn known(registry: &Registry, hearing: HearingId) -> HearingHandle {
    until("the hearing is known", || registry.find(hearing).is_some()).await;
    registry.find(hearing).unwrap()
}

/// A device joins with a seat's link at the node `own`.
pub(crate) async fn join(
    registry: &Registry,
    own: &Identity,
    started: &Started,
    (seat, device): (&str, u8),
) -> Result<Joined, Refusal> {
    let link = &started.seats.iter().find(|s| s.name == seat).unwrap().link;
    let token = JoinToken::parse(link.as_ref().unwrap().split_once("#t=").unwrap().1).unwrap().hash();
    let Identity { zone, node } = own.clone();
    known(registry, started.id).await.join(Join { token, device: [device; 16], zone, node }).await
}

/// The court lets somebody in who waits.
pub(crate) async fn admit(home: &Registry, hearing: HearingId, seat: &str) {
    let admit = Action::Admit { seat: seat.into(), identity: Checked::Known };
    // The judge is admitted by joining; whoever is already in needs no admission.
    drop(home.find(hearing).unwrap().operate(admit).await);
}

pub(crate) async fn registry(own: &Identity, data: PathBuf) -> Registry {
    let seat = |(name, role, zone): (&str, Role, &str)| TemplateSeat {
        name: name.into(),
        title: name.into(),
        title_en: name.into(),
        role,
        zone: zone.parse().unwrap(),
        endpoint: hearing_config::Endpoint::Browser,
        layout: hearing_config::Layout::default(),
        required: Vec::new(),
    };
    let seats =
        [("judge", Role::Judge, "court"), ("counsel", Role::Counsel, "inet"), ("witness", Role::Witness, "inet")];
    let text = || "trial".to_owned();
    let templates = vec![Template { name: text(), title: text(), title_en: text(), seats: seats.map(seat).into() }];
    let links = ["court", "inet"].map(|name| (zone(name), format!("https://{name}.example"))).into_iter().collect();
    let (node, zone) = (own.node.clone(), own.zone.clone());
    let settings = hearing_signaling::registry::Settings { node, zone, templates, data, links };
    Registry::open(settings).await.unwrap()
}

/// What a node does with every hearing that it knows.
async fn carry_all(mut changes: mpsc::Receiver<RegistryChange>, trunks: Trunks, worker: WorkerHandle, zone: Zone) {
    let mut hearings = HashMap::new();
    while let Some(change) = changes.recv().await {
        match change {
            RegistryChange::Appeared { id, handle, home } => {
                let task = carry(id, handle, home, (trunks.clone(), worker.clone(), zone.clone())).await;
                hearings.insert(id, task);
            }
            RegistryChange::Gone { id } => {
                trunks.drop_hearing(id).await;
                worker.send(Command::Close { hearing: id }).unwrap();
                hearings.remove(&id);
            }
        }
    }
}

async fn carry(
    hearing: HearingId,
    handle: HearingHandle,
    home: Option<NodeId>,
    (trunks, worker, zone): (Trunks, WorkerHandle, Zone),
) -> JoinSet<()> {
    let (events, mut reports) = mpsc::channel(256);
    worker.send(Command::Open { hearing, zone, events }).unwrap();
    let mut plans = handle.plans().await.unwrap();
    let mut tasks = JoinSet::new();
    let planner = worker.clone();
    tasks.spawn(async move {
        loop {
            let plan = plans.borrow_and_update().clone();
            planner.send(Command::Plan { hearing, plan }).unwrap();
            if plans.changed().await.is_err() {
                return;
            }
        }
    });
    trunks.carry(hearing, handle.clone(), home, worker).await.unwrap();
    tasks.spawn(async move {
        while let Some(report) = reports.recv().await {
            match report {
                Event::Active(..) => {}
                Event::TrackUp(info) => trunks.track_up(hearing, info).await,
                Event::TrackDown(track) => trunks.track_down(hearing, track).await,
                Event::Connected(seat) => drop(handle.report(MediaReport::Connected { seat }).await),
                Event::Disconnected(seat, _) | Event::Left(seat) => {
                    drop(handle.report(MediaReport::Disconnected { seat }).await)
                }
                Event::LegClosed(..) | Event::Speaking(_) | Event::Quality(..) | Event::Rendition { .. } => {}
            }
        }
    });
    tasks
}
