//! A node with everything but pages: registry, trunks, workers, recorder and spool, on a disk of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearing_config::{HearingId, Kind, Pki, SeatId, Timestamp, TrackId};
use hearing_signaling::registry::{Registry, RegistryChange, Started};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::super::serve;
use crate::endpoint::rtsp::Way;
use crate::endpoint::terminal::Through;
use crate::net::tls::{Identity, TrunkTls};
use crate::record::spool::{self, Spool};
use crate::record::{self, Recorder};
use crate::router::{Attach, Command, LegId, Place};
use crate::sitting::{Parts, Sittings};
use crate::terminals::{self, Terminals};
use crate::trunk::tests::harness::{admit, both_ways, endpoint, join, registry, settings, until, until_told};
use crate::trunk::{Asked, PeerSettings, Settings, Trunks};
use crate::workers::Workers;

/// A node without pages, with its disk.
pub(super) struct Node {
    pub(super) identity: Identity,
    pub(super) registry: Registry,
    pub(super) trunks: Trunks,
    pub(super) workers: Workers,
    sittings: Sittings,
    spool: Spool,
    pub(super) disk: TempDir,
    _tasks: JoinSet<()>,
}

impl Node {
    pub(super) async fn start(
        own: &Identity,
        pki: &Pki,
        listen: Option<SocketAddr>,
        peer: PeerSettings,
        disk: TempDir,
    ) -> Self {
        let registry = registry(own, disk.path().to_owned()).await;
        let settings = Settings {
            witness: disk.path().join("witness"),
            former: disk.path().join("former.json"),
            listen,
            ..settings(own, pki, both_ways(), vec![peer])
        };
        let (clock, tls) = (settings.clock, TrunkTls::load(pki).unwrap());
        let (trunks, asked) = Trunks::start(settings, tls.clone(), registry.clone()).unwrap();
        let workers = Workers::spawn("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let directory = disk.path().join("record");
        let recorder = Recorder::start(record::Settings {
            directory,
            spill: None,
            signing: signing(own, tls),
            warn: vec![],
            refuse: 1,
        })
        .unwrap();
        let spool = spool(disk.path());
        let parts = Parts {
            zone: own.zone.clone(),
            workers: workers.clone(),
            trunks: trunks.clone(),
            recorder,
            spool: spool.clone(),
            demands: Default::default(),
            clock,
            desks: None,
            terminals: Terminals::new(terminals::Parts {
                zone: own.zone.clone(),
                feeds: Arc::new(|_, takes| Box::new(Through::new(takes))),
                cards: Arc::new(|_, _| Err("nobody is tried here".to_owned())),
                clock,
                cameras: Way::default(),
                sip: None,
                gb28181: None,
            }),
        };
        let (mut tasks, sittings) = (JoinSet::new(), Sittings::new(parts));
        tasks.spawn(follow(registry.clone(), sittings.clone()));
        let Asked { late, .. } = asked;
        tasks.spawn(serve(late, spool.clone()));
        Self { identity: own.clone(), registry, trunks, workers, sittings, spool, disk, _tasks: tasks }
    }

    pub(super) fn is_up(&self) -> bool {
        self.trunks.status()[0].up
    }

    /// Somebody joins, is let in by `home`, and sends sound and picture.
    pub(super) async fn sit(&self, home: &Self, started: &Started, (seat, name): (u8, &str)) {
        self.join(home, started, (seat, name)).await;
        self.send(started.id, seat).await;
    }

    pub(super) async fn join(&self, home: &Self, started: &Started, (seat, name): (u8, &str)) {
        join(&self.registry, &self.identity, started, (name, seat)).await.unwrap();
        admit(&home.registry, started.id, name).await;
    }

    /// Sound and picture of a seat. A worker does not know a hearing before it sits here, and takes no endpoint for it.
    pub(super) async fn send(&self, hearing: HearingId, seat: u8) -> LegId {
        until("the hearing sits here", || self.sittings.find(hearing).is_some()).await;
        let leg = endpoint(seat, &self.identity.zone, &[Kind::Audio, Kind::Video]);
        let id = LegId::fresh();
        let attach = Attach { hearing, id, place: Place::Seat(SeatId(seat)), ufrag: None, leg };
        self.workers.of(hearing).send(Command::Attach(attach)).unwrap();
        id
    }

    /// Waits until so many more frames of a seat's sound and of its picture are kept here.
    pub(super) async fn keeps(&self, hearing: HearingId, seat: u8, frames: usize) {
        let since = Timestamp::now();
        for kind in [Kind::Audio, Kind::Video] {
            let track = TrackId { seat: SeatId(seat), kind };
            until_told("what home misses is kept", async || {
                self.spool.read(hearing, track, since, Timestamp(i64::MAX)).await.frames.len() >= frames
            })
            .await;
        }
    }

    /// The hearing ends here, and all that entered it is on the disk.
    pub(super) async fn end(&self, hearing: HearingId) {
        let (reply, done) = oneshot::channel();
        let worker = self.workers.of(hearing);
        worker.send(Command::Close { hearing }).unwrap();
        // Commands keep their order, and the spool writes what it was handed before it answers.
        worker.send(Command::Report { reply }).unwrap();
        done.await.unwrap();
        let track = TrackId { seat: SeatId(0), kind: Kind::Audio };
        self.spool.read(hearing, track, Timestamp(0), Timestamp(0)).await;
    }

    pub(super) fn track(&self, hearing: HearingId, name: &str) -> PathBuf {
        self.disk.path().join("record").join(hearing.to_string()).join(name)
    }
}

fn signing(own: &Identity, tls: TrunkTls) -> Arc<record::Signing> {
    let read: record::ReadIdentity = Box::new(move || {
        let (chain, signer) = tls.signing().map_err(|error| error.to_string())?;
        Ok((chain, Box::new(signer)))
    });
    Arc::new(record::Signing {
        node: own.node.clone(),
        zone: own.zone.clone(),
        read,
        software: "hearing test".to_owned(),
        build: None,
        policy: "policy".to_owned(),
    })
}

fn spool(disk: &Path) -> Spool {
    let settings = spool::Settings { directory: disk.join("spool"), bytes: 1 << 30, age: Duration::from_secs(600) };
    Spool::start(settings).unwrap()
}

async fn follow(registry: Registry, sittings: Sittings) {
    let mut changes = registry.watch();
    while let Some(change) = changes.recv().await {
        if let RegistryChange::Appeared { id, handle, home } = change {
            sittings.begin(id, handle, home).await.unwrap();
        }
    }
}
