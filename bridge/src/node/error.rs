//! Why a node does not start, or does not go on.

use std::io;
use std::path::PathBuf;

use hearing_signaling::registry;

use crate::net::sip;
use crate::net::tls;
use crate::record::{self, keep};
use crate::{trunk, workers};

/// Why a node does not start, or does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory can't be made.
    #[error("{key}: cannot create {}: {source}; choose a directory that this user may write to", path.display())]
    Directory {
        /// The configuration key.
        key: &'static str,
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// An address can't be listened on.
    #[error("{key}: cannot listen on {at}: {source}; choose another address or end what uses this one")]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address.
        at: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The secret of the relay.
    #[error("turn.secret: cannot use {}: {source}; write the relay's static-auth-secret into it", path.display())]
    TurnSecret {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The recorder.
    #[error(transparent)]
    Record(#[from] record::Error),
    /// The threads for pages and upkeep.
    #[error("no threads for pages: {0}; raise the limit of threads (ulimit -u, TasksMax)")]
    Threads(io::Error),
    /// The spool.
    #[error("spool.directory: {0}; choose a directory that this user may write to")]
    Spool(io::Error),
    /// Keeping records.
    #[error(transparent)]
    Keep(#[from] keep::Error),
    /// The journal.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A worker.
    #[error(transparent)]
    Workers(#[from] workers::Error),
    /// A trunk.
    #[error(transparent)]
    Trunk(#[from] trunk::Error),
    /// The certificate by which browsers know this process.
    #[error("cannot make a certificate for media: {0}")]
    Certificate(String),
    /// A second node in one process.
    #[error("this process runs a node already")]
    Twice,
    /// The path of this program, by which it starts participants, is unknown.
    #[error("cannot find this program's own file: {0}")]
    Program(io::Error),
    /// SIP, or GB/T 28181 over it.
    #[error(transparent)]
    Sip(#[from] sip::Error),
    /// Signals can't be handled.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// A listener failed for good.
    #[error("a listener failed: {0}")]
    Server(io::Error),
    /// A part of the node ended.
    #[error("the node ended by itself: {0}")]
    Ended(String),
}
