//! RTP of what is said to a device: A-law, 20 ms a packet, on one time line whoever speaks.

use hearing_config::Timestamp;

use crate::endpoint::media::clock::ntp;
use crate::net::rtp::{Header, Sent, write_report};
use crate::router::Frame;

/// Numbers the packets.
#[derive(Debug)]
pub(super) struct Speech {
    payload: u8,
    ssrc: u32,
    sequence: u16,
    time: u32,
    /// When what comes next would have been captured, if it followed at once.
    next: Option<Timestamp>,
    packets: u32,
    bytes: u32,
}

impl Speech {
    pub(super) fn new(payload: u8, ssrc: u32) -> Self {
        Self { payload, ssrc, sequence: rand::random(), time: rand::random(), next: None, packets: 0, bytes: 0 }
    }

    /// The packets of a frame.
    pub(super) fn packets(&mut self, frame: &Frame) -> Vec<Vec<u8>> {
        let head = frame.head();
        let pause = self.next.map_or(0, |next| head.captured.since(next));
        // The first packet after a pause says so, and its time has the pause in it.
        let begins = self.next.is_none() || pause > PAUSE;
        if pause > PAUSE {
            self.time = self.time.wrapping_add((pause * RATE / 1_000_000) as u32);
        }
        let mut packets = Vec::new();
        for packet in &frame.packets {
            for piece in packet.payload.chunks(SAMPLES) {
                packets.push(self.packet(begins && packets.is_empty(), piece));
            }
        }
        self.next = Some(head.captured.plus(frame.len() as i64 * 1_000_000 / RATE));
        packets
    }

    /// A sender report (RFC 3550, section 6.4.1) at `now`; `None` before something was said.
    pub(super) fn report(&self, now: Timestamp) -> Option<Vec<u8>> {
        let since = now.since(self.next?);
        let rtp = self.time.wrapping_add((since * RATE / 1_000_000) as u32);
        let sent = Sent { ntp: ntp(now), rtp, packets: self.packets, bytes: self.bytes };
        Some(write_report(self.ssrc, NAME, Some(sent), None))
    }

    fn packet(&mut self, marker: bool, payload: &[u8]) -> Vec<u8> {
        let Self { payload: payload_type, ssrc, sequence, time: timestamp, .. } = *self;
        self.sequence = sequence.wrapping_add(1);
        self.time = timestamp.wrapping_add(payload.len() as u32);
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(payload.len() as u32);
        Header { marker, payload_type, sequence, timestamp, ssrc }.write(payload)
    }
}

const RATE: i64 = 8_000;
/// Nothing is to be learnt of a node from it.
const NAME: &str = "hearing";
/// Of 20 ms.
const SAMPLES: usize = 160;
/// What is further apart does not follow at once: 100 ms.
const PAUSE: i64 = 100_000;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::net::rtp::{Rtcp, read_rtcp};
    use crate::router::{Layer, Packet, Temporal};

    fn frame(captured: i64, samples: usize) -> Frame {
        let packet = Packet {
            index: 0,
            layer: Layer(0),
            media_time: 0,
            captured: Timestamp(captured),
            frame_start: true,
            frame_end: true,
            key: true,
            generation: 0,
            temporal: Temporal::default(),
            level: None,
            payload: Bytes::from(vec![0xd5; samples]),
        };
        Frame { packets: vec![packet] }
    }

    #[test]
    fn a_report_tells_which_moment_of_sound_is_now_and_how_much_was_said() {
        let mut speech = Speech::new(8, 7);
        assert_eq!(speech.report(Timestamp(0)), None, "nothing was said");
        let first = speech.packets(&frame(1_000_000, 320));
        let (header, _) = Header::read(&first[0]).unwrap();
        let report = speech.report(Timestamp(1_100_000)).unwrap();
        let clocks = Rtcp::Sender { ssrc: 7, ntp: ntp(Timestamp(1_100_000)), rtp: header.timestamp.wrapping_add(800) };
        assert_eq!(read_rtcp(&report), [clocks]);
        assert_eq!(report[20..28], [0, 0, 0, 2, 0, 0, 1, 64], "two packets, 320 bytes");
    }

    #[test]
    fn what_is_said_comes_in_packets_of_twenty_milliseconds_and_pauses_are_in_their_times() {
        let mut speech = Speech::new(8, 7);
        let mut said = |captured, samples| -> Vec<(bool, u16, u32, usize)> {
            let packets = speech.packets(&frame(captured, samples));
            let read = packets.iter().map(|packet| Header::read(packet).unwrap());
            read.map(|(header, place)| (header.marker, header.sequence, header.timestamp, place.len())).collect()
        };
        let first = said(0, 400);
        let (_, sequence, time, _) = first[0];
        let at = |n: u16, ticks: u32| (sequence.wrapping_add(n), time.wrapping_add(ticks));
        assert_eq!(first.iter().map(|p| (p.0, p.3)).collect::<Vec<_>>(), [(true, 160), (false, 160), (false, 80)]);
        assert_eq!(said(52_000, 160)[0], (false, at(3, 400).0, at(3, 400).1, 160), "nearly at once");
        let late = said(52_000 + 20_000 + 1_000_000, 160)[0];
        assert_eq!((late.0, late.2), (true, at(4, 560 + 8_000).1), "a second later");
    }
}
