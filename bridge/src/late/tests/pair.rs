//! The two nodes, and what befalls them: the line is cut and repaired, the edge starts anew, a hearing is opened and closed.

use std::path::{Path, PathBuf};

use hearing_config::{HearingId, Kind};
use hearing_emulator::Relay;
use hearing_proto::manifest::verify::{Report, Trust, verify};
use hearing_proto::manifest::{Der, Entry};
use hearing_signaling::hearing::{Action, Phase};
use hearing_signaling::registry::Started;

use super::node::Node;
use super::record::{manifest, numbers};
use crate::net::pem;
use crate::record::evidence::Folder;
use crate::trunk::tests::harness::{Authority, free_address, identity, line_to, peer, until, until_told};

/// What counsel at the edge sends.
pub(super) const COUNSEL: [&str; 2] = ["counsel-audio", "counsel-video"];

/// The court, where the hearing is at home, and an edge that dials it over a line that can be cut.
pub(super) struct Pair {
    pub(super) court: Node,
    pub(super) inet: Node,
    line: Relay,
    authority: Authority,
}

impl Pair {
    pub(super) async fn start() -> Self {
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
    pub(super) async fn session(&self) -> Started {
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

    pub(super) async fn open(&self, hearing: HearingId) {
        let handle = self.court.registry.find(hearing).unwrap();
        handle.operate(Action::Open).await.unwrap();
        until_told("the hearing is open", async || handle.show().await.unwrap().view.phase == Phase::InSession).await;
    }

    /// The folders of counsel's sound and picture at the court, once a second of each is in them.
    pub(super) async fn recorded(&self, hearing: HearingId) -> [PathBuf; 2] {
        let folders = COUNSEL.map(|name| self.court.track(hearing, name));
        until("counsel is recorded", || folders.iter().all(|folder| folder.is_dir() && numbers(folder).len() > 50))
            .await;
        folders
    }

    pub(super) async fn cut(&self) {
        self.line.handle().cut();
        until("the line is down", || !self.court.is_up() && !self.inet.is_up()).await;
    }

    pub(super) async fn repair(&self) {
        self.line.handle().repair();
        until("the line is back", || self.court.is_up() && self.inet.is_up()).await;
    }

    pub(super) async fn close(&self, hearing: HearingId) {
        self.court.registry.find(hearing).unwrap().operate(Action::Close).await.unwrap();
        let folder = self.court.track(hearing, "");
        until("the record is sealed", || manifest(&folder).iter().any(|entry| matches!(entry, Entry::Seal { .. })))
            .await;
    }

    /// What the verifier says of a record.
    pub(super) fn judged(&self, folder: &Path) -> Report {
        let roots = pem::certificates(&self.authority.files(1).root).unwrap().into_iter().map(Der).collect();
        verify(&Folder::new(folder.to_owned()), &Trust { roots, threads: 1, ..Trust::default() })
    }

    /// The edge's process ends, and another one begins with what it left on its disk. The line stays as it is.
    pub(super) async fn restart_edge(self, hearing: HearingId) -> Self {
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
