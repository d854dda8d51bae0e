//! The rehearsal: headless participants that take every seat through the real nodes. See docs/design/rehearsal.md.

use std::time::{SystemTime, UNIX_EPOCH};

use hearing_config::Timestamp;

mod assembly;
mod client;
mod http;
mod participant;
mod party;
mod peer;
mod report;
mod reread;
mod run;
mod tally;

pub use http::routes;
pub use party::{Error as PartyError, Guest, Party, Station};
pub use report::{Pair, RecordCheck, Report, Seat, Way};
pub use run::{Error, Rehearsals};

/// The wall clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
