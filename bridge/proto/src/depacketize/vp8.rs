//! What a VP8 frame says of itself (RFC 6386, section 9.1).

/// Width and height in pixels, when `frame` is a key frame; `None` for other frames and for what is not VP8.
#[must_use]
pub fn key_frame_size(frame: &[u8]) -> Option<(u16, u16)> {
    let header: &[u8; 10] = frame.first_chunk()?;
    let is_key = header[0] & 1 == 0 && header[3..6] == START_CODE;
    let width = u16::from_le_bytes([header[6], header[7]]) & SIZE_MASK;
    let height = u16::from_le_bytes([header[8], header[9]]) & SIZE_MASK;
    (is_key && width > 0 && height > 0).then_some((width, height))
}

const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
/// The two bits above are the scale, which doesn't change what is decoded.
const SIZE_MASK: u16 = 0x3fff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_stands_in_key_frames_only() {
        let key = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x45, 0xd0, 0x02];
        assert_eq!(key_frame_size(&key), Some((0x500, 0x2d0)));
        let delta = [0x11, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x45, 0xd0, 0x02];
        assert_eq!(key_frame_size(&delta), None);
        assert_eq!(key_frame_size(&key[..9]), None);
    }
}
