//! A line that is too narrow: instead of shedding for good, smaller layers are asked for, the ordinary seats' first; where
//! nothing can be made smaller, ordinary pictures are held back, so that the others come whole. More is tried again when
//! nothing was shed for a while. Pure, told the time.

mod room;
mod track;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::outbox::{Name, Tally};
use super::rank::Rank;
use crate::router::LayerSet;
pub(super) use room::{Lack, Narrowed, Room};
use track::Track;

/// What one link has room for.
#[derive(Debug)]
pub(super) struct Narrow {
    tracks: BTreeMap<Name, Track>,
    /// The shortest round trip that was seen.
    rtt: Option<Duration>,
    /// The queue that stood on the line at the last look.
    queue: Duration,
    looked: Instant,
    shed: Option<Instant>,
    lowered: Option<Instant>,
    raised: Option<Instant>,
    /// Looks in a row that found more than the last picture shed, with nothing left to make smaller.
    crowded: u32,
    /// How long nothing may have been shed before more is tried.
    patience: Duration,
    /// The same before a picture is let in.
    tries: Duration,
}

impl Narrow {
    /// On a new link, after what was learned on those before.
    pub(super) const fn new(now: Instant, narrowed: &Narrowed) -> Self {
        let (shed, lowered, raised, rtt) = (None, None, None, None);
        let (queue, crowded, patience, tries) = (Duration::ZERO, 0, narrowed.patience, PATIENCE);
        Self { tracks: BTreeMap::new(), rtt, queue, looked: now, shed, lowered, raised, crowded, patience, tries }
    }

    /// A track is let out, without what it lacks.
    pub(super) fn offer(&mut self, name: Name, layers: LayerSet, rank: Rank, lack: Lack) {
        if lack != Lack::default() {
            self.lowered.get_or_insert(self.looked);
        }
        self.tracks.insert(name, Track::new(layers, rank, lack, name.1.kind.is_picture()));
    }

    /// It has other layers than before; gives those there is room for.
    pub(super) fn layers(&mut self, name: Name, layers: LayerSet) -> Room {
        let patience = self.patience;
        let Some(track) = self.tracks.get_mut(&name) else { return Room { layers, lack: Lack::default(), patience } };
        track.layers = layers;
        track.room(patience)
    }

    /// Its rank changed. Whoever is protected is let in at once.
    pub(super) fn rank(&mut self, now: Instant, name: Name, rank: Rank) -> Option<Room> {
        let track = self.tracks.get_mut(&name)?;
        if std::mem::replace(&mut track.rank, rank) == Rank::Protected && rank != Rank::Protected {
            track.spoke = Some(now);
        }
        (rank == Rank::Protected && track.lack.held).then(|| {
            track.let_in();
            track.room(self.patience)
        })
    }

    /// The rank of each track as it is sent: of the ordinary pictures, the one that would be held back next is the last.
    pub(super) fn ranks(&self) -> impl Iterator<Item = (Name, Rank)> {
        let last = self.in_order(|track| !track.lack.held).pop();
        self.tracks.iter().map(move |(name, track)| (*name, if Some(*name) == last { Rank::Last } else { track.rank }))
    }

    /// It is over.
    pub(super) fn close(&mut self, name: Name) {
        self.tracks.remove(&name);
    }

    /// Frames of a track were shed for lack of room or time.
    pub(super) fn handle_shed(&mut self, now: Instant, name: Name) {
        if let Some(track) = self.tracks.get_mut(&name) {
            track.pressed = true;
            self.shed = Some(now);
        }
    }

    /// What became of a track so far.
    pub(super) fn handle_tally(&mut self, name: Name, tally: &Tally) {
        if let Some(track) = self.tracks.get_mut(&name) {
            track.handle_tally(tally);
        }
    }

    /// The round trip now. Frames that are given up on the way while a queue stands there do not fit; without a queue it
    /// is only loss.
    pub(super) fn handle_rtt(&mut self, now: Instant, rtt: Duration) {
        let shortest = self.rtt.map_or(rtt, |shortest| shortest.min(rtt));
        (self.rtt, self.queue) = (Some(shortest), rtt.saturating_sub(shortest));
        for track in self.tracks.values_mut() {
            if std::mem::take(&mut track.late) && self.queue > QUEUE {
                track.pressed = true;
                self.shed = Some(now);
            }
        }
    }

    /// True when something was shed since the last look.
    pub(super) fn is_pressed(&self) -> bool {
        self.tracks.values().any(|track| track.pressed)
    }

    /// Something else gives way: this time nothing is left out for it.
    pub(super) fn spare(&mut self) {
        self.tracks.values_mut().for_each(|track| track.pressed = false);
    }

    /// True while packets stand in a queue on the line.
    pub(super) fn has_queue(&self) -> bool {
        self.queue > QUEUE
    }

    /// To be called every [`LOOK`], after the tallies: tracks and what there is room for of them, where that changed.
    pub(super) fn look(&mut self, now: Instant) -> Vec<(Name, Room)> {
        self.looked = now;
        let last = self.in_order(|track| !track.lack.held).pop();
        let take = |(name, track): (&Name, &mut Track)| std::mem::take(&mut track.pressed).then_some(*name);
        let pressed: Vec<Name> = self.tracks.iter_mut().filter_map(take).collect();
        let changed = match pressed[..] {
            [] => self.raise(now).into_iter().collect(),
            [only] if Some(only) == last => self.lower(now, Some(only)),
            [..] => self.lower(now, None),
        };
        if pressed.is_empty() {
            self.crowded = 0;
        }
        changed.into_iter().filter_map(|name| Some((name, self.tracks.get(&name)?.room(self.patience)))).collect()
    }

    /// When to look.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.looked + LOOK
    }

    /// `last`: it is the only one that sheds.
    fn lower(&mut self, now: Instant, last: Option<Name>) -> Vec<Name> {
        if self.lowered.is_some_and(|at| now.duration_since(at) < SETTLE) {
            return Vec::new();
        }
        // What was tried did not fit: it is tried again later than the last time.
        let tried = self.raised.is_some_and(|at| now.duration_since(at) < PATIENCE);
        let longer = |patience: Duration| if tried { (patience * 2).min(LONGEST_PATIENCE) } else { patience };
        let mut changed: Vec<Name> = self.make_smaller().into_iter().collect();
        if !changed.is_empty() {
            self.patience = longer(self.patience);
        } else {
            changed = match last {
                Some(last) => self.judge(last),
                None => self.hold_back(),
            };
            if !changed.is_empty() {
                self.tries = longer(self.tries);
            }
        }
        if !changed.is_empty() {
            (self.lowered, self.raised, self.crowded) = (Some(now), None, 0);
        }
        changed
    }

    /// The largest layer of the ordinary track with the most bytes goes, those of protected tracks last.
    fn make_smaller(&mut self) -> Option<Name> {
        let can = self.tracks.iter_mut().filter(|(_, track)| track.can_be_smaller());
        let (name, track) = can.max_by_key(|(name, track)| (track.rank, track.top_bytes(), **name))?;
        track.lack.layers += 1;
        Some(*name)
    }

    /// The last picture gets what the others leave. When that is too little to be a picture, it waits.
    fn judge(&mut self, last: Name) -> Vec<Name> {
        self.crowded = 0;
        match self.tracks.get_mut(&last) {
            Some(track) if track.share < ENOUGH => {
                track.lack.held = true;
                vec![last]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// Ordinary pictures are held back, from the last on, until those before the last one that remains fit into what went out.
    fn hold_back(&mut self) -> Vec<Name> {
        self.crowded += 1;
        if self.crowded < CROWDED {
            return Vec::new();
        }
        let sum = |of: fn(&Track) -> u64| self.tracks.values().filter(|track| !track.lack.held).map(of).sum::<u64>();
        let (carried, mut wanted) = (sum(Track::went), sum(Track::wants));
        let (mut present, mut held) = (self.in_order(|track| !track.lack.held), Vec::new());
        let wants = |name: Option<&Name>| name.and_then(|name| self.tracks.get(name)).map_or(0, Track::wants);
        while let Some(name) = present.pop() {
            wanted = wanted.saturating_sub(wants(Some(&name)));
            held.push(name);
            if wanted.saturating_sub(wants(present.last())) <= carried {
                break;
            }
        }
        for (name, track) in &mut self.tracks {
            track.lack.held |= held.contains(name);
            track.share = 1.0;
        }
        held
    }

    fn raise(&mut self, now: Instant) -> Option<Name> {
        let since = [self.shed, self.lowered, self.raised].into_iter().flatten().max()?;
        let calm = now.duration_since(since);
        let let_in = if calm < self.tries { None } else { self.let_in() };
        let name = let_in.or_else(|| if calm < self.patience { None } else { self.make_larger() })?;
        self.raised = Some(now);
        Some(name)
    }

    fn let_in(&mut self) -> Option<Name> {
        let first = *self.in_order(|track| track.lack.held).first()?;
        self.tracks.get_mut(&first)?.let_in();
        Some(first)
    }

    fn make_larger(&mut self) -> Option<Name> {
        let lacking = self.tracks.iter_mut().filter(|(_, track)| track.lack.layers > 0);
        let (name, track) = lacking.min_by_key(|(name, track)| (track.rank, track.top_bytes(), **name))?;
        track.lack.layers -= 1;
        Some(*name)
    }

    /// Ordinary pictures in the order in which they may go: who spoke last first, then by name.
    fn in_order(&self, which: impl Fn(&Track) -> bool) -> Vec<Name> {
        let ordinary = |track: &Track| track.picture && track.rank != Rank::Protected;
        let mut all: Vec<_> = self.tracks.iter().filter(|(_, track)| ordinary(track) && which(track)).collect();
        all.sort_by_key(|(name, track)| (Reverse(track.spoke), **name));
        all.into_iter().map(|(name, _)| *name).collect()
    }
}

/// How often the line is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// What a smaller layer needs to show its effect: a key frame, and the queue to empty itself.
const SETTLE: Duration = Duration::from_millis(1_500);
/// A queue of this length stands on the line.
const QUEUE: Duration = Duration::from_millis(15);
/// Looks in a row until a picture is held back: a moment's dip costs nobody a picture.
const CROWDED: u32 = 2;
/// The share of its frames with which a picture still moves most of the time.
const ENOUGH: f64 = 0.6;
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_PATIENCE: Duration = Duration::from_secs(160);

#[cfg(test)]
mod tests;
