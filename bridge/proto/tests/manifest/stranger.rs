//! A stranger's check: the signatures of a record, verified with the `openssl` command alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use hearing_proto::manifest::verify::MANIFEST;
use hearing_proto::manifest::{Entry, Hash, HashAlg, Line, Tree, leaf, note, unsigned};

use super::honest::sealed;
use super::parties::opening;
use super::thief::lines;

fn openssl(folder: &Path, arguments: &str) -> bool {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("openssl runs");
    output.status.success()
}

/// A public key as SubjectPublicKeyInfo: what stands before it, and the key.
fn spki(before: &str, key: &[u8]) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&before[at..at + 2], 16).unwrap();
    (0..before.len()).step_by(2).map(byte).chain(key.iter().copied()).collect()
}

#[test]
fn openssl_verifies_the_signatures_of_the_final_checkpoint_and_of_the_head() {
    let recording = sealed(HashAlg::Sm3);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let all = lines(&recording.folder.0[MANIFEST]);
    let parsed: Vec<Line> = all.iter().map(|line| Line::parse(line).unwrap()).collect();
    let Entry::Head(head) = &parsed[0].entry else { panic!("no head") };
    let n = parsed.iter().position(|l| matches!(l.entry, Entry::Checkpoint(c) if c.is_final)).unwrap();
    let mut tree = Tree::new(HashAlg::Sm3);
    all[..n].iter().for_each(|line| tree.push(leaf(HashAlg::Sm3, line)));
    let root: Hash = tree.root(n as u64).unwrap();
    let bound = note::bound(HashAlg::Sm3, "checkpoint", unsigned(&all[n]));
    let origin = note::origin("tripartite", "court", &opening(HashAlg::Sm3).hearing);
    let text = note::checkpoint(&origin, n as u64, root, &bound);
    write("text", text.as_bytes());
    write("other", text.replacen('1', "2", 1).as_bytes());
    let sigs = parsed[n].sigs.as_ref().unwrap();
    write("ed25519.sig", &sigs["ed25519"].0);
    write("sm2.sig", &sigs["sm2-sm3"].0);
    write("ed25519.key", &spki("302a300506032b6570032100", &head.keys.ed25519.0));
    write("sm2.key", &spki("3059301306072a8648ce3d020106082a811ccf5501822d034200", &head.keys.sm2.0));
    let der = base64::engine::general_purpose::STANDARD.encode(&head.chain[0].0);
    write("node.pem", format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n").as_bytes());
    write("head", &note::of_node("head", unsigned(&all[0])));
    write("head.sig", &parsed[0].sigs.as_ref().unwrap()["ecdsa-p256-sha256"].0);
    let ed25519 = "pkeyutl -verify -pubin -keyform DER -inkey ed25519.key -rawin -sigfile ed25519.sig -in";
    let sm2 = "dgst -sm3 -keyform DER -verify sm2.key -sigopt distid:1234567812345678 -signature sm2.sig";
    for command in [ed25519, sm2] {
        assert!(openssl(folder.path(), &format!("{command} text")), "{command}");
        assert!(!openssl(folder.path(), &format!("{command} other")), "{command}");
    }
    assert!(openssl(folder.path(), "x509 -in node.pem -noout -pubkey -out node.key"));
    assert!(openssl(folder.path(), "dgst -sha256 -verify node.key -signature head.sig head"));
    assert!(!openssl(folder.path(), "dgst -sha256 -verify node.key -signature head.sig text"));
}
