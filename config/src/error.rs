//! Why a configuration is not accepted: the file, the key, what is wrong, and how to mend it.

use std::path::PathBuf;
use std::{fmt, io};

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("{}: cannot be read ({source}); check the path and who may read it", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is not TOML.
    #[error("{}:{line}:{column}: not TOML: {problem}; mend this line", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What the parser says.
        problem: String,
    },
    /// A key is unknown, missing, or holds what it may not.
    #[error("{}: {fault}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong with one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key as a dotted path, such as `trunk[1].dial`; elements are counted from 0.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// How to mend it.
    pub remedy: String,
}

impl Fault {
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.problem, self.remedy)
    }
}
