//! The log: the last entries of a hearing and those who follow it. A follower that lags is dropped and counted, and follows again.

use std::collections::VecDeque;

use hearing_config::SeatId;
use tokio::sync::mpsc;

use crate::hearing::{Entry, Eyes, HearingView, LiveSeat, Sight};
use crate::registry::{Following, Update};

/// The last entries of one hearing and its followers.
#[derive(Debug)]
pub struct Log {
    entries: VecDeque<Entry>,
    followers: Vec<Follower>,
}

#[derive(Debug)]
struct Follower {
    seat: SeatId,
    sight: Sight,
    updates: mpsc::Sender<Update>,
}

impl Log {
    /// The most entries that are kept for those who come back; whoever missed more is given the view.
    pub const ENTRIES: u32 = 1024;

    /// A log that begins with `entries`, in order.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries: entries.into(), followers: Vec::new() }
    }

    /// Adds a follower who has every entry up to `after`.
    pub fn follow(&mut self, eyes: Eyes, after: Option<u64>, view: &HearingView, live: &[LiveSeat]) -> Following {
        let (sender, updates) = mpsc::channel(FOLLOWER_BOUND);
        self.make_room(eyes.seat);
        let follower = Follower { seat: eyes.seat, sight: eyes.sight, updates: sender };
        let missed = after.and_then(|after| self.missed(eyes, after, view));
        let resumes = missed.is_some();
        for entry in missed.into_iter().flatten() {
            follower.send_entry(&entry, view);
        }
        follower.send(Update::Live(eyes.sight.live(live)));
        self.followers.push(follower);
        Following { view: (!resumes).then(|| eyes.sight.view(view)), updates }
    }

    /// Appends an entry and passes it on; `view` already contains it.
    pub fn publish(&mut self, entry: &Entry, view: &HearingView) {
        if self.entries.len() >= Self::ENTRIES as usize {
            self.entries.pop_front();
        }
        self.entries.push_back(entry.clone());
        self.followers.retain(|follower| follower.send_entry(entry, view));
    }

    /// Passes on what is live.
    pub fn live(&mut self, live: &[LiveSeat]) {
        self.followers.retain(|follower| follower.send(Update::Live(follower.sight.live(live))));
    }

    /// Drops the followers of a seat: what they may follow has changed.
    pub fn drop_followers(&mut self, seat: SeatId) {
        self.followers.retain(|follower| follower.seat != seat);
    }

    /// True while anybody follows.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.followers.iter().any(|follower| !follower.updates.is_closed())
    }

    /// The entries after `after`, when all of them are here, may be seen, and fit the follower's queue.
    fn missed(&self, eyes: Eyes, after: u64, view: &HearingView) -> Option<Vec<Entry>> {
        let count = view.seq.checked_sub(after)?;
        let here = count <= self.entries.len() as u64 && count < FOLLOWER_BOUND as u64 / 2;
        (here && after > eyes.since).then(|| self.entries.iter().filter(|entry| entry.seq > after).cloned().collect())
    }

    /// One seat has few screens: the oldest follower makes room for one too many.
    fn make_room(&mut self, seat: SeatId) {
        self.followers.retain(|follower| !follower.updates.is_closed());
        if self.followers.iter().filter(|follower| follower.seat == seat).count() >= SEAT_FOLLOWERS
            && let Some(oldest) = self.followers.iter().position(|follower| follower.seat == seat)
        {
            self.followers.remove(oldest);
        }
    }
}

impl Follower {
    fn send_entry(&self, entry: &Entry, view: &HearingView) -> bool {
        self.sight.entry(entry, view).is_none_or(|seen| self.send(Update::Entry(seen)))
    }

    /// False when the follower is gone or lags.
    fn send(&self, update: Update) -> bool {
        match self.updates.try_send(update) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                metrics::counter!("hearing_followers_lagged_total").increment(1);
                false
            }
        }
    }
}

/// The most updates that wait for one follower.
const FOLLOWER_BOUND: usize = 256;

/// The most followers of one seat.
const SEAT_FOLLOWERS: usize = 4;

#[cfg(test)]
mod tests {
    use hearing_config::Timestamp;

    use super::*;
    use crate::hearing::tests::{clerk_and_witness, t};
    use crate::hearing::{Change, Hearing};

    fn eyes() -> Eyes {
        Eyes { seat: SeatId(0), sight: Sight::All, since: 0 }
    }

    fn entry(seq: u64) -> Entry {
        Entry { seq, at: Timestamp(0), change: Change::Floor(None) }
    }

    fn log_of(count: u64) -> (Log, HearingView) {
        let mut view = Hearing::new(clerk_and_witness(t(0))).view().clone();
        view.seq = count;
        (Log::new((1..=count).map(entry).collect()), view)
    }

    fn seqs(following: &mut Following) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Ok(update) = following.updates.try_recv() {
            if let Update::Entry(entry) = update {
                seqs.push(entry.seq);
            }
        }
        seqs
    }

    #[test]
    fn follower_that_comes_back_gets_exactly_what_it_missed() {
        let (mut log, view) = log_of(9);
        let mut following = log.follow(eyes(), Some(6), &view, &[]);
        assert!(following.view.is_none());
        assert_eq!(seqs(&mut following), [7, 8, 9]);
    }

    #[test]
    fn follower_that_missed_more_than_is_kept_gets_the_view() {
        let (mut log, mut view) = log_of(3);
        for seq in 4..2_000 {
            view.seq = seq;
            log.publish(&entry(seq), &view);
        }
        assert!(log.follow(eyes(), Some(5), &view, &[]).view.is_some());
    }

    #[test]
    fn follower_whose_sight_changed_gets_the_view() {
        let (mut log, view) = log_of(9);
        assert!(log.follow(Eyes { since: 7, ..eyes() }, Some(7), &view, &[]).view.is_some());
        assert!(log.follow(Eyes { since: 7, ..eyes() }, Some(8), &view, &[]).view.is_none());
    }

    #[test]
    fn follower_that_lags_is_dropped_and_misses_nothing_when_it_follows_again() {
        let (mut log, mut view) = log_of(1);
        let mut following = log.follow(eyes(), Some(1), &view, &[]);
        for seq in 2..400 {
            view.seq = seq;
            log.publish(&entry(seq), &view);
        }
        let got = seqs(&mut following);
        assert!(following.updates.is_closed() && got.len() < 398);
        let last = *got.last().unwrap();
        assert_eq!(last, got.len() as u64 + 1, "no gap before the end");
        let again = log.follow(eyes(), Some(last), &view, &[]);
        assert!(again.view.is_some_and(|view| view.seq == 399) || last > 399 - 128);
    }

    #[test]
    fn follower_from_the_future_gets_the_view() {
        let (mut log, view) = log_of(3);
        assert!(log.follow(eyes(), Some(4), &view, &[]).view.is_some());
    }
}
