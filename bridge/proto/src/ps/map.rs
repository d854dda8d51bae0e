//! The program stream map (ISO/IEC 13818-1, section 2.5.4; types of GB/T 28181-2016, annex C).

use super::Codec;

/// The streams that the map in `packet` names, by id: `None` for those whose type is not taken out.
/// Ends where it is cut short. `packet` begins with its start code.
pub(super) fn streams(packet: &[u8]) -> impl Iterator<Item = (u8, Option<Codec>)> {
    let mut rest = body(packet).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let info = usize::from(u16::from_be_bytes([head[2], head[3]]));
        rest = tail.get(info..).unwrap_or_default();
        Some((head[1], codec(head[0])))
    })
}

/// The entries of the elementary streams.
fn body(packet: &[u8]) -> Option<&[u8]> {
    let info = usize::from(u16::from_be_bytes(*packet.get(8..)?.first_chunk()?));
    let at = 10 + info;
    let len = usize::from(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?));
    let entries = packet.get(at + 2..)?;
    Some(&entries[..len.min(entries.len())])
}

const fn codec(stream_type: u8) -> Option<Codec> {
    match stream_type {
        0x1b => Some(Codec::H264),
        0x24 => Some(Codec::H265),
        0x90 => Some(Codec::Pcma),
        0x91 => Some(Codec::Pcmu),
        0x0f => Some(Codec::Aac),
        _ => None,
    }
}
