//! Packets on their way to one address, gathered for segmentation offload: all of one size but the last.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::router::{Output, Path};

/// What is gathered. It is handed out when a frame ends, when it is full, or at the latest after [`HOLD`]: the first packets of a
/// frame are of no use to anybody before its last, and one call of the kernel for all of them costs a third of one for each.
#[derive(Debug, Default)]
pub(super) struct Batch {
    full: VecDeque<(Bytes, Option<u16>)>,
    open: BytesMut,
    segment: usize,
    count: usize,
    /// True when the packet that is being written is the last of its batch.
    ends: bool,
    since: Option<Instant>,
}

impl Batch {
    /// Where to append a packet of `len` bytes, and no other; [`Self::placed`] ends it. `last`: nothing is worth waiting for.
    pub(super) fn place(&mut self, now: Instant, len: usize, last: bool) -> &mut BytesMut {
        if self.count > 0 && len > self.segment {
            self.close();
        }
        if self.count == 0 {
            self.segment = len;
            self.since = Some(now);
            // What was handed out is sent by now and gives its space back: no allocation once a session runs.
            if self.full.is_empty() && self.open.capacity() < LOW {
                self.open.reserve(SPACE);
            }
        }
        self.ends = last || len < self.segment || self.count + 1 == SEGMENTS;
        &mut self.open
    }

    /// The packet is written.
    pub(super) fn placed(&mut self) {
        self.count += 1;
        if self.ends {
            self.close();
        }
    }

    /// The packet that was begun at `start` can't be sent.
    pub(super) fn withdraw(&mut self, start: usize) {
        self.open.truncate(start);
        if self.count == 0 {
            self.since = None;
        }
    }

    /// Hands out what is there, to `path`.
    pub(super) fn pop(&mut self, path: Path) -> Option<Output> {
        let (datagrams, segment) = self.full.pop_front()?;
        Some(Output::Transmit { path, datagrams, segment })
    }

    /// When packets have waited long enough for the rest of their frame.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + HOLD)
    }

    /// Ends the gathering.
    pub(super) fn close(&mut self) {
        if self.count > 0 {
            let segment = (self.count > 1).then_some(self.segment as u16);
            self.full.push_back((self.open.split().freeze(), segment));
        }
        self.count = 0;
        self.since = None;
    }

    /// Throws away what has no address to go to.
    pub(super) fn clear(&mut self) {
        self.close();
        self.full.clear();
    }
}

const SEGMENTS: usize = 10;
/// How long a frame may take to come in and still leave as one.
const HOLD: Duration = Duration::from_millis(1);
/// Bytes of space for batches, and how little of it may be left at the beginning of one.
const SPACE: usize = 32 * 1024;
const LOW: usize = 13_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::webrtc::ice::tests::path;

    impl Batch {
        fn push(&mut self, now: Instant, packet: &[u8], last: bool) {
            self.place(now, packet.len(), last).extend_from_slice(packet);
            self.placed();
        }
    }

    fn popped(batch: &mut Batch) -> Vec<(usize, Option<u16>)> {
        let outputs = std::iter::from_fn(|| batch.pop(path(1)));
        let sizes = outputs.map(|output| match output {
            Output::Transmit { datagrams, segment, .. } => (datagrams.len(), segment),
            _ => panic!(),
        });
        sizes.collect()
    }

    #[test]
    fn packets_of_one_frame_go_out_together() {
        let (mut batch, now) = (Batch::default(), Instant::now());
        batch.push(now, &[0; 1100], false);
        batch.push(now, &[0; 1100], false);
        assert!(popped(&mut batch).is_empty());
        batch.push(now, &[0; 300], true);
        assert_eq!(popped(&mut batch), [(2_500, Some(1_100))]);
        assert_eq!(batch.due(), None);
    }

    #[test]
    fn only_the_last_segment_is_shorter_and_none_is_longer() {
        let (mut batch, now) = (Batch::default(), Instant::now());
        for size in [100, 1100, 1100, 50, 1100] {
            batch.push(now, &vec![0; size], false);
        }
        batch.close();
        assert_eq!(popped(&mut batch), [(100, None), (2_250, Some(1_100)), (1_100, None)]);
    }

    #[test]
    fn no_batch_has_more_than_ten_segments() {
        let (mut batch, now) = (Batch::default(), Instant::now());
        (0..25).for_each(|n| batch.push(now, &[0; 1000], n == 24));
        assert_eq!(popped(&mut batch), [(10_000, Some(1_000)), (10_000, Some(1_000)), (5_000, Some(1_000))]);
    }

    #[test]
    fn a_frame_that_does_not_end_waits_a_millisecond_from_its_first_packet_on() {
        let (mut batch, now) = (Batch::default(), Instant::now());
        batch.push(now, &[0; 1000], false);
        batch.push(now + HOLD / 2, &[0; 1000], false);
        assert_eq!(batch.due(), Some(now + HOLD));
    }
}
