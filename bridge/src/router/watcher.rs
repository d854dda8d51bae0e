//! Notes what a feed sees and hears of the terminal that it serves.

use std::sync::{Arc, Mutex, PoisonError};

/// What was seen and heard of a terminal so far. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Watcher(Arc<Mutex<Seen>>);

/// What was seen and heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Pictures that were decoded.
    pub pictures: u64,
    /// The loudest second, in dB below full scale, 0 to 96; `None`: no sound was decoded.
    pub level: Option<u8>,
}

impl Watcher {
    /// A picture was decoded.
    pub fn saw(&self) {
        self.change(|seen| seen.pictures += 1);
    }

    /// A second of sound had this mean power, in dB below full scale.
    pub fn heard(&self, level: u8) {
        self.change(|seen| seen.level = Some(seen.level.map_or(level, |before| before.min(level))));
    }

    /// What there is.
    #[must_use]
    pub fn seen(&self) -> Seen {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
