//! What the README promises: one command, links, two browsers of different makers; and the self-test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::harness::browser::Browser;
use crate::harness::court::{CROSSINGS, HEARING, without_crossing};
use crate::harness::media::Card;

#[test]
fn firefox_and_chromium_open_two_links_of_the_demo_and_see_and_hear_each_other() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(directory.path());
    let mut chromium = Browser::chromium("-", &Card::draw(directory.path(), JUDGE));
    let mut firefox = Browser::firefox();
    chromium.join(&demo.link("judge"));
    firefox.join(&demo.link("counsel"));
    for browser in [&mut chromium, &mut firefox] {
        browser.wait("window.hearing.media === 'connected'");
    }
    chromium.wait("window.hearing.slots['counsel/video'].videoWidth > 0");
    firefox.wait("window.hearing.slots['judge/video'].videoWidth > 0");
    let seen = firefox.observe(4);
    assert!(seen["judge/video"].frames >= 20, "Firefox saw {} frames of the judge", seen["judge/video"].frames);
    assert_eq!(seen["judge/video"].seat, i32::from(JUDGE));
    let heard = chromium.observe(4);
    assert!(heard["counsel/audio"].tone > 100.0, "Chromium did not hear Firefox's tone");
    // Firefox draws its own picture, so it has no card that could be read.
    assert!(heard["counsel/video"].bad >= 20, "Chromium saw {} frames of counsel", heard["counsel/video"].bad);
    drop(demo);
}

#[test]
fn the_rehearsal_takes_every_seat_and_finds_all_well() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = rehearse(directory.path());
    let report = report(&output);
    assert!(output.status.success(), "{report:#}");
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(report["seats"].as_array().map(Vec::len), Some(6), "{report:#}");
    let pairs = report["pairs"].as_array().expect("pairs");
    assert!(pairs.iter().all(|pair| pair["frames"].as_u64() > Some(20) && pair["tone"] == true), "{report:#}");
    assert_eq!(report["record"]["frames_missing"], 0, "{report:#}");
}

#[test]
fn the_rehearsal_fails_and_names_the_crossing_that_was_taken_out() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // The first start writes the configuration; it is stopped as soon as it has printed its links.
    drop(Demo::start(directory.path()));
    let file = directory.path().join("court.toml");
    let whole = fs::read_to_string(&file).expect("the home's configuration");
    assert!(whole.contains(CROSSINGS.trim()), "the demo's configuration holds its crossings");
    fs::write(&file, without_crossing(&whole, "gov", "internet")).expect("the configuration is written");
    let output = rehearse(directory.path());
    let report = report(&output);
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert_eq!(report["ok"], false);
    let faults = report["faults"].to_string();
    assert!(faults.contains("gov") && faults.contains("internet"), "the crossing is not named: {faults}");
}

/// `hearing demo` as a process of its own; it ends when this is dropped.
struct Demo {
    child: Child,
    started: Value,
}

impl Demo {
    fn start(directory: &Path) -> Self {
        let mut child = Command::new(HEARING)
            .args(["demo", "--json", "--keep"])
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        while serde_json::from_str::<Value>(&line).is_err() {
            let read = output.read_line(&mut line).expect("the demo prints");
            assert!(read > 0, "the demo ended before it printed its links: {line}");
        }
        let started = serde_json::from_str(&line).expect("checked above");
        Self { child, started }
    }

    fn link(&self, seat: &str) -> String {
        let seats = self.started["seats"].as_array().expect("seats");
        let found = seats.iter().find(|s| s["name"] == seat).unwrap_or_else(|| panic!("no seat {seat}"));
        found["link"].as_str().expect("a link").to_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // SIGTERM, so that it stops its nodes.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn rehearse(directory: &Path) -> Output {
    let mut command = Command::new(HEARING);
    command.args(["demo", "--rehearse", "--json", "--keep"]).arg(directory);
    command.output().expect("the rehearsal runs")
}

fn report(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

const JUDGE: u8 = 0;
