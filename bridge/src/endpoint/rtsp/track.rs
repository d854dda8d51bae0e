//! One stream of a camera: from its RTP packets to the packets of a track.

use bytes::Bytes;
use hearing_config::{Codec, Kind, Timestamp};
use hearing_proto::depacketize::{self, Format, Framing};
use metrics::counter;
use retina::client::Stream;
use retina::codec::{ParametersRef, VideoParametersCodec};
use retina::rtp::ReceivedPacket;

use super::aac::Aac;
use crate::endpoint::source::{Coded, Cutter, SenderClock, SourceClock};
use crate::router::Packet;

/// Puts frames together again, since cameras cut them larger than packets may be inside a node.
pub(super) struct Track {
    codec: Codec,
    /// Takes the packets of AAC apart.
    aac: Option<Aac>,
    cutter: Cutter,
    clock: SourceClock,
    /// Payloads of the picture that is not whole yet, and its time.
    pending: Vec<Bytes>,
    time: i64,
    held: usize,
    /// True after a loss, until a picture begins.
    torn: bool,
}

impl Track {
    /// The track of a stream; `None` when it is of a kind or codec that is not carried.
    pub(super) fn of(stream: &Stream) -> Option<Self> {
        let aac = audio_config(stream).and_then(Aac::new);
        let codec = match (stream.media(), stream.encoding_name(), stream.clock_rate_hz()) {
            ("video", "h264", 90_000) => Codec::H264,
            ("video", "h265", 90_000) => Codec::H265,
            ("audio", "pcma", 8_000) => Codec::Pcma,
            ("audio", "pcmu", 8_000) => Codec::Pcmu,
            ("audio", "g722", 8_000) => Codec::G722,
            ("audio", "opus", 48_000) => Codec::Opus,
            ("audio", "mpeg4-generic", rate) if aac.as_ref().is_some_and(|aac| aac.rate() == rate) => Codec::Aac,
            (media, encoding, rate) => {
                tracing::info!(media, encoding, rate, "a camera's stream is not taken");
                return None;
            }
        };
        Some(Self { aac, ..Self::new(codec, parameter_sets(stream)) })
    }

    fn new(codec: Codec, sets: Vec<u8>) -> Self {
        let (cutter, clock) = (Cutter::new(codec, sets), SourceClock::new(codec.clock_rate()));
        Self { codec, aac: None, cutter, clock, pending: Vec::new(), time: 0, held: 0, torn: false }
    }

    pub(super) const fn codec(&self) -> Codec {
        self.codec
    }

    pub(super) const fn kind(&self) -> Kind {
        match self.codec {
            Codec::H264 | Codec::H265 | Codec::Vp8 => Kind::Video,
            Codec::Opus | Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::Aac => Kind::Audio,
        }
    }

    /// The camera's clock showed `ntp` (microseconds) at media time `time`.
    pub(super) fn report(&mut self, ntp: i64, time: i64) {
        self.clock.report(ntp, self.aac.as_ref().map_or(time, |aac| aac.ticks(time)));
    }

    /// What a packet completes.
    pub(super) fn handle(&mut self, packet: ReceivedPacket, arrival: Timestamp, sender: &SenderClock) -> Vec<Packet> {
        let (time, lost, ends) = (packet.timestamp().timestamp(), packet.loss() > 0, packet.mark());
        self.piece(Piece { time, lost, ends, payload: packet.into_payload_bytes() }, arrival, sender)
    }

    fn piece(&mut self, piece: Piece, arrival: Timestamp, sender: &SenderClock) -> Vec<Packet> {
        if piece.lost {
            self.cutter.lose();
        }
        match self.kind() {
            Kind::Video | Kind::Screen => self.picture(piece, arrival, sender),
            Kind::Audio => self.sound(&piece, arrival, sender),
        }
    }

    fn sound(&mut self, piece: &Piece, arrival: Timestamp, sender: &SenderClock) -> Vec<Packet> {
        let Some(aac) = &mut self.aac else { return self.cut(piece.time, &piece.payload, arrival, sender) };
        if piece.lost {
            aac.forget();
        }
        let Some(frames) = aac.frames(piece.time, &piece.payload) else {
            counter!("hearing_rtsp_frames_broken_total").increment(1);
            self.cutter.lose();
            return Vec::new();
        };
        frames.into_iter().flat_map(|(time, data)| self.cut(time, &data, arrival, sender)).collect()
    }

    fn cut(&mut self, media_time: i64, data: &[u8], arrival: Timestamp, sender: &SenderClock) -> Vec<Packet> {
        let captured = self.clock.captured(media_time, arrival, sender);
        self.cutter.cut(Coded { media_time, captured, data })
    }

    fn picture(&mut self, piece: Piece, arrival: Timestamp, sender: &SenderClock) -> Vec<Packet> {
        let mut out = Vec::new();
        if piece.lost {
            // The rest of the picture is thrown away; one of another time begins anew.
            self.torn = !self.pending.is_empty() || piece.time == self.time;
            self.forget();
        }
        if piece.time != self.time {
            out.extend(self.complete(arrival, sender));
            (self.time, self.torn) = (piece.time, false);
        }
        if self.torn {
            return out;
        }
        self.held += piece.payload.len();
        self.pending.push(piece.payload);
        if self.held > depacketize::FRAME_LIMIT {
            counter!("hearing_rtsp_frames_broken_total").increment(1);
            self.torn = true;
            self.forget();
        }
        if piece.ends {
            out.extend(self.complete(arrival, sender));
        }
        out
    }

    /// The picture that is there; nothing when it can't be put together.
    fn complete(&mut self, arrival: Timestamp, sender: &SenderClock) -> Vec<Packet> {
        if self.pending.is_empty() {
            return Vec::new();
        }
        let format = if self.codec == Codec::H265 { Format::H265 } else { Format::H264 };
        let frame = depacketize::frame(format, Framing::AnnexB, self.pending.iter().map(|payload| &payload[..]));
        self.forget();
        match frame {
            Ok(data) => self.cut(self.time, &data, arrival, sender),
            Err(_) => {
                counter!("hearing_rtsp_frames_broken_total").increment(1);
                self.cutter.lose();
                Vec::new()
            }
        }
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.held = 0;
    }
}

/// An RTP packet, as far as it matters.
struct Piece {
    time: i64,
    /// Others before it did not come.
    lost: bool,
    /// It is the last of its picture.
    ends: bool,
    payload: Bytes,
}

/// The parameter sets that the session's description tells, as a byte stream.
fn parameter_sets(stream: &Stream) -> Vec<u8> {
    let Some(ParametersRef::Video(parameters)) = stream.parameters() else { return Vec::new() };
    let sets = match parameters.codec_params() {
        VideoParametersCodec::H264 { sps, pps } => vec![sps, pps],
        VideoParametersCodec::H265 { vps, sps, pps } => vec![vps, sps, pps],
        _ => Vec::new(),
    };
    sets.into_iter().flat_map(|set| [&[0, 0, 0, 1][..], set].concat()).collect()
}

/// The audio specific config of AAC that the session's description tells.
fn audio_config(stream: &Stream) -> Option<&[u8]> {
    match stream.parameters()? {
        ParametersRef::Audio(parameters) => Some(parameters.extra_data()),
        ParametersRef::Video(_) | ParametersRef::Message(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(time: i64, lost: bool, ends: bool, payload: &'static [u8]) -> Piece {
        Piece { time, lost, ends, payload: Bytes::from_static(payload) }
    }

    fn played(pieces: impl IntoIterator<Item = Piece>) -> Vec<Packet> {
        let mut track = Track::new(Codec::H264, Vec::new());
        let sender = SenderClock::default();
        pieces.into_iter().flat_map(|piece| track.piece(piece, Timestamp(1_000), &sender)).collect()
    }

    #[test]
    fn a_picture_ends_with_its_marker_or_when_the_next_begins() {
        let packets = played([
            piece(0, false, true, &[0x65, 1]),
            piece(3_600, false, false, &[0x41, 2]),
            piece(7_200, false, true, &[0x41, 3]),
        ]);
        let seen: Vec<_> = packets.iter().map(|p| (p.media_time, p.key, p.frame_start && p.frame_end)).collect();
        assert_eq!(seen, [(0, true, true), (3_600, false, true), (7_200, false, true)]);
    }

    #[test]
    fn a_torn_picture_is_left_out_and_the_order_has_a_gap() {
        let packets = played([
            piece(0, false, false, &[0x7c, 0x85, 1]),
            piece(0, true, true, &[0x7c, 0x45, 3]),
            piece(3_600, false, true, &[0x41, 2]),
            piece(7_200, true, true, &[0x41, 3]),
        ]);
        assert_eq!(packets.iter().map(|p| (p.media_time, p.index)).collect::<Vec<_>>(), [(3_600, 1), (7_200, 3)]);
    }

    #[test]
    fn what_is_no_picture_is_left_out() {
        let packets = played([piece(0, false, true, &[0x7c, 0x05, 1]), piece(3_600, false, true, &[0x41, 2])]);
        assert_eq!(packets.len(), 1);
    }
}
