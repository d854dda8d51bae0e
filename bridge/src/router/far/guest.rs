//! A session of a hearing that another worker owns: lives here with its datagrams and timers, and is behind the same wall as every leg.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use hearing_config::TrackId;
use metrics::counter;

use super::super::contained::Contained;
use super::super::demux::Owner;
use super::super::hearing::Effect;
use super::super::leg::{IceRestart, Output, Path};
use super::super::worker::{Command, WorkerHandle};
use super::{Item, Shared};

/// The session's end of a leg.
pub(in crate::router) struct Guest {
    owner: Owner,
    leg: Contained,
    items: Receiver<Item>,
    shared: Arc<Shared>,
    /// The worker that owns the hearing.
    home: WorkerHandle,
    /// What the session has said that is not media, and home has not taken yet.
    words: Vec<Output>,
    /// What it has sent.
    packets: Vec<Output>,
    deadline: Option<Instant>,
    /// When home is told again what it had no room for.
    again: Option<Instant>,
    /// True when it was handed something since it was drained.
    dirty: bool,
    /// True when home listens no more.
    forsaken: bool,
}

impl Guest {
    pub(super) fn new(
        owner: Owner,
        leg: Contained,
        (items, shared): (Receiver<Item>, Arc<Shared>),
        home: WorkerHandle,
    ) -> Self {
        let ((words, packets), (deadline, again)) = Default::default();
        Self { owner, leg, items, shared, home, words, packets, deadline, again, dirty: true, forsaken: false }
    }

    pub(in crate::router) const fn owner(&self) -> Owner {
        self.owner
    }

    pub(super) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// True when it has no business here any more.
    pub(super) fn is_over(&self) -> bool {
        self.forsaken || self.shared.is_over()
    }

    /// True when the router has something for it. As strictly ordered as the bell, or a wake-up might be for nothing and the next be missed.
    pub(super) fn is_called(&self) -> bool {
        self.shared.depth.load(Ordering::SeqCst) > 0 || self.shared.is_over()
    }

    pub(super) const fn take_fallen(&mut self) -> bool {
        self.leg.take_fallen()
    }

    /// Takes a share of what the router has handed over; true when more may wait.
    pub(super) fn take_items(&mut self, now: Instant) -> bool {
        self.dirty = true;
        let mut taken = 0;
        while taken < ITEMS_AT_A_TIME
            && !self.shared.is_over()
            && let Ok(item) = self.items.try_recv()
        {
            taken += 1;
            self.handle_item(now, item);
        }
        self.shared.depth.fetch_sub(taken, Ordering::Relaxed);
        taken == ITEMS_AT_A_TIME
    }

    fn handle_item(&mut self, now: Instant, item: Item) {
        match item {
            Item::Track(info) => {
                self.leg.handle_track(now, &info);
                self.heed(info.id);
            }
            Item::TrackEnd(track) => {
                self.leg.handle_track_end(now, track);
                self.heed(track);
            }
            Item::Packet(track, grant, packet) if self.shared.grant(track) == grant => {
                self.leg.handle_packet(now, track, &packet);
            }
            Item::Frame(track, grant, frame) if self.shared.grant(track) == grant => {
                self.leg.handle_frame(now, track, &frame);
            }
            // Taken away while it waited.
            Item::Packet(..) | Item::Frame(..) => {}
            Item::Control(control) => self.leg.handle_control(now, control),
        }
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        self.leg.handle_datagram(now, path, datagram);
        self.dirty = true;
    }

    pub(super) fn handle_restart(&mut self, now: Instant, restart: IceRestart) -> bool {
        self.dirty = true;
        self.leg.handle_restart(now, restart)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.leg.handle_timeout(now);
            self.dirty = true;
        }
        self.dirty |= self.again.is_some_and(|at| at <= now);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline.into_iter().chain(self.again).min()
    }

    /// Hands out what the session has: what is to be done here to `effect`, all else to the worker that owns the hearing.
    pub(super) fn settle(&mut self, now: Instant, effect: &mut impl FnMut(Owner, Effect)) {
        self.dirty = false;
        loop {
            while let Some(output) = self.leg.poll_output() {
                self.handle_output(output, effect);
            }
            self.deadline = self.leg.poll_timeout();
            if !self.leg.has_news() {
                break;
            }
        }
        self.speak(now);
    }

    fn handle_output(&mut self, output: Output, effect: &mut impl FnMut(Owner, Effect)) {
        match output {
            Output::Transmit { path, datagrams, segment } => {
                effect(self.owner, Effect::Transmit { path, datagrams, segment });
            }
            Output::Bind(path) => effect(self.owner, Effect::Bind(self.owner.1, path)),
            Output::Packet(..) => self.packets.push(output),
            Output::Wanted(track) => self.heed(track),
            // Figures are worth nothing later.
            Output::Quality(_) if self.again.is_some() => {
                counter!("hearing_far_words_lost_total").increment(1);
            }
            Output::Track(_)
            | Output::TrackEnd(_)
            | Output::KeyFrame(..)
            | Output::Active(..)
            | Output::Connected
            | Output::Lost(_)
            | Output::Left
            | Output::Quality(_)
            | Output::Closed(_) => self.say(output),
        }
    }

    /// Looks what the session wants of a track; the router hears of it when that is news.
    fn heed(&mut self, track: TrackId) {
        if self.shared.want(track, self.leg.wanted(track)) {
            self.say(Output::Wanted(track));
        }
    }

    fn say(&mut self, word: Output) {
        if self.words.len() < WORDS {
            self.words.push(word);
        } else {
            counter!("hearing_far_words_lost_total").increment(1);
            self.forsaken = true;
        }
    }

    /// What changes a state waits until there is room; media that finds none is lost and counted by the handle.
    fn speak(&mut self, now: Instant) {
        let (hearing, leg) = self.owner;
        self.again = None;
        if !self.words.is_empty() && self.home.say(self.owner, &mut self.words).is_err() {
            self.again = Some(now + PAUSE);
        }
        if !self.packets.is_empty() {
            let outputs = std::mem::take(&mut self.packets);
            let _ = self.home.send(Command::Say { hearing, leg, outputs });
        }
    }
}

impl Drop for Guest {
    /// The router learns that nobody is here any more, unless it let go itself.
    fn drop(&mut self) {
        if !self.shared.is_over() {
            let mut last = vec![Output::Closed("its worker does not carry it any more".to_owned())];
            // Without room for that the proxy finds out with the next item.
            let _ = self.home.say(self.owner, &mut last);
        }
    }
}

/// So that one session does not keep the others waiting; a millisecond of work.
const ITEMS_AT_A_TIME: usize = 256;
/// What a session may say while home takes nothing.
const WORDS: usize = 256;
/// How soon home is told again.
const PAUSE: Duration = Duration::from_millis(20);
