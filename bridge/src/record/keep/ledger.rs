//! What was done about a record's keeping: one file per record beside it, append-only. It outlives the record.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use hearing_config::{HearingId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Error;

/// The ledger of one record: `.keep/<hearing>.jsonl` in the folder of all records.
pub struct Ledger(PathBuf);

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub deed: Deed,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Deed {
    /// Nobody may delete it from now on.
    Hold {
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
    /// The hold is over.
    Release {
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody wanted it deleted and was refused.
    Refused {
        /// Who.
        by: String,
        /// Why it should be deleted.
        reason: String,
        /// Why it was not.
        because: String,
    },
    /// It is deleted. The line is durable before anything is removed.
    Delete {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// It was verified again.
    Scrub {
        /// The verdict: `intact`, `tampered`, `incomplete`, `cannot-judge`.
        verdict: String,
        /// What was found, as in docs/ref/record.md.
        findings: Vec<String>,
    },
}

/// What follows from all lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct State {
    /// Since when it is held, by whom and why.
    pub held: Option<(Timestamp, String, String)>,
    /// When it was verified last, and the verdict.
    pub scrubbed: Option<(Timestamp, String)>,
    /// When it was deleted.
    pub deleted: Option<Timestamp>,
}

impl Ledger {
    /// The ledger of a record in `directory`; the file is made with the first act.
    #[must_use]
    pub fn of(directory: &Path, hearing: HearingId) -> Self {
        Self(directory.join(FOLDER).join(format!("{hearing}.jsonl")))
    }

    /// All acts, in order. A line that a crash cut off is left out.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn acts(&self) -> Result<Vec<Act>, Error> {
        let text = match fs::read(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(Error::disk(&self.0, "read"))?,
        };
        Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// What follows from them.
    ///
    /// # Errors
    /// As [`Ledger::acts`].
    pub fn state(&self) -> Result<State, Error> {
        let mut state = State::default();
        for Act { at, deed } in self.acts()? {
            match deed {
                Deed::Hold { by, reason } => state.held = Some((at, by, reason)),
                Deed::Release { .. } => state.held = None,
                Deed::Delete { .. } => state.deleted = Some(at),
                Deed::Scrub { verdict, .. } => state.scrubbed = Some((at, verdict)),
                Deed::Refused { .. } => {}
            }
        }
        Ok(state)
    }

    /// Appends an act; it is durable when this returns.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn add(&self, at: Timestamp, deed: Deed) -> Result<(), Error> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        let mut line = serde_json::to_vec(&Act { at, deed }).expect("an act is text and numbers");
        // Ends a line that a crash cut off; an empty line is none.
        line.insert(0, b'\n');
        line.push(b'\n');
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(folder)?;
            let mut file = OpenOptions::new().append(true).create(true).open(&self.0)?;
            file.write_all(&line)?;
            file.sync_all()?;
            fs::File::open(folder)?.sync_all()
        };
        write().map_err(Error::disk(&self.0, "write"))
    }
}

/// Beside the records: no hearing's id.
pub(super) const FOLDER: &str = ".keep";
