//! What a seat may know of its hearing: who waits to be let in, and who waits apart, follows only itself.

use hearing_config::SeatId;
use serde::{Deserialize, Serialize};

use super::{Change, Entry, Hearing, HearingView, LiveSeat, Output, RecordView, SeatView};
use crate::access::SessionId;
use crate::registry::Refusal;

/// How much of a hearing somebody follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sight {
    /// Everything.
    All,
    /// The state of the hearing and of its record, and this seat.
    Own(SeatId),
}

/// What the occupant of `seat` may follow.
pub(super) const fn of(seat: &SeatView) -> Sight {
    if seat.presence.is_admitted() && !seat.apart { Sight::All } else { Sight::Own(seat.id) }
}

impl Sight {
    /// The hearing as far as it may be followed.
    #[must_use]
    pub fn view(self, view: &HearingView) -> HearingView {
        let mut seen = view.clone();
        if let Self::Own(own) = self {
            seen.seats.retain(|seat| seat.id == own);
            seen.record = own_record(&seen.record, view.seats.get(usize::from(own.0)));
            seen.floor = None;
        }
        seen
    }

    /// The entry as far as it may be followed; `None` when it is not for these eyes. `view` names the seats.
    #[must_use]
    pub fn entry(self, entry: &Entry, view: &HearingView) -> Option<Entry> {
        let Self::Own(own) = self else { return Some(entry.clone()) };
        let change = match &entry.change {
            Change::Phase(phase) => Change::Phase(*phase),
            Change::Seat(seat) if seat.id == own => Change::Seat(seat.clone()),
            Change::Record(record) => Change::Record(own_record(record, view.seats.get(usize::from(own.0)))),
            Change::Seat(_) | Change::Floor(_) | Change::Mark(_) => return None,
        };
        Some(Entry { change, ..entry.clone() })
    }

    /// The live figures as far as they may be followed.
    #[must_use]
    pub fn live(self, live: &[LiveSeat]) -> Vec<LiveSeat> {
        let seen = |seat: &&LiveSeat| match self {
            Self::All => true,
            Self::Own(own) => seat.seat == own,
        };
        live.iter().filter(seen).cloned().collect()
    }
}

/// Who follows, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eyes {
    /// On which seat.
    pub seat: SeatId,
    /// What they may follow.
    pub sight: Sight,
    /// Whoever has not seen more than this entry needs the view.
    pub since: u64,
}

impl Hearing {
    /// Who follows with this session.
    ///
    /// # Errors
    /// [`Refusal::UnknownSession`] for a session that was never given or has ended; [`Refusal::WrongPhase`] once the hearing is over.
    pub fn eyes(&self, session: SessionId) -> Result<Eyes, Refusal> {
        let seat = self.authorize(session)?.seat();
        self.require_phase("follow", |phase| !phase.is_over())?;
        let link = &self.kept.links[usize::from(seat.0)];
        Ok(Eyes { seat, sight: link.sight, since: link.sight_since })
    }

    pub(super) fn settle_sight(&mut self) {
        let seq = self.kept.view.seq;
        for (link, seat) in self.kept.links.iter_mut().zip(&self.kept.view.seats) {
            if link.sight != of(seat) {
                (link.sight, link.sight_since) = (of(seat), seq);
                self.outputs.push_back(Output::Refollow(seat.id));
            }
        }
    }
}

/// The record without the names of others.
fn own_record(record: &RecordView, own: Option<&SeatView>) -> RecordView {
    let mine = |track: &&String| own.is_some_and(|seat| track.split('/').next() == Some(&seat.name));
    let tracks = record.tracks.iter().filter(mine).cloned().collect();
    RecordView { tracks, fault: None, warning: None, ..record.clone() }
}
