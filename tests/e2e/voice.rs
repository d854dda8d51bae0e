//! Who spoke when, on the playback page: with a voice from a real browser, in syllables and with pauses.

use serde_json::Value;

use crate::harness::browser::Browser;
use crate::harness::media::Card;
use crate::harness::node::{Site, until};
use crate::harness::party::Party;
use crate::harness::record::Record;

#[test]
fn who_spoke_when_stands_on_the_timeline_of_the_playback_page() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    let mut judge = Browser::chromium("-", &Card::speaking(&node.site.path(""), 0));
    judge.join(&link("judge"));
    let participants = Party::take(&[(1, link("witness"))]);
    until("the witness waits", || (node.presence(&hearing, "witness") == "waiting").then_some(()));
    node.hearing(&["admit", &hearing, "witness", "--identity", "known"]);
    for seat in ["judge", "witness"] {
        until("they are connected", || (node.presence(&hearing, seat) == "connected").then_some(()));
    }
    until("it is open", || node.try_hearing(&["open", &hearing]).status.success().then_some(()));
    let record = Record::of(&node.site.path("court/record"), &hearing);
    until("the judge has spoken four times", || (record.lines("judge-audio", "speech").len() >= 4).then_some(()));
    node.hearing(&["close", &hearing]);
    until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    participants.leave();
    drop(judge);
    let shared = node.hearing(&["record", "share", &hearing, "--name", "书记员", "--valid", "1"]);
    let mut page = Browser::viewer();
    page.open(shared["link"].as_str().expect("a link"));
    // The witness was not called, so the judge is alone in the record.
    page.wait("window.playback?.timeline.seats.length > 0");
    let spans = spans(&page.evaluate("playback.timeline.seats.find(seat => seat.name === 'judge').speech"));
    assert_two_seconds_of_speech_and_two_of_silence(&spans);
    let drawn = page.evaluate("document.querySelectorAll('.speech').length").as_u64().expect("a number");
    assert!(drawn >= spans.len() as u64, "{drawn} spans are drawn of {spans:?}");
}

/// The first and the last span may be cut off by the opening and the close.
fn assert_two_seconds_of_speech_and_two_of_silence(spans: &[(i64, i64)]) {
    assert!(spans.len() >= 4, "{spans:?}");
    for (from, to) in &spans[1..spans.len() - 1] {
        assert!((to - from - 2_000).abs() < NEAR, "one speech has {} ms: {spans:?}", to - from);
    }
    for pair in spans.windows(2) {
        let silence = pair[1].0 - pair[0].1;
        assert!((silence - 2_000).abs() < NEAR, "{silence} ms between two speeches: {spans:?}");
    }
}

/// From and to, in milliseconds.
fn spans(value: &Value) -> Vec<(i64, i64)> {
    let number = |value: &Value| value.as_i64().expect("milliseconds");
    value.as_array().expect("spans").iter().map(|span| (number(&span[0]), number(&span[1]))).collect()
}

/// Syllables swell and fade, and a browser's microphone has a gate of its own.
const NEAR: i64 = 600;
