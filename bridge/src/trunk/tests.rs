//! Trunks over real QUIC on loopback, between nodes made of the real registry and the real media worker.

pub(crate) mod harness;
mod hearings;
mod hostile;
mod identity;
mod media;
mod stress;
