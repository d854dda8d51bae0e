//! The answer: what of an offer is taken, and how that is written.

use std::collections::HashSet;
use std::net::SocketAddr;

use hearing_config::{Codec, Kind, SeatId};
use hearing_signaling::http::{MediaRefusal, Offer};
use rand::Rng;
use rtc_sdp::description::common::{Address, ConnectionInformation};
use rtc_sdp::description::media::{MediaName, RangedPort};
use rtc_sdp::description::session::{Origin, TimeDescription, Timing};
use rtc_sdp::{MediaDescription, SessionDescription};

use super::offer::{Media, Offered, Remote};
use super::{Accepted, Agreed, Inbound, Outbound, SdpError, Section};

/// What the answer says of this end.
pub(in crate::endpoint::webrtc) struct Local<'a> {
    pub(in crate::endpoint::webrtc) ufrag: &'a str,
    pub(in crate::endpoint::webrtc) pwd: &'a str,
    pub(in crate::endpoint::webrtc) fingerprint: &'a str,
    pub(in crate::endpoint::webrtc) addresses: &'a [SocketAddr],
    /// Where TCP connections are awaited.
    pub(in crate::endpoint::webrtc) tcp: &'a [SocketAddr],
}

/// Decides what becomes of every m-line, in order.
///
/// # Errors
///
/// When an m-line that the client sends by has no codec in common, or nothing at all can be taken.
pub(in crate::endpoint::webrtc) fn negotiate(remote: &Remote, offer: &Offer) -> Result<Vec<Section>, MediaRefusal> {
    let mut sources = HashSet::new();
    let sections: Vec<Section> =
        remote.media.iter().map(|media| section(media, offer, &mut sources)).collect::<Result<_, _>>()?;
    if !sections.iter().any(|section| matches!(section, Section::Accepted(_))) {
        return Err(MediaRefusal::NoCodec("any m-line".to_owned()));
    }
    let used = sections.iter().filter(|section| matches!(section, Section::Accepted(_))).count();
    let named = remote.media.iter().all(|media| !media.mid.is_empty());
    if used > 1 && !named {
        return Err(MediaRefusal::BadSdp(SdpError::NotBundled.to_string()));
    }
    Ok(sections)
}

fn section(media: &Media, offer: &Offer, sources: &mut HashSet<u32>) -> Result<Section, MediaRefusal> {
    let sends = sends(media, offer).filter(|_| media.sends);
    let slot = offer.slots.iter().find(|slot| slot.mid == media.mid).filter(|_| media.receives);
    let carries = |kind: Kind| media.what == if kind.is_picture() { "video" } else { "audio" };
    let sends = sends.filter(|kind| carries(*kind));
    let slot = slot.filter(|slot| carries(slot.kind));
    let usable = media.alive && media.rtcp_mux && media.protocol.ends_with("RTP/SAVPF");
    if !usable || (sends.is_none() && slot.is_none()) {
        return Ok(rejected(media));
    }
    let codecs = agreed(media, sends.is_some());
    if codecs.is_empty() {
        return match sends {
            Some(kind) => Err(MediaRefusal::NoCodec(kind.to_string())),
            None => Ok(rejected(media)),
        };
    }
    let inbound = sends.map(|kind| Inbound {
        kind,
        rids: if kind.is_picture() { media.rids.clone() } else { Vec::new() },
        sources: media.sources.clone(),
        repairs: media.repairs.clone(),
    });
    let outbound = slot.map(|slot| Outbound {
        seat: slot.seat,
        kind: slot.kind,
        ssrc: source(sources),
        rtx_ssrc: source(sources),
    });
    Ok(Section::Accepted(Accepted {
        mid: media.mid.clone(),
        what: media.what.clone(),
        protocol: media.protocol.clone(),
        codecs,
        extensions: media.extensions,
        inbound,
        outbound,
    }))
}

/// What a client means by an m-line that it sends. One that names nothing (WHIP) sends sound and a camera.
fn sends(media: &Media, offer: &Offer) -> Option<Kind> {
    if offer.sends.is_empty() && offer.slots.is_empty() {
        return match media.what.as_str() {
            "audio" => Some(Kind::Audio),
            "video" => Some(Kind::Video),
            _ => None,
        };
    }
    offer.sends.iter().find(|send| send.mid == media.mid).map(|send| send.kind)
}

/// To send, one picture codec that every browser decodes, VP8 before H.264; to receive, every codec that it takes.
fn agreed(media: &Media, sends: bool) -> Vec<Agreed> {
    let agreed = |codec: Codec| {
        let offered = media.codecs.iter().find(|offered| offered.codec == codec)?;
        let Offered { payload_type, rtx, red, feedback, .. } = offered.clone();
        Some(Agreed { codec, payload_type, rtx, red, feedback })
    };
    let mut codecs: Vec<Agreed> =
        [Codec::Opus, Codec::Pcma, Codec::Pcmu, Codec::Vp8, Codec::H264].into_iter().filter_map(agreed).collect();
    if sends {
        codecs.truncate(1);
    }
    codecs
}

fn rejected(media: &Media) -> Section {
    Section::Rejected {
        what: media.what.clone(),
        protocol: media.protocol.clone(),
        format: media.formats.first().cloned().unwrap_or_else(|| "0".to_owned()),
        mid: media.mid.clone(),
    }
}

fn source(taken: &mut HashSet<u32>) -> u32 {
    loop {
        let ssrc = rand::rng().random_range(1..u32::MAX);
        if taken.insert(ssrc) {
            return ssrc;
        }
    }
}

/// Writes the answer.
pub(in crate::endpoint::webrtc) fn write(local: &Local<'_>, sections: &[Section]) -> String {
    let mids: Vec<&str> = accepted(sections).map(|section| section.mid.as_str()).collect();
    let mut session = SessionDescription {
        origin: Origin {
            username: "-".to_owned(),
            session_id: u64::from(rand::rng().random::<u32>()),
            session_version: 1,
            network_type: "IN".to_owned(),
            address_type: "IP4".to_owned(),
            unicast_address: "0.0.0.0".to_owned(),
        },
        session_name: "-".to_owned(),
        time_descriptions: vec![TimeDescription { timing: Timing::default(), repeat_times: Vec::new() }],
        ..SessionDescription::default()
    }
    .with_value_attribute("group".to_owned(), format!("BUNDLE {}", mids.join(" ")))
    .with_property_attribute("ice-lite".to_owned())
    .with_value_attribute("msid-semantic".to_owned(), " WMS *".to_owned());
    let mut first = true;
    for section in sections {
        let media = match section {
            Section::Rejected { what, protocol, format, mid } => refuse(what, protocol, format, mid),
            Section::Accepted(accepted) => accept(local, accepted, std::mem::take(&mut first)),
        };
        session = session.with_media(media);
    }
    session.marshal()
}

fn accepted(sections: &[Section]) -> impl Iterator<Item = &Accepted> {
    sections.iter().filter_map(|section| match section {
        Section::Rejected { .. } => None,
        Section::Accepted(accepted) => Some(accepted),
    })
}

fn refuse(what: &str, protocol: &str, format: &str, mid: &str) -> MediaDescription {
    let media = line(what, protocol, 0, vec![format.to_owned()]);
    let media = if mid.is_empty() { media } else { media.with_value_attribute("mid".to_owned(), mid.to_owned()) };
    media.with_property_attribute("inactive".to_owned())
}

fn accept(local: &Local<'_>, section: &Accepted, first: bool) -> MediaDescription {
    let formats = section.codecs.iter().flat_map(|agreed| formats(agreed, section.inbound.is_some()));
    let formats = formats.map(|number| number.to_string()).collect();
    let mut lines = Lines(line(&section.what, &section.protocol, 9, formats));
    lines.value("ice-ufrag", local.ufrag);
    lines.value("ice-pwd", local.pwd);
    lines.value("fingerprint", format!("sha-256 {}", local.fingerprint));
    lines.value("setup", "passive");
    if !section.mid.is_empty() {
        lines.value("mid", section.mid.as_str());
    }
    lines.flag("rtcp-mux");
    lines.flag("rtcp-rsize");
    lines.flag(match (section.inbound.is_some(), section.outbound.is_some()) {
        (true, true) => "sendrecv",
        (true, false) => "recvonly",
        (false, true) => "sendonly",
        (false, false) => "inactive",
    });
    for (uri, id) in section.extensions.all() {
        lines.value("extmap", format!("{id} {uri}"));
    }
    section.codecs.iter().for_each(|agreed| codec(&mut lines, agreed));
    if let Some(inbound) = &section.inbound {
        simulcast(&mut lines, &inbound.rids);
    }
    if let Some(outbound) = &section.outbound {
        sources(&mut lines, outbound, section.codecs.iter().any(|agreed| agreed.rtx.is_some()));
    }
    if first {
        candidates(&mut lines, local);
    }
    lines.0
}

/// A client sends what stands first: its sound redundantly, so that a packet that its line loses comes with the next one.
fn formats(agreed: &Agreed, inbound: bool) -> impl Iterator<Item = u8> {
    let mut formats = [Some(agreed.payload_type), agreed.rtx, agreed.red];
    if inbound {
        formats.rotate_right(1);
    }
    formats.into_iter().flatten()
}

fn codec(lines: &mut Lines, agreed: &Agreed) {
    let number = agreed.payload_type;
    let (map, parameters) = match agreed.codec {
        Codec::Opus => ("opus/48000/2", Some("minptime=10;useinbandfec=1")),
        Codec::Pcma => ("PCMA/8000", None),
        Codec::Pcmu => ("PCMU/8000", None),
        Codec::G722 => ("G722/8000", None),
        // Browsers take none: the name is that of RFC 3640.
        Codec::Aac => ("mpeg4-generic/48000", None),
        Codec::Vp8 => ("VP8/90000", None),
        Codec::H264 => ("H264/90000", Some("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")),
        Codec::H265 => ("H265/90000", None),
    };
    lines.value("rtpmap", format!("{number} {map}"));
    if let Some(parameters) = parameters {
        lines.value("fmtp", format!("{number} {parameters}"));
    }
    for feedback in &agreed.feedback {
        lines.value("rtcp-fb", format!("{number} {feedback}"));
    }
    if let Some(red) = agreed.red {
        lines.value("rtpmap", format!("{red} red/48000/2"));
        lines.value("fmtp", format!("{red} {number}/{number}"));
    }
    if let Some(rtx) = agreed.rtx {
        lines.value("rtpmap", format!("{rtx} rtx/90000"));
        lines.value("fmtp", format!("{rtx} apt={number}"));
    }
}

fn simulcast(lines: &mut Lines, rids: &[String]) {
    if rids.is_empty() {
        return;
    }
    for rid in rids {
        lines.value("rid", format!("{rid} recv"));
    }
    lines.value("simulcast", format!("recv {}", rids.join(";")));
}

fn sources(lines: &mut Lines, outbound: &Outbound, rtx: bool) {
    let Outbound { seat, kind, ssrc, rtx_ssrc } = *outbound;
    // Sound is kept in step with what shares its stream: the camera. A shared screen stands alone.
    let stream = if kind == Kind::Screen { format!("seat{seat}-screen") } else { format!("seat{seat}") };
    lines.value("msid", format!("{stream} seat{seat}-{kind}"));
    if rtx {
        lines.value("ssrc-group", format!("FID {ssrc} {rtx_ssrc}"));
    }
    for ssrc in [Some(ssrc), rtx.then_some(rtx_ssrc)].into_iter().flatten() {
        lines.value("ssrc", format!("{ssrc} cname:{}", cname(seat)));
    }
}

/// The canonical name under which all that one seat sends is kept in step (RFC 3550 section 6.5.1).
pub(in crate::endpoint::webrtc) fn cname(seat: SeatId) -> String {
    format!("seat{seat}")
}

fn candidates(lines: &mut Lines, local: &Local<'_>) {
    for (place, address) in local.addresses.iter().enumerate() {
        let (foundation, ip, port) = (place + 1, address.ip(), address.port());
        let priority = priority(UDP, place);
        lines.value("candidate", format!("{foundation} 1 udp {priority} {ip} {port} typ host"));
    }
    // The client connects (RFC 6544 section 4.5); behind UDP, which neither waits for what was lost nor adds to a queue.
    for (place, address) in local.tcp.iter().enumerate() {
        let (foundation, ip, port) = (local.addresses.len() + place + 1, address.ip(), address.port());
        let priority = priority(TCP_PASSIVE, place);
        lines.value("candidate", format!("{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive"));
    }
    lines.flag("end-of-candidates");
}

/// Host type, then transport, then order of configuration (RFC 8445 section 5.1.2.1).
fn priority(transport: u64, place: usize) -> u64 {
    (126 << 24) + ((transport - (place as u64).min(transport)) << 8) + 255
}

fn line(what: &str, protocol: &str, port: isize, formats: Vec<String>) -> MediaDescription {
    MediaDescription {
        media_name: MediaName {
            media: what.to_owned(),
            port: RangedPort { value: port, range: None },
            protos: protocol.split('/').map(str::to_owned).collect(),
            formats,
        },
        connection_information: Some(ConnectionInformation {
            network_type: "IN".to_owned(),
            address_type: "IP4".to_owned(),
            address: Some(Address { address: "0.0.0.0".to_owned(), ttl: None, range: None }),
        }),
        ..MediaDescription::default()
    }
}

struct Lines(MediaDescription);

impl Lines {
    fn value(&mut self, key: &str, value: impl Into<String>) {
        self.0 = std::mem::take(&mut self.0).with_value_attribute(key.to_owned(), value.into());
    }

    fn flag(&mut self, key: &str) {
        self.0 = std::mem::take(&mut self.0).with_property_attribute(key.to_owned());
    }
}

/// Local preferences by transport (RFC 6544 section 4.2: a direction preference of 2 for passive, above it 13 bits for the address).
const UDP: u64 = 65_535;
const TCP_PASSIVE: u64 = (2 << 13) + 8_191;
