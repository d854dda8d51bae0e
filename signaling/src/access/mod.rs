//! Who may do what, and what may pass.

pub mod crossing;
mod grant;
mod permission;
mod share;
mod token;

pub use grant::{Grant, SessionId};
pub use permission::{Permission, may};
pub use share::{Closed, Share, Viewing};
pub use token::{JoinToken, TokenHash};
