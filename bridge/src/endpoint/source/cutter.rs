//! Cuts whole frames into the packets of one track.

use bytes::Bytes;
use hearing_config::{Codec, Timestamp};
use hearing_proto::depacketize::Format;
use hearing_proto::packetize::{PAYLOAD_LIMIT, annexb, payloads};

use super::loudness;
use crate::router::{Layer, Packet, Temporal};

/// One whole frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coded<'a> {
    /// Ticks of the codec's clock.
    pub(crate) media_time: i64,
    /// When it was captured.
    pub(crate) captured: Timestamp,
    /// A byte stream of NAL units, an Opus packet, an ADTS header with its frame, or samples of G.711 or G.722.
    pub(crate) data: &'a [u8],
}

/// Numbers the packets of a track and follows its parameter sets.
#[derive(Debug)]
pub(crate) struct Cutter {
    codec: Codec,
    next: u64,
    /// The parameter sets that were told outside of the stream: put before key frames that lack them.
    sets: Vec<u8>,
    parameters: Vec<u8>,
    generation: u32,
}

impl Cutter {
    /// For a track of `codec`; `sets` is a byte stream of parameter sets, empty when none were told.
    pub(crate) const fn new(codec: Codec, sets: Vec<u8>) -> Self {
        Self { codec, next: 0, sets, parameters: Vec::new(), generation: 0 }
    }

    /// Something was lost: the order has a gap.
    pub(crate) const fn lose(&mut self) {
        self.next += 1;
    }

    /// The packets of a frame; none when it carries nothing.
    pub(crate) fn cut(&mut self, coded: Coded<'_>) -> Vec<Packet> {
        match self.codec {
            Codec::H264 => self.picture(Format::H264, coded),
            Codec::H265 => self.picture(Format::H265, coded),
            Codec::Pcma | Codec::Pcmu | Codec::G722 => self.samples(coded),
            Codec::Opus => self.packets(coded, true, vec![Bytes::copy_from_slice(coded.data)]),
            Codec::Aac => self.packets(coded, true, payloads(Format::Aac, coded.data)),
            Codec::Vp8 => Vec::new(),
        }
    }

    fn picture(&mut self, format: Format, coded: Coded<'_>) -> Vec<Packet> {
        let glance = annexb::glance(format, coded.data);
        if let Some(parameters) = glance.parameters.filter(|set| *set != self.parameters) {
            self.generation += u32::from(!self.parameters.is_empty());
            self.parameters = parameters.to_vec();
        }
        let payloads = if glance.key && glance.parameters.is_none() && !self.sets.is_empty() {
            payloads(format, &[&self.sets, coded.data].concat())
        } else {
            payloads(format, coded.data)
        };
        self.packets(coded, glance.key, payloads)
    }

    /// Samples need no frame: what is too long for a packet is several. A byte is a tick, of G.722 too.
    fn samples(&mut self, coded: Coded<'_>) -> Vec<Packet> {
        let rate = i64::from(self.codec.clock_rate());
        let pieces = coded.data.chunks(PAYLOAD_LIMIT).enumerate();
        pieces
            .flat_map(|(n, piece)| {
                let samples = (n * PAYLOAD_LIMIT) as i64;
                let captured = coded.captured.plus(samples * 1_000_000 / rate);
                let at = Coded { media_time: coded.media_time + samples, captured, data: piece };
                self.packets(at, true, vec![Bytes::copy_from_slice(piece)])
            })
            .collect()
    }

    fn packets(&mut self, coded: Coded<'_>, key: bool, payloads: Vec<Bytes>) -> Vec<Packet> {
        let (count, level) = (payloads.len(), loudness::level(self.codec, coded.data));
        let packets =
            payloads.into_iter().filter(|payload| !payload.is_empty()).enumerate().map(|(n, payload)| Packet {
                index: self.next + n as u64,
                layer: Layer(0),
                media_time: coded.media_time,
                captured: coded.captured,
                frame_start: n == 0,
                frame_end: n + 1 == count,
                key,
                generation: self.generation,
                temporal: Temporal::default(),
                level,
                payload,
            });
        let packets: Vec<_> = packets.collect();
        self.next += packets.len() as u64;
        packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(data: &[u8]) -> Coded<'_> {
        Coded { media_time: 90, captured: Timestamp(1_000), data }
    }

    #[test]
    fn a_key_frame_without_parameter_sets_gets_those_that_were_told() {
        let sets = vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2];
        let mut cutter = Cutter::new(Codec::H264, sets);
        let key = cutter.cut(coded(&[0, 0, 1, 0x65, 7]));
        assert_eq!(key[0].payload[..], [0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2]);
        assert!(key[0].frame_start && !key[0].frame_end && key[1].frame_end && key[1].key);
        let delta = cutter.cut(coded(&[0, 0, 1, 0x41, 7]));
        assert!(delta.len() == 1 && !delta[0].key && delta[0].index == 2);
    }

    #[test]
    fn another_size_is_another_generation_and_a_loss_a_gap() {
        let mut cutter = Cutter::new(Codec::H264, Vec::new());
        let frame = |sps: u8| [0, 0, 1, 0x67, sps, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3];
        assert_eq!(cutter.cut(coded(&frame(1)))[0].generation, 0);
        assert_eq!(cutter.cut(coded(&frame(1)))[0].generation, 0);
        cutter.lose();
        let after = cutter.cut(coded(&frame(2)));
        assert_eq!((after[0].generation, after[0].index), (1, 5));
    }

    #[test]
    fn long_sound_is_several_frames_each_at_its_own_time() {
        let mut cutter = Cutter::new(Codec::Pcma, Vec::new());
        let packets = cutter.cut(coded(&[0xd5; 2_000]));
        let times: Vec<_> =
            packets.iter().map(|p| (p.media_time, p.captured.0, p.frame_start && p.frame_end)).collect();
        assert_eq!(times, [(90, 1_000, true), (1_290, 151_000, true)]);
        assert!(cutter.cut(coded(&[])).is_empty());
    }
}
