//! Brings the trunks up.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hearing_config::Zone;
use hearing_proto::manifest::Node;
use hearing_signaling::registry::Registry;
use quinn::{ClientConfig, Endpoint};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::info;

use super::dial::Dialler;
use super::former::Former;
use super::gate::Gate;
use super::listen::{Awaited, Listener};
use super::peer::{Peer, Shared};
use super::status::Gauges;
use super::{Asked, PeerSettings, Settings, Trunk, Trunks, Witnesses, revoke, transport};
use crate::net::tls::{self, Identity, TrunkTls};

/// Why the trunks can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can't be bound.
    #[error("trunks: {address} can't be bound ({source}); is another node running?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate is another node's.
    #[error("the certificate is that of {certificate}, and this node is {configured}")]
    NotOwn {
        /// Who the certificate names.
        certificate: Identity,
        /// Who this node is by its configuration.
        configured: Identity,
    },
    /// Two trunks to one zone.
    #[error("there are [[trunk]]s to two nodes of zone {0}; a zone is reached through one node")]
    TwoTrunks(Zone),
    /// Nobody could ever connect.
    #[error("[[trunk]] to {0}: neither `dial` nor [trunks] `listen` is set, so the line can never come up")]
    Unreachable(Identity),
    /// The node's key can't sign.
    #[error(transparent)]
    Signing(#[from] tls::Error),
    /// The TLS library has no cipher for QUIC.
    #[error("TLS has no initial cipher suite for QUIC")]
    NoCipher,
}

impl Trunks {
    /// Listens, dials, and keeps at it. What peers ask for comes out of the receivers.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn start(settings: Settings, tls: TrunkTls, registry: Registry) -> Result<(Self, Asked), Error> {
        check(&settings, &tls)?;
        let (rehearsals, rehearsed) = mpsc::channel(1);
        let (late, asked) = mpsc::channel(LATE_LIMIT);
        let gate = Gate::new(settings.own.zone.clone(), settings.policy.clone());
        let (own, clock) = (settings.own.clone(), settings.clock);
        let (chain, signer) = tls.signing()?;
        let node = Node { node: own.node.to_string(), zone: own.zone.to_string(), chain, signer: Arc::new(signer) };
        let witnesses = Witnesses::new(settings.witness.clone(), node);
        let former = Former::open(settings.former.clone());
        let shared = Shared { own, clock, gate, registry, tls, rehearsals, late, witnesses, former };
        let mut builder = Builder::new(&settings, Arc::new(shared))?;
        for peer in &settings.peers {
            builder.add(peer)?;
        }
        Ok((builder.finish(settings), Asked { rehearsals: rehearsed, late: asked }))
    }
}

struct Builder {
    shared: Arc<Shared>,
    /// Where peers dial this node.
    listening: Option<Endpoint>,
    /// For dialling, when it does not listen.
    dialling: Option<Endpoint>,
    peers: Vec<Trunk>,
    awaited: Vec<Awaited>,
    tasks: JoinSet<()>,
}

impl Builder {
    fn new(settings: &Settings, shared: Arc<Shared>) -> Result<Self, Error> {
        let listening = settings.listen.map(|address| listen(address, settings, &shared.tls)).transpose()?;
        let (peers, awaited, tasks) = (Vec::new(), Vec::new(), JoinSet::new());
        Ok(Self { shared, listening, dialling: None, peers, awaited, tasks })
    }

    fn add(&mut self, settings: &PeerSettings) -> Result<(), Error> {
        let (sender, receiver) = mpsc::channel(EVENTS_LIMIT);
        let gauges = Arc::new(Gauges::new(settings.identity.clone()));
        gauges.set_up(false);
        let peer = Peer::new(settings.clone(), self.shared.clone(), gauges.clone(), sender.downgrade());
        self.tasks.spawn(peer.run(receiver));
        let peer = settings.identity.clone();
        let awaited = Awaited { peer: peer.clone(), dialled: settings.dial.is_some(), events: sender.clone() };
        self.awaited.push(awaited);
        self.peers.push(Trunk { peer: peer.clone(), gauges, events: sender.clone() });
        for (address, kbps) in settings.lines() {
            let (endpoint, config) = (self.dialling(address)?, self.client(kbps)?);
            let (own, peer, events) = (Arc::new(self.shared.own.clone()), peer.clone(), sender.clone());
            self.tasks.spawn(Dialler { endpoint, config, address, own, peer, events }.run());
        }
        Ok(())
    }

    fn finish(mut self, settings: Settings) -> Trunks {
        if let Some(endpoint) = self.listening.clone() {
            let own = Arc::new(self.shared.own.clone());
            self.tasks.spawn(Listener { endpoint, own, peers: self.awaited.into() }.run());
        }
        let events = self.peers.iter().map(|trunk| trunk.events.clone()).collect();
        self.tasks.spawn(revoke::watch(self.shared.tls.clone(), settings.revoked, events));
        let endpoints = self.listening.into_iter().chain(self.dialling).collect();
        Trunks { shared: self.shared, peers: self.peers.into(), endpoints, _tasks: Arc::new(self.tasks) }
    }

    /// One socket for all, so that a line has one five-tuple whoever dials again.
    fn dialling(&mut self, to: SocketAddr) -> Result<Endpoint, Error> {
        let present = self.listening.as_ref().or(self.dialling.as_ref());
        if let Some(endpoint) = present {
            return Ok(endpoint.clone());
        }
        let address = transport::any_address(to);
        let endpoint = Endpoint::client(address).map_err(|source| Error::Bind { address, source })?;
        self.dialling = Some(endpoint.clone());
        Ok(endpoint)
    }

    fn client(&self, kbps: u32) -> Result<ClientConfig, Error> {
        transport::client(&self.shared.tls, kbps).map_err(|_| Error::NoCipher)
    }
}

fn listen(address: SocketAddr, settings: &Settings, tls: &TrunkTls) -> Result<Endpoint, Error> {
    let kbps = settings.peers.iter().map(|peer| peer.kbps).max().unwrap_or_default();
    let config = transport::server(tls, kbps).map_err(|_| Error::NoCipher)?;
    let endpoint = Endpoint::server(config, address).map_err(|source| Error::Bind { address, source })?;
    info!(%address, "trunks listen");
    Ok(endpoint)
}

fn check(settings: &Settings, tls: &TrunkTls) -> Result<(), Error> {
    let certificate = tls.own();
    if certificate != settings.own {
        return Err(Error::NotOwn { certificate, configured: settings.own.clone() });
    }
    let mut zones = std::collections::BTreeSet::new();
    for peer in &settings.peers {
        if !zones.insert(&peer.identity.zone) {
            return Err(Error::TwoTrunks(peer.identity.zone.clone()));
        }
        if peer.dial.is_none() && settings.listen.is_none() {
            return Err(Error::Unreachable(peer.identity.clone()));
        }
    }
    Ok(())
}

/// What may wait for a peer's task.
const EVENTS_LIMIT: usize = 1_024;
/// Questions for late media that may wait; more are answered with nothing.
const LATE_LIMIT: usize = 64;
