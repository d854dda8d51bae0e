//! A recorder without its threads: told the time, so that hours pass in no time and nothing is left to chance.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hearing_config::{HearingId, Kind, Role, SeatId, Timestamp, TrackId};
use hearing_proto::manifest::verify::{Report, Trust, verify};
use hearing_proto::manifest::{self, Signer};
use hearing_signaling::hearing::RecordOrder;
use tokio::sync::{mpsc, oneshot};

use super::source::{Clip, Packetizer};
use crate::net::pem;
use crate::net::tls::{self, Pki};
use crate::record::backlog::WallClock;
use crate::record::evidence::Folder;
use crate::record::hearing::Hearing;
use crate::record::index::{self, Line};
use crate::record::leg::{Arrived, RecordLeg};
use crate::record::sync;
use crate::record::writer::Opening;
use crate::record::{Clocks, Error, GapReason, Meta, RecordEvent, Seal, Seat, Sheet, Signing};
use crate::router::{Frame, LayerSet, Leg, Output, TrackInfo};

pub(super) const VIDEO: TrackId = TrackId { seat: SeatId(1), kind: Kind::Video };
pub(super) const AUDIO: TrackId = TrackId { seat: SeatId(1), kind: Kind::Audio };

/// Hears of the end of a record.
pub(super) type Closed = oneshot::Receiver<Result<Option<Seal>, Error>>;

pub(super) struct Bench {
    pub(super) leg: RecordLeg,
    pub(super) queue: Receiver<Box<Arrived>>,
    pub(super) hearing: Hearing,
    pub(super) events: mpsc::Receiver<RecordEvent>,
    pub(super) folder: PathBuf,
    clock: WallClock,
    pub(super) clocks: Clocks,
    start: Instant,
    _directory: Option<tempfile::TempDir>,
}

pub(super) fn meta() -> Meta {
    let seat = |id: u8, name: &str, role| Seat {
        id: SeatId(id),
        name: name.to_owned(),
        title: "席位".to_owned(),
        title_en: "Seat".to_owned(),
        role,
        zone: "internet".parse().unwrap(),
    };
    let seats = vec![seat(0, "judge", Role::Judge), seat(1, "counsel", Role::Counsel)];
    Meta { case: "(2022)内0291刑初123号".to_owned(), template: "criminal".to_owned(), seats }
}

/// A node with a certificate, made once for all tests.
pub(super) fn signing() -> Arc<Signing> {
    signing_under("policy")
}

/// The same, when these are the zones and crossings.
pub(super) fn signing_under(policy: &str) -> Arc<Signing> {
    let pki = pki();
    let read = move || {
        let (chain, signer) = tls::signing(&pki.file("home.pem"), &pki.file("home.key")).map_err(|e| e.to_string())?;
        let signer: Box<dyn Signer> = Box::new(signer);
        Ok((chain, signer))
    };
    Arc::new(Signing {
        node: "home".parse().unwrap(),
        zone: "court".parse().unwrap(),
        read: Box::new(read),
        software: "hearing test".to_owned(),
        build: None,
        policy: policy.to_owned(),
    })
}

/// The authority of the tests, with the certificates of `court/home` and `inet/edge`.
pub(super) fn pki() -> Pki {
    static PKI: OnceLock<(tempfile::TempDir, Pki)> = OnceLock::new();
    if let Some(directory) = std::env::var_os(PKI_DIRECTORY) {
        return Pki::open(Path::new(&directory)).unwrap();
    }
    let (_, pki) = PKI.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let pki = Pki::init(directory.path(), "test").unwrap();
        for (zone, node) in [("court", "home"), ("inet", "edge")] {
            pki.issue(&zone.parse().unwrap(), &node.parse().unwrap(), &[], &[]).unwrap();
        }
        (directory, pki)
    });
    pki.clone()
}

/// What the verifier says of a record.
pub(super) fn judged(folder: &Path) -> Report {
    let roots = pem::certificates(&pki().file("root.pem")).unwrap().into_iter().map(manifest::Der).collect();
    verify(&Folder::new(folder.to_owned()), &Trust { roots, threads: 1, ..Trust::default() })
}

impl Bench {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut bench = Self::at(&directory.path().join(HearingId::random().to_string()), 0);
        bench._directory = Some(directory);
        bench
    }

    /// On a record's folder, `later` seconds from now.
    pub(super) fn at(folder: &Path, later: u64) -> Self {
        Self::with_spill(folder, None, later)
    }

    /// The same, with a folder of the record on a second disk.
    pub(super) fn with_spill(folder: &Path, spill: Option<PathBuf>, later: u64) -> Self {
        Self::with_signing(folder, spill, later, signing())
    }

    /// The same, by a node that signs so.
    pub(super) fn with_signing(folder: &Path, spill: Option<PathBuf>, later: u64, signing: Arc<Signing>) -> Self {
        let hearing: HearingId = folder.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let sheet = Sheet::begin(folder, hearing, "home".parse().unwrap(), meta()).unwrap();
        let (events, received) = mpsc::channel(64);
        let (sender, queue) = sync_channel(100_000);
        let clock = WallClock::now();
        let (folder_, clocks) = (folder.to_owned(), Clocks::new());
        let opening = Opening { hearing, folder: folder_, spill, signing, clocks: clocks.clone(), sheet, events };
        Self {
            leg: RecordLeg::new(hearing, clock, sender, 0),
            queue,
            hearing: Hearing::new(opening),
            events: received,
            folder: folder.to_owned(),
            clock,
            clocks,
            start: Instant::now() + Duration::from_secs(later),
            _directory: None,
        }
    }

    /// The hearing that is recorded.
    pub(super) fn hearing_id(&self) -> HearingId {
        self.folder.file_name().unwrap().to_str().unwrap().parse().unwrap()
    }

    /// `micros` after the start.
    pub(super) fn instant(&self, micros: i64) -> Instant {
        self.start + Duration::from_micros(micros as u64)
    }

    /// The same, by the wall clock.
    pub(super) fn time(&self, micros: i64) -> Timestamp {
        self.clock.at(self.instant(micros))
    }

    pub(super) fn order(&mut self, order: RecordOrder, micros: i64) {
        let (instant, time) = (self.instant(micros), self.time(micros));
        self.hearing.order(instant, order, time);
    }

    pub(super) fn track(&mut self, id: TrackId, codec: hearing_config::Codec, micros: i64) {
        let info = TrackInfo { id, codec, origin: "internet".parse().unwrap(), layers: LayerSet(1) };
        let now = self.instant(micros);
        self.leg.handle_track(now, &info);
    }

    /// A frame captured at `micros`, which takes 40 ms to arrive; then a turn of the writer.
    pub(super) fn frame(&mut self, id: TrackId, frame: &Frame, micros: i64) {
        let now = self.instant(micros + LATENCY);
        self.leg.handle_frame(now, id, frame);
        self.leg.handle_timeout(now);
        self.turn(micros + LATENCY);
    }

    /// Plays a whole clip from `from` on; where it ends.
    pub(super) fn play(&mut self, id: TrackId, clip: &Clip, from: i64, packetizer: &mut Packetizer) -> i64 {
        for (n, coded) in clip.frames.iter().enumerate() {
            let at = from + n as i64 * clip.step;
            let frame = packetizer.frame(clip.codec, coded, self.time(at));
            self.frame(id, &frame, at);
        }
        from + clip.frames.len() as i64 * clip.step
    }

    /// What the writer does each 50 ms.
    pub(super) fn turn(&mut self, micros: i64) {
        let (now, wall) = (self.instant(micros), self.time(micros));
        for frame in self.queue.try_iter().collect::<Vec<_>>() {
            frame.backlog.release(frame.at, frame.frame.len());
            self.hearing.frame(now, frame);
        }
        self.hearing.commit(now, wall);
    }

    /// A turn, after the disk has made everything durable.
    pub(super) fn settled_turn(&mut self, micros: i64) {
        self.turn(micros);
        sync::sync_now(self.hearing.sinks());
        self.turn(micros);
    }

    pub(super) fn lines(&self, track: &str) -> Vec<Line> {
        index::read(&self.folder.join(track)).unwrap()
    }

    pub(super) fn gaps(&self, track: &str) -> Vec<GapReason> {
        let reason = |line: &Line| if let Line::Gap { reason, .. } = line { Some(*reason) } else { None };
        self.lines(track).iter().filter_map(reason).collect()
    }

    pub(super) fn file(&self, track: &str, number: u32) -> PathBuf {
        self.folder.join(track).join(format!("{number:04}.mkv"))
    }

    /// What was told of tracks and faults.
    pub(super) fn told(&mut self) -> Vec<RecordEvent> {
        let of_tracks = |event: &RecordEvent| matches!(event, RecordEvent::Recording(_) | RecordEvent::Failed(_));
        self.events().into_iter().filter(of_tracks).collect()
    }

    /// Everything that was told.
    pub(super) fn events(&mut self) -> Vec<RecordEvent> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }

    /// Ends the hearing at `micros` and takes turns until its record is sealed.
    pub(super) fn close(&mut self, micros: i64) -> Seal {
        self.order(RecordOrder::Off, micros);
        let (reply, mut closed) = oneshot::channel();
        self.hearing.end(self.instant(micros), reply);
        self.until_sealed(&mut closed, micros)
    }

    /// Takes turns from `micros` on until the record is sealed.
    pub(super) fn until_sealed(&mut self, closed: &mut Closed, micros: i64) -> Seal {
        for turn in 0..300 {
            self.settled_turn(micros + turn * 80_000);
            if let Ok(result) = closed.try_recv() {
                return result.unwrap().expect("the record had begun");
            }
        }
        panic!("the record is not sealed after 24 s");
    }

    /// The whole lines of a manifest that a crash may have torn.
    pub(super) fn manifest_after_torn(&self) -> Vec<manifest::Line> {
        let text = std::fs::read(self.folder.join("manifest.jsonl")).unwrap();
        text.split(|byte| *byte == b'\n').filter_map(|line| manifest::Line::parse(line).ok()).collect()
    }

    /// The lines of the manifest.
    pub(super) fn manifest(&self) -> Vec<manifest::Line> {
        let text = std::fs::read(self.folder.join("manifest.jsonl")).unwrap();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| manifest::Line::parse(line).unwrap()).collect()
    }

    pub(super) fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.leg.poll_output()).collect()
    }
}

/// Where a child process finds the authority of the test that started it.
pub(super) const PKI_DIRECTORY: &str = "HEARING_TEST_PKI_DIRECTORY";
pub(super) const LATENCY: i64 = 40_000;
pub(super) const SECOND: i64 = 1_000_000;
