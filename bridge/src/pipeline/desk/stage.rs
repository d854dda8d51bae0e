//! Composed pictures, each shared by all desks that may see the same seats in the same layout. One of them feeds it: they are
//! all handed the same frames.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use hearing_config::{HearingId, SeatId, Timestamp};
use hearing_proto::child::{self, Coded, FromChild, Job, PICTURE, PictureTarget, ToChild};
use hearing_proto::scene::{Layout, Scene};
use metrics::{counter, gauge};
use tokio::sync::mpsc;
use tracing::warn;

use crate::pipeline::pulse::Pulse;
use crate::pipeline::{Error, Event, Events, Feed, Life, Program};

/// All composed pictures of a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Stages(Arc<Mutex<HashMap<Key, Weak<Shared>>>>);

/// What makes a composed picture the same for two desks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) hearing: HearingId,
    pub(super) layout: Layout,
    pub(super) to: PictureTarget,
    /// Whom it shows, in order.
    pub(super) seats: Vec<SeatId>,
}

/// What a stage says to a desk.
#[derive(Debug)]
pub(super) enum Said {
    Frame(Timestamp, Coded),
    NeedKey(u16),
    /// The desk feeds the stage from now on: it opens what it has.
    Feed,
    Restarted,
}

/// A desk's place at a stage. Dropping it leaves.
#[derive(Debug)]
pub(super) struct Member {
    shared: Arc<Shared>,
    id: u64,
}

#[derive(Debug)]
struct Shared {
    feed: Feed,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    next: u64,
    /// The first one feeds.
    present: BTreeMap<u64, mpsc::Sender<Said>>,
}

impl Stages {
    /// The processes that draw now.
    #[cfg(test)]
    pub(super) fn pids(&self) -> Vec<u32> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter_map(|stage| stage.upgrade()?.feed.pid()).collect()
    }

    /// Joins the stage of this key, which is set up if there is none.
    pub(super) fn join(
        &self,
        program: &Program,
        key: Key,
        scene: impl FnOnce() -> Scene,
        to: mpsc::Sender<Said>,
    ) -> Result<Member, Error> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, stage| stage.strong_count() > 0);
        if let Some(shared) = all.get(&key).and_then(Weak::upgrade) {
            return Ok(Member::new(shared, to));
        }
        counter!("hearing_composites_begun_total").increment(1);
        let what = child::Stage { scene: scene(), to: key.to };
        let (feed, events) = program.spawn(Job::Stage(what), Life::Kept)?;
        let shared = Arc::new(Shared { feed, members: Mutex::default() });
        all.insert(key, Arc::downgrade(&shared));
        tokio::spawn(listen(Arc::downgrade(&shared), events));
        Ok(Member::new(shared, to))
    }
}

impl Member {
    fn new(shared: Arc<Shared>, to: mpsc::Sender<Said>) -> Self {
        let id = {
            let mut members = shared.members();
            members.next += 1;
            let id = members.next;
            members.present.insert(id, to);
            id
        };
        shared.tell_feeder(Said::Feed, Some(id));
        // Whoever joins needs a key frame; for the first one it is the first picture.
        shared.feed.key_frame(PICTURE);
        Self { shared, id }
    }

    /// Says something to the child if this desk feeds it.
    pub(super) fn tell(&self, message: ToChild) -> bool {
        if !self.feeds() {
            return true;
        }
        self.shared.feed.tell(message)
    }

    pub(super) fn feeds(&self) -> bool {
        self.shared.members().present.keys().next() == Some(&self.id)
    }

    pub(super) fn key_frame(&self) {
        self.shared.feed.key_frame(PICTURE);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let fed = self.feeds();
        self.shared.members().present.remove(&self.id);
        if fed {
            self.shared.tell_feeder(Said::Feed, None);
        }
    }
}

impl Shared {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only if it is this one, where one is named.
    fn tell_feeder(&self, said: Said, only: Option<u64>) {
        let members = self.members();
        if let Some((id, to)) = members.present.iter().next()
            && only.is_none_or(|only| only == *id)
        {
            send(to, said);
        }
    }
}

fn send(to: &mpsc::Sender<Said>, said: Said) {
    if to.try_send(said).is_err() {
        counter!("hearing_pipeline_frames_lost_total").increment(1);
    }
}

/// Hands on what the child says until it has ended for good.
async fn listen(shared: Weak<Shared>, mut events: Events) {
    gauge!("hearing_composites").increment(1);
    let (mut zero, mut pulse) = (Timestamp(0), Pulse::new(Instant::now()));
    let mut look = tokio::time::interval(super::task::LOOK);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = look.tick() => {
                let Some(shared) = shared.upgrade() else { break };
                super::task::end_if_still(&shared.feed, &mut pulse);
                continue;
            }
        };
        let (Some(event), Some(shared)) = (event, shared.upgrade()) else { break };
        pulse.hear(Instant::now(), &event);
        match event {
            Event::Up => shared.tell_feeder(Said::Feed, None),
            Event::Said(FromChild::Started { at }) => zero = Timestamp(at),
            Event::Said(FromChild::Frame(coded)) => {
                let captured = zero.plus(coded.pts);
                let members = shared.members();
                members.present.values().for_each(|to| send(to, Said::Frame(captured, coded.clone())));
            }
            Event::Said(FromChild::NeedKey { stream }) => shared.tell_feeder(Said::NeedKey(stream), None),
            Event::Said(FromChild::Stats(_)) => {}
            Event::Said(other) => warn!(said = ?other, "composed picture"),
            Event::Down { reason, again } => {
                counter!("hearing_pipeline_restarts_total", "what" => "composite").increment(1);
                warn!(reason, ?again, "the child of a composed picture is down");
                shared.members().present.values().for_each(|to| send(to, Said::Restarted));
            }
        }
    }
    gauge!("hearing_composites").decrement(1);
}
