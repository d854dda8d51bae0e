//! What is live about the seats of a hearing and not worth a journal entry: who speaks, and how each connection is doing.

use std::collections::BTreeMap;
use std::time::Duration;

use hearing_config::{Kind, SeatId, TrackId};
use tokio::time::Instant;

use crate::hearing::{Hearing, LiveSeat, MediaReport, Presence, SeatQuality};

/// The live figures of one hearing.
#[derive(Debug, Default)]
pub(super) struct Live {
    speaking: Vec<SeatId>,
    quality: BTreeMap<SeatId, SeatQuality>,
    /// Something changed since the last push.
    stale: bool,
    /// The speaker changed since the last push, or a connection fell silent.
    urgent: bool,
    pushed: Option<Instant>,
}

impl Live {
    /// Takes over a live report; anything else is the hearing's.
    pub(super) fn report(&mut self, report: &MediaReport) {
        match report {
            MediaReport::Speaking { seats } => {
                self.urgent |= self.speaking != *seats;
                self.speaking.clone_from(seats);
            }
            MediaReport::Quality { seat, quality } => {
                let before = self.quality.insert(*seat, *quality);
                // Its page looks for another way as soon as it knows.
                self.urgent |= quality.is_silent() && !before.is_some_and(|before| before.is_silent());
            }
            MediaReport::Disconnected { seat } | MediaReport::Left { seat } => _ = self.quality.remove(seat),
            MediaReport::Connected { .. }
            | MediaReport::TrackUp { .. }
            | MediaReport::TrackDown { .. }
            | MediaReport::Recording { .. }
            | MediaReport::RecordFailed { .. }
            | MediaReport::RecordWarning { .. }
            | MediaReport::Proof { .. }
            | MediaReport::Sealed { .. }
            | MediaReport::Line { .. } => {}
        }
        self.stale = true;
    }

    /// When the next push is due: at once for a new speaker, else a second after the last.
    pub(super) fn due(&self) -> Option<Instant> {
        let at = |pushed: Instant| if self.urgent { pushed } else { pushed + PERIOD };
        self.stale.then(|| self.pushed.map_or_else(Instant::now, at))
    }

    /// The figures, for a push.
    pub(super) fn push(&mut self, hearing: &Hearing, now: Instant) -> Vec<LiveSeat> {
        (self.stale, self.urgent, self.pushed) = (false, false, Some(now));
        self.seats(hearing)
    }

    /// The figures of every connected seat.
    pub(super) fn seats(&self, hearing: &Hearing) -> Vec<LiveSeat> {
        let connected = hearing.view().seats.iter().filter(|seat| seat.presence == Presence::Connected);
        connected.map(|seat| self.seat(hearing, seat.id)).collect()
    }

    fn seat(&self, hearing: &Hearing, seat: SeatId) -> LiveSeat {
        LiveSeat {
            seat,
            speaking: self.speaking.contains(&seat),
            quality: self.quality.get(&seat).copied().unwrap_or_default(),
            tracks: kinds(hearing.arriving(), seat),
            recorded: kinds(hearing.recording(), seat),
        }
    }
}

fn kinds(tracks: impl Iterator<Item = TrackId>, seat: SeatId) -> Vec<Kind> {
    tracks.filter(|track| track.seat == seat).map(|track| track.kind).collect()
}

const PERIOD: Duration = Duration::from_secs(1);
