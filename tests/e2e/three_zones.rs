//! People in three networks that are not joined see and hear each other, and nobody else does.

use std::collections::HashMap;

use serde_json::Value;

use crate::harness::browser::{Browser, Seen};
use crate::harness::court::{CROSSINGS, Capture, Court, TRUNK_PORT, without_crossing};
use crate::harness::media::{Card, is_tone_of};
use crate::harness::party::Party;
use crate::harness::record::Record;
use crate::harness::zones::{GOV, INTERNET, TRIPARTITE, Zone};

#[test]
fn browsers_and_a_headless_peer_in_three_networks_meet_in_session_through_nothing_but_the_trunks() {
    let court = Court::with_templates(THREE);
    let (hearing, link) = court.convene("three");
    let mut counsel = seat(&court, INTERNET, COUNSEL, &link("counsel"));
    let mut prosecutor = seat(&court, GOV, PROSECUTOR, &link("prosecutor"));
    let peer = Party::take_in(&court.zones.client(TRIPARTITE), &[(JUDGE, link("judge"))]);
    let captures = [INTERNET, GOV].map(|zone| (zone, Capture::begin(&court, zone)));
    admit(&court, &hearing, &["counsel", "prosecutor"]);
    court.wait_for(&hearing, "judge", "connected");
    court.until("the hearing is open", || court.try_hearing(&["open", &hearing]).status.success().then_some(()));
    for (browser, other) in [(&mut counsel, "prosecutor"), (&mut prosecutor, "counsel")] {
        for seat in [other, "judge"] {
            browser.wait(&format!("window.hearing.slots['{seat}/video'].videoWidth > 0"));
        }
    }
    let seen = observe_all(&mut [&mut counsel, &mut prosecutor]);
    court.hearing(&["close", &hearing]);
    for (viewer, seen, other, number) in
        [("counsel", &seen[0], "prosecutor", PROSECUTOR), ("prosecutor", &seen[1], "counsel", COUNSEL)]
    {
        assert_sees_and_hears(viewer, seen, other, number);
        assert_sees_and_hears(viewer, seen, "judge", JUDGE);
    }
    assert_peer_met(&peer.leave(), &[COUNSEL, PROSECUTOR]);
    for (zone, capture) in captures {
        let foreign: Vec<_> = capture.end().into_iter().filter(|packet| !is_trunk(zone, packet)).collect();
        assert!(foreign.is_empty(), "something but the trunk passed on the link of {}: {foreign:#?}", zone.name);
    }
    let record = Record::of(&court.records(), &hearing);
    court.until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    let tracks =
        ["counsel-audio", "counsel-video", "judge-audio", "judge-video", "prosecutor-audio", "prosecutor-video"];
    assert_eq!(record.tracks(), tracks);
}

#[test]
fn without_the_crossing_nothing_arrives_and_the_refusal_is_logged_where_it_is_made_and_where_it_is_told() {
    let court = Court::with_crossings(|_| without_crossing(CROSSINGS, "gov", "internet"));
    let hearing = assert_one_way(&court);
    court.until("the home's gate logs the refusal", || denied(&court, TRIPARTITE, "egress").then_some(()));
    court.until("the edge logs that it was told", || denied(&court, INTERNET, "peer_egress").then_some(()));
    drop(hearing);
}

#[test]
fn a_crossing_that_the_receiving_edge_alone_lacks_is_refused_by_that_edge_and_nothing_arrives() {
    let court = Court::with_crossings(|zone| {
        if zone.name == INTERNET.name { without_crossing(CROSSINGS, "gov", "internet") } else { CROSSINGS.to_owned() }
    });
    let hearing = assert_one_way(&court);
    court.until("the edge's gate logs the refusal", || denied(&court, INTERNET, "ingress").then_some(()));
    court.until("the home logs that it was told", || denied(&court, TRIPARTITE, "peer_ingress").then_some(()));
    drop(hearing);
}

/// Prosecutor and counsel are connected; counsel is seen and heard, and sees and hears nothing. Gives the browsers.
fn assert_one_way(court: &Court) -> [Browser; 2] {
    let (hearing, link) = court.convene("criminal");
    let mut counsel = seat(court, INTERNET, COUNSEL, &link("counsel"));
    let mut prosecutor = seat(court, GOV, PROSECUTOR, &link("prosecutor"));
    admit(court, &hearing, &["counsel", "prosecutor"]);
    let seen = observe_all(&mut [&mut counsel, &mut prosecutor]);
    assert_sees_and_hears("prosecutor", &seen[1], "counsel", COUNSEL);
    let picture = &seen[0]["prosecutor/video"];
    assert_eq!((picture.frames, picture.bad), (0, 0), "counsel saw the prosecutor without a crossing");
    assert_eq!(seen[0]["prosecutor/audio"].tone, 0.0, "counsel heard the prosecutor without a crossing");
    [counsel, prosecutor]
}

/// True when the node of `zone` has logged that a track from gov to internet was denied for want of a crossing, by `gate`.
fn denied(court: &Court, zone: Zone, gate: &str) -> bool {
    let said = ["crossing denied", "from=gov", "to=internet", "no_crossing", &format!("gate=\"{gate}\"")];
    court.log_text(zone).lines().any(|line| said.iter().all(|word| line.contains(word)))
}

fn admit(court: &Court, hearing: &str, names: &[&str]) {
    for name in names {
        court.wait_for(hearing, name, "waiting");
        court.hearing(&["admit", hearing, name, "--identity", "checked-by-document"]);
    }
    for name in names {
        court.wait_for(hearing, name, "connected");
    }
}

/// The report of the headless peer: it decoded the counter of everybody else and heard their tones.
fn assert_peer_met(report: &Value, others: &[u8]) {
    assert_eq!(report["seats"][0]["fault"], Value::Null, "{report:#}");
    for from in others {
        let pairs = report["pairs"].as_array().expect("pairs");
        let pair = pairs.iter().find(|pair| pair["from"] == *from).unwrap_or_else(|| panic!("no seat {from}"));
        assert!(pair["frames"].as_u64() >= Some(u64::from(SECONDS) * 5), "{pair}");
        assert_eq!(pair["tone"], "Heard", "{pair}");
    }
}

fn seat(court: &Court, zone: Zone, number: u8, link: &str) -> Browser {
    let card = Card::draw(&court.path(""), number);
    let mut browser = Browser::chromium(&court.zones.client(zone), &card);
    browser.join(link);
    browser
}

/// Lets all of them look and listen at the same time.
fn observe_all(browsers: &mut [&mut Browser]) -> Vec<HashMap<String, Seen>> {
    std::thread::scope(|scope| {
        let watchers: Vec<_> = browsers.iter_mut().map(|browser| scope.spawn(|| browser.observe(SECONDS))).collect();
        watchers.into_iter().map(|watcher| watcher.join().expect("the page can be observed")).collect()
    })
}

fn assert_sees_and_hears(viewer: &str, seen: &HashMap<String, Seen>, name: &str, number: u8) {
    let picture = &seen[&format!("{name}/video")];
    let sound = &seen[&format!("{name}/audio")];
    assert!(picture.frames >= SECONDS * 5, "{viewer} saw of {name}: {picture:?}");
    assert_eq!(picture.seat, i32::from(number), "{viewer} saw a wrong face on the seat of {name}");
    assert!(is_tone_of(number, sound.tone), "{viewer} heard {} Hz from {name}", sound.tone);
}

/// True for a packet between the two ends of the trunk, on the trunk's port.
fn is_trunk(zone: Zone, packet: &str) -> bool {
    let (home, edge) = zone.link.expect("an edge has a trunk link");
    let ends = format!("IP {home}.{TRUNK_PORT} > {edge}.");
    let back = format!("IP {edge}.");
    packet.contains("UDP")
        && (packet.starts_with(&ends)
            || packet.starts_with(&back) && packet.contains(&format!("> {home}.{TRUNK_PORT}:")))
}

const SECONDS: u32 = 5;
const JUDGE: u8 = 0;
/// Counsel and prosecutor have the places that they have in the demo's criminal hearing.
const PROSECUTOR: u8 = 2;
const COUNSEL: u8 = 4;
const THREE: &str = r#"
[[template]]
name = "three"
title = "三网"
title_en = "Three networks"

[[template.seat]]
name = "judge"
title = "审判员"
title_en = "Judge"
role = "judge"
zone = "tripartite"
required = ["audio", "video"]

[[template.seat]]
name = "clerk"
title = "书记员"
title_en = "Clerk"
role = "clerk"
zone = "tripartite"
required = []

[[template.seat]]
name = "prosecutor"
title = "公诉人"
title_en = "Prosecutor"
role = "prosecutor"
zone = "gov"
required = ["audio", "video"]

[[template.seat]]
name = "defendant"
title = "被告人"
title_en = "Defendant"
role = "defendant"
zone = "tripartite"
required = []

[[template.seat]]
name = "counsel"
title = "辩护人"
title_en = "Counsel"
role = "counsel"
zone = "internet"
required = ["audio", "video"]
"#;
