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
        assert_eq!((report.verdict, &report.findings[..]), (Verdict::Intact, &[][..]), "{report:#?}");
        assert_eq!(report.value, recording.value);
        assert_eq!(report.witnesses, ["gov/gov-1"]);
        assert!(report.uncosigned.is_empty());
        assert_eq!(report.gaps.len(), 1, "the recess is told");
    }
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
    let [finding] = &report.findings[..] else { panic!("{report:#?}") };
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
