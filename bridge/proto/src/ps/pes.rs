//! Packets of elementary streams (ISO/IEC 13818-1, section 2.4.3.6).

/// A packet's header, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pes<'a> {
    /// Presentation time, 33 bits, 90 kHz.
    pub(super) pts: Option<u64>,
    /// What it carries.
    pub(super) payload: &'a [u8],
}

impl<'a> Pes<'a> {
    /// Reads a whole packet, from its start code on; `None` when its lengths do not fit or its marks are missing.
    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let head = packet.get(6..9)?;
        if head[0] >> 6 != 0b10 {
            return None;
        }
        let payload = packet.get(9 + usize::from(head[2])..)?;
        let pts = if head[1] & 0x80 != 0 && head[2] >= 5 { Some(time(packet.get(9..)?.first_chunk()?)) } else { None };
        Some(Self { pts, payload })
    }
}

/// A time stamp; its marker bits are not asked for, since devices forget them.
fn time(bytes: &[u8; 5]) -> u64 {
    let [a, b, c, d, e] = bytes.map(u64::from);
    (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
}
