//! What a device of our own shows: a program stream over RTP, in datagrams.

use std::net::SocketAddr;

use bytes::Bytes;
use hearing_config::Timestamp;
use hearing_proto::depacketize::{self, Format, Framing};
use hearing_proto::gb28181::sdp;
use hearing_proto::ps::{CLOCK_RATE, Codec, Muxer};
use rsipstack::sip::Header;
use tokio::net::UdpSocket;

use super::super::dialog::Held;
use super::post::Post;
use super::signals::Invitation;
use crate::net::rtp;
use crate::router::Frame;

/// A call in which it shows something.
pub(super) struct Show {
    held: Held,
    socket: UdpSocket,
    to: SocketAddr,
    stream: Stream,
}

/// Numbers the packets of a program stream.
struct Stream {
    muxer: Muxer,
    payload: u8,
    ssrc: u32,
    sequence: u16,
}

impl Show {
    /// Answers an invitation.
    pub(super) async fn begin(post: &Post, mut invitation: Invitation) -> Result<Self, String> {
        let media = invitation.media;
        let (to, ssrc) = media.address.zip(media.ssrc).ok_or("the node's invitation names no address, or no y=")?;
        let socket = UdpSocket::bind((post.at.ip(), 0)).await.map_err(|error| error.to_string())?;
        let own = socket.local_addr().map_err(|error| error.to_string())?;
        let dialog = invitation.take().ok_or("the call is over")?;
        let (_, states) = post.stack.dialogs.new_dialog_state_channel();
        let states = std::mem::replace(&mut invitation.states, states);
        let held = Held::new(post.stack.dialogs.clone(), dialog, states);
        let answer = sdp::show(post.id, (own.ip(), own.port()), ssrc, media.transport);
        let headers = vec![Header::ContentType("APPLICATION/SDP".into())];
        held.dialog().accept(Some(headers), Some(answer.into_bytes())).map_err(|error| error.to_string())?;
        Ok(Self { held, socket, to: SocketAddr::new(to, media.port), stream: Stream::new(&media, ssrc) })
    }

    /// Until the node hangs up. Cancelling it loses nothing.
    pub(super) async fn over(&mut self) {
        self.held.over().await;
    }

    pub(super) fn picture(&mut self, frame: &Frame) {
        let packets = self.stream.picture(frame);
        self.send(&packets);
    }

    pub(super) fn sound(&mut self, frame: &Frame) {
        let packets = self.stream.sound(frame);
        self.send(&packets);
    }

    fn send(&self, packets: &[Vec<u8>]) {
        for packet in packets {
            if self.socket.try_send_to(packet, self.to).is_err() {
                metrics::counter!("hearing_gb28181_datagrams_unsent_total").increment(1);
            }
        }
    }
}

impl Stream {
    fn new(media: &sdp::Media, ssrc: u32) -> Self {
        let muxer = Muxer::new(Codec::H264, Some(Codec::Pcma));
        Self { muxer, payload: media.payload.unwrap_or(USUAL), ssrc, sequence: rand::random() }
    }

    fn picture(&mut self, frame: &Frame) -> Vec<Vec<u8>> {
        let payloads = frame.packets.iter().map(|packet| &packet.payload[..]);
        let Ok(whole) = depacketize::frame(Format::H264, Framing::AnnexB, payloads) else { return Vec::new() };
        let time = ticks(frame.head().captured);
        self.packets(time, &self.muxer.picture(time, frame.head().key, &whole))
    }

    fn sound(&mut self, frame: &Frame) -> Vec<Vec<u8>> {
        let samples: Vec<&Bytes> = frame.packets.iter().map(|packet| &packet.payload).collect();
        let samples: Vec<u8> = samples.into_iter().flatten().copied().collect();
        let time = ticks(frame.head().captured);
        self.packets(time, &self.muxer.sound(time, &samples))
    }

    fn packets(&mut self, time: u64, stream: &[u8]) -> Vec<Vec<u8>> {
        let count = stream.len().div_ceil(PIECE);
        let Self { payload: payload_type, ssrc, .. } = *self;
        let pieces = stream.chunks(PIECE).enumerate().map(|(n, piece)| {
            let sequence = self.sequence;
            self.sequence = sequence.wrapping_add(1);
            let marker = n + 1 == count;
            rtp::Header { marker, payload_type, sequence, timestamp: time as u32, ssrc }.write(piece)
        });
        pieces.collect()
    }
}

/// A program stream's time: 33 bits at 90 kHz.
const fn ticks(at: Timestamp) -> u64 {
    (at.0 as i128 * CLOCK_RATE as i128 / 1_000_000) as u64 & ((1 << 33) - 1)
}

/// Bytes of a packet's payload.
const PIECE: usize = 1_300;
/// The payload type of a program stream when none is named.
const USUAL: u8 = 96;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use hearing_config::{Codec, Kind};
    use hearing_proto::packetize;

    use super::*;
    use crate::endpoint::gb28181::intake::Intake;
    use crate::router::{Layer, Packet, Temporal};

    fn frame(captured: i64, key: bool, payloads: Vec<Bytes>) -> Frame {
        let last = payloads.len() - 1;
        let packet = |(n, payload)| Packet {
            index: n as u64,
            layer: Layer(0),
            media_time: 0,
            captured: Timestamp(captured),
            frame_start: n == 0,
            frame_end: n == last,
            key,
            generation: 0,
            temporal: Temporal::default(),
            level: None,
            payload,
        };
        Frame { packets: payloads.into_iter().enumerate().map(packet).collect() }
    }

    #[test]
    fn what_it_shows_is_taken_in_by_the_platform_as_it_was_with_sound_and_picture_on_one_time_line() {
        let key =
            [&[0, 0, 0, 1, 0x67, 66, 0, 31][..], &[0, 0, 0, 1, 0x68, 2], &[0, 0, 0, 1, 0x65], &[7; 5_000]].concat();
        let delta = [&[0, 0, 0, 1, 0x41][..], &[9; 70]].concat();
        let media = sdp::read("m=video 5 RTP/AVP 98\r\na=rtpmap:98 PS/90000\r\n").unwrap();
        let (mut stream, start) = (Stream::new(&media, 7), Instant::now());
        let mut intake = Intake::new(98, start);
        let mut got = Vec::new();
        for n in 0..4_i64 {
            let at = 1_795_429_864_000_000 + n * 40_000;
            let whole = if n == 0 { &key } else { &delta };
            let mut packets = stream.picture(&frame(at, n == 0, packetize::payloads(Format::H264, whole)));
            packets.extend(stream.sound(&frame(at, true, vec![vec![0xd5; 320].into()])));
            let arrived = (start + Duration::from_micros(n as u64 * 40_000), Timestamp(at + 10_000));
            got.extend(packets.iter().flat_map(|packet| intake.take(arrived, packet).unwrap()));
        }
        let of = |kind| got.iter().filter(move |got| got.kind == kind).flat_map(|got| got.packets.iter().cloned());
        let starts = |kind| of(kind).filter(|packet| packet.frame_start).map(|packet| packet.captured.0);
        let (pictures, sounds): (Vec<_>, Vec<_>) = (starts(Kind::Video).collect(), starts(Kind::Audio).collect());
        assert!(pictures.len() == 4 && sounds.len() == 4, "{pictures:?} {sounds:?}");
        assert!(pictures.iter().zip(&sounds).all(|(picture, sound)| picture.abs_diff(*sound) < 1_000));
        let first: Vec<Bytes> = of(Kind::Video).take_while(|packet| packet.key).map(|packet| packet.payload).collect();
        let first = depacketize::frame(Format::H264, Framing::AnnexB, first.iter().map(|payload| &payload[..]));
        assert_eq!((first.unwrap(), got[0].codec), (key, Codec::H264));
    }
}
