//! Tells every hearing when the writer itself stands still: a disk that blocks can't be told of by the thread that it blocks.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use hearing_config::HearingId;
use tokio::sync::mpsc;

use super::RecordEvent;

/// The watch over one writer; its thread ends with it.
pub(super) struct Watch(Arc<Mutex<Watched>>);

struct Watched {
    beat: Instant,
    /// The hearings have been told that the writer stands still.
    told: bool,
    events: HashMap<HearingId, mpsc::Sender<RecordEvent>>,
}

impl Watch {
    pub(super) fn spawn() -> io::Result<Self> {
        let watched = Arc::new(Mutex::new(Watched { beat: Instant::now(), told: false, events: HashMap::new() }));
        let weak = Arc::downgrade(&watched);
        thread::Builder::new().name("record-watch".to_owned()).spawn(move || run(&weak))?;
        Ok(Self(watched))
    }

    /// The writer has made a turn; for how long it stood still, if the hearings were told that it does.
    pub(super) fn beat(&self) -> Option<Duration> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let still = watched.beat.elapsed();
        watched.beat = Instant::now();
        std::mem::replace(&mut watched.told, false).then_some(still)
    }

    pub(super) fn add(&self, hearing: HearingId, events: mpsc::Sender<RecordEvent>) {
        self.with(|watched| drop(watched.events.insert(hearing, events)));
    }

    pub(super) fn remove(&self, hearing: HearingId) {
        self.with(|watched| drop(watched.events.remove(&hearing)));
    }

    fn with(&self, change: impl FnOnce(&mut Watched)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn run(watched: &Weak<Mutex<Watched>>) {
    loop {
        thread::sleep(LOOK);
        let Some(watched) = watched.upgrade() else { return };
        let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        let still = watched.beat.elapsed();
        if still > STUCK && !watched.told {
            watched.told = true;
            tracing::error!(?still, "the disk of the record takes nothing");
            let reason = "磁盘无响应，画面和声音在内存中等待 the disk takes nothing; sound and picture wait in memory";
            for events in watched.events.values() {
                // A hearing that does not listen has worse to tell.
                _ = events.try_send(RecordEvent::Failed(reason.to_owned()));
            }
        }
    }
}

const LOOK: Duration = Duration::from_millis(250);
/// The writer makes a turn every 60 ms.
const STUCK: Duration = Duration::from_secs(2);
