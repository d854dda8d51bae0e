//! A node that is killed takes nothing with it but itself.

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::harness::record::{Record, marks, samples, times};
use crate::harness::sitting::Sitting;
use crate::harness::zones::{ALL, INTERNET, TRIPARTITE};

#[test]
fn a_home_killed_in_session_comes_back_into_session_and_hardly_anything_is_lost() {
    let mut sitting = Sitting::of(&["judge", "counsel"]);
    sitting.open();
    assert_judge_and_counsel_meet(&mut sitting);
    sitting.court.kill(TRIPARTITE);
    let killed = now();
    let record = Record::of(&sitting.court.records(), &sitting.hearing);
    for track in TRACKS {
        let files = record.files(track);
        let lost = killed - record.last_captured(files.last().expect("the track was recorded"));
        assert!(lost <= LOST, "{track}: {} ms are lost", lost / 1000);
    }
    sitting.court.start(TRIPARTITE);
    sitting.court.until("the hearing is in session again", || (sitting.phase()? == "in-session").then_some(()));
    sitting.wait_for_media();
    assert_judge_and_counsel_meet(&mut sitting);
    sitting.court.hearing(&["close", &sitting.hearing]);
    sitting.court.until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    assert_sealed_and_witnessed(&sitting);
    assert_eq!(record.tracks(), TRACKS);
    for track in TRACKS {
        let reasons: Vec<_> = record.lines(track, "segment").iter().map(|line| line["reason"].clone()).collect();
        assert!(reasons.contains(&"restart".into()), "{track} was not continued after the restart: {reasons:?}");
        assert!(
            record.lines(track, "gap").iter().any(|gap| gap["reason"] == "restart"),
            "{track}: the gap is not named"
        );
        for file in record.files(track) {
            // What came late goes on where the picture before it stopped: it stands alone only if it begins with a key frame.
            let something = match (record.is_late(track, &file), track.ends_with("video")) {
                (true, _) => times(&file).len(),
                (false, true) => marks(&file).len(),
                (false, false) => samples(&file).len(),
            };
            assert!(something > 0, "{} holds nothing", file.display());
        }
    }
}

#[test]
fn an_edge_killed_in_session_leaves_the_others_alone_and_its_participants_return_by_themselves() {
    let mut sitting = Sitting::of(&["judge", "clerk", "counsel"]);
    sitting.open();
    sitting.court.kill(INTERNET);
    sitting.court.until("counsel is missed", || {
        (sitting.court.seat(&sitting.hearing, "counsel")["presence"] != "connected").then_some(())
    });
    let seen = sitting.observe(SECONDS);
    Sitting::assert_meet(&seen["judge"], "judge", "clerk", SECONDS);
    Sitting::assert_meet(&seen["clerk"], "clerk", "judge", SECONDS);
    assert_eq!(sitting.phase().as_deref(), Some("in-session"));
    sitting.court.start(INTERNET);
    let started = Instant::now();
    sitting.court.wait_for(&sitting.hearing, "counsel", "connected");
    assert!(started.elapsed() < REJOINED, "counsel came back after {:?}", started.elapsed());
    assert_judge_and_counsel_meet(&mut sitting);
}

/// The record that was interrupted is sealed within seconds, its fault is written down, and the node of another zone has
/// cosigned it.
fn assert_sealed_and_witnessed(sitting: &Sitting) {
    let proof = sitting.court.until("the record is sealed", || {
        let view = sitting.court.hearing(&["show", &sitting.hearing])["view"].clone();
        (view["phase"] == "sealed").then(|| view["record"]["proof"].clone())
    });
    let value = proof["integrity"].as_str().expect("a sealed record has an integrity value");
    assert_eq!(value.split(' ').map(str::len).collect::<Vec<_>>(), [4; 11], "{value}");
    let listed = sitting.court.hearing(&["record", "list"]);
    assert_eq!(listed[0]["integrity"], *value);
    let folder = sitting.court.records().join(&sitting.hearing);
    let manifest = fs::read_to_string(folder.join("manifest.jsonl")).expect("a manifest");
    let count = |kind: &str| manifest.lines().filter(|line| line.contains(&format!("\"kind\":\"{kind}\""))).count();
    assert_eq!((count("head"), count("seal")), (2, 1));
    assert!(count("cosign") > 1 && count("crossing") > 0 && count("join") > 0, "{manifest}");
    let explanation = fs::read_to_string(folder.join("explanation.txt")).expect("a fault has to be explained");
    assert!(explanation.contains("录制程序中断后恢复"), "{explanation}");
    let zone = proof["witness"].as_str().expect("the final checkpoint is cosigned");
    let witness = ALL.into_iter().find(|known| known.name == zone).expect("a zone of the court");
    let file = sitting.court.path("witness.jsonl");
    let written = sitting
        .court
        .try_hearing_in(witness, &["record", "witness", &sitting.hearing, "--to", &file.to_string_lossy()]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let lines = fs::read_to_string(file).expect("the witness's file").lines().count();
    // Nodes of both other zones may have cosigned: after a restart the line that is up first is asked.
    let theirs = manifest
        .lines()
        .filter(|line| line.contains("\"kind\":\"cosign\"") && line.contains(&format!("\"zone\":\"{zone}\"")))
        .count();
    assert!(theirs > 0 && lines >= theirs, "{lines} of {theirs} cosignatures of {zone}");
}

fn assert_judge_and_counsel_meet(sitting: &mut Sitting) {
    for (viewer, other) in [("judge", "counsel"), ("counsel", "judge")] {
        let browser = sitting.browsers.get_mut(viewer).expect("they came");
        browser.wait(&format!("window.hearing.slots['{other}/video'].videoWidth > 0"));
    }
    let seen = sitting.observe(SECONDS);
    Sitting::assert_meet(&seen["judge"], "judge", "counsel", SECONDS);
    Sitting::assert_meet(&seen["counsel"], "counsel", "judge", SECONDS);
}

/// The wall clock, microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_micros()).expect("it is before the year 200000")
}

const TRACKS: [&str; 4] = ["counsel-audio", "counsel-video", "judge-audio", "judge-video"];
const SECONDS: u32 = 4;
/// What a kill may cost at most, microseconds per track.
const LOST: i64 = 200_000;
const REJOINED: Duration = Duration::from_secs(5);
