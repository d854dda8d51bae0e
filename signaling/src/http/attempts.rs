//! How often an address has tried links that are not valid: five a minute, then it has to wait. People who have a link are
//! never held up, however many of them sit behind one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The failed attempts of every address in the last minute.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: Mutex<HashMap<IpAddr, Failed>>,
}

#[derive(Debug, Clone, Copy)]
struct Failed {
    since: Instant,
    times: u32,
}

impl Attempts {
    /// True when the address has to wait.
    #[must_use]
    pub(crate) fn exhausted(&self, address: IpAddr, now: Instant) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(&address).is_some_and(|failed| failed.is_recent(now) && failed.times >= LIMIT)
    }

    /// Counts an attempt with a link that is not valid.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) {
        metrics::counter!("hearing_joins_unknown_link_total").increment(1);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= ADDRESSES {
            failed.retain(|_, failed| failed.is_recent(now));
        }
        // More addresses than this within a minute is an attack that no limit by address can hold off; 256-bit tokens can.
        if failed.len() < ADDRESSES || failed.contains_key(&address) {
            let entry = failed.entry(address).or_insert(Failed { since: now, times: 0 });
            if !entry.is_recent(now) {
                *entry = Failed { since: now, times: 0 };
            }
            entry.times += 1;
        }
    }
}

impl Failed {
    fn is_recent(&self, now: Instant) -> bool {
        now.duration_since(self.since) < PERIOD
    }
}

const LIMIT: u32 = 5;
const PERIOD: Duration = Duration::from_secs(60);
const ADDRESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_waits_after_five_failures_in_a_minute_and_no_longer() {
        let (attempts, address, start) = (Attempts::default(), IpAddr::from([192, 0, 2, 1]), Instant::now());
        for _ in 0..LIMIT {
            assert!(!attempts.exhausted(address, start));
            attempts.count(address, start);
        }
        assert!(attempts.exhausted(address, start));
        assert!(!attempts.exhausted(IpAddr::from([192, 0, 2, 2]), start));
        assert!(!attempts.exhausted(address, start + PERIOD));
    }
}
