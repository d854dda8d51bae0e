//! What an edge keeps of the media that entered there, until the hearing's home has it.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Fault;
use crate::node::Node;
use crate::raw;
use crate::read::{Base, number};

/// The spool of hearings whose home another node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// Where it is.
    pub directory: PathBuf,
    /// The most bytes of all hearings; the oldest go first.
    pub bytes: u64,
    /// The longest that anything is kept which home did not say it has.
    pub age: Duration,
}

impl Spool {
    pub(crate) fn parse(raw: raw::Spool, node: &Node, base: Base<'_>) -> Result<Self, Fault> {
        let directory = match raw.directory {
            Some(directory) => base.path(Some(directory), "spool.directory")?,
            None => node.data.join("spool"),
        };
        let megabytes = number(raw.megabytes.unwrap_or(4_096), (16, 10_000_000), "spool.megabytes")?;
        let minutes = number(raw.minutes.unwrap_or(10_080), (1, 43_200), "spool.minutes")?;
        let age = Duration::from_secs(u64::from(minutes) * 60);
        Ok(Self { directory, bytes: u64::from(megabytes) << 20, age })
    }
}
