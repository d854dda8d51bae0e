//! What a participant receives: packets of tracks to RTP in its slots, and the RTCP about them.

mod budget;
mod history;
#[cfg(test)]
mod line_tests;
mod places;
mod ready;
mod red;
mod repairs;
mod rewrite;
mod rtx;
mod share;
mod slot;
mod switch;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{BufMut as _, BytesMut};
use hearing_config::{Kind, TrackId};
use hearing_signaling::hearing::Relief;
use hearing_signaling::http::Size;
use rtc_rtcp::Packet as Rtcp;

use super::batch::Batch;
use super::clock::Clock;
use super::rtcp::{self, Reception};
use super::sdp::{Accepted, cname};
use super::srtp::{Srtp, TAG};
use crate::router::{CodecSet, Layer, LayerSet, Output, Packet, Protected, TrackInfo};
use budget::Budget;
use places::Places;
use ready::Ready;
use repairs::Repairs;
use share::Rank;
use slot::Slot;

/// Everything that one participant receives.
pub(super) struct Egress {
    clock: Clock,
    slots: Vec<Slot>,
    places: Places,
    /// The transport-wide number given out last.
    number: u16,
    scratch: BytesMut,
    /// What goes before the payload of the packet in hand.
    before: Vec<u8>,
    next_report: Option<Instant>,
    /// There when packets carry transport-wide numbers.
    budget: Option<Budget>,
    repairs: Repairs,
    padded: usize,
    pub(super) bytes: u64,
}

impl Egress {
    pub(super) fn new(clock: Clock, sections: &[&Accepted]) -> Self {
        let slots: Vec<Slot> = sections.iter().filter_map(|section| Slot::new(section)).collect();
        let places = Places::of(&slots);
        let numbered =
            sections.iter().any(|section| section.outbound.is_some() && section.extensions.transport.is_some());
        let tries = slots.iter().any(|slot| slot.padding_type().is_some());
        Self {
            clock,
            slots,
            places,
            number: 0,
            scratch: BytesMut::new(),
            before: Vec::new(),
            next_report: None,
            budget: numbered.then(|| Budget::new(tries)),
            repairs: Repairs::default(),
            padded: 0,
            bytes: 0,
        }
    }

    pub(super) fn begin(&mut self, now: Instant, info: &TrackInfo, out: &mut VecDeque<Output>) {
        if let Some(slot) = self.slot(info.id) {
            slot.begin(info);
        }
        self.divide(now, out);
    }

    pub(super) fn end(&mut self, now: Instant, id: TrackId, out: &mut VecDeque<Output>) {
        if let Some(slot) = self.slot(id) {
            slot.end();
        }
        self.divide(now, out);
    }

    pub(super) fn show(&mut self, now: Instant, id: TrackId, size: Size, out: &mut VecDeque<Output>) {
        if let Some(slot) = self.slot(id) {
            slot.show(size);
        }
        self.divide(now, out);
    }

    /// What the client decodes of a kind; all slots of a kind were agreed alike.
    pub(super) fn takes(&self, kind: Kind) -> CodecSet {
        self.slots.iter().find(|slot| slot.track().kind == kind).map_or(CodecSet::ALL, Slot::takes)
    }

    pub(super) fn wanted(&self, id: TrackId) -> LayerSet {
        self.places.find(id).map_or(LayerSet::EMPTY, |at| self.slots[at].wanted())
    }

    /// What the layers of a track take now, kbit/s.
    pub(super) fn set_rates(&mut self, id: TrackId, kbps: [u32; Layer::LIMIT]) {
        if let Some(slot) = self.slot(id) {
            slot.set_rates(kbps);
        }
    }

    /// Whose pictures matter most from now on.
    pub(super) fn protect(&mut self, now: Instant, protected: Protected, out: &mut VecDeque<Output>) {
        for slot in &mut self.slots {
            let track = slot.track();
            slot.set_rank(match track.kind {
                Kind::Screen => Rank::Screen,
                Kind::Audio | Kind::Video if protected.judges.contains(track.seat) => Rank::Judge,
                Kind::Audio | Kind::Video if protected.speaker == Some(track.seat) => Rank::Speaker,
                Kind::Audio | Kind::Video => Rank::Other,
            });
        }
        self.divide(now, out);
    }

    /// Takes transport-wide feedback; false when it is malformed.
    pub(super) fn feedback(&mut self, now: Instant, rtt: Duration, body: &[u8], out: &mut VecDeque<Output>) -> bool {
        let Some(budget) = &mut self.budget else { return true };
        let well = budget.bandwidth.feedback(self.clock.elapsed(now), rtt.as_micros() as i64, body);
        self.divide(now, out);
        well
    }

    /// What the line carries, kbit/s, and what was given up for it, or for a line on the way to this node.
    pub(super) fn thrift(&self, now: Instant) -> (u32, Relief) {
        let held = self.slots.iter().any(Slot::is_held);
        let relief = |own| if held { Relief::Pictures } else { own };
        let Some(budget) = &self.budget else { return (0, relief(Relief::Nothing)) };
        let estimate = budget.bandwidth.estimate(self.clock.elapsed(now)).unwrap_or_default();
        ((estimate / 1e3) as u32, relief(budget.relief))
    }

    fn divide(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        if let Some(budget) = &mut self.budget {
            budget.decide(self.clock.elapsed(now), &mut self.slots);
            budget.mend(&mut self.slots);
        }
        for slot in &mut self.slots {
            slot.chase();
            if slot.wants_otherwise() {
                out.push_back(Output::Wanted(slot.track()));
            }
        }
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
        let Some(slot) = self.places.find(id).map(|at| &mut self.slots[at]) else { return };
        self.before.clear();
        let ready = slot.take(now, packet, &mut self.number, &mut self.before);
        if slot.is_fresh() {
            self.next_report = Some(now);
        }
        self.next_report.get_or_insert(now + REPORT);
        if slot.wants_otherwise() {
            out.push_back(Output::Wanted(id));
        }
        if let Some(ready) = ready {
            let len = self.seal(now, (&ready, true), srtp, batch);
            if let (Kind::Audio, Some(budget)) = (id.kind, &mut self.budget) {
                budget.add_sound(self.clock.elapsed(now), len);
            }
        }
    }

    /// Sends again what the client misses, as long as it comes in time and the line is not full; else a key frame has to help.
    pub(super) fn repair(
        &mut self,
        now: Instant,
        rtt: Duration,
        (media, pairs): (u32, &[u8]),
        (srtp, batch): (&mut Srtp, &mut Batch),
    ) {
        let Some(place) = self.slots.iter().position(|slot| slot.ssrc() == media) else { return };
        let estimate = self.budget.as_ref().and_then(|budget| budget.bandwidth.estimate(self.clock.elapsed(now)));
        self.repairs.refill(now, estimate);
        for sequence in rtcp::missing(pairs).take(MOST_REPAIRS) {
            let slot = &mut self.slots[place];
            if slot.is_too_late(now, sequence, rtt) || !self.repairs.may() {
                slot.want_key();
                metrics::counter!("hearing_webrtc_repair_late_total").increment(1);
                continue;
            }
            match slot.again(now, sequence, &mut self.number) {
                Some(ready) => {
                    let len = self.seal(now, (&ready, false), srtp, batch);
                    self.repairs.spend(len);
                }
                None => metrics::counter!("hearing_webrtc_repair_missed_total").increment(1),
            }
        }
    }

    /// Sends what a trial of the line lacks.
    pub(super) fn pad(&mut self, now: Instant, (srtp, batch): (&mut Srtp, &mut Batch)) {
        let Some(budget) = &mut self.budget else { return };
        let mut missing = budget.bandwidth.padding(self.clock.elapsed(now)) as usize;
        let Some(place) = (missing > 0).then(|| self.padding_slot()).flatten() else { return };
        for _ in 0..MOST_PADDING {
            self.padded = self.padded.wrapping_add(1);
            let Some(ready) = self.slots[place].pad(self.padded, &mut self.number) else { return };
            missing = missing.saturating_sub(self.seal(now, (&ready, false), srtp, batch));
            if missing == 0 {
                break;
            }
        }
        batch.close();
    }

    /// A slot whose packets can be sent once more, or at least one that can carry padding.
    fn padding_slot(&self) -> Option<usize> {
        let sends = |slot: &Slot| slot.padding_type().is_some() && slot.has_sent();
        let can = |slot: &Slot| slot.padding_type().is_some();
        self.slots.iter().position(sends).or_else(|| self.slots.iter().position(can))
    }

    /// Protects a packet and hands it to the batch; its size. A packet is written once, where it leaves from.
    fn seal(&mut self, now: Instant, (ready, fresh): (&Ready, bool), srtp: &mut Srtp, batch: &mut Batch) -> usize {
        let before = if fresh { &self.before[..] } else { &[] };
        let size = if srtp.seals_in_place() {
            let plain = ready.len() + before.len();
            let packet = batch.place(now, plain + TAG, ready.frame_end);
            let start = packet.len();
            ready.append(before, packet);
            packet.put_bytes(0, TAG);
            let (header, ssrc) = (ready.write.len(), ready.write.ssrc);
            let sealed = srtp.seal_in_place(&mut packet[start..], header, ssrc, ready.index);
            if sealed.is_none() {
                batch.withdraw(start);
            }
            sealed.map(|()| plain + TAG)
        } else {
            self.scratch.clear();
            ready.append(before, &mut self.scratch);
            let (write, header) = (&ready.write, ready.write.len());
            let sealed = srtp.seal(&self.scratch, write.ssrc, write.sequence, header);
            sealed.map(|sealed| {
                batch.place(now, sealed.len(), ready.frame_end).put_slice(&sealed);
                sealed.len()
            })
        };
        let Some(size) = size else {
            metrics::counter!("hearing_webrtc_seal_failed_total").increment(1);
            return 0;
        };
        batch.placed();
        self.bytes += size as u64;
        if let (Some(budget), Some((_, number))) = (&mut self.budget, ready.write.transport) {
            budget.bandwidth.sent(self.clock.elapsed(now), number, size as u16);
        }
        size
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
        // With an estimate of the line, loss is part of it.
        if self.budget.as_ref().is_none_or(|budget| budget.bandwidth.estimate(self.clock.elapsed(now)).is_none()) {
            slot.report(now, f32::from(reception.fraction) / 256.0);
        }
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
        let padding = self.budget.as_ref().and_then(|budget| budget.bandwidth.due()).map(|at| self.clock.instant(at));
        self.slots.iter().filter_map(|slot| slot.key_due(now)).chain(self.next_report).chain(padding).min()
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
        self.places.find(id).map(|at| &mut self.slots[at])
    }
}

const REPORT: Duration = Duration::from_secs(1);
const REPORTS_PER_PACKET: usize = 16;
/// Packets that one request can have again.
const MOST_REPAIRS: usize = 256;
/// Packets of padding at a time.
const MOST_PADDING: usize = 64;
