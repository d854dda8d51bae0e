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
    fn what_is_no_header_is_none() {
        assert_eq!(Adts::read(&[0xff, 0xf1, 0x4c, 0x40, 0x2e, 0x7f]), None);
        assert_eq!(Adts::read(&[0xd5; 16]), None);
        assert_eq!(Adts::read(&[0xff, 0xf1, 0x7c, 0x40, 0x2e, 0x7f, 0xfc]), None);
    }
}
