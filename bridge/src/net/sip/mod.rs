//! SIP below calls: the sockets and transactions of one zone, and who may register. Used by SIP terminals and by GB/T 28181.

pub mod digest;
pub mod dropped;
pub mod guard;
mod guest;
mod stack;

pub use guest::{Account, Secured, beside, here, reach};
pub use stack::{Error, Listen, ListenTls, NoAnswer, Stack, file, secret};

/// What the log must leave out: whole SIP messages, and keys in them, are told at `info` there.
pub const QUIET: &str = "rsipstack=warn";
