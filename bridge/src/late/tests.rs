//! Two nodes with everything but pages, and a line between them that is cut while a hearing is recorded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearing_config::{Kind, Pki, SeatId};
use hearing_emulator::Relay;
use hearing_proto::manifest::HashAlg;
use hearing_proto::matroska::{Item, Reader};
use hearing_signaling::access::JoinToken;
use hearing_signaling::hearing::{Action, Identity as Checked, Phase};
use hearing_signaling::registry::{Join, Registry, RegistryChange, Started};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::endpoint::rtsp::Way;
use crate::endpoint::terminal::Through;
use crate::net::clock::NodeClock;
use crate::net::tls::{Identity, TrunkTls};
use crate::record::{self, Recorder, spool};
use crate::router::{Attach, Command, LegId, Place};
use crate::sitting::{Parts, Sittings};
use crate::terminals::{self, Terminals};
use crate::trunk::tests::harness::{
    Authority, crossing, endpoint, free_address, identity, line_to, peer, registry, until,
};
use crate::trunk::{Asked, PeerSettings, Settings};
use crate::workers::Workers;

/// A node without pages, with its disk.
struct Node {
    identity: Identity,
    registry: Registry,
    trunks: Trunks,
    workers: Workers,
    disk: TempDir,
    _tasks: JoinSet<()>,
}

impl Node {
    async fn start(own: &Identity, pki: &Pki, listen: Option<SocketAddr>, peer: PeerSettings, disk: TempDir) -> Self {
        let registry = registry(own, disk.path().to_owned()).await;
        let settings = Settings {
            own: own.clone(),
            clock: NodeClock::begin(),
            witness: disk.path().join("witness"),
            listen,
            revoked: pki.revoked.clone(),
            policy: vec![crossing("court", "inet"), crossing("inet", "court")],
            peers: vec![peer],
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
            terminals: Terminals::new(terminals::Parts {
                zone: own.zone.clone(),
                feeds: Arc::new(|_, takes| Box::new(Through::new(takes))),
                clock,
                cameras: Way::default(),
                sip: None,
            }),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(registry.clone(), Sittings::new(parts)));
        let Asked { late, .. } = asked;
        tasks.spawn(serve(late, spool));
        Self { identity: own.clone(), registry, trunks, workers, disk, _tasks: tasks }
    }

    fn is_up(&self) -> bool {
        self.trunks.status()[0].up
    }

    /// Somebody joins, is let in by `home`, and sends sound and picture.
    async fn sit(&self, home: &Self, started: &Started, (seat, name): (u8, &str)) {
        let link = &started.seats.iter().find(|s| s.name == name).unwrap().link.as_ref().unwrap();
        let token = JoinToken::parse(link.split_once("#t=").unwrap().1).unwrap().hash();
        let Identity { zone, node } = self.identity.clone();
        until("the hearing is known", || self.registry.find(started.id).is_some()).await;
        let join = Join { token, device: [seat; 16], zone: zone.clone(), node };
        self.registry.find(started.id).unwrap().join(join).await.unwrap();
        let admit = Action::Admit { seat: name.into(), identity: Checked::Known };
        // The judge is admitted by joining.
        drop(home.registry.find(started.id).unwrap().operate(admit).await);
        let leg = endpoint(seat, &zone, &[Kind::Audio, Kind::Video]);
        let attach =
            Attach { hearing: started.id, id: LegId::fresh(), place: Place::Seat(SeatId(seat)), ufrag: None, leg };
        self.workers.of(started.id).send(Command::Attach(attach)).unwrap();
    }

    fn track(&self, hearing: HearingId, name: &str) -> PathBuf {
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
        policy: HashAlg::Sha256.hash(&[b"policy"]),
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

/// Every frame's number in a track's folder, in the order of file time, and how many frames the late segments hold.
fn numbers(folder: &Path) -> Vec<u64> {
    let mut frames = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "mkv") {
            continue;
        }
        let mut reader = Reader::new(BufReader::new(File::open(&path).unwrap()), 0);
        while let Ok(Some(item)) = reader.next_item() {
            if let Item::Block(block) = item {
                let number = u64::from_be_bytes(block.data[block.data.len() - 8..].try_into().unwrap());
                frames.entry((block.ms, number)).and_modify(|count| *count += 1).or_insert(1_u32);
            }
        }
    }
    frames.into_iter().map(|((_, number), count)| if count == 1 { number } else { u64::MAX }).collect()
}

fn index(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("index.jsonl")).unwrap_or_default()
}

/// The court, where the hearing is at home, and an edge that dials it over a line that can be cut.
struct Pair {
    court: Node,
    inet: Node,
    line: Relay,
    /// Its files are looked at while the nodes run.
    _authority: Authority,
}

impl Pair {
    async fn start() -> Self {
        let authority = Authority::new();
        let address = free_address().await;
        let line = line_to(address);
        let (court, inet) = (identity("court", "home"), identity("inet", "edge"));
        let (home, edge) = (authority.issue(&court, 1), authority.issue(&inet, 2));
        let disk = || tempfile::tempdir().unwrap();
        let court = Node::start(&court, &home, Some(address), peer(&inet, None), disk()).await;
        let court_of = peer(&court.identity, Some(line.address()));
        let inet = Node::start(&inet, &edge, None, court_of, disk()).await;
        until("both ends are up", || court.is_up() && inet.is_up()).await;
        Self { court, inet, line, _authority: authority }
    }

    /// A hearing in session, with a judge at the court and counsel at the edge, both recorded.
    async fn session(&self) -> Started {
        let started = self.court.registry.start("(2022)内0291刑初123号", "trial").await.unwrap();
        self.court.sit(&self.court, &started, (0, "judge")).await;
        self.inet.sit(&self.court, &started, (1, "counsel")).await;
        let handle = self.court.registry.find(started.id).unwrap();
        until("counsel's picture is at the court", || {
            self.court.trunks.flows().iter().any(|(_, flow)| flow.track.kind == Kind::Video)
        })
        .await;
        handle.operate(Action::Open).await.unwrap();
        let end = Instant::now() + Duration::from_secs(15);
        while handle.show().await.unwrap().view.phase != Phase::InSession {
            assert!(Instant::now() < end, "the hearing does not open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        started
    }

    /// Both of counsel's tracks have every frame once, from the first to the last, some of them late.
    async fn assert_whole(&self, hearing: HearingId, least: usize) {
        let folders = ["counsel-audio", "counsel-video"].map(|name| self.court.track(hearing, name));
        until("what was missing came", || folders.iter().all(|folder| index(folder).contains("\"line\":\"late\"")))
            .await;
        self.court.registry.find(hearing).unwrap().operate(Action::Close).await.unwrap();
        let sheet = self.court.track(hearing, "");
        until("the record is closed", || record::Sheet::read(&sheet).is_ok_and(|sheet| !sheet.is_open())).await;
        for folder in folders {
            let (numbers, index) = (numbers(&folder), index(&folder));
            let ordered = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
            assert!(ordered && numbers.len() > least, "{}: {numbers:?}\n{index}", folder.display());
            assert!(index.contains("\"reason\":\"late\""), "{index}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_of_the_line_leaves_late_media_in_the_record_and_not_a_hole() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folder = pair.court.track(started.id, "counsel-video");
    until("counsel is recorded", || folder.is_dir() && numbers(&folder).len() > 50).await;
    pair.line.handle().cut();
    until("the line is down", || !pair.court.is_up() && !pair.inet.is_up()).await;
    let kept = pair.inet.disk.path().join("spool").join(started.id.to_string());
    assert!(kept.is_dir());
    tokio::time::sleep(Duration::from_secs(2)).await;
    pair.line.handle().repair();
    until("the line is back", || pair.court.is_up() && pair.inet.is_up()).await;
    pair.assert_whole(started.id, 150).await;
}
