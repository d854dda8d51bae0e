//! The node's worker threads, which of them owns a hearing, and which carries a session of it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::HearingId;

use crate::net::tcp::Accepted;
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

    /// The worker for one more session of a hearing that is owned by `home`, where `sessions` tells how many of them a worker
    /// has: home for the first [`AT_HOME`], then whichever has the least to do.
    #[must_use]
    pub(crate) fn for_session(&self, home: &WorkerHandle, sessions: impl Fn(&WorkerHandle) -> usize) -> WorkerHandle {
        let loads: Vec<_> = self.handles.iter().map(|worker| (worker.busy(), sessions(worker))).collect();
        let home_at = self.handles.iter().position(|worker| worker.is(home));
        home_at.map_or(home, |home_at| &self.handles[choose(home_at, &loads)]).clone()
    }

    /// Leads a TCP connection to the worker whose leg awaits it, by its first STUN request; false when none does.
    #[must_use]
    pub(crate) fn adopt(&self, accepted: Accepted, request: &[u8]) -> bool {
        let awaiting = self.handles.iter().find(|handle| handle.awaits(request));
        awaiting.is_some_and(|handle| handle.adopt(accepted).is_ok())
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

/// Of each worker: how busy it was, in thousandths, and how many sessions of the hearing it has. A worker's figure is a second
/// old, so its sessions count on top: of many who join at once not all go to the same.
fn choose(home: usize, loads: &[(u32, usize)]) -> usize {
    if loads[home].1 < AT_HOME {
        return home;
    }
    let load = |at: &usize| loads[*at].0 as usize + loads[*at].1 * SESSION;
    (0..loads.len()).min_by_key(load).unwrap_or(home)
}

/// Sessions of a hearing that stay with its router, where a packet needs no second thread. Sixteen who all see and hear each other
/// take about a quarter of a core; most hearings have fewer.
const AT_HOME: usize = 16;
/// What a session takes of a worker that receives sixteen pictures and sounds, in thousandths.
const SESSION: usize = 16;
/// Thousandths of a worker's time that make no difference.
const ROUGHLY: u32 = 50;

/// A worker that could not start.
#[derive(Debug, thiserror::Error)]
#[error("media.bind: cannot use UDP {at}: {source}; choose another port or end what uses it")]
pub struct Error {
    at: SocketAddr,
    source: io::Error,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seats so many sessions one after the other; how many each worker has then.
    fn seat(home: usize, busy: &[u32], sessions: usize) -> Vec<usize> {
        let mut loads: Vec<_> = busy.iter().map(|busy| (*busy, 0)).collect();
        for _ in 0..sessions {
            let at = choose(home, &loads);
            loads[at].1 += 1;
        }
        loads.into_iter().map(|(_, sessions)| sessions).collect()
    }

    #[test]
    fn a_small_hearing_stays_with_its_router_however_busy_that_is() {
        assert_eq!(seat(1, &[0, 900, 0], AT_HOME), [0, AT_HOME, 0]);
    }

    #[test]
    fn a_large_hearing_is_spread_over_all_workers() {
        assert_eq!(seat(0, &[0, 0], 64), [32, 32]);
        assert_eq!(seat(0, &[0, 0, 0, 0], 64), [16, 16, 16, 16]);
    }

    #[test]
    fn workers_that_carry_other_hearings_get_fewer_and_one_that_is_full_gets_none() {
        assert_eq!(seat(0, &[0, 320], 60), [40, 20]);
        assert_eq!(seat(0, &[0, 980], 60), [60, 0]);
    }

    #[test]
    fn the_only_worker_has_everybody() {
        assert_eq!(seat(0, &[990], 64), [64]);
    }
}
