//! People in three networks that are not joined see and hear each other, and nobody else does.

use std::collections::HashMap;

use crate::harness::browser::{Browser, Seen};
use crate::harness::court::{CROSSINGS, Capture, Court, TRUNK_PORT, without_crossing};
use crate::harness::media::{Card, is_tone_of};
use crate::harness::zones::{GOV, INTERNET, TRIPARTITE, Zone};

#[test]
fn browsers_in_three_networks_see_and_hear_each_other_through_nothing_but_the_trunks() {
    let court = Court::open();
    let (hearing, link) = court.convene("criminal");
    let mut counsel = seat(&court, INTERNET, COUNSEL, &link("counsel"));
    let mut prosecutor = seat(&court, GOV, PROSECUTOR, &link("prosecutor"));
    let mut defendant = seat(&court, TRIPARTITE, DEFENDANT, &link("defendant"));
    let capture = Capture::begin(&court, INTERNET);
    for name in ["counsel", "prosecutor", "defendant"] {
        court.wait_for(&hearing, name, "waiting");
        court.hearing(&["admit", &hearing, name, "--identity", "checked-by-document"]);
    }
    for name in ["counsel", "prosecutor", "defendant"] {
        court.wait_for(&hearing, name, "connected");
    }
    let seen = observe_all(&mut [&mut counsel, &mut prosecutor, &mut defendant]);
    let seats = [("counsel", COUNSEL), ("prosecutor", PROSECUTOR), ("defendant", DEFENDANT)];
    for (n, (viewer, _)) in seats.iter().enumerate() {
        for (name, number) in seats.iter().filter(|(name, _)| name != viewer) {
            assert_sees_and_hears(viewer, &seen[n], name, *number);
        }
    }
    let foreign: Vec<_> = capture.end().into_iter().filter(|packet| !is_trunk(packet)).collect();
    assert!(foreign.is_empty(), "something but the trunk passed on its link: {foreign:#?}");
}

#[test]
fn without_the_crossing_nothing_arrives_and_the_refusal_is_logged() {
    let court = Court::with_crossings(&without_crossing(CROSSINGS, "gov", "internet"));
    let (hearing, link) = court.convene("criminal");
    let mut counsel = seat(&court, INTERNET, COUNSEL, &link("counsel"));
    let mut prosecutor = seat(&court, GOV, PROSECUTOR, &link("prosecutor"));
    for name in ["counsel", "prosecutor"] {
        court.wait_for(&hearing, name, "waiting");
        court.hearing(&["admit", &hearing, name, "--identity", "known"]);
    }
    for name in ["counsel", "prosecutor"] {
        court.wait_for(&hearing, name, "connected");
    }
    let seen = observe_all(&mut [&mut counsel, &mut prosecutor]);
    assert_sees_and_hears("prosecutor", &seen[1], "counsel", COUNSEL);
    let picture = &seen[0]["prosecutor/video"];
    assert_eq!((picture.frames, picture.bad), (0, 0), "counsel saw the prosecutor without a crossing");
    assert_eq!(seen[0]["prosecutor/audio"].tone, 0.0, "counsel heard the prosecutor without a crossing");
    court.until("the refusal is logged", || court.log_text(TRIPARTITE).contains("no_crossing").then_some(()));
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
fn is_trunk(packet: &str) -> bool {
    let (home, edge) = INTERNET.link.expect("an edge has a trunk link");
    let ends = format!("IP {home}.{TRUNK_PORT} > {edge}.");
    let back = format!("IP {edge}.");
    packet.contains("UDP")
        && (packet.starts_with(&ends)
            || packet.starts_with(&back) && packet.contains(&format!("> {home}.{TRUNK_PORT}:")))
}

const SECONDS: u32 = 5;
const PROSECUTOR: u8 = 2;
const DEFENDANT: u8 = 3;
const COUNSEL: u8 = 4;
