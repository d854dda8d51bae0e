//! The node's worker threads, and which of them owns a hearing.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::HearingId;

use crate::router::{Worker, WorkerHandle};

/// All workers of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Workers {
    handles: Arc<[WorkerHandle]>,
    placed: Arc<Mutex<HashMap<HearingId, usize>>>,
}

impl Workers {
    /// Spawns `count` workers (at least one); worker n binds the port of `bind` plus n.
    ///
    /// # Errors
    /// The address that cannot be bound, with the system's reason.
    pub(crate) fn spawn(bind: SocketAddr, count: u16) -> Result<Self, Error> {
        let spawn = |n: u16| {
            let at = SocketAddr::new(bind.ip(), bind.port().saturating_add(n));
            Worker::spawn(at, usize::from(n)).map_err(|source| Error { at, source })
        };
        let handles = (0..count.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok(Self { handles, placed: Arc::default() })
    }

    /// The worker that owns `hearing`; the least loaded one takes a hearing that is new.
    #[must_use]
    pub(crate) fn of(&self, hearing: HearingId) -> WorkerHandle {
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = placed.get(&hearing) {
            return self.handles[*n].clone();
        }
        // What it did in the last second, roughly; then how many hearings it has, which may be silent as yet.
        let load = |n: &usize| {
            let hearings = placed.values().filter(|at| *at == n).count();
            (self.handles[*n].busy() / ROUGHLY, hearings)
        };
        let n = (0..self.handles.len()).min_by_key(load).expect("there is at least one worker");
        placed.insert(hearing, n);
        self.handles[n].clone()
    }

    /// Forgets where `hearing` was.
    pub(crate) fn release(&self, hearing: HearingId) {
        self.placed.lock().unwrap_or_else(PoisonError::into_inner).remove(&hearing);
    }

    /// Every worker.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &WorkerHandle> {
        self.handles.iter()
    }
}

/// Thousandths of a worker's time that make no difference.
const ROUGHLY: u32 = 50;

/// A worker that could not start.
#[derive(Debug, thiserror::Error)]
#[error("media.bind: cannot use UDP {at}: {source}; choose another port or end what uses it")]
pub struct Error {
    at: SocketAddr,
    source: io::Error,
}
