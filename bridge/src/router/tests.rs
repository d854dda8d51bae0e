//! The rules of the router, with fake legs in virtual time.

mod audience;
mod flow;
mod legs;
mod trunks;

use hearing_config::{Kind, SeatId, TrackId};

use super::fake::{Court, info, packet};
use super::leg::{LegId, Output, Place};

const JUDGE: u8 = 0;
const CLERK: u8 = 1;
const WITNESS: u8 = 2;
const EVERYBODY: &[u8] = &[0, 1, 2, 3];

fn seat(id: u8) -> Place {
    Place::Seat(SeatId(id))
}

/// A court whose judge publishes sound and a picture.
fn court_with_judge() -> (Court, LegId) {
    let mut court = Court::open(64);
    let judge = court.attach(1, seat(JUDGE));
    court.say(judge, [Output::Track(info(JUDGE, Kind::Audio, "gov")), Output::Track(info(JUDGE, Kind::Video, "gov"))]);
    (court, judge)
}

fn speak(court: &mut Court, leg: LegId, track: TrackId, indices: std::ops::Range<u64>) {
    court.say(leg, indices.map(|index| Output::Packet(track, packet(index))));
}
