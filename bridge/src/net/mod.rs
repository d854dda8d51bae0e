//! Sockets and certificates.

pub mod clock;
pub mod http;
mod identity;
pub mod pem;
pub mod pki;
pub mod tls;
pub mod udp;
