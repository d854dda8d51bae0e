//! The second verifier, `tests/verify.py`, written from docs/ref/record.md alone: it agrees on the whole suite.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use hearing_proto::manifest::HashAlg;
use hearing_proto::manifest::verify::{Trust, verify};

use super::honest::{Folder, Recording, sealed};
use super::tamper::DEEDS;

/// What the script says: its verdict, and what it found.
fn second(folder: &Folder, trust: &Trust) -> (String, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for (name, bytes) in &folder.0 {
        let path = at("record").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    fs::create_dir_all(at("record")).unwrap();
    let pem = |kind: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
    };
    let roots: String = trust.roots.iter().map(|root| pem("CERTIFICATE", &root.0)).collect();
    fs::write(at("root.pem"), roots).unwrap();
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/verify.py"));
    command.arg(at("record")).arg("--trust").arg(at("root.pem"));
    if let Some(words) = &trust.witness {
        let lines: String = words.iter().map(|word| serde_json::to_string(word).unwrap() + "\n").collect();
        fs::write(at("witness.jsonl"), lines).unwrap();
        command.arg("--witness").arg(at("witness.jsonl"));
    }
    if let Some(list) = trust.revoked.first() {
        fs::write(at("revoked.crl"), pem("X509 CRL", list)).unwrap();
        command.arg("--crl").arg(at("revoked.crl"));
    }
    if let Some(value) = trust.value {
        command.arg("--value").arg(value.to_string());
    }
    command.arg("--hearing").arg(trust.hearing.as_ref().unwrap());
    let output = command.output().expect("python3 runs");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let codes = answer["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    (answer["verdict"].as_str().unwrap().to_owned(), codes.collect())
}

/// What ours says, in the same words.
fn first(folder: &Folder, trust: &Trust) -> (String, Vec<String>) {
    let report = verify(folder, trust);
    let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    let codes = report.findings.iter().map(|finding| word(serde_json::to_value(finding.code).unwrap()));
    let mut codes: Vec<String> = codes.collect();
    codes.sort();
    codes.dedup();
    (word(serde_json::to_value(report.verdict).unwrap()), codes)
}

#[test]
fn both_verifiers_say_the_same_of_every_deed() {
    let mut differ = Vec::new();
    for deed in DEEDS {
        let mut recording = sealed(HashAlg::Sha256);
        let mut trust = recording.trust();
        (deed.does)(&mut recording, &mut trust);
        let (ours, theirs) = (first(&recording.folder, &trust), second(&recording.folder, &trust));
        if ours != theirs {
            differ.push(format!("{}:\n  ours   {ours:?}\n  second {theirs:?}", deed.name));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn both_verifiers_say_the_same_of_honest_records() {
    for hash in [HashAlg::Sha256, HashAlg::Sm3] {
        let recording = sealed(hash);
        assert_eq!(second(&recording.folder, &recording.trust()), ("intact".to_owned(), vec!["gap-filled".to_owned()]));
    }
    for (late, code) in [((4_600, 400), "gap-filled"), ((4_000, 0), "gap-declared"), ((5_000, 600), "gap-declared")] {
        let mut recording = Recording::begin(HashAlg::Sha256);
        recording.pass(20_000);
        recording.gap("counsel-audio", (5_000, 0));
        recording.late("counsel-audio", 2, late);
        recording.close(true);
        let (ours, theirs) =
            (first(&recording.folder, &recording.trust()), second(&recording.folder, &recording.trust()));
        assert_eq!((&ours, ours.1.as_slice()), (&theirs, &[code.to_owned()][..]));
    }
    let mut added = Recording::begin(HashAlg::Sha256);
    added.pass(20_000);
    added.gap("counsel-audio", (5_000, 0));
    added.close(true);
    added.add("counsel-audio", 2, (6_000, 1_000));
    let (ours, theirs) = (first(&added.folder, &added.trust()), second(&added.folder, &added.trust()));
    assert_eq!((&ours, ours.1.as_slice()), (&theirs, &["gap-filled-later".to_owned()][..]));
    let mut crashed = Recording::begin(HashAlg::Sm3);
    for (torn, boot) in [(&b"{\"seq\":"[..], false), (b"", true), (b"\0\0\0\n{}\n", true)] {
        crashed.pass(1_000);
        crashed.write("judge-audio/0001.mkv", b"covered", 1_000);
        crashed.commit();
        crashed.checkpoint();
        crashed.cosign();
        crashed.write("judge-audio/0001.mkv", b"not covered", 1_000);
        crashed.crash(torn, boot);
        let (ours, theirs) = (first(&crashed.folder, &crashed.trust()), second(&crashed.folder, &crashed.trust()));
        assert_eq!(ours, theirs);
        crashed.step(-700_000);
        crashed.start();
    }
    crashed.close(true);
    let (ours, theirs) = (first(&crashed.folder, &crashed.trust()), second(&crashed.folder, &crashed.trust()));
    assert_eq!((&ours, ours.0.as_str()), (&theirs, "incomplete"));
}
