//! Keys that are pressed at a terminal (telephone-event, RFC 4733): counted, and kept away from the sound.

use metrics::counter;

/// Follows the events of one stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    last: Option<u32>,
}

impl Events {
    /// A packet of the events' payload type: each event is sent many times, with one and the same time stamp.
    pub(super) fn take(&mut self, timestamp: u32, payload: &[u8]) {
        if payload.len() < LENGTH {
            counter!("hearing_sip_payloads_malformed_total").increment(1);
        } else if payload[0] <= LAST_KEY && self.last.replace(timestamp) != Some(timestamp) {
            counter!("hearing_sip_keys_total").increment(1);
        }
    }
}

/// Event, end and volume, duration (RFC 4733, section 2.3).
const LENGTH: usize = 4;
/// 0 to 9, *, #, A to D (RFC 4733, section 3.2).
const LAST_KEY: u8 = 15;
