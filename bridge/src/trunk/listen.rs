//! Takes connections of peers: whoever proves to be the configured node of the configured zone is greeted, all others are
//! closed with a word.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, Incoming};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::warn;

use super::cause::Cause;
use super::control::{self, greet};
use super::event::Event;
use super::transport;
use crate::net::tls::Identity;

/// A peer that may dial this node, and its task.
#[derive(Clone)]
pub(super) struct Awaited {
    pub(super) peer: Identity,
    /// True when this node dials that peer and so does not wait for it.
    pub(super) dialled: bool,
    pub(super) events: mpsc::Sender<Event>,
}

/// What a listener needs.
pub(super) struct Listener {
    pub(super) endpoint: Endpoint,
    pub(super) own: Arc<Identity>,
    pub(super) peers: Arc<[Awaited]>,
}

impl Listener {
    /// Runs until the endpoint is closed.
    pub(super) async fn run(self) {
        let places = Arc::new(Semaphore::new(PLACES));
        let mut tasks = JoinSet::new();
        while let Some(incoming) = self.endpoint.accept().await {
            while tasks.try_join_next().is_some() {}
            let Ok(place) = places.clone().try_acquire_owned() else {
                metrics::counter!("hearing_trunk_handshakes_refused_total").increment(1);
                incoming.refuse();
                continue;
            };
            let (own, peers) = (self.own.clone(), self.peers.clone());
            tasks.spawn(async move {
                receive(incoming, &own, &peers).await;
                drop(place);
            });
        }
    }
}

async fn receive(incoming: Incoming, own: &Identity, peers: &[Awaited]) {
    let remote = incoming.remote_address();
    if let Err(cause) = take(incoming, own, peers).await {
        metrics::counter!("hearing_trunk_refused_total", "cause" => cause.word()).increment(1);
        warn!(%remote, %cause, "a trunk connection is refused");
    }
}

pub(super) async fn take(incoming: Incoming, own: &Identity, peers: &[Awaited]) -> Result<(), Cause> {
    let connection = match timeout(HANDSHAKE, incoming).await {
        Ok(connected) => connected.map_err(Cause::of)?,
        Err(_) => return Err(Cause::NoGreeting(HANDSHAKE)),
    };
    let judged = transport::identity(&connection).and_then(|(actual, _)| recognize(actual, peers));
    let awaited = match judged {
        Ok(awaited) => awaited,
        Err(cause) => {
            control::close(&connection, &cause);
            return Err(cause);
        }
    };
    match greet(connection, false, own, &awaited.peer).await {
        Ok(greeted) => {
            drop(awaited.events.send(Event::Greeted(greeted)).await);
            Ok(())
        }
        Err((connection, cause)) => {
            control::close(&connection, &cause);
            Err(cause)
        }
    }
}

fn recognize(actual: Identity, peers: &[Awaited]) -> Result<&Awaited, Cause> {
    if let Some(awaited) = peers.iter().find(|awaited| awaited.peer == actual) {
        return if awaited.dialled { Err(Cause::Protocol("this node dials that peer")) } else { Ok(awaited) };
    }
    let similar = peers.iter().find(|a| a.peer.node == actual.node || a.peer.zone == actual.zone);
    Err(match similar {
        Some(awaited) => Cause::WrongPeer { expected: awaited.peer.clone(), actual },
        None => Cause::Stranger(actual),
    })
}

const HANDSHAKE: Duration = Duration::from_secs(3);
/// Handshakes and greetings at a time.
const PLACES: usize = 64;
