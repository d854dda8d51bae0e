//! The load: rooms of senders and receivers over real WebRTC, the same for every server, on one thread.

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

    /// Lets `peer` send sound and picture in a room.
    fn publish(&mut self, room: usize, peer: &mut Peer) -> Result<()>;

    /// Lets `peer` receive what the sender of a room sends.
    fn subscribe(&mut self, room: usize, peer: &mut Peer) -> Result<()>;

    /// Fills a room in which everybody sends to everybody; whoever sends.
    fn gather(&mut self, room: usize, seats: usize) -> Result<Vec<Peer>>;

    /// Once those are connected: whoever else it takes so that all of them receive.
    fn complete(&mut self, room: usize, seats: usize) -> Result<Vec<Peer>>;
}

/// What is loaded onto a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) rooms: usize,
    pub(crate) room: Room,
    /// What every sender sends, as a share of 30 pictures and 50 packets of sound a second.
    pub(crate) rate: f64,
    /// True when only one receiver of a room decrypts what it gets and tells how late it is; the others count, so that
    /// this end costs a fraction.
    pub(crate) deaf: bool,
    /// Of the first room so many receivers ask for everything, all the time; the others are measured.
    pub(crate) storming: usize,
}

/// Who is in a room.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Room {
    /// One sends, so many receive.
    Lecture(usize),
    /// So many send to each other.
    Meeting(usize),
}

impl Shape {
    /// `receivers` of one sender, in rooms of at most 50.
    pub(crate) fn lectures(receivers: usize) -> Self {
        let rooms = receivers.div_ceil(LECTURE);
        Self { rooms, room: Room::Lecture(receivers.div_ceil(rooms)), rate: 1.0, deaf: false, storming: 0 }
    }

    /// Streams that are received, each of sound and picture.
    pub(crate) const fn subscriptions(&self) -> usize {
        match self.room {
            Room::Lecture(receivers) => self.rooms * receivers,
            Room::Meeting(seats) => self.rooms * seats * (seats - 1),
        }
    }

    /// Connections that receive.
    pub(crate) const fn receivers(&self) -> usize {
        match self.room {
            Room::Lecture(seats) | Room::Meeting(seats) => self.rooms * seats,
        }
    }

    pub(crate) const fn seats(&self) -> usize {
        match self.room {
            Room::Lecture(receivers) => receivers + 1,
            Room::Meeting(seats) => seats,
        }
    }
}

/// Pictures a second.
pub(crate) const FRAMES_PER_SECOND: u64 = 30;
/// Packets of a picture.
pub(crate) const PACKETS_PER_FRAME: usize = 9;
/// Bytes of payload in a packet of a picture.
pub(crate) const VIDEO_PAYLOAD: usize = 1_150;
/// Bytes of payload in a packet of sound; one every 20 ms.
pub(crate) const AUDIO_PAYLOAD: usize = 100;
/// A hearing has at most 64 seats.
const LECTURE: usize = 50;
