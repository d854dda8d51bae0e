//! The rehearsal: headless participants that take every seat through the real nodes: browsers, and SIP
//! terminals and GB/T 28181 devices where the template has some. See docs/design/rehearsal.md.

mod assembly;
mod client;
mod device;
mod found;
mod http;
mod judge;
mod participant;
mod party;
mod peer;
mod report;
mod reread;
mod run;
mod tally;
mod terminal;

pub use device::Camera;
pub use http::routes;
pub use party::{Error as PartyError, Guest, Party, Station};
pub use report::{Pair, RecordCheck, Report, Seat, Way};
pub use run::{Error, Rehearsals};
pub use terminal::Phone;
