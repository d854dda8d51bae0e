//! What is still on its way when the record stops: it was captured before and belongs into it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hearing_config::TrackId;
use hearing_signaling::hearing::{MediaPlan, RecordOrder};

/// How long the record still takes tracks after it was ordered to stop. It writes only what was captured before, so this
/// is how late a frame may come, and nothing of what is said later is kept.
pub const DRAIN: Duration = Duration::from_secs(2);

/// The tracks that were recorded when the record stopped. Only a stop of the whole record drains: a track that is taken out
/// of a record that goes on (muted, sent to wait apart) ends at once.
#[derive(Debug, Default)]
pub(super) struct Drain {
    tracks: BTreeSet<TrackId>,
    until: Option<Instant>,
}

impl Drain {
    /// A plan takes the place of another.
    pub(super) fn handle_plan(&mut self, now: Instant, before: Option<&MediaPlan>, after: &MediaPlan) {
        if after.record == RecordOrder::Run {
            *self = Self::default();
        } else if let Some(before) = before.filter(|before| before.record == RecordOrder::Run) {
            self.tracks = recorded(before).collect();
            self.until = Some(now + DRAIN);
        }
    }

    /// True when the record no longer waits: everything has to be computed anew.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        let over = self.until.is_some_and(|until| until <= now);
        if over {
            *self = Self::default();
        }
        over
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.until
    }

    /// True while the record still takes what comes of the track.
    pub(super) fn contains(&self, track: TrackId) -> bool {
        self.tracks.contains(&track)
    }
}

fn recorded(plan: &MediaPlan) -> impl Iterator<Item = TrackId> {
    let rows = plan.rows.iter().filter(|row| row.recorded);
    rows.map(|row| row.track).filter(|track| plan.seat(track.seat).is_some_and(|seat| seat.admitted))
}
