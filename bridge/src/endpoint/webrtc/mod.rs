//! Browsers and WHIP/WHEP clients: our own transport (ICE-lite, DTLS, SRTP, RTP) of which every session is a [`router::Leg`].
//! See docs/design/webrtc-transport.md.
//!
//! [`router::Leg`]: crate::router::Leg

mod bandwidth;
mod batch;
mod budget;
mod certificate;
mod dtls;
mod egress;
mod hello;
mod ice;
mod ingest;
mod limit;
mod negotiation;
mod pulse;
mod quality;
mod rtcp;
mod rtp;
mod sdp;
mod session;
mod srtp;
#[cfg(test)]
mod tests;

use super::media::clock;

pub use certificate::Certificate;
pub use negotiation::{Answer, Restartable, Settings};
pub use session::Session;
