//! Offers as browsers and WHIP clients write them.

use hearing_signaling::http::{MediaRefusal, Offer, Send, Slot};
use proptest::prelude::*;

use super::*;

const HEAD: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\na=extmap-allow-mixed\r\n\
    a=msid-semantic: WMS\r\n";
const TRANSPORT_LINES: &str = "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:0123456789012345678901\r\na=ice-options:trickle\r\na=fingerprint:sha-256 aa:bb\r\na=setup:actpass\r\n";
const SOUND: &str = "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
    a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:8 PCMA/8000\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
const PICTURE: &str = "a=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\n\
    a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\n\
    a=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n\
    a=rtpmap:106 H264/90000\r\na=fmtp:106 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
    a=rtpmap:107 rtx/90000\r\na=fmtp:107 apt=106\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n";

fn line(what: &str, port: u16, formats: &str, mid: &str, direction: &str, rest: &str) -> String {
    let protocol = if what == "application" { "UDP/DTLS/SCTP" } else { "UDP/TLS/RTP/SAVPF" };
    format!("m={what} {port} {protocol} {formats}\r\n{TRANSPORT_LINES}a=mid:{mid}\r\na={direction}\r\n{rest}")
}

fn sound(mid: &str, direction: &str) -> String {
    line("audio", 9, "111 8", mid, direction, SOUND)
}

fn picture(mid: &str, direction: &str, rest: &str) -> String {
    line("video", 9, "96 97 102 106 107", mid, direction, &format!("{PICTURE}{rest}"))
}

fn offer(lines: &[String], sends: &[(&str, Kind)], slots: &[(&str, u8, Kind)]) -> Offer {
    Offer {
        sdp: format!("{HEAD}{}", lines.concat()),
        sends: sends.iter().map(|(mid, kind)| Send { mid: (*mid).to_owned(), kind: *kind }).collect(),
        slots: slots
            .iter()
            .map(|(mid, seat, kind)| Slot { mid: (*mid).to_owned(), seat: SeatId(*seat), kind: *kind })
            .collect(),
    }
}

fn answer(offer: &Offer) -> Result<(Vec<Section>, String), MediaRefusal> {
    let remote = Remote::read(&offer.sdp).map_err(|error| MediaRefusal::BadSdp(error.to_string()))?;
    let sections = negotiate(&remote, offer)?;
    let addresses = ["192.0.2.7:7000".parse().unwrap()];
    let tcp = ["192.0.2.7:443".parse().unwrap()];
    let local = Local { ufrag: "srvr", pwd: "secret", fingerprint: "CC:DD", addresses: &addresses, tcp: &tcp };
    let sdp = write(&local, &sections);
    Ok((sections, sdp))
}

fn part(sdp: &str, number: usize) -> &str {
    sdp.split("\r\nm=").nth(number + 1).unwrap()
}

#[test]
fn a_publisher_gets_vp8_alone_and_its_simulcast_layers_smallest_first() {
    let layers = "a=rid:f send\r\na=rid:h send\r\na=rid:q send\r\na=simulcast:send f;~h;q\r\n";
    let lines = [sound("0", "sendonly"), picture("1", "sendonly", layers)];
    let (sections, sdp) = answer(&offer(&lines, &[("0", Kind::Audio), ("1", Kind::Video)], &[])).unwrap();
    assert!(sdp.contains("a=ice-lite\r\n") && sdp.contains("a=group:BUNDLE 0 1\r\n"));
    assert!(part(&sdp, 0).starts_with("audio 9 UDP/TLS/RTP/SAVPF 111\r\n"));
    let candidates = "a=candidate:1 1 udp 2130706431 192.0.2.7 7000 typ host\r\n\
        a=candidate:2 1 tcp 2120220671 192.0.2.7 443 typ host tcptype passive\r\na=end-of-candidates";
    assert!(part(&sdp, 0).contains(candidates), "{}", part(&sdp, 0));
    let video = part(&sdp, 1);
    assert!(video.starts_with("video 9 UDP/TLS/RTP/SAVPF 96 97\r\n"), "{video}");
    for wanted in [
        "a=recvonly\r\n",
        "a=setup:passive\r\n",
        "a=rtcp-mux\r\n",
        "a=mid:1\r\n",
        "a=fmtp:97 apt=96\r\n",
        "a=rtcp-fb:96 nack pli\r\n",
        "a=rtcp-fb:96 transport-cc\r\n",
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n",
        "a=rid:q recv\r\n",
        "a=simulcast:recv q;h;f\r\n",
    ] {
        assert!(video.contains(wanted), "{wanted} in {video}");
    }
    assert!(!video.contains("goog-remb") && !video.contains("candidate"));
    let Section::Accepted(accepted) = &sections[1] else { panic!() };
    assert_eq!(accepted.inbound.as_ref().unwrap().rids, ["q", "h", "f"]);
}

#[test]
fn a_slot_takes_every_codec_and_names_its_sources_and_seat() {
    let lines = [sound("0", "recvonly"), picture("1", "recvonly", ""), picture("2", "recvonly", "")];
    let slots = [("0", 3, Kind::Audio), ("1", 3, Kind::Video), ("2", 3, Kind::Screen)];
    let (sections, sdp) = answer(&offer(&lines, &[], &slots)).unwrap();
    let video = part(&sdp, 1);
    assert!(video.starts_with("video 9 UDP/TLS/RTP/SAVPF 96 97 106 107\r\n"), "{video}");
    let Section::Accepted(Accepted { outbound: Some(outbound), .. }) = &sections[1] else { panic!() };
    assert!(video.contains(&format!("a=ssrc-group:FID {} {}\r\n", outbound.ssrc, outbound.rtx_ssrc)));
    assert!(video.contains(&format!("a=ssrc:{} cname:seat3\r\n", outbound.ssrc)));
    assert!(video.contains("a=msid:seat3 seat3-video\r\n") && part(&sdp, 0).contains("a=msid:seat3 seat3-audio\r\n"));
    assert!(part(&sdp, 2).contains("a=msid:seat3-screen seat3-screen\r\n"));
    assert!(part(&sdp, 0).contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n"));
    assert!(part(&sdp, 0).contains("a=sendonly\r\n"));
}

#[test]
fn redundant_sound_is_taken_and_asked_for_from_who_sends() {
    let red = "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n";
    let sound = |mid, direction| line("audio", 9, "111 63", mid, direction, &format!("{SOUND}{red}"));
    let lines = [sound("0", "sendonly"), sound("1", "recvonly")];
    let (_, sdp) = answer(&offer(&lines, &[("0", Kind::Audio)], &[("1", 3, Kind::Audio)])).unwrap();
    assert!(part(&sdp, 0).starts_with("audio 9 UDP/TLS/RTP/SAVPF 63 111\r\n"), "a client sends what stands first");
    assert!(part(&sdp, 1).starts_with("audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n"));
    assert!(part(&sdp, 0).contains(red) && part(&sdp, 1).contains(red));
}

#[test]
fn unusable_lines_are_rejected_in_their_place() {
    let data = line("application", 9, "webrtc-datachannel", "1", "sendrecv", "a=sctp-port:5000\r\n");
    let stopped = line("video", 0, "96", "2", "recvonly", PICTURE);
    let lines = [sound("0", "recvonly"), data, stopped, sound("3", "recvonly")];
    let (_, sdp) = answer(&offer(&lines, &[], &[("0", 1, Kind::Audio), ("2", 1, Kind::Video)])).unwrap();
    assert!(part(&sdp, 1).starts_with("application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert!(part(&sdp, 2).starts_with("video 0 UDP/TLS/RTP/SAVPF 96\r\n"));
    assert!(part(&sdp, 3).starts_with("audio 0 "), "named neither as sent nor as a slot");
    assert!(sdp.contains("a=group:BUNDLE 0\r\n"));
}

#[test]
fn a_whip_client_that_bundles_with_port_0_and_names_no_lines_is_answered() {
    let bundled = line(
        "video",
        0,
        "96 97",
        "1",
        "sendonly",
        &format!("{PICTURE}a=bundle-only\r\na=ssrc-group:FID 5 6\r\na=ssrc:5 cname:x\r\na=ssrc:6 cname:x\r\n"),
    );
    let (sections, sdp) = answer(&offer(&[sound("0", "sendonly"), bundled], &[], &[])).unwrap();
    assert!(part(&sdp, 1).starts_with("video 9 "));
    let Section::Accepted(Accepted { inbound: Some(inbound), .. }) = &sections[1] else { panic!() };
    assert_eq!((inbound.kind, &inbound.sources[..], &inbound.repairs[..]), (Kind::Video, &[5][..], &[(5, 6)][..]));
}

#[test]
fn a_sender_without_a_common_codec_is_refused_by_kind() {
    let foreign = line("video", 9, "98", "0", "sendonly", "a=rtcp-mux\r\na=rtpmap:98 VP9/90000\r\n");
    let refused = answer(&offer(std::slice::from_ref(&foreign), &[("0", Kind::Video)], &[])).unwrap_err();
    assert_eq!(refused, MediaRefusal::NoCodec("video".to_owned()));
    let lines = [sound("1", "recvonly"), foreign.replace("sendonly", "recvonly")];
    let slots = [("1", 2, Kind::Audio), ("0", 2, Kind::Video)];
    assert!(part(&answer(&offer(&lines, &[], &slots)).unwrap().1, 1).starts_with("video 0 "));
}

#[test]
fn offers_that_cannot_work_are_refused_with_the_reason() {
    let whole = offer(&[sound("0", "sendonly")], &[("0", Kind::Audio)], &[]);
    let without = |line: &str, instead: &str| {
        let sdp = whole.sdp.replace(line, instead);
        answer(&Offer { sdp, ..whole.clone() }).unwrap_err().to_string()
    };
    assert!(without("a=ice-ufrag:abcd\r\n", "").contains("ice-ufrag"));
    assert!(without("a=fingerprint:sha-256", "a=fingerprint:md5").contains("sha-256"));
    assert!(without("setup:actpass", "setup:passive").contains("passive"));
    assert!(without("v=0", "v=x").contains("not usable"));
    assert!(without("a=rtcp-mux\r\n", "").contains("no codec in common"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_offer_is_read_without_panic(at in 0_usize..4_000, value: u8, cut in 0_usize..4_000) {
        let whole = offer(&[sound("0", "sendonly"), picture("1", "recvonly", "")], &[("0", Kind::Audio)], &[("1", 1, Kind::Video)]);
        let mut bytes = whole.sdp.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = value;
        let damaged = String::from_utf8_lossy(&bytes).into_owned();
        let _ = answer(&Offer { sdp: damaged, ..whole.clone() });
        let short = whole.sdp.get(..cut.min(whole.sdp.len())).unwrap_or_default().to_owned();
        let _ = answer(&Offer { sdp: short, ..whole });
    }
}
