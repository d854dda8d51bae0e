//! What was said and shown between opening and close is in the record, and what was said in a recess is not.

use std::collections::BTreeSet;

use hearing_proto::testcard::tone::{SAMPLE_RATE, tones};
use hearing_proto::testcard::{self, frame_at};
use serde_json::Value;

use crate::harness::node::{Node, Site, until};
use crate::harness::party::Party;
use crate::harness::record::{Record, marks, samples, times};

#[test]
fn every_frame_and_tone_from_open_to_close_is_recorded_and_none_of_a_recess() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    let participants = Party::take(&[(JUDGE, link("judge")), (WITNESS, link("witness"))]);
    let record = Record::of(&node.site.path("court/record"), &hearing);
    let called = lead(&node, &hearing, &record);
    participants.leave();
    let sheet = record.sheet();
    assert_eq!(record.tracks(), ["judge-audio", "judge-video", "witness-audio", "witness-video"]);
    for (seat, name, from) in [(JUDGE, "judge", 0), (WITNESS, "witness", called + KEY_FRAME)] {
        assert_pictures(&record, &sheet, (seat, name), from);
        assert_sound(&record, seat, name);
    }
}

/// A session with a recess in it, each part as long as it takes to record more than five seconds of sound; gives when the
/// witness was called.
fn lead(node: &Node, hearing: &str, record: &Record) -> i64 {
    until("the witness waits", || (node.presence(hearing, "witness") == "waiting").then_some(()));
    node.hearing(&["admit", hearing, "witness", "--identity", "known"]);
    for seat in ["judge", "witness"] {
        until("they are connected", || (node.presence(hearing, seat) == "connected").then_some(()));
    }
    until("it is open", || node.try_hearing(&["open", hearing]).status.success().then_some(()));
    node.hearing(&["call", hearing, "witness"]);
    let called = now();
    let clusters = |of: &str| record.lines("judge-audio", "cluster").iter().filter(|line| line["file"] == of).count();
    until("five seconds are recorded", || (clusters("0001.mkv") >= 2).then_some(()));
    node.hearing(&["recess", hearing, "--reason", "mediation"]);
    let began = now();
    until("the recess has lasted a while", || (now() > began + RECESS).then_some(()));
    until("it goes on", || node.try_hearing(&["resume", hearing]).status.success().then_some(()));
    until("five more seconds are recorded", || (clusters("0002.mkv") >= 2).then_some(()));
    node.hearing(&["close", hearing]);
    until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    called
}

/// Every frame of both parts is there, of those that were drawn after `begin`, and none of the recess.
fn assert_pictures(record: &Record, sheet: &Value, (seat, name): (u8, &str), begin: i64) {
    let epoch = sheet["epoch"].as_i64().expect("it has begun");
    let mut found = BTreeSet::new();
    for file in record.files(&format!("{name}-video")) {
        let (marks, times) = (marks(&file), times(&file));
        assert_eq!(marks.len(), times.len(), "{} has pictures that can't be decoded", file.display());
        for (mark, time) in marks.into_iter().zip(times) {
            let mark = mark.unwrap_or_else(|| panic!("{} shows something else at {time} us", file.display()));
            assert_eq!(mark.seat, seat, "{} shows another seat", file.display());
            found.insert(testcard::frame_near(mark.counter, epoch + time, FPS).expect("it is after 1970"));
        }
    }
    let runs = runs(sheet);
    assert_eq!(runs.len(), 2, "{sheet:#}");
    for (n, (from, to)) in runs.iter().copied().enumerate() {
        let wanted = frames(begin.max(from + MARGIN), to - MARGIN);
        let missing: Vec<_> = wanted.filter(|frame| !found.contains(frame)).collect();
        assert!(missing.is_empty(), "{name}: of {} frames are missing in part {n}: {missing:?}", found.len());
    }
    let stray: Vec<_> = frames(runs[0].1 + MARGIN, runs[1].0 - MARGIN).filter(|frame| found.contains(frame)).collect();
    assert!(stray.is_empty(), "{name}: frames of the recess are recorded: {stray:?}");
}

fn assert_sound(record: &Record, seat: u8, name: &str) {
    for file in record.files(&format!("{name}-audio")) {
        let heard: Vec<_> = samples(&file).chunks_exact(SAMPLE_RATE as usize / 10).map(tones).collect();
        let right = heard.iter().filter(|seats| **seats == [seat]).count();
        assert!(right * 10 >= heard.len() * 8, "{}: its tone in {right} of {} windows", file.display(), heard.len());
    }
}

/// From when to when the record ran, microseconds since 1970.
fn runs(sheet: &Value) -> Vec<(i64, i64)> {
    let orders = sheet["orders"].as_array().expect("orders");
    let at = |order: &Value| order["at"].as_i64().expect("when");
    orders
        .windows(2)
        .filter(|pair| pair[0]["what"] == "run" && pair[1]["what"] != "run")
        .map(|p| (at(&p[0]), at(&p[1])))
        .collect()
}

/// The frames that are drawn from a time to another.
fn frames(from: i64, to: i64) -> std::ops::Range<u64> {
    frame_at(from, FPS).expect("it is after 1970")..frame_at(to, FPS).expect("it is after 1970")
}

fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

const JUDGE: u8 = 0;
const WITNESS: u8 = 1;
/// Pictures a second of headless participants.
const FPS: u8 = 15;
/// Frames this near to an order may fall on either side of it: capture times come from the sender's reports.
const MARGIN: i64 = 100_000;
/// The record of a witness begins with a key frame, which has to be asked for.
const KEY_FRAME: i64 = 1_000_000;
const RECESS: i64 = 2_000_000;
