//! One WebRTC client on the sans-IO core of webrtc-rs, with a socket of its own.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::{Bytes, BytesMut};
use mio::net::UdpSocket;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_nack, configure_rtcp_reports, configure_twcc,
};
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::{SettingEngine, SettingEngineBuilder};
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::RTCPeerConnectionState;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RunLengthChunk, StatusChunkTypeTcc, SymbolTypeTcc, TransportLayerCc,
};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use super::{AUDIO_PAYLOAD, VIDEO_PAYLOAD};

/// A sender or a receiver.
pub(crate) struct Peer {
    connection: RTCPeerConnection,
    pub(crate) socket: UdpSocket,
    address: SocketAddr,
    pub(crate) connected: bool,
    sends: Vec<Sending>,
    /// Senders that it receives.
    receives: usize,
    /// Counts media without opening it.
    pub(crate) deaf: bool,
    /// Asks for everything, all the time.
    pub(crate) storming: bool,
    /// The last packet of each source, by SSRC; kept while it storms.
    newest: HashMap<u32, u16>,
    pub(crate) got: Got,
}

/// What a receiver got, and how late.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) packets: u64,
    pub(crate) video: u64,
    pub(crate) latencies_us: Vec<u32>,
}

struct Sending {
    id: RTCRtpSenderId,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
}

impl Peer {
    /// Sends sound and picture.
    pub(crate) fn sender() -> Result<Self> {
        Self::member(0)
    }

    /// Sends sound and picture and receives those of `others`.
    pub(crate) fn member(others: usize) -> Result<Self> {
        let mut peer = Self::receiver(others)?;
        for kind in KINDS {
            let ssrc = rand::random();
            let coding = RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() };
            let encoding =
                RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec: codec(kind), ..Default::default() };
            let name = format!("bench-{ssrc}");
            let track = MediaStreamTrack::new("bench".to_owned(), name.clone(), name, kind, vec![encoding]);
            let id = peer.connection.add_track(track)?;
            peer.sends.push(Sending { id, ssrc, payload_type: 0, sequence: 1, timestamp: 0 });
        }
        Ok(peer)
    }

    /// Receives sound and picture of `others`, once it has offered or answered.
    pub(crate) fn receiver(others: usize) -> Result<Self> {
        Ok(Self { receives: others, ..Self::new()? })
    }

    pub(crate) fn sends(&self) -> bool {
        !self.sends.is_empty()
    }

    pub(crate) const fn receives(&self) -> bool {
        self.receives > 0
    }

    /// The offer: first what it sends, then what it receives, each sound and picture.
    pub(crate) fn offer(&mut self) -> Result<String> {
        for _ in 0..self.receives {
            for kind in KINDS {
                let init =
                    RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
                self.connection.add_transceiver_from_kind(kind, Some(init))?;
            }
        }
        let offer = self.connection.create_offer(None)?;
        self.connection.set_local_description(Instant::now(), offer)?;
        self.local_sdp()
    }

    pub(crate) fn accept_answer(&mut self, sdp: &str) -> Result<()> {
        let answer = RTCSessionDescription::answer(sdp.to_owned())?;
        self.connection.set_remote_description(Instant::now(), answer)?;
        for (sending, kind) in self.sends.iter_mut().zip(KINDS) {
            let mut sender = self.connection.rtp_sender(sending.id).context("the sender is gone")?;
            let codecs = &sender.get_parameters().rtp_parameters.codecs;
            let wanted = codec(kind).mime_type;
            let agreed = codecs.iter().find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(&wanted));
            sending.payload_type = agreed.context("the server takes none of our codecs")?.payload_type;
        }
        self.drain();
        Ok(())
    }

    /// Answers a server's offer.
    pub(crate) fn answer(&mut self, offer: &str) -> Result<String> {
        let now = Instant::now();
        self.connection.set_remote_description(now, RTCSessionDescription::offer(offer.to_owned())?)?;
        let answer = self.connection.create_answer(None)?;
        self.connection.set_local_description(now, answer)?;
        self.drain();
        self.local_sdp()
    }

    /// Sends one packet of a picture.
    pub(crate) fn send_video(&mut self, first: bool, last: bool, key: bool) {
        let mut payload = vec![0; VIDEO_PAYLOAD];
        // The payload descriptor (RFC 7741, section 4.2): S in the first packet of a frame.
        payload[0] = if first { 0x10 } else { 0 };
        if first {
            payload[1] = u8::from(!key);
            // A key frame's start code and its size, 1280x720 (RFC 6386, section 9.1).
            payload[4..11].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
        }
        self.send(1, payload, last);
        if last {
            self.sends[1].timestamp = self.sends[1].timestamp.wrapping_add(3_000);
        }
    }

    /// Sends 20 ms of sound.
    pub(crate) fn send_audio(&mut self) {
        self.send(0, vec![0xfc; AUDIO_PAYLOAD], false);
        self.sends[0].timestamp = self.sends[0].timestamp.wrapping_add(960);
    }

    /// Reads what came in.
    pub(crate) fn read(&mut self) {
        let mut buffer = [0; 2_048];
        while let Ok((len, remote)) = self.socket.recv_from(&mut buffer) {
            // SRTP and not SRTCP (RFC 7983, RFC 5761).
            if self.deaf && matches!(buffer[0], 128..=191) && !matches!(buffer[1], 192..=223) {
                self.got.packets += 1;
                self.got.video += u64::from(len > 2 * AUDIO_PAYLOAD);
                continue;
            }
            let transport = TransportContext {
                local_addr: self.address,
                peer_addr: remote,
                ecn: None,
                transport_protocol: TransportProtocol::UDP,
            };
            let message = TaggedBytesMut { now: Instant::now(), transport, message: BytesMut::from(&buffer[..len]) };
            // What it can't read is the server's fault and shows as loss.
            let _ = self.connection.handle_read(message);
            self.drain();
        }
    }

    /// Does what is due by `now`.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.connection.poll_timeout().is_some_and(|at| at <= now) {
            let _ = self.connection.handle_timeout(now);
            self.drain();
        }
    }

    pub(crate) fn next_tick(&mut self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// Asks for the last 272 packets of every source again, for key frames in both ways there are, says that all was lost, and
    /// tells of packets that never were.
    pub(crate) fn storm(&mut self, now: Instant) {
        let receivers: Vec<_> = self.connection.get_receivers().collect();
        for (receiver, (ssrc, newest)) in receivers.iter().cycle().zip(self.newest.clone()) {
            let Some(mut receiver) = self.connection.rtp_receiver(*receiver) else { continue };
            for packet in everything(ssrc, newest) {
                // What its own queue does not take is not sent.
                let _ = receiver.write_rtcp(now, vec![packet]);
            }
        }
        self.drain();
    }

    fn new() -> Result<Self> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(4 << 20)?;
        socket.bind(&SocketAddr::from((machine_address()?, 0)).into())?;
        let socket = UdpSocket::from_std(socket.into());
        let address = socket.local_addr()?;
        let mut media = media_engine()?;
        let registry = configure_twcc(configure_nack(Registry::new(), &mut media), &mut media)?;
        let registry = configure_rtcp_reports(registry);
        let builder = RTCPeerConnectionBuilder::new().with_setting_engine(settings()).with_media_engine(media);
        let mut connection = builder.with_interceptor_registry(registry).build(Instant::now())?;
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..Default::default()
        };
        let candidate = CandidateHostConfig { base_config, ..Default::default() }.new_candidate_host()?;
        connection.add_local_candidate(RTCIceCandidate::from(&candidate).to_json()?)?;
        let (sends, got) = (Vec::new(), Got::default());
        Ok(Self {
            connection,
            socket,
            address,
            connected: false,
            sends,
            receives: 0,
            deaf: false,
            storming: false,
            newest: HashMap::new(),
            got,
        })
    }

    fn local_sdp(&self) -> Result<String> {
        Ok(self.connection.local_description().context("no local description")?.sdp)
    }

    fn send(&mut self, at: usize, mut payload: Vec<u8>, marker: bool) {
        let end = payload.len() - 8;
        payload[end..].copy_from_slice(&clock_us().to_be_bytes());
        let sending = &mut self.sends[at];
        let header = rtp::Header {
            version: 2,
            marker,
            payload_type: sending.payload_type,
            sequence_number: sending.sequence,
            timestamp: sending.timestamp,
            ssrc: sending.ssrc,
            ..Default::default()
        };
        sending.sequence = sending.sequence.wrapping_add(1);
        if let Some(mut sender) = self.connection.rtp_sender(sending.id) {
            // Before the connection stands nothing can be sent, and nobody waits for it.
            let _ = sender.write_rtp(Instant::now(), rtp::Packet { header, payload: Bytes::from(payload) });
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(out) = self.connection.poll_write() {
            if let Err(error) = self.socket.send_to(&out.message, out.transport.peer_addr)
                && error.kind() != io::ErrorKind::WouldBlock
            {
                return;
            }
        }
        while let Some(event) = self.connection.poll_event() {
            if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.connected = state == RTCPeerConnectionState::Connected;
            }
        }
        while let Some(read) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = read.message {
                if self.storming {
                    self.newest.insert(packet.header.ssrc, packet.header.sequence_number);
                }
                self.got.count(&packet.payload);
            }
        }
    }
}

/// What can be asked for of one source, each a packet of its own.
fn everything(ssrc: u32, newest: u16) -> [Box<dyn rtcp::Packet>; 5] {
    let pair = |back: u16| NackPair { packet_id: newest.wrapping_sub(17 * back), lost_packets: u16::MAX };
    let lost = ReceptionReport { ssrc, fraction_lost: 255, total_lost: 0x7f_ffff, ..Default::default() };
    let chunk = RunLengthChunk {
        type_tcc: StatusChunkTypeTcc::RunLengthChunk,
        packet_status_symbol: SymbolTypeTcc::PacketNotReceived,
        run_length: 8_191,
    };
    [
        Box::new(TransportLayerNack { sender_ssrc: 1, media_ssrc: ssrc, nacks: (1..=16).map(pair).collect() }),
        Box::new(PictureLossIndication { sender_ssrc: 1, media_ssrc: ssrc }),
        Box::new(FullIntraRequest {
            sender_ssrc: 1,
            media_ssrc: ssrc,
            fir: vec![FirEntry { ssrc, sequence_number: newest as u8 }],
        }),
        Box::new(ReceiverReport { ssrc: 1, reports: vec![lost], ..Default::default() }),
        Box::new(TransportLayerCc {
            sender_ssrc: 1,
            media_ssrc: ssrc,
            base_sequence_number: newest.wrapping_mul(31),
            packet_status_count: 8_191,
            reference_time: u32::from(newest),
            fb_pkt_count: newest as u8,
            packet_chunks: vec![PacketStatusChunk::RunLengthChunk(chunk)],
            recv_deltas: Vec::new(),
        }),
    ]
}

impl Got {
    fn count(&mut self, payload: &[u8]) {
        self.packets += 1;
        self.video += u64::from(payload.len() > 2 * AUDIO_PAYLOAD);
        if let Some(sent) = payload.last_chunk() {
            let latency = clock_us().saturating_sub(u64::from_be_bytes(*sent));
            self.latencies_us.push(u32::try_from(latency).unwrap_or(u32::MAX));
        }
    }
}

/// An address of this machine that is not loopback, which Janus does not serve; packets to it stay within the machine.
pub(crate) fn machine_address() -> Result<Ipv4Addr> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // Sends nothing; it only asks which address the way out of here begins with (RFC 5737 keeps this one free).
    probe.connect("192.0.2.1:9").context("this machine has no address but loopback, which Janus does not serve")?;
    match probe.local_addr()? {
        SocketAddr::V4(address) => Ok(*address.ip()),
        SocketAddr::V6(_) => bail!("the way out of this machine is not IPv4"),
    }
}

/// Microseconds on a clock that sender and receivers share.
fn clock_us() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn settings() -> SettingEngine {
    // One cipher for every server, the one that browsers and we prefer.
    let profiles = vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm];
    let timeout = Some(Duration::from_secs(30));
    SettingEngineBuilder::new()
        .with_srtp_protection_profiles(profiles)
        .with_ice_timeouts(timeout, timeout, Some(Duration::from_secs(2)))
        .build()
}

fn media_engine() -> Result<MediaEngine> {
    let mut media = MediaEngine::default();
    for (kind, payload_type) in KINDS.into_iter().zip([111, 96]) {
        media.register_codec(RTCRtpCodecParameters { rtp_codec: codec(kind), payload_type }, kind)?;
    }
    Ok(media)
}

fn codec(kind: RtpCodecKind) -> RTCRtpCodec {
    let feedback =
        |(typ, parameter): (&str, &str)| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() };
    let (mime_type, clock_rate, channels, line, feedbacks) = match kind {
        RtpCodecKind::Video => (MIME_TYPE_VP8, 90_000, 0, "", &[("ccm", "fir"), ("nack", ""), ("nack", "pli")][..]),
        _ => (MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1", &[][..]),
    };
    let rtcp_feedback = feedbacks.iter().copied().map(feedback).collect();
    RTCRtpCodec { mime_type: mime_type.to_owned(), clock_rate, channels, sdp_fmtp_line: line.to_owned(), rtcp_feedback }
}

/// In the order of the m-lines.
const KINDS: [RtpCodecKind; 2] = [RtpCodecKind::Audio, RtpCodecKind::Video];
