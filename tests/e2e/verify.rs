//! `hearing record verify` on a record whose node has its certificate from `hearing pki`: exit codes and words.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use hearing_bridge::net::pki::Pki;
use hearing_proto::manifest::{Chain, Der, Entry, HashAlg, HearingKeys, Node, NodeKey, Opening, Span, Stamp};

use crate::harness::court::HEARING;

#[test]
fn an_intact_record_is_told_from_a_changed_an_unfinished_and_an_unknown_one() {
    let record = Record::new();
    let (code, said) = record.verify(&["--trust", &record.root()]);
    assert_eq!(code, 0, "{said}");
    for part in ["完好 INTACT", "(2026)内0291刑初1号", "tripartite/court", &record.value] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    assert_eq!(record.verify(&["--trust", &record.root(), "--value", &record.value]).0, 0);
    assert_eq!(record.verify(&[]).0, 3, "nothing is trusted");
    assert_eq!(record.verify(&["--trust", "/nowhere/root.pem"]).0, 3);
    let (code, said) = record.verify(&["--trust", &record.root(), "--value", "1234 5678"]);
    assert!(code == 3 && said.contains("44 digits"), "a value that was misread judges nothing: {code} {said}");
    let media = record.folder().join("judge-video/0001.mkv");
    fs::write(&media, "what was never filmed").unwrap();
    let (code, said) = record.verify(&["--trust", &record.root()]);
    assert_eq!(code, 1, "{said}");
    for part in ["被篡改", "文件内容被改动", "judge-video", "2026-11-24T"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    fs::write(&media, MEDIA).unwrap();
    let manifest = fs::read_to_string(record.folder().join("manifest.jsonl")).unwrap();
    let open: String = manifest.lines().take(2).flat_map(|line| [line, "\n"]).collect();
    fs::write(record.folder().join("manifest.jsonl"), open).unwrap();
    let (code, said) = record.verify(&["--trust", &record.root(), "--json"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("\"not-sealed\""), "{said}");
    fs::remove_file(record.folder().join("manifest.jsonl")).unwrap();
    assert_eq!(record.verify(&["--trust", &record.root()]).0, 3);
}

/// A sealed record in a directory of its own.
struct Record {
    directory: tempfile::TempDir,
    value: String,
}

impl Record {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let pki = Pki::init(directory.path(), "court").expect("an authority");
        let (zone, name) = ("tripartite".parse().expect("a zone"), "court".parse().expect("a name"));
        pki.issue(&zone, &name, &[], &[]).expect("a certificate");
        let (certificate, key) = (pem(&directory.path().join("court.pem")), pem(&directory.path().join("court.key")));
        let node = Node {
            node: "court".to_owned(),
            zone: "tripartite".to_owned(),
            chain: vec![Der(certificate)],
            signer: Arc::new(NodeKey::from_pkcs8(&key).expect("a P-256 key")),
        };
        let now = jiff::Timestamp::now().as_microsecond();
        let at = |second: i64| Stamp { utc: now + second * 1_000_000, mono: second * 1_000_000 };
        let mut chain =
            Chain::open(b"", opening(), node, HearingKeys::generate().expect("keys"), at(0)).expect("a head").chain;
        let (to, hash) = (MEDIA.len() as u64, HashAlg::Sha256.hash(&[MEDIA]));
        // When the picture was taken is told by the record; 2026-11-24T02:40:00Z.
        let times = Some(1_795_488_000_000_000);
        let span = Span { file: "judge-video/0001.mkv".to_owned(), from: 0, to, hash, first: times, last: times };
        chain.append(Entry::Data { spans: vec![span] }, at(1)).expect("a line");
        chain.close("closed", at(2)).expect("an end");
        let sealed = chain.seal(at(3)).expect("a seal");
        let record = Self { directory, value: sealed.value.to_string() };
        fs::create_dir_all(record.folder().join("judge-video")).expect("written");
        fs::write(record.folder().join("judge-video/0001.mkv"), MEDIA).expect("written");
        fs::write(record.folder().join("manifest.jsonl"), sealed.bytes).expect("written");
        record
    }

    fn folder(&self) -> PathBuf {
        self.directory.path().join("export/record")
    }

    fn root(&self) -> String {
        self.directory.path().join("root.pem").display().to_string()
    }

    /// The exit code, and what was said, of verifying the export that the record is in.
    fn verify(&self, more: &[&str]) -> (i32, String) {
        let mut command = Command::new(HEARING);
        command.args(["record", "verify"]).arg(self.directory.path().join("export")).args(more);
        let output = command.output().expect("hearing runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().expect("an exit code"), String::from_utf8(said).expect("text"))
    }
}

fn opening() -> Opening {
    Opening {
        hearing: "0198c0de-0000-7000-8000-000000000001".to_owned(),
        case: "(2026)内0291刑初1号".to_owned(),
        hash: HashAlg::Sha256,
        software: "test".to_owned(),
        build: None,
        policy: HashAlg::Sha256.hash(&[]),
        previous: None,
        boot: "boot".to_owned(),
    }
}

/// The content of the first PEM block in a file.
fn pem(file: &Path) -> Vec<u8> {
    use base64::Engine as _;
    let text = fs::read_to_string(file).expect("a PEM file");
    let lines: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(lines).expect("base64")
}

const MEDIA: &[u8] = b"what was filmed";
