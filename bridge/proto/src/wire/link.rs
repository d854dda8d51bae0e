//! What two nodes say about the link itself.

use serde::{Deserialize, Serialize};

/// The first message of either end. The names must be those in its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The sender's node id.
    pub node: String,
    /// The sender's zone.
    pub zone: String,
    /// The sender's software version, for the log.
    pub software: String,
}

/// The sender has judged the other end and lets it in. Neither end sends anything else before both have said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {}

/// From now on this connection carries, and no other between the two nodes. The dialler says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {}

/// Asks for a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The sender's clock, microseconds since 1970.
    pub at: i64,
}

/// Answers a [`Ping`]: enough to know round trip and clock offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// [`Ping::at`].
    pub ping: i64,
    /// The answering node's clock, microseconds since 1970.
    pub at: i64,
}

impl Pong {
    /// Round trip in microseconds, and how far the answering clock is ahead of the asking one, in microseconds, when the answer
    /// arrives at `now` of the asking clock. `None` when the answer is older than its question.
    #[must_use]
    pub const fn measure(&self, now: i64) -> Option<(u64, i64)> {
        match now.checked_sub(self.ping) {
            Some(rtt) if rtt >= 0 => {
                let middle = self.ping.saturating_add(rtt / 2);
                Some((rtt.unsigned_abs(), self.at.saturating_sub(middle)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pong;

    #[test]
    fn a_pong_tells_round_trip_and_clock_offset() {
        assert_eq!(Pong { ping: 1_000, at: 6_020 }.measure(1_040), Some((40, 5_000)));
    }

    #[test]
    fn a_pong_from_before_its_ping_tells_nothing() {
        assert_eq!(Pong { ping: 1_000, at: 0 }.measure(900), None);
        assert_eq!(Pong { ping: i64::MIN, at: 0 }.measure(i64::MAX), None);
    }
}
