//! What an operator does wrong, or finds wrong, is told in its own words and with its own exit code.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use hearing_bridge::net::pki::Wish;
use hearing_bridge::net::tls::Identity;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::harness::court::HEARING;
use crate::harness::disk::SmallDisk;
use crate::harness::node::{ADMIN, MEDIA, Site, TRUNK, WEB, until};

#[test]
fn an_unknown_key_is_named_with_the_nearest_one() {
    let mut site = Site::court();
    site.rest += "\n[record]\ndirectry = \"records\"\n";
    let (code, said) = site.refusal();
    assert_eq!(code, 2, "{said}");
    for part in ["court.toml", "record.directry", "directory"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
}

#[test]
fn a_port_in_use_is_named_with_its_key() {
    let site = Site::court();
    for (key, port) in [("web.bind", WEB), ("admin.listen", ADMIN)] {
        let _taken = TcpListener::bind((site.address, port)).expect("the port is free");
        assert_port_is_refused(&site, key, port);
    }
    for (key, port) in [("media.bind", MEDIA), ("trunks", TRUNK)] {
        let _taken = UdpSocket::bind((site.address, port)).expect("the port is free");
        assert_port_is_refused(&site, key, port);
    }
}

#[test]
fn a_second_node_on_the_same_configuration_is_refused_and_the_first_goes_on() {
    let node = Site::court().run();
    let (code, said) = node.site.refusal();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("web.bind"), "{said}");
    node.hearing(&["list"]);
}

#[test]
fn an_expired_certificate_is_refused_with_its_dates() {
    let site = Site::court();
    let long_ago = Timestamp::now() - SignedDuration::from_hours(72);
    site.pki().issue_at(&certificate("tripartite"), &site.path("pki"), long_ago).expect("a certificate");
    let (code, said) = site.refusal();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("court.pem: the certificate is valid from"), "{said}");
    assert!(said.contains("hearing pki issue"), "{said}");
    assert_check_fails(&site, "valid from");
}

#[test]
fn a_certificate_of_another_zone_is_refused_and_both_zones_are_named() {
    let site = Site::court();
    site.pki().issue_at(&certificate("gov"), &site.path("pki"), Timestamp::now()).expect("a certificate");
    let (code, said) = site.refusal();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("gov/court") && said.contains("tripartite/court"), "{said}");
    assert_check_fails(&site, "belongs to gov/court");
}

#[test]
fn a_peer_whose_certificate_names_another_zone_gets_no_trunk() {
    let court = Site::court();
    let stranger = Site::edge(&court).in_zone("gov");
    let court = court.run();
    let _stranger = stranger.run();
    until("the court names who was refused", || court.site.log_text().contains("gov/internet-edge").then_some(()));
    assert!(court.site.log_text().contains("names gov/internet-edge, expected was internet/internet-edge"));
    assert!(!court.has_trunk());
}

#[test]
fn a_revoked_peer_loses_its_trunk_within_five_seconds() {
    let site = Site::court();
    let edge = Site::edge(&site);
    let court = site.run();
    let _edge = edge.run();
    until("the trunk is up", || court.has_trunk().then_some(()));
    let revoked = court.site.hearing(&["pki", "revoke", "internet/internet-edge", "--json"]);
    assert!(revoked.status.success(), "{revoked:?}");
    let began = Instant::now();
    until("the trunk is down", || (!court.has_trunk()).then_some(()));
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
    until("the court says why", || court.site.log_text().contains("revoked").then_some(()));
}

#[test]
fn a_node_does_not_start_on_a_full_disk() {
    let mut site = Site::court();
    let disk = SmallDisk::mount(&site.path("records"));
    disk.fill();
    site.rest += "\n[record]\ndirectory = \"records\"\n";
    let (code, said) = site.refusal();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("6 % of the disk is free, less than the 10 %"), "{said}");
    assert_check_fails(&site, "record.directory");
}

#[test]
fn no_hearing_is_started_on_a_disk_that_became_full() {
    let mut site = Site::court();
    let disk = SmallDisk::mount(&site.path("records"));
    site.rest += "\n[record]\ndirectory = \"records\"\n";
    let node = site.run();
    disk.fill();
    let (code, message) = node.refused(&["start", "--case", "(2022)内0291刑初123号", "--template", "small"]);
    assert_eq!(code, "no_room");
    assert!(message.contains("6 % of the disk is free"), "{message}");
    assert_eq!(node.hearing(&["list"]), Value::Array(Vec::new()));
    disk.empty();
    let _ = node.convene();
    // Before the directory goes in which it is mounted.
    drop(disk);
}

#[test]
fn a_missing_media_child_fails_the_check() {
    let site = Site::court();
    let alone = site.path("hearing");
    fs::hard_link(HEARING, &alone).or_else(|_| fs::copy(HEARING, &alone).map(drop)).expect("the program is copied");
    let (ok, findings) = site.check(&alone);
    let child = findings.iter().find(|finding| finding["name"] == "媒体进程 media child").expect("a finding");
    assert!(!ok && child["state"] == "fail", "{child}");
    assert!(child["remedy"].as_str().is_some_and(|remedy| remedy.contains("next to hearing")), "{child}");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    const ID: &str = "0193d6a8-5c1e-7f00-8000-000000000000";
    let site = Site::court();
    let wrong: [(&[&str], &str); 8] = [
        (&["frobnicate"], "frobnicate"),
        (&["admit", ID], "SEAT"),
        (&["admit", ID, "judge", "--identity", "hearsay"], "checked-by-document"),
        (&["open", "first"], "not a hearing id"),
        (&["recess", ID, "--reason", "lunch"], "mediation"),
        (&["start", "--case", "x"], "--template"),
        (&["run", "--log", "xml"], "json"),
        (&["pki", "issue", "--zone", "No Zone", "--node", "n"], "No Zone"),
    ];
    for (arguments, part) in wrong {
        let output = site.hearing(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {part} is not in: {said}");
    }
}

#[test]
fn a_node_that_does_not_run_is_told_from_one_that_refuses() {
    let site = Site::court();
    let output = site.hearing(&["list", "--json", "--admin", "nowhere.sock"]);
    assert_eq!(output.status.code(), Some(3));
    let problem: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(problem["code"], "unreachable");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.sock"));
}

#[test]
fn an_authority_is_made_used_and_listed_by_hand() {
    let site = Site::court();
    let pki = |arguments: &[&str]| site.hearing(&[&["pki", "--json", "--dir", "by-hand"], arguments].concat());
    let list = || -> Value { serde_json::from_slice(&pki(&["list"]).stdout).expect("JSON") };
    assert!(pki(&["init", "--name", "某某法院"]).status.success());
    assert_eq!(pki(&["init"]).status.code(), Some(1), "an authority is never overwritten");
    let issue = ["issue", "--zone", "gov", "--node", "gov-edge", "--host", "hearing.gov.example", "--days", "30"];
    assert!(pki(&issue).status.success());
    for file in ["root.pem", "root.key", "revoked.crl", "gov-edge.pem", "gov-edge.key"] {
        assert!(site.path("by-hand").join(file).exists(), "{file}");
    }
    assert_eq!(list()[0]["state"], "valid");
    assert_eq!(list()[0]["hosts"][0], "hearing.gov.example");
    assert_eq!(pki(&["revoke", "gov/court"]).status.code(), Some(1), "nothing was issued to gov/court");
    assert!(pki(&["revoke", "gov/gov-edge"]).status.success());
    assert_eq!(list()[0]["state"], "revoked");
}

fn assert_port_is_refused(site: &Site, key: &str, port: u16) {
    let (code, said) = site.refusal();
    assert_eq!(code, 4, "{said}");
    assert!(said.contains(key) && said.contains(&format!("{}:{port}", site.address)), "{key} is not named: {said}");
}

fn assert_check_fails(site: &Site, part: &str) {
    let (ok, findings) = site.check(HEARING.as_ref());
    assert!(!ok, "{findings:?}");
    let failed = |finding: &Value| {
        finding["state"] == "fail"
            && finding["text"].as_str().is_some_and(|text| text.contains(part))
            && finding["remedy"] != ""
    };
    assert!(findings.iter().any(failed), "{part} does not fail: {findings:?}");
}

fn certificate(zone: &str) -> Wish {
    let identity = Identity { zone: zone.parse().expect("a zone"), node: "court".parse().expect("a node") };
    Wish { identity, hosts: Vec::new(), days: 1 }
}
