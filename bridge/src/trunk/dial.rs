//! Dials one peer, for as long as the node runs: a new attempt every 0.7 s while there is no link.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, Connection, Endpoint};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use super::cause::Cause;
use super::control::{self, Greeted, greet};
use super::event::Event;
use super::transport;
use crate::net::tls::Identity;

/// What a dialler needs.
#[derive(Clone)]
pub(super) struct Dialler {
    pub(super) endpoint: Endpoint,
    pub(super) config: ClientConfig,
    pub(super) address: SocketAddr,
    pub(super) own: Arc<Identity>,
    pub(super) peer: Identity,
    pub(super) events: mpsc::Sender<Event>,
}

impl Dialler {
    /// Runs until the peer's task is gone.
    pub(super) async fn run(self) {
        loop {
            let greeted = self.dial().await;
            let connection = greeted.connection.clone();
            if self.events.send(Event::Greeted(greeted)).await.is_err() {
                return;
            }
            // The link's own watch closes it after a second of silence.
            connection.closed().await;
        }
    }

    /// Attempts may overlap: on a bad line a handshake takes longer than the time between two.
    async fn dial(&self) -> Greeted {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut attempts, mut told) = (JoinSet::new(), None);
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    if attempts.len() < ATTEMPTS {
                        attempts.spawn(attempt(self.clone()));
                    }
                }
                Some(ended) = attempts.join_next() => match ended {
                    Ok(Ok(greeted)) => return greeted,
                    Ok(Err(cause)) => self.tell(cause, &mut told),
                    Err(error) => warn!(peer = %self.peer, %error, "an attempt to dial failed"),
                },
            }
        }
    }

    /// The same cause again is no news.
    fn tell(&self, cause: Cause, told: &mut Option<Cause>) {
        metrics::counter!("hearing_trunk_dials_failed_total", "cause" => cause.word()).increment(1);
        if told.as_ref() == Some(&cause) {
            debug!(peer = %self.peer, %cause, "trunk not up");
        } else {
            warn!(peer = %self.peer, address = %self.address, %cause, "trunk not up");
            *told = Some(cause);
        }
    }
}

pub(super) async fn attempt(dialler: Dialler) -> Result<Greeted, Cause> {
    let Dialler { endpoint, config, address, own, peer, .. } = dialler;
    // The name is not sent and not compared: who the peer is, its certificate's URI says.
    let connecting =
        endpoint.connect_with(config, address, SERVER_NAME).map_err(|error| Cause::Undiallable(error.to_string()))?;
    let connection = match timeout(PATIENCE, connecting).await {
        Ok(connected) => connected.map_err(Cause::of)?,
        Err(_) => return Err(Cause::NoAnswer(peer)),
    };
    if let Err(cause) = expect(&connection, &peer) {
        control::close(&connection, &cause);
        return Err(cause);
    }
    greet(connection, true, &own, &peer).await.map_err(|(connection, cause)| {
        control::close(&connection, &cause);
        cause
    })
}

fn expect(connection: &Connection, expected: &Identity) -> Result<(), Cause> {
    let (actual, _) = transport::identity(connection)?;
    if actual == *expected { Ok(()) } else { Err(Cause::WrongPeer { expected: expected.clone(), actual }) }
}

const SERVER_NAME: &str = "trunk.invalid";
const EVERY: Duration = Duration::from_millis(700);
const PATIENCE: Duration = Duration::from_secs(3);
const ATTEMPTS: usize = 4;
