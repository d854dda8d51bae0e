//! The recorder's clocks: the wall clock as it stands, the monotonic clock beside it, and which start of the machine it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hearing_config::Timestamp;
use hearing_proto::manifest::Stamp;

/// Reads both clocks of the machine.
#[derive(Debug, Clone)]
pub struct Clocks {
    boot: Arc<str>,
    /// What a test adds to the wall clock, in microseconds.
    step: Arc<AtomicI64>,
}

impl Clocks {
    /// The machine's.
    #[must_use]
    pub fn new() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = match boot.trim() {
            // Without a name for it, no two starts of this process may be taken for one start of the machine.
            "" => uuid::Uuid::new_v4().to_string(),
            boot => boot.to_owned(),
        };
        Self { boot: boot.into(), step: Arc::default() }
    }

    /// Both clocks now.
    #[must_use]
    pub fn now(&self) -> Stamp {
        let mono = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let utc = Timestamp::now().plus(self.step.load(Ordering::Relaxed)).0;
        Stamp { utc, mono: mono.tv_sec * 1_000_000 + mono.tv_nsec / 1_000 }
    }

    /// Names this start of the machine.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// Sets the wall clock forward by `micros` in what this and its clones read.
    #[cfg(test)]
    pub(super) fn set_forward(&self, micros: i64) {
        self.step.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self::new()
    }
}
