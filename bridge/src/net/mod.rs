//! Sockets and certificates.

pub mod tls;
pub mod udp;
