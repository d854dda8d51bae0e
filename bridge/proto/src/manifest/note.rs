//! What is signed: texts in the style of C2SP checkpoints (signed notes), and the lines themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::entry::{Cosignature, FORMAT};
use super::hash::{Hash, HashAlg};

/// The name of a record's log: `court-rec/1/{zone}/{node}/{hearing}`.
#[must_use]
pub fn origin(zone: &str, node: &str, hearing: &str) -> String {
    format!("{FORMAT}/{zone}/{node}/{hearing}")
}

/// The text of a checkpoint (C2SP tlog-checkpoint): origin, size, root in base64, and `bound`.
#[must_use]
pub fn checkpoint(origin: &str, size: u64, root: Hash, bound: &str) -> String {
    format!("{origin}\n{size}\n{}\n{bound}\n", STANDARD.encode(root.0))
}

/// The last line of a checkpoint's text: the kind of the signed line, and the hash of the line before its signatures.
#[must_use]
pub fn bound(alg: HashAlg, kind: &str, unsigned: &[u8]) -> String {
    format!("{kind} {}", alg.hash(&[unsigned]))
}

/// The text that a witness signs (C2SP tlog-cosignature): its time, then the checkpoint's text.
#[must_use]
pub fn cosigned(word: &Cosignature) -> String {
    let checkpoint = checkpoint(&word.origin, word.size, word.root, &word.bound);
    format!("cosignature/v1\ntime {}\n{checkpoint}", word.time)
}

/// What a node's key signs: the kind of the line, and the line before its signatures.
#[must_use]
pub fn of_node(kind: &str, unsigned: &[u8]) -> Vec<u8> {
    [FORMAT.as_bytes(), b" ", kind.as_bytes(), b"\n", unsigned].concat()
}
