//! Looks every second whether the revocation list changed, so that a revoked peer's live link is cut within seconds.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use super::event::Event;
use crate::net::tls::TrunkTls;

/// Runs for as long as the node does.
pub(super) async fn watch(tls: TrunkTls, list: PathBuf, peers: Vec<mpsc::Sender<Event>>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = stamp(&list).await;
    loop {
        ticks.tick().await;
        let now = stamp(&list).await;
        if now == seen {
            continue;
        }
        match tls.reload() {
            Ok(()) => {
                seen = now;
                info!("certificates and revocation list read again");
                for peer in &peers {
                    drop(peer.send(Event::Revocations).await);
                }
            }
            // What was read before stays in force; perhaps the file was read while it was being written.
            Err(error) => error!(%error, "the revocation list cannot be read again"),
        }
    }
}

async fn stamp(list: &PathBuf) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(list).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

const EVERY: Duration = Duration::from_secs(1);
