//! Sound is sent again with what follows it while the line loses packets: a datagram then carries the frames before its
//! own as well, as RED does (RFC 2198). Pure, told the time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_proto::wire::bundle;

use super::outbox::Name;

/// How much is sent again, and what there is.
#[derive(Debug)]
pub(super) struct Redundancy {
    recent: BTreeMap<Name, VecDeque<Bytes>>,
    depth: usize,
    /// Since when less would do.
    calm: Instant,
    looked: Instant,
    seen: Path,
}

/// What a connection has counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Path {
    /// Packets sent.
    pub(super) sent: u64,
    /// Of these lost.
    pub(super) lost: u64,
}

impl Redundancy {
    pub(super) const fn new(now: Instant) -> Self {
        let seen = Path { sent: 0, lost: 0 };
        Self { recent: BTreeMap::new(), depth: 0, calm: now, looked: now, seen }
    }

    /// Looks at the losses at most every half second, and over at least as many packets as make a share; the share, then.
    pub(super) fn handle_path(&mut self, now: Instant, path: Path) -> Option<f64> {
        let sent = path.sent.saturating_sub(self.seen.sent);
        if now.duration_since(self.looked) < LOOK || sent < PACKETS {
            return None;
        }
        let lost = path.lost.saturating_sub(self.seen.lost);
        (self.looked, self.seen) = (now, path);
        let loss = lost as f64 / sent as f64;
        let needed = depth_for(loss);
        if needed >= self.depth {
            (self.depth, self.calm) = (needed, now);
        } else if now.duration_since(self.calm) >= CALM {
            (self.depth, self.calm) = (self.depth - 1, now);
        }
        Some(loss)
    }

    /// How many frames are sent again with each.
    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    /// The datagram for a frame of sound: the frames before it that are to be sent again and fit into `most` bytes, then it.
    pub(super) fn pack(&mut self, name: Name, frame: Bytes, most: usize) -> Bytes {
        let recent = self.recent.entry(name).or_default();
        let mut frames: Vec<Bytes> = vec![frame.clone()];
        for earlier in recent.iter().rev().take(self.depth) {
            frames.insert(0, earlier.clone());
            if bundle(&frames).is_none_or(|datagram| datagram.len() > most) {
                frames.remove(0);
                break;
            }
        }
        recent.push_back(frame.clone());
        while recent.len() > DEEPEST {
            recent.pop_front();
        }
        if frames.len() == 1 { frame } else { bundle(&frames).unwrap_or(frame) }
    }

    /// The track is over.
    pub(super) fn close(&mut self, name: Name) {
        self.recent.remove(&name);
    }
}

/// So many that of a hundred frames fewer than one is lost, were losses independent.
const fn depth_for(loss: f64) -> usize {
    if loss < 0.002 {
        0
    } else if loss < 0.06 {
        1
    } else if loss < 0.13 {
        2
    } else {
        DEEPEST
    }
}

/// The most frames that are sent again with one: 60 ms of sound.
const DEEPEST: usize = 3;
const LOOK: Duration = Duration::from_millis(500);
const PACKETS: u64 = 50;
/// How long less must have been enough before less is done.
const CALM: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use hearing_config::{HearingId, Kind, SeatId, TrackId};
    use hearing_proto::wire::unbundle;

    use super::*;

    const NAME: Name = (HearingId(uuid::Uuid::nil()), TrackId { seat: SeatId(0), kind: Kind::Audio });

    fn after(losses: &[(u64, u64)]) -> (Redundancy, Instant) {
        let mut now = Instant::now();
        let (mut redundancy, mut path) = (Redundancy::new(now), Path::default());
        for (sent, lost) in losses {
            now += Duration::from_secs(1);
            path = Path { sent: path.sent + sent, lost: path.lost + lost };
            redundancy.handle_path(now, path);
        }
        (redundancy, now)
    }

    fn frame(n: u8, bytes: usize) -> Bytes {
        Bytes::from(vec![n; bytes])
    }

    fn packed(redundancy: &mut Redundancy, n: u8, bytes: usize) -> Vec<u8> {
        let datagram = redundancy.pack(NAME, frame(n, bytes), 1_200);
        assert!(datagram.len() <= 1_200);
        unbundle(&datagram).unwrap().iter().map(|frame| frame[0]).collect()
    }

    #[test]
    fn on_a_good_line_every_frame_is_sent_once() {
        let (mut redundancy, _) = after(&[(1_000, 1)]);
        assert_eq!([1, 2, 3].map(|n| packed(&mut redundancy, n, 100)), [[1], [2], [3]]);
    }

    #[test]
    fn the_more_is_lost_the_more_is_sent_again_the_oldest_first() {
        for (lost, wanted) in [(10, vec![3, 4]), (100, vec![2, 3, 4]), (200, vec![1, 2, 3, 4])] {
            let (mut redundancy, _) = after(&[(1_000, lost)]);
            for n in 1..4 {
                packed(&mut redundancy, n, 100);
            }
            assert_eq!(packed(&mut redundancy, 4, 100), wanted, "{lost} of 1000 lost");
        }
    }

    #[test]
    fn what_does_not_fit_is_not_sent_again() {
        let (mut redundancy, _) = after(&[(1_000, 200)]);
        packed(&mut redundancy, 1, 500);
        packed(&mut redundancy, 2, 500);
        assert_eq!(packed(&mut redundancy, 3, 500), [2, 3]);
        assert_eq!(packed(&mut redundancy, 4, 900), [4]);
    }

    #[test]
    fn it_becomes_less_only_when_less_was_enough_for_ten_seconds() {
        let bad = [(1_000, 200)];
        let good = [(1_000, 0); 9];
        let (redundancy, _) = after(&[&bad[..], &good[..]].concat());
        assert_eq!(redundancy.depth(), 3);
        let (redundancy, _) = after(&[&bad[..], &good[..], &good[..2]].concat());
        assert_eq!(redundancy.depth(), 2);
    }

    #[test]
    fn a_closed_track_leaves_nothing_to_send_again() {
        let (mut redundancy, _) = after(&[(1_000, 200)]);
        packed(&mut redundancy, 1, 100);
        redundancy.close(NAME);
        assert_eq!(packed(&mut redundancy, 2, 100), [2]);
    }
}
