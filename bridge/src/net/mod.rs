//! Sockets and certificates.

pub mod clock;
mod door;
pub mod frames;
pub mod http;
mod identity;
pub mod pem;
pub mod pinned;
pub mod pki;
pub mod rtp;
pub mod sip;
pub mod tcp;
pub mod tls;
pub mod udp;
pub mod visitors;
