//! Where records are written, and how much room must be left.

use std::path::PathBuf;

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
        Ok(Self { directory, spill, warn_free_percent, refuse_free_percent, emblem })
    }
}

fn percent(value: i64, key: &str) -> Result<u8, Fault> {
    number(value, (1, 99), key).map(|n| n as u8)
}
