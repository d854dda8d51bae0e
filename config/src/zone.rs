//! Security zones by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::value::{InvalidValue, is_slug};

/// A security domain, such as `internet`, `gov` or `tripartite`: 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(Arc<str>);

impl Zone {
    /// The zone's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Zone {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if is_slug(&text) { Ok(Self(text.into())) } else { Err(InvalidValue::Zone(text)) }
    }
}

impl FromStr for Zone {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0.as_ref().to_owned()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
