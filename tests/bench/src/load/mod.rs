//! The load: one sender and many receivers over real WebRTC, the same for every server, on one thread.

mod chorus;
mod course;
mod peer;

pub(crate) use chorus::Chorus;
pub(crate) use course::{Figures, run};
pub(crate) use peer::{Peer, machine_address};

use anyhow::Result;

/// A server that is measured.
pub(crate) trait Host {
    /// Its process.
    fn process(&self) -> u32;

    /// Lets `peer` send sound and picture.
    fn publish(&mut self, peer: &mut Peer) -> Result<()>;

    /// Lets `peer` receive what the sender sends.
    fn subscribe(&mut self, peer: &mut Peer) -> Result<()>;
}

/// Pictures a second.
pub(crate) const FRAMES_PER_SECOND: u64 = 30;
/// Packets of a picture.
pub(crate) const PACKETS_PER_FRAME: usize = 9;
/// Bytes of payload in a packet of a picture.
pub(crate) const VIDEO_PAYLOAD: usize = 1_150;
/// Bytes of payload in a packet of sound; one every 20 ms.
pub(crate) const AUDIO_PAYLOAD: usize = 100;
