//! Two nodes with everything but pages, and a line between them that is cut while a hearing is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hearing_config::{Kind, Pki, SeatId};
use hearing_emulator::Relay;
use hearing_proto::manifest::verify::{Code, Report, Trust, Verdict, verify};
use hearing_proto::manifest::{Der, Entry, Line};
use hearing_proto::matroska::{Item, Reader};
use hearing_signaling::hearing::{Action, Phase};
use hearing_signaling::registry::{Registry, RegistryChange, Started};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::*;
use crate::endpoint::rtsp::Way;
use crate::endpoint::terminal::Through;
use crate::net::pem;
use crate::net::tls::{Identity, TrunkTls};
use crate::record::evidence::Folder;
use crate::record::{self, Recorder, spool};
use crate::router::{Attach, Command, LegId, Place};
use crate::sitting::{Parts, Sittings};
use crate::terminals::{self, Terminals};
use crate::trunk::tests::harness::{
    Authority, admit, both_ways, endpoint, free_address, identity, join, line_to, peer, registry, settings, until,
    until_told,
};
use crate::trunk::{Asked, PeerSettings, Settings};
use crate::workers::Workers;

/// A node without pages, with its disk.
struct Node {
    identity: Identity,
    registry: Registry,
    trunks: Trunks,
    workers: Workers,
    sittings: Sittings,
    spool: Spool,
    disk: TempDir,
    _tasks: JoinSet<()>,
}

impl Node {
    async fn start(own: &Identity, pki: &Pki, listen: Option<SocketAddr>, peer: PeerSettings, disk: TempDir) -> Self {
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

    fn is_up(&self) -> bool {
        self.trunks.status()[0].up
    }

    /// Somebody joins, is let in by `home`, and sends sound and picture.
    async fn sit(&self, home: &Self, started: &Started, (seat, name): (u8, &str)) {
        self.join(home, started, (seat, name)).await;
        self.send(started.id, seat).await;
    }

    async fn join(&self, home: &Self, started: &Started, (seat, name): (u8, &str)) {
        join(&self.registry, &self.identity, started, (name, seat)).await.unwrap();
        admit(&home.registry, started.id, name).await;
    }

    /// Sound and picture of a seat. A worker does not know a hearing before it sits here, and takes no endpoint for it.
    async fn send(&self, hearing: HearingId, seat: u8) -> LegId {
        until("the hearing sits here", || self.sittings.find(hearing).is_some()).await;
        let leg = endpoint(seat, &self.identity.zone, &[Kind::Audio, Kind::Video]);
        let id = LegId::fresh();
        let attach = Attach { hearing, id, place: Place::Seat(SeatId(seat)), ufrag: None, leg };
        self.workers.of(hearing).send(Command::Attach(attach)).unwrap();
        id
    }

    /// Waits until so many more frames of a seat's sound and of its picture are kept here.
    async fn keeps(&self, hearing: HearingId, seat: u8, frames: usize) {
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
    async fn end(&self, hearing: HearingId) {
        let (reply, done) = oneshot::channel();
        let worker = self.workers.of(hearing);
        worker.send(Command::Close { hearing }).unwrap();
        // Commands keep their order, and the spool writes what it was handed before it answers.
        worker.send(Command::Report { reply }).unwrap();
        done.await.unwrap();
        let track = TrackId { seat: SeatId(0), kind: Kind::Audio };
        self.spool.read(hearing, track, Timestamp(0), Timestamp(0)).await;
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

/// What counsel at the edge sends.
const COUNSEL: [&str; 2] = ["counsel-audio", "counsel-video"];

/// Every frame's number in a track's folder, in the order of file time; `u64::MAX` for one that stands there twice.
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

/// Every frame from the first to the last, once.
fn is_whole(numbers: &[u64]) -> bool {
    numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

/// The whole lines of the manifest in a record's folder.
fn manifest(folder: &Path) -> Vec<Entry> {
    let text = std::fs::read(folder.join("manifest.jsonl")).unwrap_or_default();
    text.split(|byte| *byte == b'\n').filter_map(|line| Line::parse(line).ok()).map(|line| line.entry).collect()
}

/// The tracks of which the manifest says that something came late, from the edge.
fn late_entries(folder: &Path) -> BTreeSet<String> {
    let late = |entry| if let Entry::Late { track, edge, .. } = entry { Some((track, edge)) } else { None };
    let all = manifest(folder).into_iter().filter_map(late);
    all.inspect(|(_, edge)| assert_eq!(edge, "inet")).map(|(track, _)| track).collect()
}

fn index(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("index.jsonl")).unwrap_or_default()
}

/// The court, where the hearing is at home, and an edge that dials it over a line that can be cut.
struct Pair {
    court: Node,
    inet: Node,
    line: Relay,
    authority: Authority,
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
        Self { court, inet, line, authority }
    }

    /// A hearing in session, with a judge at the court and counsel at the edge, both recorded.
    async fn session(&self) -> Started {
        let started = self.court.registry.start("(2022)内0291刑初123号", "trial").await.unwrap();
        self.court.sit(&self.court, &started, (0, "judge")).await;
        self.inet.sit(&self.court, &started, (1, "counsel")).await;
        until("counsel's picture is at the court", || {
            self.court.trunks.flows().iter().any(|(_, flow)| flow.track.kind == Kind::Video)
        })
        .await;
        self.open(started.id).await;
        started
    }

    async fn open(&self, hearing: HearingId) {
        let handle = self.court.registry.find(hearing).unwrap();
        handle.operate(Action::Open).await.unwrap();
        until_told("the hearing is open", async || handle.show().await.unwrap().view.phase == Phase::InSession).await;
    }

    /// The folders of counsel's sound and picture at the court, once a second of each is in them.
    async fn recorded(&self, hearing: HearingId) -> [PathBuf; 2] {
        let folders = COUNSEL.map(|name| self.court.track(hearing, name));
        until("counsel is recorded", || folders.iter().all(|folder| folder.is_dir() && numbers(folder).len() > 50))
            .await;
        folders
    }

    async fn cut(&self) {
        self.line.handle().cut();
        until("the line is down", || !self.court.is_up() && !self.inet.is_up()).await;
    }

    async fn repair(&self) {
        self.line.handle().repair();
        until("the line is back", || self.court.is_up() && self.inet.is_up()).await;
    }

    async fn close(&self, hearing: HearingId) {
        self.court.registry.find(hearing).unwrap().operate(Action::Close).await.unwrap();
        let folder = self.court.track(hearing, "");
        until("the record is sealed", || manifest(&folder).iter().any(|entry| matches!(entry, Entry::Seal { .. })))
            .await;
    }

    /// What the verifier says of a record.
    fn judged(&self, folder: &Path) -> Report {
        let roots = pem::certificates(&self.authority.files(1).root).unwrap().into_iter().map(Der).collect();
        verify(&Folder::new(folder.to_owned()), &Trust { roots, threads: 1, ..Trust::default() })
    }

    /// The edge's process ends, and another one begins with what it left on its disk. The line stays as it is.
    async fn restart_edge(self, hearing: HearingId) -> Self {
        let Self { court, inet, line, authority } = self;
        let disk = tempfile::tempdir().unwrap();
        inet.end(hearing).await;
        copy(&inet.disk.path().join("spool"), &disk.path().join("spool"));
        let former = "former.json";
        std::fs::copy(inet.disk.path().join(former), disk.path().join(former)).unwrap();
        inet.trunks.stop().await;
        let own = inet.identity.clone();
        drop(inet);
        let court_of = peer(&court.identity, Some(line.address()));
        let inet = Node::start(&own, &authority.files(2), None, court_of, disk).await;
        Self { court, inet, line, authority }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_of_the_line_leaves_late_media_in_the_record_and_not_a_hole() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folders = pair.recorded(started.id).await;
    pair.cut().await;
    assert!(pair.inet.disk.path().join("spool").join(started.id.to_string()).is_dir());
    pair.inet.keeps(started.id, 1, 100).await;
    pair.repair().await;
    until("what was missing came", || folders.iter().all(|folder| index(folder).contains("\"line\":\"late\""))).await;
    pair.close(started.id).await;
    let late = late_entries(&pair.court.track(started.id, ""));
    assert!(COUNSEL.iter().all(|track| late.contains(*track)), "{late:?}");
    for folder in folders {
        let (numbers, index) = (numbers(&folder), index(&folder));
        assert!(is_whole(&numbers) && numbers.len() > 150, "{}: {numbers:?}\n{index}", folder.display());
        // Pictures go on between two key frames, where the line was cut.
        let reason = if folder.ends_with("counsel-video") { "late-delta" } else { "late" };
        assert!(index.contains(&format!("\"reason\":\"{reason}\"")), "{index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_starts_again_still_has_what_home_lacks() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folders = pair.recorded(started.id).await;
    pair.cut().await;
    let before = folders.each_ref().map(|folder| *numbers(folder).last().unwrap());
    pair.inet.keeps(started.id, 1, 60).await;
    let pair = pair.restart_edge(started.id).await;
    pair.repair().await;
    pair.inet.send(started.id, 1).await;
    for (folder, before) in folders.iter().zip(before) {
        let fetched = || {
            let all = numbers(folder);
            // The new endpoint counts from the beginning again.
            let last = all.windows(2).find(|pair| pair[1] < pair[0]).map_or(0, |pair| pair[0]);
            let ordered = all.windows(2).all(|pair| pair[1] == pair[0] + 1 || pair[0] == last);
            index(folder).contains("\"line\":\"late\"") && ordered && last >= before + 50
        };
        until("every frame from before the restart came", fetched).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_track_that_does_not_come_back_is_fetched_at_the_close() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folders = pair.recorded(started.id).await;
    pair.cut().await;
    let before = folders.each_ref().map(|folder| *numbers(folder).last().unwrap());
    pair.inet.keeps(started.id, 1, 60).await;
    let pair = pair.restart_edge(started.id).await;
    pair.repair().await;
    pair.close(started.id).await;
    for (folder, before) in folders.iter().zip(before) {
        let all = numbers(folder);
        assert!(is_whole(&all), "{all:?}");
        assert!(*all.last().unwrap() >= before + 50, "{before} {all:?}");
    }
    assert!(!manifest(&pair.court.track(started.id, "")).iter().any(is_unfetched));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_of_which_nothing_reached_home_is_fetched_at_the_close() {
    let pair = Pair::start().await;
    let started = pair.court.registry.start("(2022)内0291刑初123号", "trial").await.unwrap();
    pair.court.sit(&pair.court, &started, (0, "judge")).await;
    pair.inet.join(&pair.court, &started, (1, "counsel")).await;
    pair.open(started.id).await;
    pair.cut().await;
    let leg = pair.inet.send(started.id, 1).await;
    pair.inet.keeps(started.id, 1, 100).await;
    pair.inet.workers.of(started.id).send(Command::Detach { hearing: started.id, leg }).unwrap();
    pair.repair().await;
    pair.close(started.id).await;
    for name in COUNSEL {
        let all = numbers(&pair.court.track(started.id, name));
        assert!(all.len() > 80 && is_whole(&all), "{name}: {all:?}");
    }
    let late = late_entries(&pair.court.track(started.id, ""));
    assert!(late.iter().map(String::as_str).eq(COUNSEL), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edge_could_not_be_asked_for_before_the_close_is_named_as_a_gap() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    pair.recorded(started.id).await;
    pair.cut().await;
    pair.inet.keeps(started.id, 1, 60).await;
    pair.close(started.id).await;
    let entries = manifest(&pair.court.track(started.id, ""));
    let gaps = entries.iter().filter(|entry| is_unfetched(entry)).map(|entry| match entry {
        Entry::Gap { track: Some(track), from: Some(from), to: Some(to), .. } if to - from > 1_000_000 => {
            track.as_str()
        }
        other => panic!("{other:?}"),
    });
    let gaps: BTreeSet<_> = gaps.collect();
    assert_eq!(gaps, BTreeSet::from(COUNSEL));
    let told = |entry: &Entry| matches!(entry, Entry::Fault { part, reason, .. } if part == "trunk" && reason.contains("counsel-screen"));
    assert!(entries.iter().any(told), "what never came may be missing too");
    let form = std::fs::read_to_string(pair.court.track(started.id, "").join("explanation.txt")).unwrap();
    assert!(form.contains("闭庭前未能取回 unfetched"), "the presiding judge is asked to explain: {form}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_sealed_while_the_line_was_down_is_cosigned_when_it_is_back() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    pair.cut().await;
    pair.close(started.id).await;
    let folder = pair.court.track(started.id, "");
    let last = manifest(&folder).iter().rev().find_map(|entry| match entry {
        Entry::Checkpoint(checkpoint) => Some(checkpoint.size),
        _ => None,
    });
    let seen =
        |entry: &Entry| matches!(entry.matter(), Entry::Cosign(word) if Some(word.size) == last && word.zone == "inet");
    assert!(!manifest(&folder).iter().any(seen));
    pair.repair().await;
    until("the witness has seen the end", || manifest(&folder).iter().any(seen)).await;
    let report = pair.judged(&folder);
    let seal = manifest(&folder).iter().position(|entry| matches!(entry, Entry::Seal { .. })).unwrap() as u64;
    // What is added behind the seal no witness has seen.
    let is_cosigned = report.uncosigned.iter().all(|bare| bare.first > seal);
    assert!(report.verdict == Verdict::Incomplete && is_cosigned, "{:?}", report.findings);
}

fn is_unfetched(entry: &Entry) -> bool {
    matches!(entry, Entry::Gap { reason, .. } if reason == "unfetched")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edge_could_not_be_asked_for_is_added_behind_the_seal_once_it_can_be_reached() {
    let pair = Pair::start().await;
    let started = pair.session().await;
    let folders = pair.recorded(started.id).await;
    pair.cut().await;
    let before = folders.each_ref().map(|folder| *numbers(folder).last().unwrap());
    pair.inet.keeps(started.id, 1, 100).await;
    pair.close(started.id).await;
    let folder = pair.court.track(started.id, "");
    let sealed = pair.judged(&folder);
    assert!(sealed.verdict == Verdict::Incomplete && sealed.has(Code::GapDeclared), "{:?}", sealed.findings);
    // The edge starts anew: it knows of the hearing only what is on its disk.
    let pair = pair.restart_edge(started.id).await;
    pair.repair().await;
    let added = |name: &str| {
        let of = |entry: &Entry| matches!(entry, Entry::Addendum { entry } if matches!(&**entry, Entry::Late { track, .. } if track == name));
        manifest(&folder).iter().any(of)
    };
    until("both tracks were added to", || added("counsel-audio") && added("counsel-video")).await;
    let shelf = folder.with_file_name(".late");
    until("nothing is lacking any more", || std::fs::read_dir(&shelf).unwrap().next().is_none()).await;
    for (folder, before) in folders.iter().zip(before) {
        let all = numbers(folder);
        assert!(is_whole(&all), "{}: {all:?}", folder.display());
        assert!(*all.last().unwrap() >= before + 50, "{before} {all:?}");
    }
    let report = pair.judged(&folder);
    assert!(!report.has(Code::GapDeclared) && report.has(Code::GapFilledLater), "{:?}", report.findings);
    assert_eq!((report.verdict, report.value), (Verdict::Incomplete, sealed.value), "what was signed stays as it was");
    let spool = pair.inet.disk.path().join("spool").join(started.id.to_string());
    until("the edge lets go of what home has", || !spool.exists()).await;
}
