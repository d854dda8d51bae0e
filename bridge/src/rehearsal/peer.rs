//! The WebRTC end of a headless participant, on the crate `webrtc`: it makes the offer, sends a picture and a sound, and
//! receives one of each from every other seat.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use hearing_config::{Kind, SeatId, Timestamp};
use hearing_proto::child::{Coded, PICTURE};
use hearing_signaling::http::{Offer, Send, Slot};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{Attribute, Interceptor, Packet as Passing, Slot as Place, StreamInfo, TaggedPacket};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::sansio::Protocol;
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtp::codec::vp8::Vp8Payloader;
use rtc_rtp::packetizer::Payloader as _;
use rtc_rtp::{Header, Packet};
use tokio::sync::mpsc;
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry, configure_nack,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit, RtpTransceiver};

/// A peer connection with its two senders.
pub(super) struct Peer {
    connection: Arc<dyn PeerConnection>,
    picture: Sender,
    sound: Sender,
    events: mpsc::Sender<Event>,
}

/// What a peer tells.
#[derive(Debug)]
pub(super) enum Event {
    /// Media can flow.
    Connected,
    /// It can't any more.
    Failed,
    /// The node wants a key frame.
    KeyFrame,
    /// An RTP packet arrived.
    Packet(Packet),
}

/// One stream that is sent.
struct Sender {
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    payload_type: u8,
    clock: i64,
    sequence: u16,
    packets: u32,
    octets: u32,
    reported: Option<i64>,
}

pub(super) type Error = webrtc::error::Error;

impl Peer {
    /// A peer at `address` with receive slots for `seats`, and its offer.
    pub(super) async fn offer(
        address: IpAddr,
        seats: &[SeatId],
        events: mpsc::Sender<Event>,
    ) -> Result<(Self, Offer), Error> {
        let (gathered, mut all) = mpsc::channel(1);
        let connection = connect(address, events.clone(), gathered).await?;
        let sound = Sender::add(&connection, RtpCodecKind::Audio).await?;
        let picture = Sender::add(&connection, RtpCodecKind::Video).await?;
        let mut transceivers = connection.get_transceivers().await;
        let own = transceivers.len();
        for _ in seats {
            for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
                transceivers.push(receive(&connection, kind).await?);
            }
        }
        let description = connection.create_offer(None).await?;
        connection.set_local_description(description).await?;
        // Ends when gathering is complete, or the handler is gone.
        let _ = all.recv().await;
        let sdp = connection.local_description().await.map(|description| description.sdp).unwrap_or_default();
        let mut mids = Vec::new();
        for transceiver in &transceivers {
            mids.push((transceiver.mid().await?.unwrap_or_default(), transceiver.direction().await?));
        }
        let (sends, slots) = mids.split_at(own.min(mids.len()));
        let offer = Offer { sends: sends_of(sends, &sdp), slots: slots_of(slots, seats), sdp };
        Ok((Self { connection, picture, sound, events }, offer))
    }

    /// Takes the node's answer; from then on media flows.
    pub(super) async fn answer(&self, sdp: String) -> Result<(), Error> {
        self.connection.set_remote_description(RTCSessionDescription::answer(sdp)?).await?;
        let (track, events) = (self.picture.track.clone(), self.events.clone());
        tokio::spawn(async move {
            while track.poll().await.is_some() {
                // One request that waits is enough.
                let _ = events.try_send(Event::KeyFrame);
            }
        });
        Ok(())
    }

    /// Sends a frame of the generator, whose place 0 was at `began`.
    pub(super) async fn send(&mut self, frame: &Coded, began: Timestamp) -> Result<(), Error> {
        let (sender, pieces) = if frame.stream == PICTURE {
            (&mut self.picture, Vp8Payloader::default().payload(PAYLOAD, &frame.bytes)?)
        } else {
            (&mut self.sound, vec![frame.bytes.clone()])
        };
        sender.send(frame.pts, pieces).await?;
        sender.report(frame.pts, began).await
    }

    /// Ends the connection.
    pub(super) async fn close(self) {
        // What can't be closed is dropped with the process.
        let _ = self.connection.close().await;
    }
}

impl Sender {
    async fn add(connection: &Arc<dyn PeerConnection>, kind: RtpCodecKind) -> Result<Self, Error> {
        let codec = codec(kind);
        let ssrc = rand::random::<u32>().max(1);
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..RTCRtpCodingParameters::default() },
            codec: codec.rtp_codec.clone(),
            ..RTCRtpEncodingParameters::default()
        };
        let name = kind.to_string();
        let track = MediaStreamTrack::new("rehearsal".to_owned(), name.clone(), name, kind, vec![encoding]);
        let track = Arc::new(TrackLocalStaticRTP::new(track));
        connection.add_track(track.clone() as Arc<dyn TrackLocal>).await?;
        let clock = i64::from(codec.rtp_codec.clock_rate);
        Ok(Self {
            track,
            ssrc,
            payload_type: codec.payload_type,
            clock,
            sequence: rand::random(),
            packets: 0,
            octets: 0,
            reported: None,
        })
    }

    async fn send(&mut self, pts: i64, pieces: Vec<Bytes>) -> Result<(), Error> {
        let timestamp = self.timestamp(pts);
        let last = pieces.len().saturating_sub(1);
        for (place, payload) in pieces.into_iter().enumerate() {
            let header = Header {
                version: 2,
                marker: place == last,
                payload_type: self.payload_type,
                sequence_number: self.sequence,
                timestamp,
                ssrc: self.ssrc,
                ..Header::default()
            };
            self.sequence = self.sequence.wrapping_add(1);
            self.packets = self.packets.wrapping_add(1);
            // Truncated on purpose: the counter wraps.
            self.octets = self.octets.wrapping_add(payload.len() as u32);
            self.track.write_rtp(Packet { header, payload }).await?;
        }
        Ok(())
    }
}

impl Sender {
    /// Tells twice a second when what was sent was drawn and played (RFC 3550, section 6.4.1). The crate's own reports tell
    /// when it was handed over, which on a busy machine is another time for sound than for the picture.
    async fn report(&mut self, pts: i64, began: Timestamp) -> Result<(), Error> {
        if self.reported.is_some_and(|reported| pts - reported < REPORT_US) {
            return Ok(());
        }
        self.reported = Some(pts);
        let report = SenderReport {
            ssrc: self.ssrc,
            ntp_time: ntp(began.plus(pts)),
            rtp_time: self.timestamp(pts),
            packet_count: self.packets,
            octet_count: self.octets,
            ..SenderReport::default()
        };
        self.track.write_rtcp(vec![Box::new(report)]).await
    }

    /// Truncated on purpose: an RTP timestamp wraps.
    const fn timestamp(&self, pts: i64) -> u32 {
        (pts * self.clock / 1_000_000) as u32
    }
}

/// As an NTP timestamp (RFC 5905): seconds since 1900, and 2^-32 parts of one.
fn ntp(at: Timestamp) -> u64 {
    let micros = u64::try_from(at.0).unwrap_or(0);
    let (seconds, rest) = (micros / 1_000_000 + NTP_1970, micros % 1_000_000);
    (seconds << 32) | ((rest << 32) / 1_000_000)
}

/// The sources of an answer's m-lines, by slot.
pub(super) fn sources(answer: &str, slots: &[Slot]) -> HashMap<u32, (SeatId, Kind)> {
    let mut found = HashMap::new();
    for section in answer.split("\nm=").skip(1) {
        let attribute = |name: &str| section.lines().find_map(|line| line.trim().strip_prefix(name));
        let ssrc = attribute("a=ssrc:").and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
        let slot = attribute("a=mid:").and_then(|mid| slots.iter().find(|slot| slot.mid == mid));
        found.extend(ssrc.zip(slot).map(|(ssrc, slot)| (ssrc, (slot.seat, slot.kind))));
    }
    found
}

async fn connect(
    address: IpAddr,
    events: mpsc::Sender<Event>,
    gathered: mpsc::Sender<()>,
) -> Result<Arc<dyn PeerConnection>, Error> {
    let mut engine = MediaEngine::default();
    for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
        engine.register_codec(codec(kind), kind)?;
    }
    let registry = configure_nack(Registry::new(), &mut engine);
    // Nobody here is known by a name of multicast DNS, and a network without a way out lets no socket listen for such names.
    let settings = SettingEngineBuilder::new().with_multicast_dns_mode(MulticastDnsMode::Disabled).build();
    let registry = registry.with(Place::from(BEFORE_THE_LAST), KeyFrameRequests::default());
    let connection = PeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_setting_engine(settings)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(Handler { events, gathered }))
        .with_udp_addrs(vec![std::net::SocketAddr::new(address, 0).to_string()])
        .build()
        .await?;
    Ok(Arc::new(connection))
}

async fn receive(connection: &Arc<dyn PeerConnection>, kind: RtpCodecKind) -> Result<Arc<dyn RtpTransceiver>, Error> {
    let direction = RTCRtpTransceiverDirection::Recvonly;
    let init = RTCRtpTransceiverInit { direction, ..RTCRtpTransceiverInit::default() };
    connection.add_transceiver_from_kind(kind, Some(init)).await
}

/// Which of the own m-lines carries what is written in the SDP.
fn sends_of(mids: &[(String, RTCRtpTransceiverDirection)], sdp: &str) -> Vec<Send> {
    let is_sound = |mid: &str| {
        let named = |section: &&str| section.lines().any(|line| line.trim() == format!("a=mid:{mid}"));
        sdp.split("\nm=").skip(1).find(named).is_some_and(|section| section.starts_with("audio"))
    };
    let kind = |mid: &str| if is_sound(mid) { Kind::Audio } else { Kind::Video };
    mids.iter().map(|(mid, _)| Send { mid: mid.clone(), kind: kind(mid) }).collect()
}

fn slots_of(mids: &[(String, RTCRtpTransceiverDirection)], seats: &[SeatId]) -> Vec<Slot> {
    let wanted = seats.iter().flat_map(|seat| [(*seat, Kind::Audio), (*seat, Kind::Video)]);
    mids.iter().zip(wanted).map(|((mid, _), (seat, kind))| Slot { mid: mid.clone(), seat, kind }).collect()
}

fn codec(kind: RtpCodecKind) -> RTCRtpCodecParameters {
    let feedback =
        |(typ, parameter): (&str, &str)| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    let (mime, clock_rate, channels, fmtp, payload_type) = match kind {
        RtpCodecKind::Video => ("video/VP8", 90_000, 0, "", 96),
        _ => ("audio/opus", 48_000, 2, "minptime=10;useinbandfec=1", 111),
    };
    let picture = [("ccm", "fir"), ("nack", ""), ("nack", "pli")].map(feedback).to_vec();
    let rtp_codec = RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: if kind == RtpCodecKind::Video { picture } else { Vec::new() },
    };
    RTCRtpCodecParameters { rtp_codec, payload_type }
}

struct Handler {
    events: mpsc::Sender<Event>,
    gathered: mpsc::Sender<()>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            // Once is enough, and nobody waits twice.
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let event = match state {
            RTCPeerConnectionState::Connected => Event::Connected,
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => Event::Failed,
            _ => return,
        };
        // The participant may be gone already.
        let _ = self.events.send(event).await;
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event
                    && events.send(Event::Packet(packet)).await.is_err()
                {
                    break;
                }
            }
        });
    }
}

/// Lets requests for key frames through to the application, which the crate otherwise keeps to itself.
#[derive(Default)]
struct KeyFrameRequests {
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyFrameRequests {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut packet: TaggedPacket) -> Result<(), Error> {
        if let Passing::Rtcp(reports) = &packet.message.packet {
            let asks = |any: &dyn std::any::Any| any.is::<PictureLossIndication>() || any.is::<FullIntraRequest>();
            let requests: Vec<_> = reports.iter().filter(|report| asks(report.as_any())).cloned().collect();
            if requests.is_empty() {
                return Ok(());
            }
            packet.message.packet = Passing::Rtcp(requests);
            packet.message.add(Attribute::DeliverToApplication);
        }
        self.read.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.write.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for KeyFrameRequests {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

/// Where in the chain of interceptors: after those that act on reports.
const BEFORE_THE_LAST: usize = 14_000;
const REPORT_US: i64 = 500_000;
/// From 1900 to 1970, in seconds.
const NTP_1970: u64 = 2_208_988_800;
/// The most payload of one packet.
const PAYLOAD: usize = 1_180;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_sources_are_found_by_slot() {
        let answer = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:7\r\na=ssrc:42 cname:x\r\n";
        let slot = Slot { mid: "7".to_owned(), seat: SeatId(3), kind: Kind::Video };
        assert_eq!(sources(answer, &[slot]), HashMap::from([(42, (SeatId(3), Kind::Video))]));
    }
}
