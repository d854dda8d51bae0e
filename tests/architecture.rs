//! The arrows of docs/architecture.md, held against the code.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn crates_import_only_along_the_arrows() {
    let allowed: [(&str, &[&str]); 6] = [
        ("config", &[]),
        ("tests/emulator", &[]),
        ("bridge/proto", &[]),
        ("signaling", &["hearing-config"]),
        ("bridge/media", &["hearing-proto"]),
        // The emulator is a dev-dependency.
        ("bridge", &["hearing-config", "hearing-proto", "hearing-signaling", "hearing-emulator"]),
    ];
    for (folder, arrows) in allowed {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
        let ours = manifest.lines().filter(|line| line.starts_with("hearing-"));
        for line in ours {
            let name = line.split(['.', ' ', '=']).next().expect("a name");
            assert!(arrows.contains(&name), "{folder}/Cargo.toml depends on {name}");
        }
    }
}

#[test]
fn router_and_net_import_nothing_above_them() {
    for below in ["router", "net"] {
        forbid(
            &format!("bridge/src/{below}"),
            &above(&["endpoint", "trunk", "pipeline", "playback", "record", "rehearsal", "node", "cli"]),
        );
    }
}

#[test]
fn legs_never_import_each_other() {
    forbid("bridge/src/endpoint", &above(&["trunk", "pipeline", "record", "rehearsal", "node", "cli"]));
    forbid("bridge/src/trunk", &above(&["endpoint", "pipeline", "record", "node", "cli"]));
    forbid("bridge/src/record", &above(&["endpoint", "trunk", "pipeline", "node", "cli", "playback"]));
    forbid("bridge/src/pipeline", &above(&["endpoint", "trunk", "record", "node", "cli", "playback"]));
}

#[test]
fn foreign_types_stay_home() {
    let homes: [(&[&str], &[&str]); 8] = [
        (&["gstreamer", "gst::"], &["bridge/media"]),
        (&["quinn::"], &["bridge/src/trunk"]),
        (&["rtc_dtls", "rtc_stun", "rtc_sdp"], &["bridge/src/endpoint/webrtc"]),
        (&["rtc_srtp"], &["bridge/src/endpoint/webrtc", "bridge/src/endpoint/sip"]),
        (
            &["rsipstack", "sdp_types"],
            &["bridge/src/endpoint/sip", "bridge/src/endpoint/gb28181", "bridge/src/net/sip"],
        ),
        (&["use webrtc::", " webrtc::peer"], &["bridge/src/rehearsal"]),
        (&["use clap", "clap::"], &["bridge/src/cli", "bridge/src/main.rs"]),
        (&["anyhow::"], &["bridge/src/cli", "bridge/src/main.rs"]),
    ];
    for (words, homes) in homes {
        for file in sources(&["config/src", "signaling/src", "bridge/src", "bridge/proto/src", "bridge/media/src"]) {
            if homes.iter().any(|home| file.starts_with(root().join(home))) {
                continue;
            }
            for (n, line) in code(&file) {
                for word in words {
                    assert!(!line.contains(word), "{}:{n}: {word} belongs to {homes:?}: {line}", file.display());
                }
            }
        }
    }
}

#[test]
fn every_source_file_opens_with_what_it_owns() {
    for file in sources(&["config/src", "signaling/src", "bridge/src", "bridge/proto/src", "bridge/media/src", "tests"])
    {
        let text = fs::read_to_string(&file).expect("a source file");
        assert!(text.starts_with("//!"), "{} does not open with what it owns", file.display());
    }
}

fn above(modules: &[&str]) -> Vec<String> {
    modules.iter().flat_map(|m| [format!("crate::{m}::"), format!("crate::{m};")]).collect()
}

fn forbid(folder: &str, words: &[String]) {
    let files = sources(&[folder]);
    assert!(!files.is_empty(), "{folder} has no source files");
    for file in files {
        for (n, line) in code(&file) {
            for word in words {
                assert!(!line.contains(word.as_str()), "{}:{n}: {folder} imports {word}", file.display());
            }
        }
    }
}

/// The file's lines of code, numbered, comments left out.
fn code(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).expect("a source file");
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim().to_owned()));
    lines.filter(|(_, line)| !line.starts_with("//")).collect()
}

pub(crate) fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "node_modules" && name != "target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bridge has a parent").to_owned()
}
