//! Sockets and certificates.

pub mod clock;
pub mod http;
mod identity;
mod pem;
pub mod pki;
pub mod tls;
pub mod udp;
