//! A certificate authority, nodes, a line that can be cut, and endpoints that send and receive.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{
    Codec, Crossing, HearingId, Kind, NodeId, Pki, Role, SeatId, Template, TemplateSeat, Timestamp, TrackId, Zone,
};
use hearing_emulator::{Quality, Relay};
use hearing_signaling::access::JoinToken;
use hearing_signaling::hearing::{Action, Identity as Checked, MediaReport};
use hearing_signaling::registry::{HearingHandle, Join, Joined, Refusal, Registry, RegistryChange, Started};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::{Asked, LateAsk, PeerSettings, Rehearsal, Settings, TrunkStatus, Trunks};
use crate::net::clock::NodeClock;
use crate::net::tls::{Identity, TrunkTls};
use crate::router::{
    Attach, Command, Control, Delivery, Event, Frame, Layer, LayerSet, Leg, LegId, Output, Packet, Path, Place,
    TrackInfo, Worker, WorkerHandle,
};

pub(crate) fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

pub(crate) fn identity(zone: &str, node: &str) -> Identity {
    Identity { zone: zone.parse().unwrap(), node: node.parse().unwrap() }
}

/// Waits until something is so; fails when it is not so within 15 s.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(15);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Issues certificates and revokes them.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    revoked: Vec<u64>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("root.pem"), root.pem()).unwrap();
        let authority = Self { directory, issuer: Issuer::new(params, key), revoked: Vec::new() };
        authority.write_list();
        authority
    }

    pub(crate) fn issue(&self, of: &Identity, serial: u64) -> Pki {
        self.issue_until(of, serial, 4_000_000_000)
    }

    /// Valid until a second since 1970.
    pub(crate) fn issue_until(&self, of: &Identity, serial: u64, end: u64) -> Pki {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(of.uri().try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pki = self.files(serial);
        std::fs::write(&pki.certificate, certificate.pem()).unwrap();
        std::fs::write(&pki.key, key.serialize_pem()).unwrap();
        pki
    }

    /// Where the certificate with this serial number lies.
    pub(crate) fn files(&self, serial: u64) -> Pki {
        let file = |name: String| self.directory.path().join(name);
        Pki {
            root: file("root.pem".into()),
            certificate: file(format!("{serial}.pem")),
            key: file(format!("{serial}.key")),
            revoked: file("revoked.pem".into()),
        }
    }

    pub(crate) fn revoke(&mut self, serial: u64) {
        self.revoked.push(serial);
        self.write_list();
    }

    /// Renamed into place, so that nobody reads half of it.
    fn write_list(&self) {
        let revoked = self.revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1 + self.revoked.len() as u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let (fresh, file) = (self.directory.path().join("fresh.pem"), self.directory.path().join("revoked.pem"));
        std::fs::write(&fresh, params.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        std::fs::rename(fresh, file).unwrap();
    }
}

/// Allows every role and kind from one zone to another.
pub(crate) fn crossing(from: &str, to: &str) -> Crossing {
    Crossing { from: zone(from), to: zone(to), roles: Role::ALL.to_vec(), kinds: Kind::ALL.to_vec() }
}

/// A peer that may vouch for its own zone.
pub(crate) fn peer(of: &Identity, dial: Option<SocketAddr>) -> PeerSettings {
    PeerSettings { identity: of.clone(), dial, others: Vec::new(), vouches: vec![of.zone.clone()], kbps: 20_000 }
}

/// Both zones of a pair trust each other with everything.
pub(crate) fn both_ways() -> Vec<Crossing> {
    vec![crossing("court", "inet"), crossing("inet", "court")]
}

/// Of a node that dials and is not dialled; what it keeps lies with its certificate.
pub(crate) fn settings(own: &Identity, pki: &Pki, policy: Vec<Crossing>, peers: Vec<PeerSettings>) -> Settings {
    let kept = |name: &str| pki.revoked.with_file_name(format!("{}-{name}", own.node));
    Settings {
        own: own.clone(),
        clock: NodeClock::begin(),
        listen: None,
        revoked: pki.revoked.clone(),
        witness: kept("witness"),
        former: kept("former.json"),
        policy,
        peers,
    }
}

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
        until("the hearing is known", || self.registry.find(hearing).is_some()).await;
        self.registry.find(hearing).unwrap()
    }

    /// Joins with a seat's link, at this node.
    pub(crate) async fn join(&self, started: &Started, seat: &str, device: u8) -> Result<Joined, Refusal> {
        let link = &started.seats.iter().find(|s| s.name == seat).unwrap().link;
        let token = JoinToken::parse(link.as_ref().unwrap().split_once("#t=").unwrap().1).unwrap().hash();
        let Identity { zone, node } = self.identity.clone();
        self.handle(started.id).await.join(Join { token, device: [device; 16], zone, node }).await
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

/// Two nodes: `court`, where hearings are at home, and `inet`, which dials it, perhaps through a line that can be cut.
pub(crate) struct Pair {
    pub(crate) court: Node,
    pub(crate) inet: Node,
    pub(crate) line: Relay,
    pub(crate) authority: Authority,
}

/// The serial number of the edge's certificate.
pub(crate) const EDGE_SERIAL: u64 = 0x00ff_0002;

impl Pair {
    /// Each node with its own policy.
    pub(crate) async fn start(court_policy: Vec<Crossing>, inet_policy: Vec<Crossing>) -> Self {
        Self::over(court_policy, inet_policy, NodeClock::begin(), |_| Vec::new()).await
    }

    /// Everything may pass, and the edge's clock is `micros` ahead of the court's.
    pub(crate) async fn ahead(micros: i64) -> Self {
        let clock = NodeClock::new(Instant::now(), Timestamp::now().plus(micros));
        Self::over(both_ways(), both_ways(), clock, |_| Vec::new()).await
    }

    async fn over(
        court_policy: Vec<Crossing>,
        inet_policy: Vec<Crossing>,
        inet_clock: NodeClock,
        others: impl FnOnce(SocketAddr) -> Vec<(SocketAddr, u32)>,
    ) -> Self {
        let authority = Authority::new();
        let (court, inet) = (identity("court", "home"), identity("inet", "edge"));
        let (home_pki, edge_pki) = (authority.issue(&court, 1), authority.issue(&inet, EDGE_SERIAL));
        let address = free_address().await;
        let line = line_to(address);
        let home = settings(&court, &home_pki, court_policy, vec![peer(&inet, None)]);
        let home = Node::start(Settings { listen: Some(address), ..home }, &home_pki).await;
        let peers = vec![PeerSettings { others: others(address), ..peer(&court, Some(line.address())) }];
        let edge = Settings { clock: inet_clock, ..settings(&inet, &edge_pki, inet_policy, peers) };
        let edge = Node::start(edge, &edge_pki).await;
        let pair = Self { court: home, inet: edge, line, authority };
        until("both ends are up", || pair.court.is_up() && pair.inet.is_up()).await;
        pair
    }

    /// Everything may pass, and there are two lines.
    pub(crate) async fn over_two_lines() -> (Self, Relay) {
        let mut second = None;
        let pair = Self::over(both_ways(), both_ways(), NodeClock::begin(), |address| {
            let line = line_to(address);
            let others = vec![(line.address(), 20_000)];
            second = Some(line);
            others
        })
        .await;
        (pair, second.unwrap())
    }

    pub(crate) async fn open() -> Self {
        Self::start(both_ways(), both_ways()).await
    }

    /// A hearing at home at the court, with judge and counsel on their seats.
    pub(crate) async fn sitting(&self) -> (Started, Joined, Joined) {
        let started = self.court.registry.start("(2022)内0291刑初123号", "trial").await.unwrap();
        let judge = self.court.join(&started, "judge", 1).await.unwrap();
        let counsel = self.inet.join(&started, "counsel", 2).await.unwrap();
        for seat in ["judge", "counsel"] {
            self.admit(&started, seat).await;
        }
        (started, judge, counsel)
    }

    pub(crate) async fn admit(&self, started: &Started, seat: &str) {
        let admit = Action::Admit { seat: seat.into(), identity: Checked::Known };
        // The judge is admitted by joining; whoever is already in needs no admission.
        drop(self.court.registry.find(started.id).unwrap().operate(admit).await);
    }
}

pub(crate) async fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A line to a node: perfect, until it is made bad.
pub(crate) fn line_to(address: SocketAddr) -> Relay {
    Relay::start("127.0.0.1:0".parse().unwrap(), address, [Quality::default(); 2], 1).unwrap()
}

/// What an endpoint was handed.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    packets: Arc<Mutex<Vec<(TrackId, Packet, i64)>>>,
    layers: Arc<Mutex<BTreeMap<TrackId, LayerSet>>>,
    key_requests: Arc<AtomicU64>,
}

impl Heard {
    pub(crate) fn count(&self, seat: u8, kind: Kind) -> usize {
        let track = TrackId { seat: SeatId(seat), kind };
        self.packets.lock().unwrap().iter().filter(|(of, ..)| *of == track).count()
    }

    pub(crate) fn total(&self) -> usize {
        self.packets.lock().unwrap().len()
    }

    /// Every packet that came since the call before: its index, whether it is a key frame's, and its age in microseconds.
    pub(crate) fn take(&self, seat: u8, kind: Kind) -> Vec<(u64, bool, i64)> {
        let track = TrackId { seat: SeatId(seat), kind };
        let packets = std::mem::take(&mut *self.packets.lock().unwrap());
        let wanted = packets.into_iter().filter(|(of, ..)| *of == track);
        wanted.map(|(_, packet, at)| (packet.index, packet.key, at - packet.captured.0)).collect()
    }

    /// The layers that there are of a track.
    pub(crate) fn layers(&self, seat: u8, kind: Kind) -> LayerSet {
        let track = TrackId { seat: SeatId(seat), kind };
        self.layers.lock().unwrap().get(&track).copied().unwrap_or_default()
    }

    /// The layers of the packets that came since the call before.
    pub(crate) fn take_layers(&self, seat: u8, kind: Kind) -> LayerSet {
        let track = TrackId { seat: SeatId(seat), kind };
        let packets = std::mem::take(&mut *self.packets.lock().unwrap());
        let layers = packets.iter().filter(|(of, ..)| *of == track).map(|(_, packet, _)| packet.layer);
        layers.fold(LayerSet::EMPTY, |all, layer| all.union(LayerSet::only(layer)))
    }

    pub(crate) fn key_requests(&self) -> u64 {
        self.key_requests.load(Ordering::SeqCst)
    }
}

/// Sends a frame of every track each 20 ms and notes what it is handed.
struct Endpoint {
    tracks: Vec<TrackInfo>,
    key_due: bool,
    next: Instant,
    index: u64,
    outputs: VecDeque<Output>,
    heard: Heard,
    clock: NodeClock,
}

impl Endpoint {
    fn new(seat: u8, zone: &Zone, (kinds, layers): (&[Kind], LayerSet), (heard, clock): (Heard, NodeClock)) -> Self {
        let info = |kind: &Kind| TrackInfo {
            id: TrackId { seat: SeatId(seat), kind: *kind },
            codec: if kind.is_picture() { Codec::Vp8 } else { Codec::Opus },
            origin: zone.clone(),
            layers: if kind.is_picture() { layers } else { LayerSet::only(Layer(0)) },
            held: false,
        };
        let tracks: Vec<_> = kinds.iter().map(info).collect();
        let announced = tracks.iter().cloned().map(Output::Track);
        let outputs = announced.chain([Output::Connected]).collect();
        Self { tracks, key_due: true, next: Instant::now(), index: 1, outputs, heard, clock }
    }

    fn packets(&self, info: &TrackInfo) -> Vec<Packet> {
        let layers = (0..4).map(Layer).filter(|layer| info.layers.contains(*layer));
        layers.flat_map(|layer| self.frame(info, layer)).collect()
    }

    fn frame(&self, info: &TrackInfo, layer: Layer) -> Vec<Packet> {
        let pieces: u64 = if info.id.kind.is_picture() { 3_u64.pow(u32::from(layer.0) + 1) } else { 1 };
        let packet = |piece| Packet {
            index: self.index * pieces + piece,
            layer,
            media_time: self.index as i64 * 960,
            captured: self.clock.now(),
            frame_start: piece == 0,
            frame_end: piece + 1 == pieces,
            key: self.key_due || pieces == 1,
            generation: 0,
            temporal: Default::default(),
            level: (pieces == 1).then_some(30),
            payload: payload(info.id.kind, piece == 0, self.key_due, self.index),
        };
        (0..pieces).map(packet).collect()
    }
}

/// Something to send that a recorder takes for Opus, or for VP8 with a picture of 320 by 180: the frame's number stands
/// in its last 8 bytes.
fn payload(kind: Kind, first: bool, key: bool, number: u64) -> Bytes {
    let mut bytes = vec![7; if kind.is_picture() { 900 } else { 100 }];
    if kind.is_picture() && first {
        let key_frame: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0];
        let delta_frame: [u8; 10] = [0x11, 0, 0, 7, 7, 7, 7, 7, 7, 7];
        bytes[..10].copy_from_slice(if key { &key_frame } else { &delta_frame });
    }
    let end = bytes.len() - 8;
    bytes[end..].copy_from_slice(&number.to_be_bytes());
    bytes.into()
}

/// An endpoint that sends a frame of each kind every 20 ms.
pub(crate) fn endpoint(seat: u8, zone: &Zone, kinds: &[Kind]) -> Box<dyn Leg> {
    Box::new(Endpoint::new(seat, zone, (kinds, LayerSet::only(Layer(0))), (Heard::default(), NodeClock::begin())))
}

impl Leg for Endpoint {
    fn delivery(&self) -> Delivery {
        Delivery::Packets
    }

    fn handle_track(&mut self, _: Instant, info: &TrackInfo) {
        self.heard.layers.lock().unwrap().insert(info.id, info.layers);
    }

    fn handle_track_end(&mut self, _: Instant, _: TrackId) {}

    fn handle_packet(&mut self, _: Instant, track: TrackId, packet: &Packet) {
        let at = self.clock.now().0;
        self.heard.packets.lock().unwrap().push((track, packet.clone(), at));
    }

    fn handle_frame(&mut self, _: Instant, _: TrackId, _: &Frame) {}

    fn handle_control(&mut self, _: Instant, control: Control) {
        if let Control::KeyFrame(..) = control {
            self.heard.key_requests.fetch_add(1, Ordering::SeqCst);
            self.key_due = true;
        }
    }

    fn handle_datagram(&mut self, _: Instant, _: Path, _: &[u8]) {}

    fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next {
            self.next = now + Duration::from_millis(20);
            for info in self.tracks.clone() {
                let packets = self.packets(&info);
                self.outputs.extend(packets.into_iter().map(|packet| Output::Packet(info.id, packet)));
            }
            self.key_due = false;
            self.index += 1;
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn wanted(&self, _: TrackId) -> LayerSet {
        LayerSet::ALL
    }
}
