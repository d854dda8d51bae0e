//! How what the line carries is divided among the slots of one client, anew whenever the estimate or a need changes.

use hearing_signaling::hearing::Relief;

use super::super::bandwidth::{Bandwidth, Rate};
use super::red::Redundancy;
use super::share::{Claim, Portion, relief, share};
use super::slot::Slot;

/// The line to one client and who gets what of it. Times are in microseconds since the session began.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) bandwidth: Bandwidth,
    sound: Rate,
    claims: Vec<Claim>,
    portions: Vec<Option<Portion>>,
    wanted: Vec<Option<Portion>>,
    /// The claims that `portions` were shared out by.
    shared: Vec<Claim>,
    /// No step up before that.
    patience: i64,
    redundancy: Redundancy,
    pub(super) relief: Relief,
}

impl Budget {
    /// `tries`: its client takes padding.
    pub(super) fn new(tries: bool) -> Self {
        Self {
            bandwidth: Bandwidth::new(tries),
            sound: Rate::default(),
            claims: Vec::new(),
            portions: Vec::new(),
            wanted: Vec::new(),
            shared: Vec::new(),
            patience: 0,
            redundancy: Redundancy::None,
            relief: Relief::Nothing,
        }
    }

    /// Sound went out.
    pub(super) fn add_sound(&mut self, now: i64, bytes: usize) {
        self.sound.add(now, bytes as u64);
    }

    /// Decides anew; true when any slot gets something else than before.
    pub(super) fn decide(&mut self, now: i64, slots: &mut [Slot]) -> bool {
        let Some(estimate) = self.bandwidth.estimate(now) else {
            return self.shared.drain(..).next().is_some() && {
                slots.iter_mut().for_each(Slot::give_unknown);
                true
            };
        };
        self.claims.clear();
        self.claims.extend(slots.iter().filter_map(Slot::claim));
        let sound = self.sound.bps().unwrap_or(0.0);
        let whole: f64 = self.claims.iter().map(|claim| claim.cost(claim.whole())).sum();
        self.bandwidth.desire(whole * ROOM + sound);
        let changed = self.choose(now, estimate * USABLE - sound);
        let urgent = self.bandwidth.queue() > URGENT;
        if changed || urgent {
            let pictures = slots.iter_mut().filter(|slot| slot.claim().is_some());
            pictures.zip(&self.portions).for_each(|(slot, portion)| slot.give(*portion, urgent));
        }
        changed
    }

    /// Lets sound carry the sound before it where the line loses packets and has room for it.
    pub(super) fn mend(&mut self, slots: &mut [Slot]) {
        let sound = self.sound.bps().unwrap_or(0.0);
        let room = self.bandwidth.estimate_known().is_some_and(|estimate| estimate > sound * REDUNDANT_ROOM);
        let loss = if room { self.bandwidth.loss() } else { 0.0 };
        let redundancy = self.redundancy.after(loss);
        if std::mem::replace(&mut self.redundancy, redundancy) != redundancy {
            slots.iter_mut().for_each(|slot| slot.set_redundancy(redundancy));
        }
    }

    /// Down at once, up with room to spare and after a while.
    fn choose(&mut self, now: i64, budget: f64) -> bool {
        let stale = !same_needs(&self.shared, &self.claims);
        share(budget, &self.claims, &mut self.wanted);
        let cost = |portions: &[Option<Portion>]| -> f64 {
            self.claims.iter().zip(portions).map(|(claim, portion)| claim.cost(*portion)).sum()
        };
        if !stale {
            let present = cost(&self.portions);
            let down = present > budget && cost(&self.wanted) < present;
            if down {
                self.patience = now + PATIENCE;
            } else {
                share(budget / ROOM, &self.claims, &mut self.wanted);
                if now < self.patience || cost(&self.wanted) <= present * 1.01 {
                    return false;
                }
            }
        }
        self.shared.clone_from(&self.claims);
        let changed = self.portions != self.wanted;
        self.portions.clone_from(&self.wanted);
        self.relief = relief(&self.claims, &self.portions);
        changed
    }
}

/// True when the same pictures want the same as before, whatever they take.
fn same_needs(before: &[Claim], now: &[Claim]) -> bool {
    let needs = |claim: &Claim| (claim.rank, claim.layers, claim.temporal);
    before.len() == now.len() && before.iter().zip(now).all(|(a, b)| needs(a) == needs(b))
}

/// What of an estimate is given out.
const USABLE: f64 = 0.97;
/// More is sent only when so much more than it takes is there.
const ROOM: f64 = 1.15;
/// How long after a step down no step up is taken.
const PATIENCE: i64 = 1_500_000;
/// How many times what sound takes the line must carry before sound is sent twice.
const REDUNDANT_ROOM: f64 = 2.0;
/// A queue of so many microseconds takes sound along with it.
const URGENT: i64 = 200_000;
