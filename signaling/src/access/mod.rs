//! Who may do what, and what may pass.

pub mod crossing;
mod grant;
mod token;

pub use grant::{Grant, Permission, SessionId};
pub use token::{JoinToken, TokenHash};
