//! A record to be looked at: the composed film, exports, the page that plays it back, and who looked.

mod cache;
mod compose;
mod export;
mod http;
mod script;
mod timeline;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hearing_config::Config;
use hearing_signaling::store::Journal;
use tokio::sync::Semaphore;

pub use compose::compose;
pub use http::{operator, public};
pub use script::{Script, Span, Track};

/// Everything that playing back needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Playback {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    /// Where the records are.
    records: PathBuf,
    /// Where derived files are kept; they can be made anew at any time.
    cache: PathBuf,
    /// The picture before the case number.
    emblem: Option<PathBuf>,
    /// The page's address.
    url: String,
    journal: Journal,
    /// One at a time makes copies, and one films: they are heavy, and hearings go before.
    turn: Semaphore,
    film_turn: Semaphore,
    copies: cache::Copies,
    /// Files that were fetched since their share's page was opened.
    fetched: Mutex<HashSet<(i64, String, String)>>,
}

impl Playback {
    /// Over the records of a node.
    #[must_use]
    pub fn new(config: &Config, journal: Journal) -> Self {
        let parts = Parts {
            records: config.record.directory.clone(),
            cache: config.node.data.join("playback"),
            emblem: config.record.emblem.clone(),
            url: config.web.url.clone(),
            journal,
            turn: Semaphore::new(1),
            film_turn: Semaphore::new(1),
            copies: cache::Copies::default(),
            fetched: Mutex::default(),
        };
        cache::clean(&parts.cache);
        Self { parts: Arc::new(parts) }
    }
}

impl Parts {
    /// True when this share has not fetched this file since its page was opened.
    fn first_fetch(&self, share: i64, copy: &str, file: &str) -> bool {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if fetched.len() >= FETCHED {
            fetched.clear();
        }
        fetched.insert((share, copy.to_owned(), file.to_owned()))
    }

    fn forget_fetches(&self, share: i64) {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, ..)| *of != share);
    }
}

/// Why something can't be played back or exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record.
    #[error(transparent)]
    Record(#[from] crate::record::Error),
    /// The record has not begun.
    #[error("the hearing has not been opened: nothing is recorded yet")]
    Empty,
    /// The media child.
    #[error(transparent)]
    Child(#[from] crate::pipeline::Error),
    /// The media child ended before the film was whole.
    #[error("the film could not be composed: {0}; everything else of the record can be exported with --no-compose")]
    Compose(String),
    /// The film's file format.
    #[error(transparent)]
    Film(#[from] hearing_proto::mp4::Error),
    /// A file.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The zip archive.
    #[error("{}: {source}", path.display())]
    Zip {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: zip::result::ZipError,
    },
    /// The journal.
    #[error(transparent)]
    Journal(#[from] hearing_signaling::store::Error),
    /// A thread was lost.
    #[error("the work was aborted")]
    Aborted,
}

impl Error {
    fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

/// Fetched files that are remembered; when there are more, some are logged a second time.
const FETCHED: usize = 10_000;
