//! A packet that only has to be written and protected, and the padding that stands for one.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::super::rtp::Write;

/// A packet ready to be written: header, a descriptor, and where its payload is.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) write: Write,
    /// The sequence number with how often it began anew.
    pub(super) index: u64,
    /// Bytes between header and payload.
    pub(super) prefix: Prefix,
    pub(super) payload: Bytes,
    pub(super) frame_end: bool,
}

impl Ready {
    /// Bytes of the packet before it is protected, without what goes before its payload.
    pub(super) const fn len(&self) -> usize {
        let prefix = 2 * self.prefix.original.is_some() as usize + self.prefix.descriptor.is_some() as usize;
        self.write.len() + prefix + self.payload.len()
    }

    /// Appends the packet, with `before` in front of its payload.
    pub(super) fn append(&self, before: &[u8], packet: &mut BytesMut) {
        self.write.append(packet);
        if let Some(original) = self.prefix.original {
            packet.put_u16(original);
        }
        if let Some(descriptor) = self.prefix.descriptor {
            packet.put_u8(descriptor);
        }
        packet.put_slice(before);
        packet.put_slice(&self.payload);
    }
}

/// At most an original sequence number (RFC 4588) and a VP8 descriptor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prefix {
    pub(super) original: Option<u16>,
    pub(super) descriptor: Option<u8>,
}

/// As much padding as a packet may have (RFC 3550 section 5.1): its last byte says how much. Its first four are a whole one, too.
pub(super) const PADDING: [u8; 255] = {
    let mut padding = [0; 255];
    padding[3] = 4;
    padding[254] = 255;
    padding
};
