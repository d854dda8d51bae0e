//! AAC frames behind ADTS headers (ISO/IEC 14496-3, annex 1.A.3.2).

/// What an ADTS header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adts {
    /// Bytes of header and frame together, at most 8,191.
    pub len: usize,
    /// Bytes of the header.
    pub header: usize,
    /// Samples a second.
    pub rate: u32,
    /// Channels, 1 to 7.
    pub channels: u8,
    /// The audio specific config (ISO/IEC 14496-3, section 1.6.2.1) that means the same.
    pub config: [u8; 2],
}

impl Adts {
    /// Samples a second and channels of frames without headers, as an audio specific config says it; `None` for what an ADTS header
    /// can't say: other objects than AAC's four, rates that have no index, channels that stand in the stream, frames of 960 samples.
    #[must_use]
    pub fn sound(config: [u8; 2]) -> Option<(u32, u8)> {
        let (object, index) = (config[0] >> 3, (config[0] & 7) << 1 | config[1] >> 7);
        let (channels, is_short) = (config[1] >> 3 & 0x0f, config[1] & 4 != 0);
        let rate = *RATES.get(usize::from(index))?;
        (matches!(object, 1..=4) && matches!(channels, 1..=7) && !is_short).then_some((rate, channels))
    }

    /// A frame behind a header that says what `config` does; `None` when it can't say that, or the frame is too long or empty.
    #[must_use]
    pub fn wrap(config: [u8; 2], frame: &[u8]) -> Option<Vec<u8>> {
        Self::sound(config)?;
        let length =
            u16::try_from(frame.len() + HEADER).ok().filter(|length| *length < 1 << 13 && !frame.is_empty())?;
        let [high, low] = length.to_be_bytes();
        let (object, index) = ((config[0] >> 3) - 1, (config[0] & 7) << 1 | config[1] >> 7);
        let channels = config[1] >> 3 & 7;
        let header = [
            0xff,
            0xf1,
            object << 6 | index << 2 | channels >> 2,
            channels << 6 | high >> 3,
            high << 5 | low >> 3,
            low << 5 | 0x1f,
            0xfc,
        ];
        Some([&header[..], frame].concat())
    }

    /// Reads the header at the head of `data`; `None` when there is none or it is of no use.
    #[must_use]
    pub fn read(data: &[u8]) -> Option<Self> {
        let head = data.first_chunk::<7>()?;
        if head[0] != 0xff || head[1] & 0xf6 != 0xf0 {
            return None;
        }
        let header = if head[1] & 1 == 1 { 7 } else { 9 };
        let len = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
        let (object, index) = ((head[2] >> 6) + 1, head[2] >> 2 & 0x0f);
        let channels = (head[2] & 1) << 2 | head[3] >> 6;
        let config = [object << 3 | index >> 1, (index & 1) << 7 | channels << 3];
        let rate = *RATES.get(usize::from(index))?;
        (len > header && channels > 0).then_some(Self { len, header, rate, channels, config })
    }
}

/// Bytes of a header without a checksum.
const HEADER: usize = 7;
/// By their index (ISO/IEC 14496-3, table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_how_long_its_frame_is_and_how_it_sounds() {
        // AAC-LC, 48 kHz, one channel, 371 bytes, no checksum.
        let head = [0xff, 0xf1, 0x4c, 0x40, 0x2e, 0x7f, 0xfc];
        let read = Adts::read(&head).unwrap();
        assert_eq!((read.len, read.header, read.rate, read.channels), (371, 7, 48_000, 1));
        assert_eq!(read.config, [0x11, 0x88]);
    }

    #[test]
    fn a_frame_without_header_gets_one_that_says_what_the_config_does() {
        for (config, rate, channels) in
            [([0x11, 0x88], 48_000, 1), ([0x12, 0x10], 44_100, 2), ([0x14, 0x08], 16_000, 1)]
        {
            let wrapped = Adts::wrap(config, &[7; 1_500]).unwrap();
            let read = Adts::read(&wrapped).unwrap();
            assert_eq!((read.len, read.header, read.rate, read.channels), (1_507, 7, rate, channels));
            assert_eq!((read.config, Adts::sound(config)), (config, Some((rate, channels))));
        }
    }

    #[test]
    fn what_no_header_can_say_is_refused() {
        // HE-AAC, 16 kHz told in full, channels that stand in the stream, frames of 960 samples.
        for config in [[0x29, 0x88], [0x17, 0x88], [0x11, 0x80], [0x11, 0x8c]] {
            assert_eq!((Adts::sound(config), Adts::wrap(config, &[1])), (None, None), "{config:x?}");
        }
        assert_eq!(Adts::wrap([0x11, 0x88], &[1; 8_185]), None, "too long");
        assert_eq!(Adts::wrap([0x11, 0x88], &[]), None);
    }

    #[test]
    fn what_is_no_header_is_none() {
        assert_eq!(Adts::read(&[0xff, 0xf1, 0x4c, 0x40, 0x2e, 0x7f]), None);
        assert_eq!(Adts::read(&[0xd5; 16]), None);
        assert_eq!(Adts::read(&[0xff, 0xf1, 0x7c, 0x40, 0x2e, 0x7f, 0xfc]), None);
    }
}
