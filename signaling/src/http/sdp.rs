//! Just enough of SDP to say what the m-lines of a WHIP or WHEP client are for; media reads the rest.

use hearing_config::{Kind, SeatId};

use super::{Offer, Send, Slot};

/// What a WHIP client (RFC 9725) sends: its first sound and its first picture.
pub(super) fn publisher(sdp: String) -> Offer {
    let sends = firsts(&sdp).map(|(mid, kind)| Send { mid, kind }).collect();
    Offer { sdp, sends, slots: Vec::new() }
}

/// What a WHEP client receives: sound and picture of one seat.
pub(super) fn viewer(sdp: String, seat: SeatId) -> Offer {
    let slots = firsts(&sdp).map(|(mid, kind)| Slot { mid, seat, kind }).collect();
    Offer { sdp, sends: Vec::new(), slots }
}

/// The first m-line of each kind.
fn firsts(sdp: &str) -> impl Iterator<Item = (String, Kind)> + use<> {
    let lines = media_lines(sdp);
    [Kind::Audio, Kind::Video]
        .into_iter()
        .filter_map(move |kind| lines.iter().find(|(_, of)| *of == Some(kind)).map(|(mid, _)| (mid.clone(), kind)))
}

/// Every m-line's mid (its number when it names none) and kind.
fn media_lines(sdp: &str) -> Vec<(String, Option<Kind>)> {
    let mut lines: Vec<(String, Option<Kind>)> = Vec::new();
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            lines.push((lines.len().to_string(), kind(media)));
        } else if let (Some(mid), Some(last)) = (line.strip_prefix("a=mid:"), lines.last_mut()) {
            mid.trim().clone_into(&mut last.0);
        }
    }
    lines
}

fn kind(media: &str) -> Option<Kind> {
    match media.split(' ').next() {
        Some("audio") => Some(Kind::Audio),
        Some("video") => Some(Kind::Video),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publisher_sends_its_first_sound_and_first_picture() {
        let sdp = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\nm=video 0 X 96\r\na=mid:w\r\n";
        let offer = publisher(sdp.to_owned());
        let sends: Vec<_> = offer.sends.iter().map(|send| (send.mid.as_str(), send.kind)).collect();
        assert_eq!(sends, [("a", Kind::Audio), ("v", Kind::Video)]);
    }

    #[test]
    fn media_line_without_mid_goes_by_its_number() {
        let offer = viewer("m=application 9 X 1\nm=video 9 X 96\n".to_owned(), SeatId(3));
        assert_eq!(offer.slots, [Slot { mid: "1".to_owned(), seat: SeatId(3), kind: Kind::Video }]);
    }

    #[test]
    fn garbage_has_no_media_lines() {
        assert!(publisher("\0\u{feff}a=mid:x\nm".to_owned()).sends.is_empty());
    }
}
