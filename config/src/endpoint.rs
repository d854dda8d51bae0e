//! How a seat is connected.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What stands on a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// A browser that opens the seat's link, or a WHIP/WHEP client that holds the link's token.
    #[default]
    Browser,
}

impl Endpoint {
    /// The word used in configuration and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
