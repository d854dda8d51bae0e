//! The stream beside a slot's own on which packets go out once more (RFC 4588): because the client misses them, or to find out what
//! the line carries.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;

use super::super::rtp::Write;
use super::history::{History, Sent};
use super::ready::{PADDING, Prefix, Ready};

/// What was sent lately, and the numbers of what is sent again.
#[derive(Debug)]
pub(super) struct Rtx {
    ssrc: u32,
    /// With how often the sequence number began anew.
    index: u64,
    history: History,
}

impl Rtx {
    pub(super) fn new(ssrc: u32) -> Self {
        Self { ssrc, index: u64::from(rand::rng().random::<u16>()), history: History::default() }
    }

    /// A packet was sent on the slot's own stream.
    pub(super) fn push(&mut self, sent: Sent) {
        self.history.push(sent);
    }

    pub(super) fn clear(&mut self) {
        self.history.clear();
    }

    /// True when there is a packet of the last moments.
    pub(super) fn has_recent(&self) -> bool {
        self.history.recent(0).is_some()
    }

    /// Something to send for its size alone: a packet of the last moments once more, another for each turn, or nothing but padding.
    pub(super) fn pad(&mut self, turn: Option<usize>, payload_type: u8, transport: (Option<u8>, &mut u16)) -> Ready {
        self.index += 1;
        let sent = turn.and_then(|turn| self.history.recent(turn));
        Ready {
            frame_end: false,
            ..match sent {
                Some(sent) => self.once_more(sent, payload_type, transport),
                None => self.padding(payload_type, transport),
            }
        }
    }

    /// A packet that the client misses.
    pub(super) fn again(
        &mut self,
        now: Instant,
        sequence: u16,
        payload_type: u8,
        transport: (Option<u8>, &mut u16),
    ) -> Option<Ready> {
        let sent = self.history.again(now, sequence)?.clone();
        self.index += 1;
        Some(self.once_more(&sent, payload_type, transport))
    }

    fn once_more(&self, sent: &Sent, payload_type: u8, transport: (Option<u8>, &mut u16)) -> Ready {
        let header = self.header(payload_type, sent.timestamp, transport);
        let prefix = Prefix { original: Some(sent.sequence), descriptor: sent.descriptor };
        let write = Write { marker: sent.marker, ..header };
        Ready { write, index: self.index, prefix, payload: sent.payload.clone(), frame_end: true }
    }

    fn padding(&self, payload_type: u8, transport: (Option<u8>, &mut u16)) -> Ready {
        let write = Write { padded: true, ..self.header(payload_type, 0, transport) };
        let payload = Bytes::from_static(&PADDING);
        Ready { write, index: self.index, prefix: Prefix::default(), payload, frame_end: false }
    }

    fn header(&self, payload_type: u8, timestamp: u32, (transport, number): (Option<u8>, &mut u16)) -> Write {
        Write {
            marker: false,
            payload_type,
            sequence: self.index as u16,
            timestamp,
            ssrc: self.ssrc,
            padded: false,
            transport: transport.map(|id| (id, next(number))),
        }
    }

    /// True when the client misses a packet that would come too late: only a key frame helps.
    pub(super) fn is_too_late(&self, now: Instant, sequence: u16, rtt: Duration) -> bool {
        self.history.sent_at(sequence).is_some_and(|at| now.saturating_duration_since(at) + rtt / 2 > PATIENCE)
    }
}

/// The transport-wide number after `number`.
pub(super) const fn next(number: &mut u16) -> u16 {
    *number = number.wrapping_add(1);
    *number
}

/// How late a packet may come, from being sent first, and still be of use in a conversation.
const PATIENCE: Duration = Duration::from_millis(600);
