//! Sealed records that no witness saw to their end are cosigned when a node of another zone can be reached again.

use std::collections::BTreeMap;
use std::time::Duration;

use hearing_config::HearingId;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::record::Recorder;
use crate::record::cosign::Unwitnessed as Record;
use crate::trunk::{Trunks, Unwitnessed};

/// The way to the task that looks for a witness later. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Later {
    sealed: mpsc::Sender<HearingId>,
}

impl Later {
    /// Starts the task; it begins with every record that was sealed before without a witness, and ends with the last handle.
    pub(crate) fn start(recorder: Recorder, trunks: Trunks) -> Self {
        let (sealed, hearings) = mpsc::channel(HEARINGS);
        tokio::spawn(run(recorder, trunks, hearings));
        Self { sealed }
    }

    /// A record was sealed: if nobody of another zone has cosigned its final checkpoint, somebody shall. One that does not fit is found when
    /// the node starts again.
    pub(crate) fn sealed(&self, hearing: HearingId) {
        let _ = self.sealed.try_send(hearing);
    }
}

async fn run(recorder: Recorder, trunks: Trunks, mut sealed: mpsc::Receiver<HearingId>) {
    let all = recorder.clone();
    let mut open: BTreeMap<HearingId, Record> = match blocking(move || all.unwitnessed()).await {
        Ok(all) => all.into_iter().map(|record| (record.hearing, record)).collect(),
        Err(error) => {
            warn!(%error, "sealed records without a witness can't be looked for");
            BTreeMap::new()
        }
    };
    let mut turns = interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            hearing = sealed.recv() => match hearing {
                Some(hearing) => _ = open.insert(hearing, recorder.sealed(hearing)),
                None => return,
            },
            _ = turns.tick() => {
                for record in open.values().cloned().collect::<Vec<_>>() {
                    if seek(&record, &trunks).await {
                        open.remove(&record.hearing);
                    }
                }
            }
        }
    }
}

/// True when nothing more is to be done for the record.
async fn seek(record: &Record, trunks: &Trunks) -> bool {
    let (hearing, mut since) = (record.hearing, 0);
    for _ in 0..2 {
        let asked = record.clone();
        let request = match blocking(move || asked.request(since)).await {
            Ok(Some(request)) => request,
            // Somebody has cosigned, or the witness has seen another history.
            Ok(None) => return true,
            Err(error) => {
                warn!(%hearing, %error, "a sealed record can't be cosigned");
                return true;
            }
        };
        match trunks.witness(hearing, request).await {
            Ok(word) => {
                let (told, zone) = (record.clone(), word.zone.clone());
                match blocking(move || told.cosigned(word)).await {
                    Ok(()) => info!(%hearing, witness = zone, "a sealed record was cosigned later"),
                    Err(error) => warn!(%hearing, %error, "a later cosignature is not written"),
                }
                return true;
            }
            Err(Unwitnessed::Since(size)) => since = size,
            Err(why @ (Unwitnessed::Nobody | Unwitnessed::Unanswered)) => {
                debug!(%hearing, %why, "a sealed record is not cosigned yet");
                return false;
            }
            Err(why @ Unwitnessed::Refused(_)) => {
                warn!(%hearing, %why, "a sealed record is not cosigned");
                return true;
            }
        }
    }
    false
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, crate::record::Error> + Send + 'static,
) -> Result<T, crate::record::Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(crate::record::Error::Stopped))
}

/// How often a witness is looked for.
const TURN: Duration = Duration::from_secs(5);
/// Records that may be sealed within a turn.
const HEARINGS: usize = 256;
