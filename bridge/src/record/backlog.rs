//! What stands between the leg and the writer: how much of a track is in the queue, and one clock for both.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicUsize, Ordering};
use std::time::Instant;

use hearing_config::Timestamp;

/// What one track has in the queue, shared by leg and writer.
#[derive(Default)]
pub(super) struct Backlog {
    frames: AtomicU32,
    bytes: AtomicUsize,
    /// When the last frame that the writer took had arrived.
    taken: AtomicI64,
    /// The writer needs a key frame.
    wants_key: AtomicBool,
}

impl Backlog {
    /// Room for a frame of `bytes` that arrives at `at`?
    pub(super) fn admit(&self, at: Timestamp, bytes: usize) -> bool {
        if self.frames.load(Ordering::Acquire) == 0 {
            self.taken.store(at.0, Ordering::Relaxed);
        }
        let late = at.since(Timestamp(self.taken.load(Ordering::Relaxed))) > BACKLOG_SPAN;
        if late || self.bytes.load(Ordering::Relaxed) + bytes > BACKLOG_BYTES {
            return false;
        }
        self.frames.fetch_add(1, Ordering::AcqRel);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        true
    }

    /// The writer has taken a frame out, or it never got in.
    pub(super) fn release(&self, at: Timestamp, bytes: usize) {
        self.taken.store(at.0, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.frames.fetch_sub(1, Ordering::AcqRel);
    }

    /// Asks the leg to ask for a key frame.
    pub(super) fn want_key(&self) {
        self.wants_key.store(true, Ordering::Relaxed);
    }

    /// Whether a key frame has been asked for since the last call.
    pub(super) fn take_want_key(&self) -> bool {
        self.wants_key.swap(false, Ordering::Relaxed)
    }
}

/// Wall-clock time by the monotonic clock: steps of the wall clock don't reach the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct WallClock {
    instant: Instant,
    wall: Timestamp,
}

impl WallClock {
    pub(super) fn now() -> Self {
        Self { instant: Instant::now(), wall: Timestamp::now() }
    }

    pub(super) fn at(&self, now: Instant) -> Timestamp {
        self.wall.plus(now.saturating_duration_since(self.instant).as_micros() as i64)
    }
}

/// What a track may have in the queue, in microseconds of arrival.
const BACKLOG_SPAN: i64 = 10_000_000;
/// The same in bytes: 10 s at 25 Mb/s.
const BACKLOG_BYTES: usize = 32 << 20;
