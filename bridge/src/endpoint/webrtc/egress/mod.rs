//! What a participant receives: packets of tracks to RTP in its slots, and the RTCP about them.

mod history;
mod rewrite;
mod slot;
mod switch;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hearing_config::TrackId;
use hearing_signaling::http::Size;
use rtc_rtcp::Packet as Rtcp;

use super::batch::Batch;
use super::clock::Clock;
use super::rtcp::{self, Reception};
use super::sdp::{Accepted, cname};
use super::srtp::Srtp;
use crate::router::{LayerSet, Output, Packet, TrackInfo};
use slot::{Ready, Slot};

/// Everything that one participant receives.
pub(super) struct Egress {
    clock: Clock,
    slots: Vec<Slot>,
    /// The transport-wide number given out last.
    number: u16,
    scratch: Vec<u8>,
    next_report: Option<Instant>,
    pub(super) bytes: u64,
}

impl Egress {
    pub(super) fn new(clock: Clock, sections: &[&Accepted]) -> Self {
        let slots = sections.iter().filter_map(|section| Slot::new(section)).collect();
        Self { clock, slots, number: 0, scratch: Vec::new(), next_report: None, bytes: 0 }
    }

    pub(super) fn begin(&mut self, info: &TrackInfo, out: &mut VecDeque<Output>) {
        if let Some(slot) = self.slot(info.id) {
            slot.begin(info);
        }
        self.settle(info.id, out);
    }

    pub(super) fn end(&mut self, id: TrackId, out: &mut VecDeque<Output>) {
        if let Some(slot) = self.slot(id) {
            slot.end();
        }
        self.settle(id, out);
    }

    pub(super) fn show(&mut self, id: TrackId, size: Size, out: &mut VecDeque<Output>) {
        if let Some(slot) = self.slot(id) {
            slot.show(size);
        }
        self.settle(id, out);
    }

    pub(super) fn wanted(&self, id: TrackId) -> LayerSet {
        self.slots.iter().find(|slot| slot.track() == id).map_or(LayerSet::EMPTY, Slot::wanted)
    }

    /// Sends a packet of a track.
    pub(super) fn send(
        &mut self,
        now: Instant,
        id: TrackId,
        packet: &Packet,
        (srtp, batch): (&mut Srtp, &mut Batch),
        out: &mut VecDeque<Output>,
    ) {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.track() == id) else { return };
        let ready = slot.take(now, packet, &mut self.number);
        if slot.is_fresh() {
            self.next_report = Some(now);
        }
        self.next_report.get_or_insert(now + REPORT);
        if slot.wants_otherwise() {
            out.push_back(Output::Wanted(id));
        }
        if let Some(ready) = ready {
            self.seal(now, &ready, srtp, batch);
        }
    }

    /// Sends again what the client misses.
    pub(super) fn repair(&mut self, now: Instant, media: u32, pairs: &[u8], (srtp, batch): (&mut Srtp, &mut Batch)) {
        let Some(place) = self.slots.iter().position(|slot| slot.ssrc() == media) else { return };
        for sequence in rtcp::missing(pairs).take(MOST_REPAIRS) {
            match self.slots[place].again(now, sequence, &mut self.number) {
                Some(ready) => self.seal(now, &ready, srtp, batch),
                None => metrics::counter!("hearing_webrtc_repair_missed_total").increment(1),
            }
        }
    }

    fn seal(&mut self, now: Instant, ready: &Ready, srtp: &mut Srtp, batch: &mut Batch) {
        self.scratch.clear();
        ready.write.append(&mut self.scratch);
        self.scratch.extend(ready.prefix.original.map(u16::to_be_bytes).into_iter().flatten());
        self.scratch.extend(ready.prefix.descriptor);
        self.scratch.extend_from_slice(&ready.payload);
        match srtp.seal(&self.scratch, ready.write.ssrc, ready.write.sequence, ready.write.len()) {
            Some(sealed) => {
                self.bytes += sealed.len() as u64;
                batch.push(now, &sealed, ready.frame_end);
            }
            None => metrics::counter!("hearing_webrtc_seal_failed_total").increment(1),
        }
    }

    /// The client needs a key frame of a source of ours.
    pub(super) fn want_key(&mut self, media: u32) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.owns(media)) {
            slot.want_key();
        }
    }

    /// The client is back after a silence in which everything to it was lost.
    pub(super) fn resume(&mut self) {
        self.slots.iter_mut().for_each(Slot::want_key);
    }

    /// The client told how it receives a source of ours.
    pub(super) fn report(&mut self, now: Instant, reception: Reception, out: &mut VecDeque<Output>) {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.ssrc() == reception.media) else { return };
        slot.report(now, f32::from(reception.fraction) / 256.0);
        let id = slot.track();
        self.settle(id, out);
    }

    /// The reports that are due, each a compound packet of its own; asks for key frames that are due.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Output>) -> Vec<Vec<Box<dyn Rtcp>>> {
        for slot in &mut self.slots {
            if let Some(layer) = slot.ask_key(now) {
                out.push_back(Output::KeyFrame(slot.track(), layer));
            }
        }
        if self.next_report.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.next_report = Some(now + REPORT);
        let wall = self.clock.at(now);
        let reports: Vec<_> =
            self.slots.iter().filter_map(|slot| Some((slot.seat(), slot.sender_report(wall)?))).collect();
        reports
            .chunks(REPORTS_PER_PACKET)
            .map(|some| {
                let both = some.iter().cloned().flat_map(|(seat, report)| {
                    let name = rtcp::cname(report.ssrc, cname(seat));
                    [Box::new(report) as Box<dyn Rtcp>, name]
                });
                both.collect()
            })
            .collect()
    }

    /// When `handle_timeout` has something to do.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.key_due(now)).chain(self.next_report).min()
    }

    /// Tells the router what changed by a decision.
    fn settle(&mut self, id: TrackId, out: &mut VecDeque<Output>) {
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.track() == id) else { return };
        slot.chase();
        if slot.wants_otherwise() {
            out.push_back(Output::Wanted(id));
        }
    }

    fn slot(&mut self, id: TrackId) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.track() == id)
    }
}

const REPORT: Duration = Duration::from_secs(1);
const REPORTS_PER_PACKET: usize = 16;
/// Packets that one request can have again.
const MOST_REPAIRS: usize = 256;
