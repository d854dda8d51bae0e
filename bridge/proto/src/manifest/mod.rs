//! The evidential manifest of a record: built line by line while the hearing goes on, verified offline years later.
//!
//! [`Chain`] makes the lines; it is told the time and touches no file. [`Witness`] is what a node of another zone does with
//! the checkpoints. docs/ref/record.md is the format, docs/design/manifest.md why it is so.

mod addenda;
mod certificate;
mod chain;
mod entry;
mod existing;
mod hash;
mod integrity;
mod kind;
mod line;
mod log;
pub mod note;
mod sign;
mod tree;
pub mod verify;
mod witness;

pub use addenda::Addenda;
pub use certificate::{Certificate, Identity};
pub use chain::{Chain, Error, Node, Opened, Opening, Sealed};
pub use entry::{Checkpoint, Cosignature, Entry, FORMAT, Head, Keys, Previous, Resumes, Span, Torn};
pub use hash::{Der, Hash, HashAlg, Hasher, Hex};
pub use integrity::{IntegrityValue, NoValue};
pub use line::{LONGEST, Line, NoLine, Sigs, Stamp, unsigned};
pub use note::origin;
pub use sign::{Ed25519, HearingKeys, NodeKey, SignAlg, SignError, Signer, Sm2};
pub use tree::{Tree, is_consistent, leaf};
pub use witness::{Refusal, Request, Witness};

/// How far the wall clock may leave the monotonic clock before the manifest says so, in microseconds.
pub const CLOCK_TOLERANCE: i64 = 500_000;
