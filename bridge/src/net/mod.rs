//! Sockets and certificates.

mod identity;
mod pem;
pub mod pki;
pub mod tls;
pub mod udp;
