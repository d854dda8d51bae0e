//! Identifiers and times that every crate shares.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names one hearing, everywhere and for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HearingId(pub Uuid);

impl HearingId {
    /// A new id; version 7, so that ids sort by time of creation.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::now_v7())
    }

    /// What a terminal dials to reach the hearing: six digits, of which the first is no 0. Two hearings may have the same one: it
    /// proves nothing, and is looked up among the seats of whoever dials.
    #[must_use]
    pub fn code(self) -> String {
        // The low half of a version 7 id is random but for its first two bits.
        let random = self.0.as_u64_pair().1;
        (100_000 + random % 900_000).to_string()
    }
}

impl fmt::Display for HearingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for HearingId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self).map_err(|_| InvalidValue::HearingId(text.to_owned()))
    }
}

/// Names one node: 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

impl NodeId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeId {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_slug(&text) { Ok(Self(text)) } else { Err(InvalidValue::NodeId(text)) }
    }
}

impl FromStr for NodeId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Wall-clock time in microseconds since 1970-01-01T00:00:00 UTC, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time by this machine's clock. For those who do input and output; everybody else is told the time.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// This time moved by `micros` microseconds, which may be negative.
    #[must_use]
    pub const fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this time; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

/// A text that is not a value of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not a hearing id.
    #[error("{0:?} is not a hearing id (a UUID such as 0193d6a8-5c1e-7f00-8000-000000000000)")]
    HearingId(String),
    /// Not a node id.
    #[error("{0:?} is not a node id (1 to 32 of a-z, 0-9 and -, beginning with a letter)")]
    NodeId(String),
    /// Not a zone's name.
    #[error("{0:?} is not a zone name (1 to 32 of a-z, 0-9 and -, beginning with a letter)")]
    Zone(String),
    /// Not a SIP address.
    #[error("{0:?} is not the address of a SIP terminal (sip:USER@HOST[:PORT][;transport=udp|tcp|tls])")]
    Aor(String),
    /// Not a GB/T 28181 identity.
    #[error("{0:?} is not a GB/T 28181 identity (20 digits)")]
    DeviceId(String),
    /// Not an RTSP address; it is not repeated, since it may hold a password.
    #[error("the value is not the address of a camera (rtsp://HOST[:PORT]/PATH)")]
    RtspUrl,
    /// Not a known word of a closed list.
    #[error("{word:?} is not a {what}; known: {known}")]
    Word {
        /// The word as given.
        word: String,
        /// What it should have been.
        what: &'static str,
        /// The words that are known, separated by commas.
        known: String,
    },
}

pub(crate) fn is_slug(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.len(), 1..=32)
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}
