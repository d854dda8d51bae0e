//! What an offer says, as far as this endpoint cares.

use std::io::Cursor;

use hearing_config::Codec;
use rtc_sdp::{MediaDescription, SessionDescription};

use super::{Extensions, SdpError};

/// An offer that can be worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::endpoint::webrtc) struct Remote {
    pub(in crate::endpoint::webrtc) ufrag: String,
    /// SHA-256, upper-case hexadecimal with colons.
    pub(in crate::endpoint::webrtc) fingerprint: String,
    pub(super) media: Vec<Media>,
}

/// One m-line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Media {
    /// `audio`, `video`, `application`.
    pub(super) what: String,
    pub(super) protocol: String,
    pub(super) formats: Vec<String>,
    pub(super) mid: String,
    /// False when it is stopped: port 0 without `bundle-only`.
    pub(super) alive: bool,
    pub(super) rtcp_mux: bool,
    pub(super) sends: bool,
    pub(super) receives: bool,
    /// In the client's order of preference.
    pub(super) codecs: Vec<Offered>,
    pub(super) extensions: Extensions,
    /// Simulcast layers that the client sends, smallest first; empty without simulcast.
    pub(super) rids: Vec<String>,
    /// Sources announced by `a=ssrc`, without those of RTX.
    pub(super) sources: Vec<u32>,
    /// (media, RTX) by `a=ssrc-group:FID`.
    pub(super) repairs: Vec<(u32, u32)>,
}

/// One codec that both ends know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
    pub(super) rtx: Option<u8>,
    pub(super) red: Option<u8>,
    pub(super) feedback: Vec<String>,
}

impl Remote {
    /// Reads an offer.
    pub(in crate::endpoint::webrtc) fn read(sdp: &str) -> Result<Self, SdpError> {
        if sdp.len() > LIMIT {
            return Err(SdpError::TooLong);
        }
        let session = SessionDescription::unmarshal(&mut Cursor::new(sdp.as_bytes()))
            .map_err(|error| SdpError::Syntax(error.to_string()))?;
        if session.media_descriptions.len() > M_LINES {
            return Err(SdpError::TooLong);
        }
        let find = |key: &str| {
            let of_media = session.media_descriptions.iter().find_map(|media| value(media, key));
            of_media.or_else(|| session.attribute(key).map(String::as_str)).map(str::to_owned)
        };
        if find("setup").as_deref() == Some("passive") {
            return Err(SdpError::Passive);
        }
        find("ice-pwd").ok_or(SdpError::Missing("ice-pwd"))?;
        Ok(Self {
            ufrag: find("ice-ufrag").ok_or(SdpError::Missing("ice-ufrag"))?,
            fingerprint: fingerprint(&session).ok_or(SdpError::Missing("a sha-256 fingerprint"))?,
            media: session.media_descriptions.iter().map(Media::read).collect(),
        })
    }
}

impl Media {
    fn read(media: &MediaDescription) -> Self {
        let (sends, receives) = direction(media);
        let repairs: Vec<(u32, u32)> = values(media, "ssrc-group").filter_map(repair).collect();
        let mut sources: Vec<u32> = values(media, "ssrc").filter_map(first_number).collect();
        sources.dedup();
        sources.retain(|source| !repairs.iter().any(|(_, rtx)| rtx == source));
        Self {
            what: media.media_name.media.clone(),
            protocol: media.media_name.protos.join("/"),
            formats: media.media_name.formats.clone(),
            mid: value(media, "mid").unwrap_or_default().to_owned(),
            alive: media.media_name.port.value != 0 || media.has_attribute("bundle-only"),
            rtcp_mux: media.has_attribute("rtcp-mux"),
            sends,
            receives,
            codecs: codecs(media),
            extensions: extensions(media),
            rids: rids(media),
            sources,
            repairs,
        }
    }
}

fn fingerprint(session: &SessionDescription) -> Option<String> {
    let of_session = session.attributes.iter();
    let of_media = session.media_descriptions.iter().flat_map(|media| &media.attributes);
    of_media.chain(of_session).filter(|attribute| attribute.key == "fingerprint").find_map(|attribute| {
        let (hash, value) = attribute.value.as_deref()?.split_once(' ')?;
        hash.eq_ignore_ascii_case("sha-256").then(|| value.trim().to_ascii_uppercase())
    })
}

fn direction(media: &MediaDescription) -> (bool, bool) {
    if media.has_attribute("inactive") {
        (false, false)
    } else if media.has_attribute("sendonly") {
        (true, false)
    } else if media.has_attribute("recvonly") {
        (false, true)
    } else {
        (true, true)
    }
}

fn codecs(media: &MediaDescription) -> Vec<Offered> {
    let known = media.media_name.formats.iter().filter_map(|format| {
        let payload_type: u8 = format.parse().ok().filter(|number| *number < 128)?;
        let codec = codec(&rtpmap(media, payload_type)?, &fmtp(media, payload_type))?;
        let rtx = media.media_name.formats.iter().filter_map(|format| format.parse().ok()).find(|rtx: &u8| {
            rtpmap(media, *rtx).is_some_and(|map| map.starts_with("rtx/"))
                && parameter(&fmtp(media, *rtx), "apt").and_then(|apt| apt.parse().ok()) == Some(payload_type)
        });
        let red = (codec == Codec::Opus).then(|| red(media, payload_type)).flatten();
        Some(Offered { codec, payload_type, rtx, red, feedback: feedback(media, payload_type) })
    });
    let mut codecs: Vec<Offered> = Vec::new();
    for offered in known {
        // The first form of a codec is the one the client likes best.
        if !codecs.iter().any(|earlier| earlier.codec == offered.codec) {
            codecs.push(offered);
        }
    }
    codecs
}

/// The payload type of redundant sound (RFC 2198) whose every block has the payload type `of`.
fn red(media: &MediaDescription, of: u8) -> Option<u8> {
    media.media_name.formats.iter().filter_map(|format| format.parse().ok()).find(|red: &u8| {
        let blocks = fmtp(media, *red);
        *red < 128
            && rtpmap(media, *red).as_deref() == Some("red/48000/2")
            && !blocks.is_empty()
            && blocks.split('/').all(|block| block.parse() == Ok(of))
    })
}

/// The codec of an `a=rtpmap`, in lower case, with its format parameters.
fn codec(map: &str, parameters: &str) -> Option<Codec> {
    match map {
        "opus/48000/2" => Some(Codec::Opus),
        "pcma/8000" | "pcma/8000/1" => Some(Codec::Pcma),
        "pcmu/8000" | "pcmu/8000/1" => Some(Codec::Pcmu),
        "vp8/90000" => Some(Codec::Vp8),
        "h264/90000" => {
            let profile = parameter(parameters, "profile-level-id").unwrap_or("42e01f").to_ascii_lowercase();
            let baseline = profile.starts_with("42e0") || profile.starts_with("42c0");
            (baseline && parameter(parameters, "packetization-mode") == Some("1")).then_some(Codec::H264)
        }
        _ => None,
    }
}

fn rtpmap(media: &MediaDescription, payload_type: u8) -> Option<String> {
    let mapped = of_format(media, "rtpmap", payload_type).next().map(str::to_ascii_lowercase);
    mapped.or_else(|| match payload_type {
        0 => Some("pcmu/8000".to_owned()),
        8 => Some("pcma/8000".to_owned()),
        _ => None,
    })
}

fn fmtp(media: &MediaDescription, payload_type: u8) -> String {
    of_format(media, "fmtp", payload_type).next().unwrap_or_default().to_owned()
}

fn feedback(media: &MediaDescription, payload_type: u8) -> Vec<String> {
    let everywhere = values(media, "rtcp-fb").filter_map(|text| text.strip_prefix("* "));
    of_format(media, "rtcp-fb", payload_type)
        .chain(everywhere)
        .filter(|kind| FEEDBACK.contains(kind))
        .map(str::to_owned)
        .collect()
}

fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
}

fn of_format<'a>(media: &'a MediaDescription, key: &'a str, payload_type: u8) -> impl Iterator<Item = &'a str> {
    values(media, key).filter_map(move |text| {
        let (number, rest) = text.split_once(' ')?;
        (number.parse() == Ok(payload_type)).then_some(rest)
    })
}

fn extensions(media: &MediaDescription) -> Extensions {
    let mut found = Extensions::default();
    for text in values(media, "extmap") {
        let mut words = text.split(' ');
        let id = words.next().and_then(|word| word.split('/').next()).and_then(|id| id.parse::<u8>().ok());
        // One-byte elements (RFC 8285 section 4.2) hold all that this endpoint writes; larger ids are left out.
        if let (Some(id @ 1..=14), Some(uri)) = (id, words.next()) {
            found.learn(id, uri);
        }
    }
    found
}

fn rids(media: &MediaDescription) -> Vec<String> {
    let Some(simulcast) = value(media, "simulcast") else { return Vec::new() };
    let mut words = simulcast.split(' ').skip_while(|word| *word != "send");
    let list = words.nth(1).unwrap_or_default();
    let mut rids: Vec<String> = list
        .split(';')
        .filter_map(|alternatives| alternatives.split(',').next())
        .map(|rid| rid.trim_start_matches('~').to_owned())
        .filter(|rid| !rid.is_empty() && rid.len() <= 16 && rid.bytes().all(|b| b.is_ascii_alphanumeric()))
        .collect();
    rids.truncate(crate::router::Layer::LIMIT);
    for order in [["q", "h", "f"], ["l", "m", "h"]] {
        let place = |rid: &String| order.iter().position(|known| known == rid);
        if rids.iter().all(|rid| place(rid).is_some()) {
            rids.sort_by_key(place);
            break;
        }
    }
    rids
}

fn repair(group: &str) -> Option<(u32, u32)> {
    let mut words = group.strip_prefix("FID ")?.split(' ').map(|word| word.parse().ok());
    Some((words.next()??, words.next()??))
}

fn first_number(text: &str) -> Option<u32> {
    text.split(' ').next()?.parse().ok()
}

fn value<'a>(media: &'a MediaDescription, key: &str) -> Option<&'a str> {
    media.attribute(key).flatten()
}

fn values<'a>(media: &'a MediaDescription, key: &'a str) -> impl Iterator<Item = &'a str> {
    media.attributes.iter().filter(move |attribute| attribute.key == key).filter_map(|a| a.value.as_deref())
}

const LIMIT: usize = 512 * 1024;
/// 64 seats with three kinds each, what the client sends, and data.
const M_LINES: usize = 200;
const FEEDBACK: [&str; 4] = ["nack", "nack pli", "ccm fir", "transport-cc"];
