//! Keeping records (法释〔2017〕5号, article 5): a copy elsewhere while they are made, nothing deleted that is held or not
//! yet due, and a look again now and then whether they are still what they were.

mod backup;
pub mod http;
mod ledger;
mod lock;
mod restore;
mod rules;
pub mod scrub;
mod store;

use std::io;
use std::path::PathBuf;

use hearing_config::{HearingId, Timestamp};

pub use backup::{Backup, Settings as BackupSettings};
pub use ledger::{Act, Deed, Ledger, State};
pub use lock::{Recipients, identities};
pub use restore::{Restored, restore};
pub use rules::{Deletion, Order, delete, hold, release};
pub use store::Store;

/// Why something about keeping records is not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record is held.
    #[error("record of hearing {hearing}: held since {since} by {by} ({reason}); release it first")]
    Held {
        /// Whose record.
        hearing: HearingId,
        /// Since when.
        since: Timestamp,
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// The record has to be kept longer.
    #[error("record of hearing {hearing}: must be kept until {until} (record.keep_days)")]
    Early {
        /// Whose record.
        hearing: HearingId,
        /// Until when.
        until: Timestamp,
    },
    /// The hearing is not over.
    #[error("record of hearing {0}: the hearing is not closed; close it first")]
    Open(HearingId),
    /// The record is not held.
    #[error("record of hearing {0}: is not held")]
    NotHeld(HearingId),
    /// There is no record.
    #[error("record of hearing {0}: there is none here")]
    Unknown(HearingId),
    /// Who or why is missing.
    #[error("{0} must not be empty and at most 500 characters long: every act is kept with who did it and why")]
    Empty(&'static str),
    /// A file can't be read or written.
    #[error("record {}: {action}: {source}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The record itself can't be read.
    #[error(transparent)]
    Record(#[from] super::Error),
    /// The second store.
    #[error("backup: {0}")]
    Store(#[from] object_store::Error),
    /// An object of the second store is not what was written.
    #[error("backup: {0} is not what was written there")]
    Differs(String),
    /// The second store lacks a part of a file.
    #[error("backup: {file} lacks the bytes from {from} on")]
    Hole {
        /// Which file.
        file: String,
        /// From where on.
        from: u64,
    },
    /// Keys.
    #[error("record.backup.recipients: {0}")]
    Keys(String),
    /// Something encrypted can't be opened.
    #[error("backup: {object}: {reason}")]
    Locked {
        /// Which object.
        object: String,
        /// Why.
        reason: String,
    },
}

impl Error {
    fn disk(path: &std::path::Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { path, action, source }
    }
}
