//! Two nodes in this process, each with threads of its own, and a line between them.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hearing_bridge::net::clock::NodeClock;
use hearing_bridge::net::pki::Pki;
use hearing_bridge::net::tls::{Identity, TrunkTls};
use hearing_bridge::router::{Attach, Command, Event, LegId, Place, Worker, WorkerHandle};
use hearing_bridge::trunk::{Asked, PeerSettings, Settings, Trunks};
use hearing_config::{
    Crossing, Endpoint, HearingId, Kind, Layout, NodeId, Pki as Files, Role, SeatId, Template, TemplateSeat, Zone,
};
use hearing_emulator::{Handle, Quality, Relay};
use hearing_signaling::access::JoinToken;
use hearing_signaling::hearing::{Action, Identity as Checked};
use hearing_signaling::registry::{self, HearingHandle, Join, Registry, RegistryChange, Started};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::load::{Counts, Sender, Shape, Tally, Viewer};

/// A home with one viewer, an edge with all senders, and the line.
pub(super) struct Rig {
    counts: Counts,
    seats: usize,
    line: Relay,
    _nodes: [Node; 2],
    _directory: TempDir,
}

impl Rig {
    /// The senders' roles and shapes; the line's booked rate, kbit/s.
    pub(super) fn start(seats: &[(Role, Shape)], kbps: u32) -> Result<Self> {
        let directory = TempDir::new()?;
        let authority = Pki::init(directory.path(), "bench")?;
        let near: SocketAddr = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let line = Relay::start("127.0.0.1:0".parse()?, near, [Quality::default(); 2], 1)?;
        let (court, edge) = (identity("court", "home")?, identity("inet", "edge")?);
        for own in [&court, &edge] {
            authority.issue(&own.zone, &own.node, &[], &[])?;
        }
        let template = template(seats)?;
        let scene = Scene { directory: directory.path(), template: &template };
        // A relay would be what is measured when as much as possible is sent.
        let direct = kbps > 1_000_000;
        let dial = if direct { near } else { line.address() };
        let home = scene.node(("trunk-rx", 1), &court, Some(near), peer(&edge, None, kbps))?;
        let away = scene.node(("trunk-tx", 0), &edge, None, peer(&court, Some(dial), kbps))?;
        let counts = Counts::default();
        let started = home.runtime.block_on(home.registry.start("bench", "bench"))?;
        home.sit(&started, 0, Box::new(Viewer(counts.clone())), &home)?;
        for (n, (_, shape)) in seats.iter().enumerate() {
            let seat = SeatId(n as u8 + 1);
            away.sit(&started, seat.0, Box::new(Sender::new(seat, &edge.zone, *shape, counts.clone())), &home)?;
        }
        Ok(Self { counts, seats: seats.len(), line, _nodes: [away, home], _directory: directory })
    }

    pub(super) fn line(&self) -> &Handle {
        self.line.handle()
    }

    /// Until something comes of every seat.
    pub(super) fn wait_for_media(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.each().iter().all(|tally| tally.came > 0) {
            if Instant::now() > end {
                bail!("no media came over the trunk");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    pub(super) fn forget(&self) {
        self.counts.clear();
    }

    pub(super) fn tally(&self) -> Tally {
        self.each().into_iter().fold(Tally::default(), Tally::and)
    }

    pub(super) fn measure(&self, span: Duration) -> Tally {
        self.measure_each(span).into_iter().fold(Tally::default(), Tally::and)
    }

    /// What is captured within `span` from now, once it had time to come.
    pub(super) fn measure_each(&self, span: Duration) -> Vec<Tally> {
        self.counts.only(Some(span));
        std::thread::sleep(span + Duration::from_secs(1));
        let each = self.each();
        self.counts.only(None);
        each
    }

    fn each(&self) -> Vec<Tally> {
        (1..=self.seats).map(|seat| self.counts.of(SeatId(seat as u8))).collect()
    }
}

struct Scene<'a> {
    directory: &'a Path,
    template: &'a Template,
}

struct Node {
    runtime: Runtime,
    registry: Registry,
    worker: WorkerHandle,
    identity: Identity,
    _trunks: Trunks,
}

impl Scene<'_> {
    fn node(
        &self,
        (name, worker): (&str, usize),
        own: &Identity,
        listen: Option<SocketAddr>,
        peer: PeerSettings,
    ) -> Result<Node> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?;
        let file = |name: String| self.directory.join(name);
        let files = Files {
            root: file("root.pem".into()),
            certificate: file(format!("{}.pem", own.node)),
            key: file(format!("{}.key", own.node)),
            revoked: file("revoked.crl".into()),
        };
        let data = file(format!("{}-data", own.node));
        std::fs::create_dir_all(&data)?;
        let links = ["court", "inet"].map(|zone| Ok((zone.parse()?, format!("https://{zone}.example"))));
        let settings = registry::Settings {
            node: own.node.clone(),
            zone: own.zone.clone(),
            templates: vec![self.template.clone()],
            data,
            links: links.into_iter().collect::<Result<HashMap<Zone, String>>>()?,
        };
        let registry = runtime.block_on(Registry::open(settings))?;
        let handle = Worker::spawn("127.0.0.1:0".parse()?, worker)?;
        let policy = vec![crossing("court", "inet")?, crossing("inet", "court")?];
        let settings = Settings {
            own: own.clone(),
            clock: NodeClock::begin(),
            listen,
            revoked: files.revoked.clone(),
            witness: file(format!("{}-witness", own.node)),
            former: file(format!("{}-former.json", own.node)),
            policy,
            peers: vec![peer],
        };
        let tls = TrunkTls::load(&files)?;
        let entered = runtime.enter();
        let (trunks, asked) = Trunks::start(settings, tls, registry.clone())?;
        drop(entered);
        runtime.spawn(follow(registry.watch(), trunks.clone(), handle.clone(), own.zone.clone(), asked));
        Ok(Node { runtime, registry, worker: handle, identity: own.clone(), _trunks: trunks })
    }
}

impl Node {
    fn sit(&self, started: &Started, seat: u8, leg: Box<dyn hearing_bridge::router::Leg>, home: &Self) -> Result<()> {
        let name = format!("s{seat}");
        let link = &started.seats.iter().find(|s| s.name == name).context("a seat")?.link.as_ref().context("a link")?;
        let token = JoinToken::parse(link.split_once("#t=").context("a token")?.1).context("a token")?.hash();
        let end = Instant::now() + Duration::from_secs(30);
        let handle = loop {
            match self.registry.find(started.id) {
                Some(handle) => break handle,
                None if Instant::now() > end => bail!("the edge does not learn of the hearing"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let Identity { zone, node } = self.identity.clone();
        self.runtime.block_on(handle.join(Join { token, device: [seat; 16], zone, node }))?;
        let admit = Action::Admit { seat: name, identity: Checked::Known };
        let at_home = home.registry.find(started.id).context("the hearing")?;
        // The judge is admitted by joining.
        drop(home.runtime.block_on(at_home.operate(admit)));
        let place = Place::Seat(SeatId(seat));
        self.worker.send(Command::Attach(Attach {
            hearing: started.id,
            id: LegId::fresh(),
            place,
            ufrag: None,
            leg,
        }))?;
        Ok(())
    }
}

/// What a node does with every hearing that it knows.
async fn follow(
    mut changes: mpsc::Receiver<RegistryChange>,
    trunks: Trunks,
    worker: WorkerHandle,
    zone: Zone,
    _asked: Asked,
) {
    while let Some(change) = changes.recv().await {
        if let RegistryChange::Appeared { id, handle, home } = change {
            tokio::spawn(carry(id, handle, home, (trunks.clone(), worker.clone(), zone.clone())));
        }
    }
}

async fn carry(
    hearing: HearingId,
    handle: HearingHandle,
    home: Option<NodeId>,
    (trunks, worker, zone): (Trunks, WorkerHandle, Zone),
) -> Result<()> {
    let (events, mut reports) = mpsc::channel(1_024);
    worker.send(Command::Open { hearing, zone, events })?;
    let mut plans = handle.plans().await?;
    worker.send(Command::Plan { hearing, plan: plans.borrow_and_update().clone() })?;
    trunks.carry(hearing, handle.clone(), home, worker.clone()).await?;
    loop {
        tokio::select! {
            changed = plans.changed() => {
                changed?;
                worker.send(Command::Plan { hearing, plan: plans.borrow_and_update().clone() })?;
            }
            Some(event) = reports.recv() => match event {
                Event::TrackUp(info) => trunks.track_up(hearing, info).await,
                Event::TrackDown(track) => trunks.track_down(hearing, track).await,
                Event::Speaking(seats) => trunks.speaking(hearing, seats).await,
                _ => {}
            },
        }
    }
}

fn template(seats: &[(Role, Shape)]) -> Result<Template> {
    let seat = |n: usize, role: Role, zone: &str| {
        Ok(TemplateSeat {
            name: format!("s{n}"),
            title: "席位".to_owned(),
            title_en: "Seat".to_owned(),
            role,
            zone: zone.parse()?,
            endpoint: Endpoint::Browser,
            layout: Layout::default(),
            required: Vec::new(),
        })
    };
    let away = seats.iter().enumerate().map(|(n, (role, _))| seat(n + 1, *role, "inet"));
    let seats = std::iter::once(seat(0, Role::Clerk, "court")).chain(away).collect::<Result<_>>()?;
    let text = || "bench".to_owned();
    Ok(Template { name: text(), title: text(), title_en: text(), seats })
}

fn identity(zone: &str, node: &str) -> Result<Identity> {
    Ok(Identity { zone: zone.parse()?, node: node.parse()? })
}

fn crossing(from: &str, to: &str) -> Result<Crossing> {
    Ok(Crossing { from: from.parse()?, to: to.parse()?, roles: Role::ALL.to_vec(), kinds: Kind::ALL.to_vec() })
}

fn peer(of: &Identity, dial: Option<SocketAddr>, kbps: u32) -> PeerSettings {
    PeerSettings { identity: of.clone(), dial, others: Vec::new(), vouches: vec![of.zone.clone()], kbps }
}
