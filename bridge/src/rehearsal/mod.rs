//! The rehearsal: headless participants that take every seat through the real nodes. See docs/design/rehearsal.md.

mod assembly;
mod client;
mod participant;
mod party;
mod peer;
mod tally;

pub use party::{Error, Guest, Party, Station};
