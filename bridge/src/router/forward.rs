//! The way of a packet: counted, kept until the batch is in, then handed to a list of legs that was computed before.

use std::time::Instant;

use hearing_config::{Kind, TrackId};

use super::hearing::Hearing;
use super::leg::{Control, Delivery, LegId};
use super::packet::{Frame, LayerSet, Packet};
use super::rendition::Flow;
use super::routes::layers;
use super::stream::Stream;

impl Hearing {
    /// A frame of an announced track came over a trunk.
    pub(super) fn inject(&mut self, now: Instant, leg: LegId, track: TrackId, frame: Frame) {
        for packet in frame.packets {
            self.receive(now, leg, track, packet);
        }
        if self.inbox.len() >= INBOX_LIMIT {
            self.settle(now);
        }
    }

    /// A packet of a track came from `leg`.
    pub(super) fn receive(&mut self, now: Instant, leg: LegId, track: TrackId, packet: Packet) {
        let flow = self.flow_of(leg, track).filter(|_| usize::from(packet.layer.0) < super::packet::Layer::LIMIT);
        let Some((flow, stream)) = flow.and_then(|flow| Some((flow, self.stream_mut(flow)?))) else {
            self.tally.stray_packets += 1;
            return;
        };
        stream.receive(&packet);
        // A rendition's audience is empty: who speaks is told by the original.
        if let (Kind::Audio, Some(level), true) = (track.kind, packet.level, stream.audience.is_heard()) {
            self.speakers.handle_level(now, track.seat, level);
        }
        self.inbox.push((flow, packet));
    }

    /// Hands over the batch, leg by leg, so that what goes to one destination leaves in one piece.
    pub(super) fn forward(&mut self, now: Instant) {
        let mut inbox = std::mem::take(&mut self.inbox);
        for run in inbox.chunk_by(|(a, _), (b, _)| a == b) {
            self.forward_run(now, run);
        }
        inbox.clear();
        self.inbox = inbox;
    }

    pub(super) fn handle_stream_timeouts(&mut self, now: Instant) {
        let is_due = |stream: &Stream| stream.poll_timeout().is_some_and(|at| at <= now);
        let own = self.streams.iter().filter(|(_, stream)| is_due(stream));
        let own = own.map(|(track, _)| Flow { track: *track, rendition: None });
        let made = self.renditions.iter().filter(|(_, stream)| is_due(stream));
        let made = made.map(|((track, codec), _)| Flow { track: *track, rendition: Some(*codec) });
        for flow in own.chain(made).collect::<Vec<_>>() {
            let Some(stream) = self.stream_mut(flow) else { continue };
            let (publisher, keys) = (stream.publisher, stream.handle_timeout(now));
            self.deliver_frames(now, flow);
            for layer in layers(keys) {
                self.ask_key(now, publisher, flow.track, layer);
            }
        }
    }

    /// All of one track, or of one rendition.
    fn forward_run(&mut self, now: Instant, run: &[(Flow, Packet)]) {
        let (flow, track) = (run[0].0, run[0].0.track);
        let stream = match flow.rendition {
            None => self.streams.get_mut(&track),
            Some(codec) => self.renditions.get_mut(&(track, codec)),
        };
        let Some(stream) = stream else { return };
        if let Some(rates) = stream.poll_rates(now) {
            let codec = stream.info.codec;
            let may = self.legs.iter_mut().filter(|slot| slot.granted.get(&track) == Some(&codec));
            may.for_each(|slot| slot.leg.handle_control(now, Control::Rates(track, rates)));
        }
        let mut framed = LayerSet::EMPTY;
        for subscriber in stream.subscribers() {
            if subscriber.delivery == Delivery::Frames {
                framed = framed.union(subscriber.layers);
                continue;
            }
            let slot = &mut self.legs[subscriber.at];
            for (_, packet) in run.iter().filter(|(_, packet)| subscriber.layers.contains(packet.layer)) {
                slot.leg.handle_packet(now, track, packet);
                self.tally.forwarded += 1;
            }
            if !std::mem::replace(&mut slot.dirty, true) {
                self.dirty.push(slot.id);
            }
        }
        if !framed.is_empty() {
            run.iter().for_each(|(_, packet)| stream.assemble(now, packet));
            self.deliver_frames(now, flow);
        }
    }

    fn deliver_frames(&mut self, now: Instant, flow: Flow) {
        let track = flow.track;
        let stream = match flow.rendition {
            None => self.streams.get_mut(&track),
            Some(codec) => self.renditions.get_mut(&(track, codec)),
        };
        let Some(stream) = stream else { return };
        while let Some(frame) = stream.poll_frame() {
            let takers = stream.subscribers().iter().filter(|s| s.delivery == Delivery::Frames);
            for subscriber in takers.filter(|s| s.layers.contains(frame.head().layer)) {
                let slot = &mut self.legs[subscriber.at];
                slot.leg.handle_frame(now, track, &frame);
                self.tally.forwarded += frame.packets.len() as u64;
                if !std::mem::replace(&mut slot.dirty, true) {
                    self.dirty.push(slot.id);
                }
            }
        }
        let (publisher, (skipped, keys)) = (stream.publisher, stream.take_skipped(now));
        self.tally.frames_skipped += skipped;
        for layer in layers(keys) {
            self.ask_key(now, publisher, track, layer);
        }
    }
}

/// Packets that may wait for the end of a batch; a whole key frame comes over a trunk at once.
pub(super) const INBOX_LIMIT: usize = 1_024;
