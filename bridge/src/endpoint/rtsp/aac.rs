//! AAC of a camera (RFC 3640, mode AAC-hbr): the access units of its packets, each behind an ADTS header as nodes carry it.

use hearing_config::Codec;
use hearing_proto::ps::Adts;

/// Takes packets apart.
#[derive(Debug)]
pub(super) struct Aac {
    config: [u8; 2],
    /// Samples a second, which is the RTP clock too.
    rate: u32,
    /// The beginning of an access unit that several packets carry, and its RTP time.
    pending: Vec<u8>,
    begun: i64,
}

impl Aac {
    /// For a stream whose description has this audio specific config; `None` when an ADTS header can't say the same.
    pub(super) fn new(config: &[u8]) -> Option<Self> {
        let config = *config.first_chunk()?;
        let (rate, _) = Adts::sound(config)?;
        Some(Self { config, rate, pending: Vec::new(), begun: 0 })
    }

    /// Ticks of the RTP clock in one second.
    pub(super) const fn rate(&self) -> u32 {
        self.rate
    }

    /// An RTP time in ticks of the codec's clock.
    pub(super) const fn ticks(&self, time: i64) -> i64 {
        (time as i128 * Codec::Aac.clock_rate() as i128).div_euclid(self.rate as i128) as i64
    }

    /// A packet was lost: what has begun can't be completed.
    pub(super) fn forget(&mut self) {
        self.pending.clear();
    }

    /// The frames that a packet of RTP time `time` completes, with their times in ticks of the codec's clock; `None` when it is not
    /// of the mode, or its units are interleaved.
    pub(super) fn frames(&mut self, time: i64, payload: &[u8]) -> Option<Vec<(i64, Vec<u8>)>> {
        let (sizes, mut data) = headers(payload)?;
        if let [size] = sizes[..]
            && size > data.len()
        {
            return self.fragment(time, size, data);
        }
        self.forget();
        let mut frames = Vec::with_capacity(sizes.len());
        for (n, size) in (0..).zip(sizes) {
            let (unit, rest) = data.split_at_checked(size)?;
            frames.push((self.ticks(time + n * SAMPLES), Adts::wrap(self.config, unit)?));
            data = rest;
        }
        Some(frames)
    }

    /// Every fragment tells the size of the whole, and all of them the same time (RFC 3640, section 3.2.3).
    fn fragment(&mut self, time: i64, size: usize, data: &[u8]) -> Option<Vec<(i64, Vec<u8>)>> {
        if self.begun != time {
            self.forget();
            self.begun = time;
        }
        self.pending.extend_from_slice(data);
        if self.pending.len() < size {
            return Some(Vec::new());
        }
        let whole = std::mem::take(&mut self.pending);
        let frame = Adts::wrap(self.config, &whole).filter(|_| whole.len() == size)?;
        Some(vec![(self.ticks(time), frame)])
    }
}

/// The sizes of the access units, and what stands behind their headers of 13 and 3 bits (RFC 3640, sections 3.2.1 and 3.3.6).
fn headers(payload: &[u8]) -> Option<(Vec<usize>, &[u8])> {
    let (length, rest) = payload.split_first_chunk()?;
    let bits = usize::from(u16::from_be_bytes(*length));
    let (headers, data) = rest.split_at_checked(bits / 8)?;
    let headers: Vec<_> = headers.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let is_plain = bits > 0 && bits % 16 == 0 && headers.iter().all(|header| header & 7 == 0);
    is_plain.then(|| (headers.iter().map(|header| usize::from(header >> 3)).collect(), data))
}

/// Of a frame.
const SAMPLES: i64 = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// AAC-LC, two channels, 44.1 kHz.
    const CONFIG: [u8; 2] = [0x12, 0x10];

    fn packet(sizes: &[u16], data: &[u8]) -> Vec<u8> {
        let mut packet = (sizes.len() as u16 * 16).to_be_bytes().to_vec();
        packet.extend(sizes.iter().flat_map(|size| (size << 3).to_be_bytes()));
        packet.extend_from_slice(data);
        packet
    }

    fn framed(data: &[u8]) -> Vec<u8> {
        Adts::wrap(CONFIG, data).unwrap()
    }

    #[test]
    fn the_frames_of_a_packet_each_have_their_header_and_their_time_at_48_khz() {
        let mut aac = Aac::new(&CONFIG).unwrap();
        let frames = aac.frames(44_100, &packet(&[3, 2], &[1, 2, 3, 4, 5])).unwrap();
        assert_eq!(frames, [(48_000, framed(&[1, 2, 3])), (49_114, framed(&[4, 5]))]);
        assert_eq!(aac.ticks(44_100 * 1_000_000), 48_000 * 1_000_000, "no rounding adds up");
    }

    #[test]
    fn a_frame_in_several_packets_is_put_together_and_one_that_lacks_a_piece_is_not() {
        let mut aac = Aac::new(&CONFIG).unwrap();
        assert_eq!(aac.frames(0, &packet(&[5], &[1, 2, 3])), Some(vec![]));
        assert_eq!(aac.frames(0, &packet(&[5], &[4, 5])), Some(vec![(0, framed(&[1, 2, 3, 4, 5]))]));
        assert_eq!(aac.frames(1_024, &packet(&[5], &[1, 2])), Some(vec![]));
        aac.forget();
        assert_eq!(aac.frames(1_024, &packet(&[5], &[4, 5])), Some(vec![]), "its beginning was forgotten");
        assert_eq!(aac.frames(2_048, &packet(&[3], &[7, 8, 9])), Some(vec![(2_229, framed(&[7, 8, 9]))]));
        assert_eq!(aac.frames(3_072, &packet(&[5], &[1, 2, 3])), Some(vec![]));
        assert_eq!(aac.frames(3_072, &packet(&[5], &[4, 5, 6])), None, "more than it said");
    }

    #[test]
    fn what_is_not_of_the_mode_is_refused() {
        let mut aac = Aac::new(&CONFIG).unwrap();
        let interleaved = [0, 16, 0, 3 << 3 | 1, 1, 2, 3];
        for broken in [&[][..], &[0], &[0, 0, 1], &[0, 16], &[0, 15, 0, 8, 1], &[0, 32, 0, 8, 0, 80, 1], &interleaved] {
            assert_eq!(aac.frames(0, broken), None, "{broken:?}");
        }
        assert!(Aac::new(&[0x29, 0x88]).is_none() && Aac::new(&[0x12]).is_none(), "HE-AAC, half a config");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_taken_apart_without_panic(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let mut aac = Aac::new(&CONFIG).unwrap();
            for (n, packet) in packets.iter().enumerate() {
                let _ = aac.frames(n as i64 / 2, packet);
            }
        }
    }
}
