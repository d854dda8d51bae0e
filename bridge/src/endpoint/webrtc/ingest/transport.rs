//! Transport-wide feedback: when every packet arrived, told to the sender (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use rtc_rtcp::Packet;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc, SymbolTypeTcc,
    TransportLayerCc,
};

use super::super::rtp::Unwrap;

/// Arrivals not yet told.
#[derive(Debug, Default)]
pub(in crate::endpoint::webrtc) struct Arrivals {
    unwrap: Unwrap,
    /// (unwrapped number, microseconds since the session began), in order of arrival.
    pending: Vec<(i64, i64)>,
    /// The first number of the next feedback.
    next: Option<i64>,
    count: u8,
}

impl Arrivals {
    /// A packet with this transport-wide number arrived.
    pub(in crate::endpoint::webrtc) fn add(&mut self, sequence: u16, at: i64) {
        if self.pending.len() < LIMIT {
            self.pending.push((self.unwrap.unwrap(u32::from(sequence), 16), at));
        }
    }

    /// True when there is enough to tell without waiting.
    pub(in crate::endpoint::webrtc) fn is_full(&self) -> bool {
        self.pending.len() >= LIMIT / 2
    }

    /// The feedback on what arrived since the last, about any of the sender's sources.
    pub(in crate::endpoint::webrtc) fn report(&mut self, sender_ssrc: u32, media_ssrc: u32) -> Option<Box<dyn Packet>> {
        let mut arrivals = std::mem::take(&mut self.pending);
        arrivals.sort_unstable();
        arrivals.dedup_by_key(|(sequence, _)| *sequence);
        let (last, first) = (arrivals.last()?.0, arrivals.first()?.0);
        let base =
            self.next.map_or(first, |next| if last - next < SPAN { next.min(first).max(last - SPAN) } else { first });
        arrivals.retain(|(sequence, _)| *sequence >= base);
        self.next = Some(self.next.map_or(last + 1, |next| next.max(last + 1)));
        self.count = self.count.wrapping_add(1);
        let reference = arrivals.first()?.1.div_euclid(REFERENCE);
        let (symbols, recv_deltas) = deltas(&arrivals, base, reference * REFERENCE);
        Some(Box::new(TransportLayerCc {
            sender_ssrc,
            media_ssrc,
            base_sequence_number: base as u16,
            packet_status_count: symbols.len() as u16,
            reference_time: reference as u32 & 0x00ff_ffff,
            fb_pkt_count: self.count.wrapping_sub(1),
            packet_chunks: symbols.chunks(7).map(chunk).collect(),
            recv_deltas,
        }))
    }
}

fn deltas(arrivals: &[(i64, i64)], base: i64, reference: i64) -> (Vec<SymbolTypeTcc>, Vec<RecvDelta>) {
    let mut symbols = Vec::with_capacity(arrivals.len());
    let mut deltas = Vec::with_capacity(arrivals.len());
    let mut clock = reference.div_euclid(TICK);
    for &(sequence, at) in arrivals {
        while base + (symbols.len() as i64) < sequence {
            symbols.push(SymbolTypeTcc::PacketNotReceived);
        }
        let delta = at.div_euclid(TICK) - clock;
        let symbol = match delta {
            0..=255 => SymbolTypeTcc::PacketReceivedSmallDelta,
            -32_768..=32_767 => SymbolTypeTcc::PacketReceivedLargeDelta,
            // Eight seconds apart cannot be told; the sender takes it as lost.
            _ => {
                symbols.push(SymbolTypeTcc::PacketNotReceived);
                continue;
            }
        };
        clock += delta;
        symbols.push(symbol);
        deltas.push(RecvDelta { type_tcc_packet: symbol, delta: delta * TICK });
    }
    (symbols, deltas)
}

fn chunk(symbols: &[SymbolTypeTcc]) -> PacketStatusChunk {
    let mut symbol_list = symbols.to_vec();
    symbol_list.resize(7, SymbolTypeTcc::PacketNotReceived);
    PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
        type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
        symbol_size: SymbolSizeTypeTcc::TwoBit,
        symbol_list,
    })
}

/// Microseconds of one delta.
const TICK: i64 = 250;
/// Microseconds of one unit of the reference time.
const REFERENCE: i64 = 64_000;
/// Arrivals that one feedback tells at most.
const LIMIT: usize = 400;
/// Numbers that one feedback spans at most.
const SPAN: i64 = 600;

#[cfg(test)]
mod tests {
    use rtc_shared::marshal::{Marshal, Unmarshal};

    use super::*;

    fn told(packet: &dyn Packet) -> TransportLayerCc {
        packet.as_any().downcast_ref::<TransportLayerCc>().unwrap().clone()
    }

    #[test]
    fn arrivals_losses_and_spacing_are_told() {
        let mut arrivals = Arrivals::default();
        arrivals.add(65_535, 128_000);
        arrivals.add(1, 130_000);
        arrivals.add(2, 230_000);
        let packet = arrivals.report(1, 2).unwrap();
        let bytes = told(&*packet).marshal().unwrap();
        let read = TransportLayerCc::unmarshal(&mut bytes.freeze()).unwrap();
        assert_eq!((read.base_sequence_number, read.packet_status_count, read.reference_time), (65_535, 4, 2));
        let deltas: Vec<i64> = read.recv_deltas.iter().map(|delta| delta.delta).collect();
        assert_eq!(deltas, [0, 2_000, 100_000]);
        let PacketStatusChunk::StatusVectorChunk(chunk) = &read.packet_chunks[0] else { panic!() };
        assert_eq!(chunk.symbol_list[1], SymbolTypeTcc::PacketNotReceived);
        assert_eq!(chunk.symbol_list[3], SymbolTypeTcc::PacketReceivedLargeDelta);
    }

    #[test]
    fn the_next_feedback_begins_where_the_last_ended() {
        let mut arrivals = Arrivals::default();
        arrivals.add(10, 0);
        arrivals.report(1, 2).unwrap();
        arrivals.add(13, 1_000);
        let read = told(&*arrivals.report(1, 2).unwrap());
        assert_eq!((read.base_sequence_number, read.packet_status_count, read.fb_pkt_count), (11, 3, 1));
        assert!(arrivals.report(1, 2).is_none());
    }

    #[test]
    fn a_jump_does_not_make_an_endless_feedback() {
        let mut arrivals = Arrivals::default();
        arrivals.add(0, 0);
        arrivals.report(1, 2).unwrap();
        arrivals.add(20_000, 1_000);
        assert_eq!(told(&*arrivals.report(1, 2).unwrap()).packet_status_count, 1);
    }
}
