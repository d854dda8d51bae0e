//! The end of a hearing's media: what was captured before the order to end is waited for, then nothing more is taken in time.

use std::time::Instant;

use hearing_config::{Timestamp, TrackId};
use tokio::sync::oneshot;

use super::{Hearing, LATEST};
use crate::record::index::StartReason;
use crate::record::late::{Hole, Where};
use crate::record::sheet::What;
use crate::router::DRAIN;

/// How far it has come.
pub(super) enum Drain {
    /// Frames are taken.
    Live,
    /// Until then what was captured before the order to end is still taken.
    Until(Instant),
    /// Nothing is taken any more.
    Over,
}

/// Somebody wants to know what the ends of these tracks lack.
pub(super) struct Asked {
    tracks: Vec<TrackId>,
    reply: oneshot::Sender<Vec<Hole>>,
}

impl Hearing {
    /// Takes nothing more in time once what was captured before the order to end has come, at most [`DRAIN`] later. Then
    /// `reply` hears what may be missing at the end of `tracks`, which entered elsewhere.
    pub(in crate::record) fn end_media(
        &mut self,
        now: Instant,
        tracks: Vec<TrackId>,
        reply: oneshot::Sender<Vec<Hole>>,
    ) {
        self.asked = Some(Asked { tracks, reply });
        self.drain(now);
    }

    /// Begins to wait, unless that was done before.
    pub(super) fn drain(&mut self, now: Instant) {
        if matches!(self.drain, Drain::Live) {
            self.drain = Drain::Until(now + DRAIN);
        }
    }

    /// No track goes on.
    pub(super) fn end_tracks(&mut self) {
        self.drain = Drain::Over;
        self.tracks.values_mut().for_each(|track| track.end(StartReason::Restart));
        self.name_ends();
    }

    /// Stops waiting for what was captured before the order to end.
    pub(super) fn end_drained(&mut self, now: Instant) {
        let waits = self.ordered_off().is_some_and(|off| {
            let mut live = self.tracks.iter().filter(|(_, track)| track.was_fed_at(off.plus(-LATEST)));
            live.any(|(id, _)| !self.past.contains(id))
        });
        if let Drain::Until(until) = self.drain
            && (!waits || until <= now)
        {
            self.end_tracks();
        }
        if matches!(self.drain, Drain::Over)
            && let Some(asked) = self.asked.take()
        {
            let tails = self.tails(now, &asked.tracks);
            // Whoever asked may have lost patience.
            drop(asked.reply.send(tails));
        }
    }

    pub(super) fn ordered_off(&self) -> Option<Timestamp> {
        self.sheet.orders.last().filter(|order| order.what == What::Off).map(|order| order.at)
    }

    fn tails(&mut self, now: Instant, tracks: &[TrackId]) -> Vec<Hole> {
        let (Some(epoch), Some(end)) = (self.sheet.epoch, self.ordered_off()) else { return Vec::new() };
        let tails: Vec<Hole> = tracks.iter().filter_map(|id| self.tail(now, *id, (epoch, end))).collect();
        // Holes that nobody was told of yet are behind these.
        let untold = self.tracks.iter_mut().flat_map(|(id, track)| std::iter::from_fn(move || track.next_hole(*id)));
        tails.into_iter().chain(untold.filter(|hole| tracks.contains(&hole.track))).collect()
    }

    /// What may be missing at the end of a track, or all of it.
    fn tail(&mut self, now: Instant, id: TrackId, (epoch, end): (Timestamp, Timestamp)) -> Option<Hole> {
        // One that did not come again since the recorder was started: what there is of it is on the disk.
        let is_there = self.tracks.contains_key(&id) || self.folder.join(self.sheet.meta.folder(id)).is_dir();
        if !is_there {
            return Some(Hole { track: id, from: epoch, to: end, lies: Where::Whole, before: None, after: None });
        }
        self.open_track(id, epoch, now);
        self.tracks.get(&id).and_then(|track| track.tail(id, end))
    }
}
