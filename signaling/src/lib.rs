//! What a hearing is: states, roles, permissions, journal, HTTP and WebSocket. It handles no media.

pub mod access;
pub mod hearing;
pub mod http;
pub mod registry;
pub mod store;
pub mod sync;
mod ws;
