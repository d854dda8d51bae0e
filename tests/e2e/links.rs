//! Links, devices and offers that can't be used are refused, each in its own words.

use crate::harness::node::Site;

#[test]
fn a_second_device_on_a_seat_is_refused_and_the_first_may_come_back() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    assert_eq!(node.join(&hearing, &link("judge"), 'a').status, 200);
    let second = node.join(&hearing, &link("judge"), 'b');
    assert_eq!(second.refusal(), (409, "seat_taken", "another device already uses this seat's link"));
    assert_eq!(node.join(&hearing, &link("judge"), 'a').status, 200);
}

#[test]
fn a_used_up_link_is_refused_for_good() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    node.join(&hearing, &link("witness"), 'a');
    node.hearing(&["remove", &hearing, "witness"]);
    for device in ['a', 'b'] {
        let again = node.join(&hearing, &link("witness"), device);
        assert_eq!(again.refusal(), (410, "link_expired", "this link is no longer valid"));
    }
}

#[test]
fn a_link_of_another_hearing_is_refused() {
    let node = Site::court().run();
    let ((_, foreign), (hearing, _)) = (node.convene(), node.convene());
    let refused = node.join(&hearing, &foreign("judge"), 'a');
    assert_eq!(refused.refusal(), (403, "unknown_link", "this link is not valid for any seat of the hearing"));
}

#[test]
fn a_link_that_is_opened_in_the_wrong_zone_names_both_zones() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    let refused = node.join(&hearing, &link("counsel"), 'a');
    assert_eq!(refused.refusal(), (403, "wrong_zone", "this seat joins from zone internet, not from tripartite"));
}

#[test]
fn a_hearing_and_a_seat_that_are_not_there_are_named() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    let nobody = "0193d6a8-5c1e-7f00-8000-000000000000";
    assert_eq!(node.join(nobody, &link("judge"), 'a').refusal().1, "unknown_hearing");
    let (code, message) = node.refused(&["show", nobody]);
    assert!(code == "unknown_hearing" && message.contains(nobody), "{code}: {message}");
    let (code, message) = node.refused(&["mute", &hearing, "nobody"]);
    assert!(code == "unknown_seat" && message.contains("nobody"), "{code}: {message}");
    let (code, message) = node.refused(&["start", "--case", "x", "--template", "huge"]);
    assert!(code == "unknown_template" && message.contains("huge") && message.contains("small"), "{code}: {message}");
}

#[test]
fn a_hearing_is_not_opened_while_a_required_track_is_missing_and_the_track_is_named() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    node.join(&hearing, &link("judge"), 'a');
    let (code, message) = node.refused(&["open", &hearing]);
    assert_eq!(code, "not_ready");
    for part in ["judge", "audio", "video"] {
        assert!(message.contains(part), "{part} is not named: {message}");
    }
    assert_ne!(node.hearing(&["show", &hearing])["view"]["phase"], "in-session");
}

#[test]
fn nobody_sends_before_being_let_in() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    let early = node.whip(&hearing, &link("witness"), &offer(USUAL));
    assert_eq!((early.status, early.refusal().1), (409, "not_admitted"));
    node.hearing(&["admit", &hearing, "witness", "--identity", "known"]);
    assert_eq!(node.whip(&hearing, &link("witness"), &offer(USUAL)).status, 201);
}

#[test]
fn an_offer_without_a_usable_codec_is_told_which_are() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    let refused = node.whip(&hearing, &link("judge"), &offer(FOREIGN));
    let (status, code, message) = refused.refusal();
    assert_eq!((status, code), (406, "no_codec"));
    for codec in ["Opus", "VP8", "H.264"] {
        assert!(message.contains(codec), "{codec} is not named: {message}");
    }
}

#[test]
fn a_malformed_offer_is_refused_and_the_node_goes_on() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    let usual = offer(USUAL);
    let malformed = [
        "v=0\r\n",
        "\u{0}\u{1}\u{2}",
        "v=0\r\nm=audio",
        &usual.replace("a=fingerprint", "a=finger"),
        &usual[..usual.len() / 3],
    ];
    for sdp in malformed {
        let refused = node.whip(&hearing, &link("judge"), sdp);
        assert_eq!((refused.status, refused.refusal().1), (400, "bad_sdp"), "{sdp:?}: {refused:?}");
    }
    assert_eq!(node.whip(&hearing, &link("judge"), &usual).status, 201);
}

/// An offer of sound and pictures, each with the given payload type and codec.
fn offer([sound, picture]: [(u8, &str); 2]) -> String {
    let section = |kind: &str, mid: u8, (payload, codec): (u8, &str)| {
        format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {payload}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=sendonly\r\na=rtcp-mux\r\n\
             a=ice-ufrag:them\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n\
             a=fingerprint:sha-256 {FINGERPRINT}\r\na=rtpmap:{payload} {codec}\r\na=ssrc:{payload} cname:them\r\n"
        )
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n{}{}",
        section("audio", 0, sound),
        section("video", 1, picture)
    )
}

const USUAL: [(u8, &str); 2] = [(111, "opus/48000/2"), (96, "VP8/90000")];
const FOREIGN: [(u8, &str); 2] = [(9, "G722/8000"), (98, "VP9/90000")];
const FINGERPRINT: &str =
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
