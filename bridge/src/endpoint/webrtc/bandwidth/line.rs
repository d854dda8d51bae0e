//! A line for tests, in virtual time: a rate, a queue, delay, jitter and loss; and a client that tells what it got.

use std::collections::VecDeque;

use crate::endpoint::webrtc::ingest::Arrivals;
use crate::endpoint::webrtc::rtcp;

/// The way to a client. Times are in microseconds, the rate in bits a second.
pub(in crate::endpoint::webrtc) struct Line {
    /// The rate at present.
    pub(in crate::endpoint::webrtc) bps: f64,
    /// How long a packet may wait in the queue.
    queue: i64,
    pub(in crate::endpoint::webrtc) delay: i64,
    jitter: i64,
    loss: f64,
    busy: i64,
    last: i64,
    dice: u64,
    arrivals: Arrivals,
    coming: VecDeque<(i64, u16)>,
    told: i64,
    feedback: VecDeque<(i64, Vec<u8>)>,
}

impl Line {
    pub(in crate::endpoint::webrtc) fn of(bps: f64) -> Self {
        Self {
            bps,
            queue: 400_000,
            delay: 30_000,
            jitter: 0,
            loss: 0.0,
            busy: 0,
            last: 0,
            dice: 88_172_645_463_325_252,
            arrivals: Arrivals::default(),
            coming: VecDeque::new(),
            told: 0,
            feedback: VecDeque::new(),
        }
    }

    pub(in crate::endpoint::webrtc) fn losing(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    pub(in crate::endpoint::webrtc) fn trembling(self, jitter: i64) -> Self {
        Self { jitter, ..self }
    }

    /// Sends a packet; when it comes, `None` when it is lost.
    pub(in crate::endpoint::webrtc) fn send(&mut self, now: i64, number: u16, bytes: usize) -> Option<i64> {
        let start = self.busy.max(now);
        if self.chance() < self.loss || start - now > self.queue {
            return None;
        }
        self.busy = start + ((bytes + UDP) as f64 * 8e6 / self.bps) as i64;
        let jitter = (self.chance() * self.jitter as f64) as i64;
        self.last = self.last.max(self.busy + self.delay + jitter);
        self.coming.push_back((self.last, number));
        Some(self.last)
    }

    /// The feedback that reaches us by now, after its first four bytes.
    pub(in crate::endpoint::webrtc) fn feedback(&mut self, now: i64) -> Option<Vec<u8>> {
        while self.coming.front().is_some_and(|(at, _)| *at <= now) {
            let (at, number) = self.coming.pop_front()?;
            // The client's clock has nothing to do with ours.
            self.arrivals.add(number, at + 77_000_000);
        }
        if now - self.told >= EVERY {
            self.told = now;
            if let Some(packet) = self.arrivals.report(1, 2) {
                let bytes = rtcp::write(&[packet]).expect("one report fits");
                self.feedback.push_back((now + self.delay, bytes[4..].to_vec()));
            }
        }
        self.feedback
            .front()
            .is_some_and(|(at, _)| *at <= now)
            .then(|| self.feedback.pop_front())?
            .map(|(_, body)| body)
    }

    fn chance(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Bytes of the headers below.
const UDP: usize = 28;
/// Browsers tell about 16 times a second.
const EVERY: i64 = 62_000;
