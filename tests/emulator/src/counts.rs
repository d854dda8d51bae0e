//! What became of the packets.

use serde::Serialize;

/// Packets of one direction since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// They came to the line.
    pub offered: u64,
    /// They left it at the other end.
    pub delivered: u64,
    /// Lost by chance.
    pub lost: u64,
    /// There was no room in the queue.
    pub overflowed: u64,
    /// The line was cut, or was cut while they were on their way.
    pub cut: u64,
    /// Held back, so that later ones overtook them.
    pub reordered: u64,
}
