//! One slot: a seat's track of one kind, for good, under one source number.

use std::time::Instant;

use hearing_config::{Codec, SeatId, Timestamp, TrackId};
use hearing_signaling::http::Size;
use rand::Rng;
use rtc_rtcp::sender_report::SenderReport;
use tracing::warn;

use super::super::clock::ntp;
use super::super::ingest::KeyRequests;
use super::super::rtp::Write;
use super::super::sdp::{Accepted, Agreed, Outbound};
use super::history::{History, Sent};
use super::rewrite::Rewrite;
use super::switch::{LayerSwitch, Verdict};
use crate::router::{Layer, LayerSet, Packet, TrackInfo};

/// A slot.
#[derive(Debug)]
pub(super) struct Slot {
    outbound: Outbound,
    codecs: Vec<Agreed>,
    transport: Option<u8>,
    sending: Option<Sending>,
    mismatched: Option<Codec>,
    switch: LayerSwitch,
    rewrite: Rewrite,
    history: History,
    keys: KeyRequests,
    rtx_sequence: u16,
    packets: u32,
    octets: u32,
    told: LayerSet,
    fresh: bool,
}

/// How the track is sent.
#[derive(Debug, Clone, Copy)]
struct Sending {
    codec: Codec,
    payload_type: u8,
    rtx: Option<u8>,
    anew: bool,
}

/// A packet ready to be written: header, a descriptor, and where its payload is.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) write: Write,
    /// Bytes between header and payload.
    pub(super) prefix: Prefix,
    pub(super) payload: bytes::Bytes,
    pub(super) frame_end: bool,
}

/// At most an original sequence number (RFC 4588) and a VP8 descriptor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prefix {
    pub(super) original: Option<u16>,
    pub(super) descriptor: Option<u8>,
}

impl Slot {
    /// The slot of an m-line; `None` when the client receives nothing on it.
    pub(super) fn new(section: &Accepted) -> Option<Self> {
        Some(Self {
            outbound: section.outbound?,
            codecs: section.codecs.clone(),
            transport: section.extensions.transport,
            sending: None,
            mismatched: None,
            switch: LayerSwitch::new(),
            rewrite: Rewrite::new(rand::rng().random()),
            history: History::default(),
            keys: KeyRequests::default(),
            rtx_sequence: rand::rng().random(),
            packets: 0,
            octets: 0,
            told: LayerSet::EMPTY,
            fresh: false,
        })
    }

    pub(super) const fn track(&self) -> TrackId {
        TrackId { seat: self.outbound.seat, kind: self.outbound.kind }
    }

    pub(super) const fn seat(&self) -> SeatId {
        self.outbound.seat
    }

    pub(super) const fn ssrc(&self) -> u32 {
        self.outbound.ssrc
    }

    pub(super) const fn owns(&self, ssrc: u32) -> bool {
        self.outbound.ssrc == ssrc || self.outbound.rtx_ssrc == ssrc
    }

    /// The track may be sent, or is published in another way than before.
    pub(super) fn begin(&mut self, info: &TrackInfo) {
        self.switch.offer(info.layers);
        if self.sending.is_some_and(|sending| sending.codec == info.codec) {
            return;
        }
        self.switch.restart();
        let Some(agreed) = self.codecs.iter().find(|agreed| agreed.codec == info.codec) else {
            self.mismatch(info.codec);
            return;
        };
        let (payload_type, rtx) = (agreed.payload_type, agreed.rtx);
        self.sending = Some(Sending { codec: info.codec, payload_type, rtx, anew: true });
    }

    /// The track must not be sent any more.
    pub(super) fn end(&mut self) {
        self.sending = None;
        self.switch.restart();
        self.switch.offer(LayerSet::EMPTY);
        self.history.clear();
    }

    fn mismatch(&mut self, codec: Codec) {
        self.sending = None;
        if self.mismatched.replace(codec) != Some(codec) {
            metrics::counter!("hearing_webrtc_codec_mismatch_total").increment(1);
            warn!(track = %self.track(), ?codec, "the client cannot decode this track: it stays without it");
        }
    }

    pub(super) const fn show(&mut self, size: Size) {
        self.switch.show(size);
    }

    /// The layers to be handed.
    pub(super) fn wanted(&self) -> LayerSet {
        if self.sending.is_some() { self.switch.wanted() } else { LayerSet::EMPTY }
    }

    /// True once after every change of what is wanted.
    pub(super) fn wants_otherwise(&mut self) -> bool {
        let wanted = self.wanted();
        std::mem::replace(&mut self.told, wanted) != wanted
    }

    /// The client asks for a key frame.
    pub(super) const fn want_key(&mut self) {
        if self.outbound.kind.is_picture() {
            self.keys.want();
        }
    }

    /// The layer to ask the publisher for a key frame of, now.
    pub(super) fn ask_key(&mut self, now: Instant) -> Option<Layer> {
        self.key_layer().filter(|_| self.keys.ask(now))
    }

    /// When to ask for a key frame next.
    pub(super) fn key_due(&self, now: Instant) -> Option<Instant> {
        self.key_layer().and_then(|_| self.keys.due()).map(|due| due.unwrap_or(now))
    }

    /// Lets the need of a key frame follow the layer choice.
    pub(super) fn chase(&mut self) {
        if self.sending.is_some() && self.switch.needs_key().is_some() {
            self.want_key();
        }
    }

    fn key_layer(&self) -> Option<Layer> {
        self.sending?;
        self.switch.needs_key().or(self.switch.current())
    }

    pub(super) fn report(&mut self, now: Instant, loss: f32) {
        self.switch.report(now, loss);
    }

    /// Takes a packet of the track; what goes out of it.
    pub(super) fn take(&mut self, now: Instant, packet: &Packet, number: &mut u16) -> Option<Ready> {
        let sending = self.sending?;
        let rate = sending.codec.clock_rate();
        if !sending.anew && self.switch.current() == Some(packet.layer) && self.rewrite.breaks(packet, rate) {
            self.switch.restart();
            self.sending = Some(Sending { anew: true, ..sending });
            self.chase();
        }
        let anew = self.sending?.anew;
        match self.switch.judge(packet) {
            Verdict::Drop => return None,
            Verdict::Switch => {
                self.rewrite.join(now, packet, rate, anew);
                self.sending = Some(Sending { anew: false, ..sending });
                self.fresh |= anew;
            }
            Verdict::Forward => {}
        }
        if packet.key {
            self.keys.came();
            // It may have been the old layer's, while the new one's is still awaited.
            self.chase();
        }
        let placed = self.rewrite.place(now, packet)?;
        let marker = packet.frame_end && packet_is_picture(sending.codec);
        let descriptor =
            (sending.codec == Codec::Vp8).then(|| hearing_proto::payload::vp8::shortest(packet.frame_start));
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(packet.payload.len() as u32);
        if sending.rtx.is_some() {
            let numbers = (placed.sequence, placed.timestamp, marker);
            self.history.push(Sent::new(numbers, descriptor, packet.payload.clone(), now));
        }
        let write = Write {
            marker,
            payload_type: sending.payload_type,
            sequence: placed.sequence,
            timestamp: placed.timestamp,
            ssrc: self.outbound.ssrc,
            transport: self.transport.map(|id| (id, next(number))),
        };
        let prefix = Prefix { original: None, descriptor };
        Some(Ready { write, prefix, payload: packet.payload.clone(), frame_end: packet.frame_end })
    }

    /// A packet that the client misses, over RTX.
    pub(super) fn again(&mut self, now: Instant, sequence: u16, number: &mut u16) -> Option<Ready> {
        let payload_type = self.sending?.rtx?;
        let sent = self.history.again(now, sequence)?;
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        let write = Write {
            marker: sent.marker,
            payload_type,
            sequence: self.rtx_sequence,
            timestamp: sent.timestamp,
            ssrc: self.outbound.rtx_ssrc,
            transport: self.transport.map(|id| (id, next(number))),
        };
        let prefix = Prefix { original: Some(sequence), descriptor: sent.descriptor };
        Some(Ready { write, prefix, payload: sent.payload.clone(), frame_end: true })
    }

    /// True once after the stream began anew: receivers need its times soon.
    pub(super) const fn is_fresh(&mut self) -> bool {
        std::mem::replace(&mut self.fresh, false)
    }

    /// The sender report for now, once there was something to report.
    pub(super) fn sender_report(&self, wall: Timestamp) -> Option<SenderReport> {
        let sending = self.sending?;
        let rtp_time = self.rewrite.timestamp_at(wall, sending.codec.clock_rate())?;
        Some(SenderReport {
            ssrc: self.outbound.ssrc,
            ntp_time: ntp(wall),
            rtp_time,
            packet_count: self.packets,
            octet_count: self.octets,
            ..SenderReport::default()
        })
    }
}

const fn packet_is_picture(codec: Codec) -> bool {
    match codec {
        Codec::Opus | Codec::Pcma | Codec::Pcmu => false,
        Codec::Vp8 | Codec::H264 | Codec::H265 => true,
    }
}

const fn next(number: &mut u16) -> u16 {
    *number = number.wrapping_add(1);
    *number
}
