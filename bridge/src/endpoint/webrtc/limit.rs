//! Sources that send too much rubbish are not listened to for the rest of a second.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Counts bad datagrams by address, for one second at a time.
#[derive(Debug, Default)]
pub(super) struct Limit {
    begun: Option<Instant>,
    counts: Vec<(SocketAddr, u32)>,
}

impl Limit {
    /// True unless the source has had its fill of bad datagrams in this second.
    pub(super) fn allows(&mut self, now: Instant, source: SocketAddr) -> bool {
        if self.counts.is_empty() {
            return true;
        }
        if self.begun.is_none_or(|begun| now.saturating_duration_since(begun) >= SECOND) {
            self.counts.clear();
            return true;
        }
        let allowed = !self.counts.iter().any(|(address, count)| *address == source && *count >= MOST);
        if !allowed {
            metrics::counter!("hearing_webrtc_dropped_total", "reason" => "source_limited").increment(1);
        }
        allowed
    }

    /// The source sent a bad datagram.
    pub(super) fn bad(&mut self, now: Instant, source: SocketAddr) {
        if self.counts.is_empty() {
            self.begun = Some(now);
        }
        if let Some((_, count)) = self.counts.iter_mut().find(|(address, _)| *address == source) {
            *count += 1;
        } else if self.counts.len() < SOURCES {
            self.counts.push((source, 1));
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MOST: u32 = 100;
/// Addresses that are watched at a time.
const SOURCES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_rubbish_is_cut_off_for_the_second_and_others_are_not() {
        let now = Instant::now();
        let (bad, good) = (([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 1).into());
        let mut limit = Limit::default();
        let heard = (0..500).filter(|_| {
            let allowed = limit.allows(now, bad);
            if allowed {
                limit.bad(now, bad);
            }
            allowed
        });
        assert_eq!(heard.count(), 100);
        assert!(limit.allows(now, good));
        assert!(limit.allows(now + SECOND, bad));
    }
}
