//! Where records are written, and how much room must be left.

use std::path::{Path, PathBuf};

use crate::error::Fault;
use crate::node::Node;
use crate::raw;
use crate::read::{Base, number};

/// The record of hearings whose home this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where records are written.
    pub directory: PathBuf,
    /// Where a running record goes on when the disk of `directory` is full; another disk.
    pub spill: Option<PathBuf>,
    /// Free space, in percent of the file system, below which the operator is warned; highest first.
    pub warn_free_percent: Vec<u8>,
    /// Free space, in percent, below which no new hearing begins. A running one goes on.
    pub refuse_free_percent: u8,
    /// A PNG that stands before the case number in composed films, such as the national emblem (法释〔2021〕12号, article 24).
    pub emblem: Option<PathBuf>,
    /// Days after the close for which nobody may delete a record.
    pub keep_days: u32,
    /// Hours between two looks whether a record is still what it was.
    pub scrub_hours: u32,
    /// Where records are copied while they are made.
    pub backup: Option<Backup>,
}

/// The second store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it is; best on another disk.
    pub directory: PathBuf,
    /// Public keys (age, X25519) of those who may read the copies; none means that they are not encrypted.
    pub recipients: Vec<String>,
}

impl Record {
    pub(crate) fn parse(raw: raw::Record, node: &Node, base: Base<'_>) -> Result<Self, Fault> {
        let directory = match raw.directory {
            Some(directory) => base.path(Some(directory), "record.directory")?,
            None => node.data.join("record"),
        };
        let spill = raw.spill.map(|spill| base.path(Some(spill), "record.spill")).transpose()?;
        let warn = raw.warn_free_percent.unwrap_or_else(|| vec![20, 10, 5]);
        let mut warn_free_percent = warn
            .into_iter()
            .enumerate()
            .map(|(n, value)| percent(value, &format!("record.warn_free_percent[{n}]")))
            .collect::<Result<Vec<_>, _>>()?;
        warn_free_percent.sort_unstable_by(|a, b| b.cmp(a));
        let refuse_free_percent = percent(raw.refuse_free_percent.unwrap_or(10), "record.refuse_free_percent")?;
        let emblem = raw.emblem.map(|emblem| base.path(Some(emblem), "record.emblem")).transpose()?;
        let keep_days = number(raw.keep_days.unwrap_or(3_650), (0, 36_500), "record.keep_days")?;
        let scrub_hours = number(raw.scrub_hours.unwrap_or(168), (1, 8_760), "record.scrub_hours")?;
        let backup = raw.backup.map(|raw| Backup::parse(raw, &directory, base)).transpose()?;
        Ok(Self { directory, spill, warn_free_percent, refuse_free_percent, emblem, keep_days, scrub_hours, backup })
    }
}

impl Backup {
    fn parse(raw: raw::Backup, records: &Path, base: Base<'_>) -> Result<Self, Fault> {
        let directory = base.path(raw.directory, "record.backup.directory")?;
        if directory.starts_with(records) || records.starts_with(&directory) {
            let problem = format!("{} lies within record.directory, or around it", directory.display());
            return Err(Fault::new("record.backup.directory", problem, "name a directory on another disk"));
        }
        Ok(Self { directory, recipients: raw.recipients })
    }
}

fn percent(value: i64, key: &str) -> Result<u8, Fault> {
    number(value, (1, 99), key).map(|n| n as u8)
}
