//! RTP and RTCP as far as terminals need them (RFC 3550, RFC 4585, RFC 5104). No bytes from a peer make it panic.

use std::ops::Range;

/// The fixed part of an RTP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The last packet of a picture, or the first of a talk spurt.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Grows by one with each packet, and wraps.
    pub sequence: u16,
    /// In ticks of the codec's clock, and wraps.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
}

impl Header {
    /// The header of a datagram, and where its payload stands; `None` when it is no RTP.
    #[must_use]
    pub fn read(datagram: &[u8]) -> Option<(Self, Range<usize>)> {
        let [first, second, ..] = *datagram else { return None };
        if first >> 6 != 2 || datagram.len() < FIXED {
            return None;
        }
        let mut start = FIXED + 4 * usize::from(first & 15);
        if first & 0x10 != 0 {
            start += 4 + 4 * usize::from(word16(datagram, start + 2)?);
        }
        let padding = if first & 0x20 == 0 { 0 } else { usize::from(*datagram.last()?) };
        let end = datagram.len().checked_sub(padding)?;
        let header = Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: word16(datagram, 2)?,
            timestamp: word32(datagram, 4)?,
            ssrc: word32(datagram, 8)?,
        };
        (start <= end).then_some((header, start..end))
    }

    /// A packet with this payload.
    #[must_use]
    pub fn write(&self, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::with_capacity(FIXED + payload.len() + 16);
        packet.extend_from_slice(&[0x80, self.payload_type & 0x7f | u8::from(self.marker) << 7]);
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&self.timestamp.to_be_bytes());
        packet.extend_from_slice(&self.ssrc.to_be_bytes());
        packet.extend_from_slice(payload);
        packet
    }
}

/// What RTCP says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rtcp {
    /// A sender's clocks at one moment.
    Sender {
        /// The source.
        ssrc: u32,
        /// 32.32 seconds since 1900.
        ntp: u64,
        /// The same moment in RTP ticks.
        rtp: u32,
    },
    /// How somebody receives a source.
    Received(Block),
    /// A key frame is wanted, by PLI or FIR.
    KeyFrame,
    /// The source ends.
    Bye,
}

/// A report block (RFC 3550, section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Block {
    /// The source that it is about.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction: u8,
    /// Lost in all.
    pub lost: u32,
    /// The highest sequence number, with the times that it wrapped above it.
    pub highest: u32,
    /// In ticks.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last sender report; 0: none came.
    pub last_report: u32,
    /// Since it came, in 1/65536 s.
    pub delay: u32,
}

/// Everything of a compound packet that is understood; what is malformed ends it.
#[must_use]
pub fn read_rtcp(datagram: &[u8]) -> Vec<Rtcp> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while let Some(length) = word16(rest, 2) {
        let length = 4 + 4 * usize::from(length);
        let Some(packet) = rest.get(..length).filter(|packet| packet[0] >> 6 == 2) else { break };
        read_packet(packet, &mut found);
        rest = &rest[length..];
        if found.len() > MOST {
            break;
        }
    }
    found
}

fn read_packet(packet: &[u8], found: &mut Vec<Rtcp>) {
    let count = packet[0] & 31;
    match packet[1] {
        SENDER_REPORT => {
            found.extend(sender(packet));
            found.extend(blocks(packet, 28, count));
        }
        RECEIVER_REPORT => found.extend(blocks(packet, 8, count)),
        BYE => found.push(Rtcp::Bye),
        // PLI (RFC 4585, section 6.3.1) and FIR (RFC 5104, section 4.3.1).
        PAYLOAD_FEEDBACK if matches!(count, 1 | 4) => found.push(Rtcp::KeyFrame),
        _ => {}
    }
}

fn sender(packet: &[u8]) -> Option<Rtcp> {
    let ntp = u64::from(word32(packet, 8)?) << 32 | u64::from(word32(packet, 12)?);
    Some(Rtcp::Sender { ssrc: word32(packet, 4)?, ntp, rtp: word32(packet, 16)? })
}

fn blocks(packet: &[u8], start: usize, count: u8) -> impl Iterator<Item = Rtcp> {
    (0..usize::from(count)).map_while(move |n| {
        let at = start + 24 * n;
        let loss = word32(packet, at + 4)?;
        Some(Rtcp::Received(Block {
            ssrc: word32(packet, at)?,
            fraction: (loss >> 24) as u8,
            lost: loss & 0x00ff_ffff,
            highest: word32(packet, at + 8)?,
            jitter: word32(packet, at + 12)?,
            last_report: word32(packet, at + 16)?,
            delay: word32(packet, at + 20)?,
        }))
    })
}

/// What a report says of our own source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// 32.32 seconds since 1900.
    pub ntp: u64,
    /// The same moment in RTP ticks.
    pub rtp: u32,
    /// Packets sent in all.
    pub packets: u32,
    /// Bytes of payload sent in all.
    pub bytes: u32,
}

/// A report of source `ssrc` named `name` (at most 255 bytes), of what it sent and of what it received.
#[must_use]
pub fn write_report(ssrc: u32, name: &str, sent: Option<Sent>, received: Option<Block>) -> Vec<u8> {
    let kind = if sent.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let words = 1 + sent.map_or(0, |_| 5) + received.map_or(0, |_| 6);
    let mut out = vec![0x80 | u8::from(received.is_some()), kind, 0, words];
    out.extend_from_slice(&ssrc.to_be_bytes());
    if let Some(sent) = sent {
        out.extend_from_slice(&sent.ntp.to_be_bytes());
        for word in [sent.rtp, sent.packets, sent.bytes] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    if let Some(block) = received {
        let loss = u32::from(block.fraction) << 24 | block.lost.min(0x7f_ffff);
        for word in [block.ssrc, loss, block.highest, block.jitter, block.last_report, block.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    describe(ssrc, name, &mut out);
    out
}

/// Asks source `media` for a key frame (PLI); to be appended to a report.
#[must_use]
pub fn write_pli(ssrc: u32, media: u32) -> [u8; 12] {
    let mut out = [0x81, PAYLOAD_FEEDBACK, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    out[4..8].copy_from_slice(&ssrc.to_be_bytes());
    out[8..].copy_from_slice(&media.to_be_bytes());
    out
}

/// The same by FIR (RFC 5104, section 4.3.1); `request` is another number each time.
#[must_use]
pub fn write_fir(ssrc: u32, media: u32, request: u8) -> [u8; 20] {
    let mut out = [0; 20];
    out[..4].copy_from_slice(&[0x84, PAYLOAD_FEEDBACK, 0, 4]);
    out[4..8].copy_from_slice(&ssrc.to_be_bytes());
    // The source stands in the entry, and not in the head.
    out[12..16].copy_from_slice(&media.to_be_bytes());
    out[16] = request;
    out
}

/// SDES with a CNAME (RFC 3550, section 6.5).
fn describe(ssrc: u32, name: &str, out: &mut Vec<u8>) {
    let name = &name.as_bytes()[..name.len().min(255)];
    let items = 2 + name.len();
    // At least one zero ends the list.
    let words = items / 4 + 1;
    out.extend_from_slice(&[0x81, DESCRIPTION, 0, (1 + words) as u8]);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&[1, name.len() as u8]);
    out.extend_from_slice(name);
    out.resize(out.len() + words * 4 - items, 0);
}

fn word16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

const FIXED: usize = 12;
/// Statements of one datagram that are listened to.
const MOST: usize = 64;
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const PAYLOAD_FEEDBACK: u8 = 206;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_report_with_a_wish_for_a_key_frame_is_read_back() {
        let sent = Sent { ntp: 7 << 32 | 9, rtp: 3, packets: 1, bytes: 2 };
        let block = Block { ssrc: 5, fraction: 128, lost: 4, highest: 6, jitter: 7, last_report: 8, delay: 9 };
        let mut report = write_report(1, "a", Some(sent), Some(block));
        report.extend_from_slice(&write_pli(1, 5));
        report.extend_from_slice(&write_fir(1, 5, 2));
        let clocks = Rtcp::Sender { ssrc: 1, ntp: sent.ntp, rtp: 3 };
        assert_eq!(read_rtcp(&report), [clocks, Rtcp::Received(block), Rtcp::KeyFrame, Rtcp::KeyFrame]);
        assert_eq!(report.len() % 4, 0);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_rtcp(&bytes);
            if let Some((_, payload)) = Header::read(&bytes) {
                prop_assert!(bytes.get(payload).is_some());
            }
        }

        #[test]
        fn what_is_written_is_read_back(marker: bool, payload_type in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32, payload: Vec<u8>) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let packet = header.write(&payload);
            let (read, place) = Header::read(&packet).unwrap();
            prop_assert_eq!((read, &packet[place]), (header, &payload[..]));
        }
    }
}
