//! The end of a record in the writer: of the hearing, which seals it, or only of this process, which leaves it to the next one.

use std::time::{Duration, Instant};

use hearing_config::Timestamp;
use tokio::sync::oneshot;

use super::{Drain, Hearing, Track};
use crate::record::{Error, Seal};
use crate::router::DRAIN;

/// Hears of the end of a record.
type Reply = oneshot::Sender<Result<Option<Seal>, Error>>;

/// An end that is being made.
pub(super) struct Ending {
    reply: Reply,
    /// The process ends too: whoever stops it waits for the same end.
    stop: Option<Reply>,
    /// The hearing is closed, not only this process.
    pub(super) close: bool,
    until: Instant,
    /// What the disk did not take was let go of.
    gave_up: bool,
}

impl Hearing {
    /// Ends the record for good, once what was captured before the order to end has come, at most [`DRAIN`] later, and seals
    /// it; `reply` hears when everything is durable.
    pub(in crate::record) fn end(&mut self, now: Instant, reply: Reply) {
        if self.sheet.epoch.is_some() {
            self.open_books(now);
        }
        self.begin_end(now, true, reply);
        if self.ordered_off().is_some() {
            self.drain(now);
        } else {
            self.end_tracks();
        }
    }

    /// The process ends. A record whose last lines are being made is sealed at once, without waiting for its witness any longer;
    /// every other one is made durable as it is, and the next process goes on with it. `reply` hears when that is done.
    pub(in crate::record) fn stop(&mut self, now: Instant, reply: Reply) {
        if self.books.are_closing()
            && let Some(ending) = &mut self.ending
        {
            self.books.hurry(now);
            ending.stop = Some(reply);
            return;
        }
        // Whoever closes the hearing hears that the writer is gone; the next process closes it.
        self.begin_end(now, false, reply);
        self.end_tracks();
    }

    fn begin_end(&mut self, now: Instant, close: bool, reply: Reply) {
        self.ending = Some(Ending { reply, stop: None, close, until: now + DRAIN + PATIENCE, gave_up: false });
    }

    /// One step of the end; true when it is over.
    pub(super) fn finish(&mut self, now: Instant, wall: Timestamp) -> bool {
        self.give_up(now);
        let Some(ending) = &self.ending else { return false };
        let seals = ending.close && self.sheet.epoch.is_some();
        let late = now >= ending.until;
        let is_kept = matches!(self.drain, Drain::Over) && self.tracks.values().all(Track::is_settled);
        let done = match (is_kept, seals) {
            (false, _) => None,
            (true, false) => (!self.sheet_changed).then_some(Ok(None)),
            (true, true) => self.seal(now, wall),
        };
        if done.is_none() && !late {
            return false;
        }
        let why = || self.fault.clone().unwrap_or_else(|| "the disk is too slow".to_owned());
        let result = done.unwrap_or_else(|| Err(Error::Unwritten(why())));
        if let Err(error) = &result {
            tracing::error!(hearing = %self.sheet.hearing, %error, "record not complete");
        }
        if let Some(Ending { reply, stop, .. }) = self.ending.take() {
            let same = result.as_ref().map(Option::clone).map_err(|error| Error::Unwritten(error.to_string()));
            // Nobody may be waiting for the answer any more.
            if let Some(stop) = stop {
                drop(stop.send(same));
            }
            drop(reply.send(result));
        }
        true
    }

    /// Half of the patience is for the disk to take what waits. Then that is let go of and named, so that the record can be sealed.
    fn give_up(&mut self, now: Instant) {
        let (Some(ending), Drain::Over) = (&mut self.ending, &self.drain) else { return };
        if ending.gave_up || !ending.close || now + PATIENCE / 2 < ending.until {
            return;
        }
        ending.gave_up = true;
        self.tracks.values_mut().for_each(Track::give_up_all);
        self.name_ends();
    }

    /// What is missing behind the last frame of each track is named.
    pub(super) fn name_ends(&mut self) {
        if let Some(at) = self.ordered_off() {
            self.tracks.values_mut().for_each(|track| track.name_end(at));
        }
    }

    /// One step of the seal; `Some` when it is made.
    fn seal(&mut self, now: Instant, wall: Timestamp) -> Option<Result<Option<Seal>, Error>> {
        let closed = self.ordered_off().unwrap_or(wall);
        self.sheet.closed.get_or_insert(closed);
        match self.books.seal(now, &self.sheet) {
            Ok(None) => None,
            Ok(Some(seal)) => Some(Ok(Some(seal))),
            Err(error) => {
                self.trouble = Some((error.to_string(), now));
                self.fault = Some(error.to_string());
                None
            }
        }
    }
}

/// How long the end of a record waits for the disk.
const PATIENCE: Duration = Duration::from_secs(20);
