//! One slot: a seat's track of one kind, for good, under one source number.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hearing_config::{Codec, SeatId, Timestamp, TrackId};
use hearing_signaling::http::Size;
use rand::Rng;
use rtc_rtcp::sender_report::SenderReport;
use tracing::warn;

use super::super::clock::ntp;
use super::super::ingest::KeyRequests;
use super::super::rtp::Write;
use super::super::sdp::{Accepted, Agreed, Outbound};
use super::history::Sent;
use super::ready::{PADDING, Prefix, Ready};
use super::red::{Red, Redundancy};
use super::rewrite::{Placed, Rewrite};
use super::rtx::{Rtx, next};
use super::share::{Claim, Portion, Rank};
use super::switch::{LayerSwitch, Verdict};
use crate::router::{CodecSet, Layer, LayerSet, Packet, TrackInfo};

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
    rtx: Rtx,
    keys: KeyRequests,
    packets: u32,
    octets: u32,
    told: LayerSet,
    /// Its picture stays away because a line between two nodes has no room for it.
    held: bool,
    fresh: bool,
    rank: Rank,
    red: Red,
    redundancy: Redundancy,
    /// Bits a second of each layer, as the router counts them.
    rates: [u32; Layer::LIMIT],
}

/// How the track is sent.
#[derive(Debug, Clone, Copy)]
struct Sending {
    codec: Codec,
    payload_type: u8,
    rtx: Option<u8>,
    red: Option<u8>,
    anew: bool,
}

impl Slot {
    /// The slot of an m-line; `None` when the client receives nothing on it.
    pub(super) fn new(section: &Accepted) -> Option<Self> {
        let outbound = section.outbound?;
        Some(Self {
            outbound,
            codecs: section.codecs.clone(),
            transport: section.extensions.transport,
            sending: None,
            mismatched: None,
            switch: LayerSwitch::new(),
            rewrite: Rewrite::new(rand::rng().random()),
            rtx: Rtx::new(outbound.rtx_ssrc),
            keys: KeyRequests::default(),
            packets: 0,
            octets: 0,
            told: LayerSet::EMPTY,
            held: false,
            fresh: false,
            rank: Rank::Other,
            red: Red::default(),
            redundancy: Redundancy::None,
            rates: USUAL,
        })
    }

    pub(super) const fn track(&self) -> TrackId {
        TrackId { seat: self.outbound.seat, kind: self.outbound.kind }
    }

    /// The codecs that were agreed.
    pub(super) fn takes(&self) -> CodecSet {
        self.codecs.iter().map(|agreed| agreed.codec).collect()
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
        self.held = info.held;
        if self.sending.is_some_and(|sending| sending.codec == info.codec) {
            return;
        }
        self.switch.restart();
        let Some(agreed) = self.codecs.iter().find(|agreed| agreed.codec == info.codec) else {
            self.mismatch(info.codec);
            return;
        };
        let (payload_type, rtx, red) = (agreed.payload_type, agreed.rtx, agreed.red);
        self.sending = Some(Sending { codec: info.codec, payload_type, rtx, red, anew: true });
    }

    /// The track must not be sent any more.
    pub(super) fn end(&mut self) {
        (self.sending, self.held) = (None, false);
        self.switch.restart();
        self.switch.offer(LayerSet::EMPTY);
        self.rtx.clear();
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

    /// How much its picture matters now.
    pub(super) const fn set_rank(&mut self, rank: Rank) {
        self.rank = rank;
    }

    /// How much of the sound before goes along with sound.
    pub(super) const fn set_redundancy(&mut self, redundancy: Redundancy) {
        self.redundancy = redundancy;
    }

    /// What its layers take, kbit/s; 0 where that is not known.
    pub(super) fn set_rates(&mut self, kbps: [u32; Layer::LIMIT]) {
        for (rate, kbps) in self.rates.iter_mut().zip(kbps).filter(|(_, kbps)| *kbps > 0) {
            *rate = kbps.saturating_mul(1_000);
        }
    }

    /// What it could use of the line; `None` for sound, which always goes.
    pub(super) fn claim(&self) -> Option<Claim> {
        if !self.outbound.kind.is_picture() {
            return None;
        }
        let layers = if self.sending.is_some() { self.switch.claims() } else { LayerSet::EMPTY };
        Some(Claim { rank: self.rank, layers, rates: self.rates, temporal: self.switch.highest_temporal() })
    }

    /// True while the picture stays away because a line between two nodes has no room for it.
    pub(super) const fn is_held(&self) -> bool {
        self.held
    }

    /// What it gets of the line. `urgent`: packets stand in a queue, so a larger layer is not sent until the smaller one begins.
    pub(super) fn give(&mut self, portion: Option<Portion>, urgent: bool) {
        self.switch.give(portion);
        if urgent && self.switch.needs_key() < self.switch.current() && self.switch.needs_key().is_some() {
            self.switch.restart();
        }
    }

    /// Nobody measures the line: its loss decides.
    pub(super) const fn give_unknown(&mut self) {
        self.switch.give_unknown();
    }

    /// True when there are packets that could be sent once more.
    pub(super) fn has_sent(&self) -> bool {
        self.sending.is_some() && self.rtx.has_recent()
    }

    /// True when its client can be sent padding; the payload type for it.
    pub(super) fn padding_type(&self) -> Option<u8> {
        let of_codec = || self.codecs.iter().find_map(|agreed| agreed.rtx);
        self.outbound.kind.is_picture().then(|| self.sending.and_then(|sending| sending.rtx).or_else(of_codec))?
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

    /// Takes a packet of the track; what goes out of it. What goes before its payload, besides the prefix, is put into `before`.
    pub(super) fn take(
        &mut self,
        now: Instant,
        packet: &Packet,
        number: &mut u16,
        before: &mut Vec<u8>,
    ) -> Option<Ready> {
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
            Verdict::Skip => {
                let placed = self.rewrite.skip(packet)?;
                return Some(self.filler(sending.payload_type, placed, number));
            }
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
            self.rtx.push(Sent::new(numbers, descriptor, packet.payload.clone(), now));
        }
        let mut payload_type = sending.payload_type;
        if let Some(red) = sending.red {
            let this = (placed.sequence, placed.timestamp, &packet.payload);
            if self.red.write(self.redundancy, sending.payload_type, this, before) {
                payload_type = red;
            }
        }
        let write = Write { marker, ..self.header(payload_type, placed, number) };
        let prefix = Prefix { original: None, descriptor };
        let index = placed.index;
        Some(Ready { write, index, prefix, payload: packet.payload.clone(), frame_end: packet.frame_end })
    }

    fn header(&self, payload_type: u8, placed: Placed, number: &mut u16) -> Write {
        Write {
            marker: false,
            payload_type,
            sequence: placed.sequence,
            timestamp: placed.timestamp,
            ssrc: self.outbound.ssrc,
            padded: false,
            transport: self.transport.map(|id| (id, next(number))),
        }
    }

    /// Takes the place of a packet that is left out but was waited for.
    fn filler(&self, payload_type: u8, placed: Placed, number: &mut u16) -> Ready {
        let write = Write { padded: true, ..self.header(payload_type, placed, number) };
        let payload = Bytes::from_static(&PADDING[..4]);
        Ready { write, index: placed.index, prefix: Prefix::default(), payload, frame_end: true }
    }

    /// Something to send for its size alone: a packet of the last moments once more, or nothing but padding.
    pub(super) fn pad(&mut self, turn: usize, number: &mut u16) -> Option<Ready> {
        let payload_type = self.padding_type()?;
        let again = self.sending.is_some_and(|sending| sending.rtx.is_some());
        Some(self.rtx.pad(again.then_some(turn), payload_type, (self.transport, number)))
    }

    /// A packet that the client misses, over RTX.
    pub(super) fn again(&mut self, now: Instant, sequence: u16, number: &mut u16) -> Option<Ready> {
        let payload_type = self.sending?.rtx?;
        self.rtx.again(now, sequence, payload_type, (self.transport, number))
    }

    /// True when the client misses a packet that would come too late: only a key frame helps.
    pub(super) fn is_too_late(&self, now: Instant, sequence: u16, rtt: Duration) -> bool {
        self.rtx.is_too_late(now, sequence, rtt)
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
    !codec.is_sound()
}

/// What layers take as long as nobody has counted: the page's settings, bits a second.
const USUAL: [u32; Layer::LIMIT] = [250_000, 1_500_000, 2_500_000, 4_000_000];
