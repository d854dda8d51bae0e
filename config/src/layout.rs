//! How the pictures of a hearing stand in the one picture of a terminal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A layout of a composed picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// An exhibit that is shown stands large, else who speaks; the others in a column beside.
    #[default]
    Exhibit,
    /// Who speaks stands large, the others in a column beside.
    Speaker,
    /// The judge and who speaks stand side by side, the others in a row below.
    JudgeAndSpeaker,
    /// All alike.
    Equal,
}

impl Layout {
    /// The word used in configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exhibit => "exhibit",
            Self::Speaker => "speaker",
            Self::JudgeAndSpeaker => "judge-and-speaker",
            Self::Equal => "equal",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
