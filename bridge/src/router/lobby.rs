//! The user fragments that a worker awaits, for the node's front door: it asks before it hands a TCP connection over. Touched when
//! legs come, restart and go, never on the way of a packet.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Lobby(Arc<RwLock<HashSet<String>>>);

impl Lobby {
    pub(super) fn expect(&self, ufrag: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(ufrag.to_owned());
    }

    pub(super) fn forget(&self, ufrag: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(ufrag);
    }

    pub(super) fn awaits(&self, ufrag: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(ufrag)
    }
}
