//! One line of the manifest: where it stands, when it was made, what it says, and who signed it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::hash::{Hash, Hex};

/// When a line is made, by the recorder's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since 1970 by the wall clock.
    pub utc: i64,
    /// Microseconds by the machine's monotonic clock, which starts with the machine.
    pub mono: i64,
}

/// Signatures by the names of their algorithms.
pub type Sigs = BTreeMap<String, Hex>;

/// A line as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 0 on.
    pub seq: u64,
    /// The leaf hash of the line before; [`Hash::ZERO`] for the first.
    pub prev: Hash,
    /// [`Stamp::utc`].
    pub utc: i64,
    /// [`Stamp::mono`].
    pub mono: i64,
    /// Names one start of the machine; the monotonic clock means nothing without it.
    pub boot: String,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
    /// Who signed it; the last field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigs: Option<Sigs>,
}

/// Why bytes are no line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLine {
    /// Longer than [`LONGEST`].
    #[error("longer than {LONGEST} bytes")]
    Long,
    /// Not what docs/ref/record.md asks for.
    #[error("{0}")]
    Malformed(String),
    /// The signatures are written in another way than the only one.
    #[error("its signatures are not written as they must be")]
    Signatures,
}

impl Line {
    /// Reads a line without its end.
    ///
    /// # Errors
    /// When it is not what docs/ref/record.md asks for.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoLine> {
        if bytes.len() > LONGEST {
            return Err(NoLine::Long);
        }
        let line: Self = serde_json::from_slice(bytes).map_err(|error| NoLine::Malformed(error.to_string()))?;
        match &line.sigs {
            Some(sigs) if signed(unsigned(bytes).to_vec(), sigs) != bytes => Err(NoLine::Signatures),
            Some(_) | None => Ok(line),
        }
    }

    /// The line without its end, as it is written; without signatures unless it has some.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a line is text, numbers and lists")
    }
}

/// The bytes of a line before its signatures: all of it up to `,"sigs":{`, which no text within it can look like.
#[must_use]
pub fn unsigned(line: &[u8]) -> &[u8] {
    let at = line.windows(SIGS.len()).rposition(|window| window == SIGS);
    at.map_or(line, |at| &line[..at])
}

/// The whole line from the bytes before its signatures.
pub(super) fn signed(mut unsigned: Vec<u8>, sigs: &Sigs) -> Vec<u8> {
    unsigned.extend_from_slice(&SIGS[..SIGS.len() - 1]);
    unsigned.extend(serde_json::to_vec(sigs).expect("signatures are text"));
    unsigned.push(b'}');
    unsigned
}

/// The longest line that is read, in bytes.
pub const LONGEST: usize = 1 << 20;
const SIGS: &[u8] = br#","sigs":{"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let entry = Entry::Note { text: text.to_owned(), by: None };
        let sigs = Sigs::from([("ed25519".to_owned(), Hex(vec![1, 2]))]);
        Line { seq: 7, prev: Hash::ZERO, utc: 1, mono: -2, boot: "b".to_owned(), entry, sigs: Some(sigs) }
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_knows_what_was_signed() {
        let line = line("a text with ,\"sigs\":{ in it 庭审");
        let bytes = line.to_bytes();
        assert_eq!(Line::parse(&bytes), Ok(line));
        assert!(unsigned(&bytes).ends_with("庭审\",\"by\":null".as_bytes()));
    }

    #[test]
    fn signatures_have_only_one_spelling() {
        let text = String::from_utf8(line("x").to_bytes()).unwrap();
        for (from, to) in
            [("\"ed25519\":", "\"ed25519\": "), ("0102", "010A"), ("}}", "} }"), (",\"sigs\"", ", \"sigs\"")]
        {
            assert!(Line::parse(text.replace(from, to).as_bytes()).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_line_with_an_unknown_kind_or_a_missing_field_is_none() {
        let text = String::from_utf8(line("x").to_bytes()).unwrap();
        for (from, to) in [("\"note\"", "\"knot\""), ("\"seq\":7,", ""), ("\"text\":\"x\",", "")] {
            assert!(matches!(Line::parse(text.replace(from, to).as_bytes()), Err(NoLine::Malformed(_))), "{from}");
        }
    }
}
