//! Session descriptions of calls (RFC 8866, RFC 3264): what a terminal offers or answers, and what we say to it. One m-line is
//! answered for each that was offered, in order.

use std::net::IpAddr;

use hearing_config::Codec;
use sdp_types::Session;

use super::sdes::Crypto;

/// One m-line of the peer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) media: String,
    pub(super) proto: String,
    formats: String,
    pub(super) port: u16,
    pub(super) rtcp: u16,
    pub(super) address: Option<IpAddr>,
    /// The codecs that are known here, in the peer's order.
    pub(super) codecs: Vec<Format>,
    pub(super) sends: bool,
    pub(super) receives: bool,
    pub(super) crypto: Option<Crypto>,
    /// How it is asked for a key frame.
    pub(super) asked: Asked,
    /// What it takes at most, kbit/s (`b=TIAS` and `b=AS`); 0: not told.
    pub(super) kbps: u32,
    /// Payload types of pressed keys (telephone-event, RFC 4733), with their clock rates.
    events: Vec<(u8, u32)>,
    slides: bool,
}

/// How a peer is asked for a key frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// By picture loss indications (RFC 4585, section 6.3.1).
    Pli,
    /// By full intra requests (RFC 5104, section 4.3.1): it names them alone, as Polycom's do.
    Fir,
    /// It names no feedback: by INFO (RFC 5168).
    Info,
}

/// A payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) number: u8,
    pub(super) codec: Codec,
    /// H.264: packetization-mode 1.
    pub(super) fragments: bool,
    pub(super) parameters: String,
}

/// What a call has one of each at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Use {
    Sound,
    Picture,
    /// What the terminal shows of itself as `content:slides` (RFC 4796).
    Slides,
}

/// An m-line that is in use.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) at: usize,
    pub(super) used: Use,
    pub(super) format: Format,
    /// Pressed keys, with their clock rate.
    pub(super) events: Option<(u8, u32)>,
}

/// How we take part in an m-line.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) used: Use,
    pub(super) port: u16,
    /// Those that are offered, or the one that answers.
    pub(super) crypto: Vec<Crypto>,
}

/// Reads what a peer says.
pub(super) fn read(body: &[u8]) -> Option<Vec<Line>> {
    if body.len() > BODY_LIMIT {
        return None;
    }
    let session = Session::parse(body).ok()?;
    if session.medias.len() > LINES_LIMIT {
        return None;
    }
    let address = session.connection.as_ref().and_then(|c| address(&c.connection_address));
    let direction = direction(&session.attributes).unwrap_or((true, true));
    Some(session.medias.iter().map(|media| line(media, address, direction)).collect())
}

/// The m-lines that we use of an offer or an answer: the first of each kind with a codec that is known.
pub(super) fn choose(lines: &[Line], srtp_required: bool) -> Vec<Chosen> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let secure = line.crypto.is_some();
        let possible = line.port != 0 && line.address.is_some() && secure >= (srtp_required || line.needs_crypto());
        let (Some(used), Some(format)) = (line.used(), line.best()) else { continue };
        if possible && chosen.iter().all(|other| other.used != used) {
            let (format, events) = (format.clone(), line.events_beside(format));
            chosen.push(Chosen { at, used, format, events });
        }
    }
    chosen
}

/// Our answer to `lines`.
pub(super) fn answer(ip: IpAddr, version: (u64, u64), lines: &[Line], chosen: &[(Chosen, Own)]) -> String {
    describe((ip, version), lines, chosen, |line| (line.receives, line.sends))
}

/// Our offer of what stands, to a terminal that asks for one: as `lines` were agreed on, and nothing of it held, for it is the
/// terminal that holds (RFC 6337, section 5.3).
pub(super) fn standing(ip: IpAddr, version: (u64, u64), lines: &[Line], chosen: &[(Chosen, Own)]) -> String {
    describe((ip, version), lines, chosen, |_| (true, true))
}

fn describe(
    (ip, version): (IpAddr, (u64, u64)),
    lines: &[Line],
    chosen: &[(Chosen, Own)],
    ways: impl Fn(&Line) -> (bool, bool),
) -> String {
    let mut text = head(ip, version);
    for (at, line) in lines.iter().enumerate() {
        match chosen.iter().find(|(chosen, _)| chosen.at == at) {
            Some((chosen, own)) => {
                let (gives, takes) = ways(line);
                let gives = gives && own.used != Use::Slides;
                let events: Vec<_> = chosen.events.into_iter().collect();
                text += &section(&line.proto, own, (&[&chosen.format], &events), (gives, takes));
            }
            None => text += &format!("m={} 0 {} {}\r\n", line.media, line.proto, line.formats),
        }
    }
    text
}

/// Our offer.
pub(super) fn offer(ip: IpAddr, version: (u64, u64), own: &[Own]) -> String {
    let mut text = head(ip, version);
    for own in own {
        let formats: Vec<Format> = match own.used {
            Use::Sound => {
                let fixed = [format(9, Codec::G722, ""), format(8, Codec::Pcma, ""), format(0, Codec::Pcmu, "")];
                std::iter::once(format(96, Codec::Opus, "useinbandfec=1")).chain(fixed).collect()
            }
            Use::Picture | Use::Slides => vec![
                Format { fragments: true, ..format(97, Codec::H264, "profile-level-id=42e01f;packetization-mode=1") },
                format(98, Codec::H264, "profile-level-id=42e01f;packetization-mode=0"),
            ],
        };
        let events: &[_] = if own.used == Use::Sound { &[(100, 48_000), (101, 8_000)] } else { &[] };
        let proto = if own.crypto.is_empty() { "RTP/AVP" } else { "RTP/SAVP" };
        text += &section(proto, own, (&formats.iter().collect::<Vec<_>>(), events), (true, true));
    }
    text
}

impl Line {
    fn used(&self) -> Option<Use> {
        match (self.media.as_str(), self.slides) {
            ("audio", _) => Some(Use::Sound),
            ("video", false) => Some(Use::Picture),
            ("video", true) => Some(Use::Slides),
            _ => None,
        }
    }

    /// Fragments before none; of sounds the best one.
    fn best(&self) -> Option<&Format> {
        let rank = |format: &&Format| match format.codec {
            Codec::Opus => 0,
            Codec::G722 => 1,
            Codec::Pcma => 2,
            Codec::Pcmu => 3,
            Codec::Aac => 4,
            Codec::H264 | Codec::H265 | Codec::Vp8 => u8::from(!format.fragments),
        };
        self.codecs.iter().min_by_key(rank)
    }

    /// The payload type of pressed keys with the clock of the sound (RFC 4733, section 2.1), else any: old terminals have but one.
    fn events_beside(&self, format: &Format) -> Option<(u8, u32)> {
        let beside = self.events.iter().find(|(_, rate)| *rate == format.codec.clock_rate());
        beside.or_else(|| self.events.first()).copied()
    }

    fn needs_crypto(&self) -> bool {
        self.proto.contains("SAVP")
    }
}

fn line(media: &sdp_types::Media, session: Option<IpAddr>, both: (bool, bool)) -> Line {
    let attribute = |name: &str| {
        let named: Vec<&str> =
            media.attributes.iter().filter(|a| a.attribute == name).filter_map(|a| a.value.as_deref()).collect();
        named
    };
    let own = media.connections.first().and_then(|c| address(&c.connection_address));
    let ip = own.or(session);
    // An address of zero is how old terminals hold (RFC 3264, section 8.4).
    let held = ip.is_some_and(|ip| ip.is_unspecified());
    let (sends, receives) = direction(&media.attributes).unwrap_or(both);
    let rtcp = attribute("rtcp").first().and_then(|v| v.split_whitespace().next()?.parse().ok());
    Line {
        media: media.media.clone(),
        proto: media.proto.clone(),
        formats: media.fmt.clone(),
        port: media.port,
        rtcp: rtcp.unwrap_or(media.port.saturating_add(1)),
        address: ip,
        codecs: codecs(media, &attribute("rtpmap"), &attribute("fmtp")),
        sends: sends && media.port != 0,
        receives: receives && !held && media.port != 0,
        crypto: Crypto::choose(attribute("crypto").into_iter()),
        asked: asked(&attribute("rtcp-fb")),
        kbps: bandwidth(&media.bandwidths),
        events: events(media, &attribute("rtpmap")),
        slides: attribute("content").iter().any(|value| value.contains("slides")),
    }
}

fn asked(feedback: &[&str]) -> Asked {
    let names = |what: [&str; 2]| {
        feedback.iter().any(|value| what.iter().all(|word| value.split_whitespace().any(|named| named == *word)))
    };
    match (names(["nack", "pli"]), names(["ccm", "fir"])) {
        (true, _) => Asked::Pli,
        (false, true) => Asked::Fir,
        (false, false) => Asked::Info,
    }
}

fn codecs(media: &sdp_types::Media, maps: &[&str], parameters: &[&str]) -> Vec<Format> {
    let of = |list: &[&str], number: &str| {
        list.iter().find_map(|v| v.split_once(' ').filter(|(n, _)| *n == number).map(|(_, rest)| rest.to_owned()))
    };
    let known = media.fmt.split_whitespace().filter_map(|number| {
        let map = of(maps, number).or_else(|| fixed(number))?;
        let parameters = of(parameters, number).unwrap_or_default();
        let codec = named(&media.media, &map)?;
        let fragments = parameters.contains("packetization-mode=1");
        Some(Format { number: number.parse().ok().filter(|n| *n < 128)?, codec, fragments, parameters })
    });
    known.collect()
}

fn events(media: &sdp_types::Media, maps: &[&str]) -> Vec<(u8, u32)> {
    let read = |map: &&str| {
        let (number, name) = map.split_once(' ')?;
        let rate = name.trim().to_ascii_lowercase().strip_prefix("telephone-event/")?.parse().ok()?;
        Some((number.parse().ok().filter(|n: &u8| *n < 128)?, rate))
    };
    let offered = |number: &u8| media.fmt.split_whitespace().any(|word| word.parse() == Ok(*number));
    maps.iter().filter_map(read).filter(|(number, _)| media.media == "audio" && offered(number)).collect()
}

/// The least that a line says, kbit/s; 0 when it says nothing.
fn bandwidth(told: &[sdp_types::Bandwidth]) -> u32 {
    let kbps = told.iter().filter_map(|bandwidth| match bandwidth.bwtype.as_str() {
        "TIAS" => Some(bandwidth.bandwidth / 1_000),
        "AS" => Some(bandwidth.bandwidth),
        _ => None,
    });
    kbps.filter(|kbps| *kbps > 0).min().map_or(0, |kbps| u32::try_from(kbps).unwrap_or(u32::MAX))
}

fn named(media: &str, map: &str) -> Option<Codec> {
    let map = map.trim().to_ascii_lowercase();
    match (media, map.as_str()) {
        ("audio", "opus/48000/2") => Some(Codec::Opus),
        ("audio", "pcma/8000" | "pcma/8000/1") => Some(Codec::Pcma),
        ("audio", "pcmu/8000" | "pcmu/8000/1") => Some(Codec::Pcmu),
        // Its clock is 8 kHz for the sake of an old mistake (RFC 3551, section 4.5.2).
        ("audio", "g722/8000" | "g722/8000/1") => Some(Codec::G722),
        ("video", "h264/90000") => Some(Codec::H264),
        _ => None,
    }
}

/// Payload types that need no map (RFC 3551, section 6).
fn fixed(number: &str) -> Option<String> {
    match number {
        "0" => Some("pcmu/8000".to_owned()),
        "8" => Some("pcma/8000".to_owned()),
        "9" => Some("g722/8000".to_owned()),
        _ => None,
    }
}

/// Whether the peer sends and receives.
fn direction(attributes: &[sdp_types::Attribute]) -> Option<(bool, bool)> {
    attributes.iter().find_map(|a| match a.attribute.as_str() {
        "sendrecv" => Some((true, true)),
        "sendonly" => Some((true, false)),
        "recvonly" => Some((false, true)),
        "inactive" => Some((false, false)),
        _ => None,
    })
}

fn address(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.parse().ok()
}

const fn format_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus/48000/2",
        Codec::Pcma => "PCMA/8000",
        Codec::Pcmu => "PCMU/8000",
        Codec::G722 => "G722/8000",
        Codec::Aac => "mpeg4-generic/48000",
        Codec::Vp8 => "VP8/90000",
        Codec::H264 => "H264/90000",
        Codec::H265 => "H265/90000",
    }
}

fn format(number: u8, codec: Codec, parameters: &str) -> Format {
    Format { number, codec, fragments: false, parameters: parameters.to_owned() }
}

fn head(ip: IpAddr, (id, version): (u64, u64)) -> String {
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!("v=0\r\no=hearing {id} {version} IN {family} {ip}\r\ns=hearing\r\nc=IN {family} {ip}\r\nt=0 0\r\n")
}

/// `gives`, `takes`: what we do.
fn section(
    proto: &str,
    own: &Own,
    (formats, events): (&[&Format], &[(u8, u32)]),
    (gives, takes): (bool, bool),
) -> String {
    let picture = own.used != Use::Sound;
    let numbers = formats.iter().map(|f| f.number).chain(events.iter().map(|(number, _)| *number));
    let numbers = numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
    let media = if picture { "video" } else { "audio" };
    let mut text = format!("m={media} {} {proto} {numbers}\r\n", own.port);
    if picture {
        text += "b=TIAS:2000000\r\n";
    }
    for format in formats {
        text += &format!("a=rtpmap:{} {}\r\n", format.number, format_name(format.codec));
        if !format.parameters.is_empty() {
            text += &format!("a=fmtp:{} {}\r\n", format.number, format.parameters);
        }
    }
    for (number, rate) in events {
        text += &format!("a=rtpmap:{number} telephone-event/{rate}\r\na=fmtp:{number} 0-15\r\n");
    }
    for crypto in &own.crypto {
        text += &format!("a=crypto:{}\r\n", crypto.value());
    }
    text += match own.used {
        Use::Sound => "a=ptime:20\r\n",
        Use::Picture => "a=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\na=content:main\r\n",
        Use::Slides => "a=rtcp-fb:* nack pli\r\na=rtcp-fb:* ccm fir\r\na=content:slides\r\n",
    };
    text += match (gives, takes) {
        (true, true) => "a=sendrecv\r\n",
        (true, false) => "a=sendonly\r\n",
        (false, true) => "a=recvonly\r\n",
        (false, false) => "a=inactive\r\n",
    };
    text
}

/// The largest description that is read, in bytes.
const BODY_LIMIT: usize = 16_384;
const LINES_LIMIT: usize = 16;

#[cfg(test)]
mod tests;
