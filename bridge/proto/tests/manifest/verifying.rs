//! The verifier: honest records are never called forged, and every deed is found and rightly named.

use hearing_proto::manifest::HashAlg;
use hearing_proto::manifest::verify::{Code, Verdict, verify, witness_lines};

use super::honest::sealed;
use super::tamper::{DEEDS, VIDEO};

#[test]
fn an_honest_record_is_intact_with_either_hash() {
    for hash in [HashAlg::Sha256, HashAlg::Sm3] {
        let recording = sealed(hash);
        let mut trust = recording.trust();
        trust.witness = Some(witness_lines(&recording.witnessed));
        trust.value = recording.value.as_ref().map(|value| value.parse().unwrap());
        let report = verify(&recording.folder, &trust);
        let codes: Vec<Code> = report.findings.iter().map(|finding| finding.code).collect();
        assert_eq!((report.verdict, &codes[..]), (Verdict::Intact, &[Code::GapFilled][..]), "{report:#?}");
        assert_eq!(report.value, recording.value);
        assert_eq!(report.witnesses, ["gov/gov-1"]);
        assert!(report.uncosigned.is_empty());
        let gaps: Vec<_> = report.gaps.iter().map(|gap| (gap.reason.as_str(), gap.filled)).collect();
        assert_eq!(gaps, [("recess", false), ("network", true)]);
    }
}

#[test]
fn a_gap_is_filled_only_by_late_media_of_its_track_that_leaves_next_to_nothing_of_it() {
    let with = |late: &[(&str, i64, i64)]| {
        let mut recording = super::honest::Recording::begin(HashAlg::Sha256);
        recording.pass(20_000);
        recording.gap("counsel-audio", (5_000, 0));
        for (number, (track, from, to)) in (2..).zip(late) {
            recording.late(track, number, (*from, *to));
        }
        recording.close(true);
        let report = recording.verify();
        assert_eq!(report.has(Code::GapFilled), !report.has(Code::GapDeclared));
        report.verdict
    };
    assert_eq!(with(&[("counsel-audio", 4_900, 100)]), Verdict::Intact);
    assert_eq!(with(&[("counsel-audio", 2_000, 0), ("counsel-audio", 5_000, 2_400)]), Verdict::Intact, "in any order");
    assert_eq!(with(&[("counsel-audio", 5_000, 3_000), ("counsel-audio", 2_000, 0)]), Verdict::Incomplete);
    assert_eq!(with(&[("counsel-audio", 4_000, 0)]), Verdict::Incomplete, "its beginning is missing");
    assert_eq!(with(&[("counsel-audio", 5_000, 1_000)]), Verdict::Incomplete, "its end is missing");
    assert_eq!(with(&[("judge-audio", 5_000, 0)]), Verdict::Incomplete, "another track's");
    assert_eq!(with(&[]), Verdict::Incomplete);
}

#[test]
fn what_is_added_after_the_seal_fills_a_gap_and_is_told_apart_from_what_was_sealed() {
    let mut recording = super::honest::Recording::begin(HashAlg::Sha256);
    recording.pass(20_000);
    recording.gap("counsel-audio", (5_000, 0));
    recording.close(true);
    let sealed = recording.verify();
    assert!(sealed.has(Code::GapDeclared) && sealed.uncosigned.is_empty());
    // A second has passed since the gap's end.
    recording.add("counsel-audio", 2, (6_000, 1_000));
    let added = recording.verify();
    assert!(added.has(Code::GapFilledLater) && !added.has(Code::GapDeclared), "{:?}", added.findings);
    assert_eq!((added.verdict, added.value), (Verdict::Incomplete, sealed.value), "what was sealed has the gap");
    let [gap] = &added.gaps[..] else { panic!("{:?}", added.gaps) };
    assert!(gap.filled && gap.later);
    assert_eq!(added.uncosigned.len(), 1, "no witness has seen what was added");
}

#[test]
fn every_deed_is_found_and_rightly_named() {
    let mut wrong = Vec::new();
    for deed in DEEDS {
        let mut recording = sealed(HashAlg::Sha256);
        let mut trust = recording.trust();
        (deed.does)(&mut recording, &mut trust);
        let report = verify(&recording.folder, &trust);
        if report.verdict != deed.verdict || !report.has(deed.code) {
            wrong.push(format!("{}: {:?} {:#?}", deed.name, report.verdict, report.findings));
        }
    }
    assert!(DEEDS.len() >= 16);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_changed_byte_is_named_with_its_track_its_time_and_its_line() {
    let mut recording = sealed(HashAlg::Sha256);
    recording.folder.0.get_mut(VIDEO).unwrap()[2_222] ^= 1;
    let report = recording.verify();
    let [finding, _filled] = &report.findings[..] else { panic!("{report:#?}") };
    assert_eq!((finding.code, finding.track.as_deref()), (Code::FileEdited, Some("judge-video")));
    let (from, to) = (finding.from.unwrap(), finding.to.unwrap());
    assert_eq!(to - from, 1_000_000, "one second of picture");
    assert_eq!(from, super::parties::at(4_000).utc, "byte 2222 was written in the fifth second");
}

#[test]
fn what_no_witness_cosigned_is_named() {
    let mut recording = super::honest::Recording::begin(HashAlg::Sha256);
    for second in 0..10 {
        recording.pass(1_000);
        recording.write(VIDEO, &[1; 10], 1_000);
        recording.commit();
        if second == 4 {
            recording.checkpoint();
            recording.cosign();
        }
    }
    recording.close(false);
    let report = recording.verify();
    assert_eq!(report.verdict, Verdict::Intact);
    let [bare] = &report.uncosigned[..] else { panic!("{report:#?}") };
    assert_eq!((bare.from, bare.to), (super::parties::at(6_000).utc, super::parties::at(10_000).utc));
}

#[test]
fn any_single_byte_of_a_sealed_manifest_that_changes_is_found() {
    let recording = sealed(HashAlg::Sha256);
    let manifest = recording.folder.0["manifest.jsonl"].clone();
    for at in (0..manifest.len()).step_by(97) {
        let mut changed = recording.folder.clone();
        changed.0.get_mut("manifest.jsonl").unwrap()[at] ^= 1;
        let report = verify(&changed, &recording.trust());
        assert_eq!(report.verdict, Verdict::Tampered, "byte {at}: {:#?}", report.findings);
    }
}
