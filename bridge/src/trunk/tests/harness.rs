//! Two nodes with a line between them that can be cut: what the tests of trunks stand on.

mod authority;
mod endpoint;
mod node;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hearing_config::{Crossing, Kind, Pki, Role, Timestamp, Zone};
use hearing_emulator::{Quality, Relay};
use hearing_signaling::registry::{Joined, Started};
use tokio::net::UdpSocket;

pub(crate) use self::authority::Authority;
pub(crate) use self::endpoint::{Heard, endpoint};
pub(crate) use self::node::{Node, admit, join, registry};
use super::super::{PeerSettings, Settings};
use crate::net::clock::NodeClock;
use crate::net::tls::Identity;

pub(crate) fn zone(name: &str) -> Zone {
    name.parse().unwrap()
}

pub(crate) fn identity(zone: &str, node: &str) -> Identity {
    Identity { zone: zone.parse().unwrap(), node: node.parse().unwrap() }
}

/// Waits until something is so; fails when it is not so within 15 s.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_told(what, async || is_so()).await;
}

/// The same of something that must be asked for.
pub(crate) async fn until_told(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(15);
    while !is_so().await {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
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
        admit(&self.court.registry, started.id, seat).await;
    }
}

pub(crate) async fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A line to a node: perfect, until it is made bad.
pub(crate) fn line_to(address: SocketAddr) -> Relay {
    Relay::start("127.0.0.1:0".parse().unwrap(), address, [Quality::default(); 2], 1).unwrap()
}
