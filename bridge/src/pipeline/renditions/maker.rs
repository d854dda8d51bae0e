//! One rendition's task: between its leg on the router and its child.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearing_config::{Codec, HearingId};
use hearing_proto::child::{Coded, FromChild, Job, PICTURE, SOUND, Transcode};
use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant as Alarm, sleep_until};
use tracing::{info, warn};

use super::leg::{Given, QUEUE, RenditionLeg};
use crate::pipeline::convert::{self, Packer, Timeline};
use crate::pipeline::pulse::{Pulse, STALL};
use crate::pipeline::{Error, Event, Events, Feed, Life, Program};
use crate::router::{Attach, Command, Layer, LegId, Place, TrackInfo, WorkerHandle};

pub(super) struct Maker {
    hearing: HearingId,
    worker: WorkerHandle,
    info: TrackInfo,
    codec: Codec,
    feed: Feed,
    events: Events,
    given: mpsc::Receiver<Given>,
    leg: watch::Sender<LegId>,
    timeline: Timeline,
    packer: Packer,
    /// The layer that comes.
    layer: Layer,
    /// What is inside the child: where it belongs and since when.
    inside: VecDeque<(i64, Instant)>,
    /// When something last went in.
    fed: Instant,
    /// When something last came out.
    pulse: Pulse,
}

impl Maker {
    /// Starts the child and hangs its leg on the router.
    pub(super) fn start(
        program: &Arc<Program>,
        hearing: HearingId,
        worker: WorkerHandle,
        (info, codec): (TrackInfo, Codec),
    ) -> Result<(Self, watch::Receiver<LegId>), Error> {
        let what = Transcode { from: convert::codec(info.codec), to: super::target(codec) };
        let (feed, events) = program.spawn(Job::Transcode(what), Life::Kept)?;
        let (_, given) = mpsc::channel(1);
        let (leg, legs) = watch::channel(LegId::fresh());
        let mut maker = Self {
            hearing,
            worker,
            info,
            codec,
            feed,
            events,
            given,
            leg,
            timeline: Timeline::default(),
            packer: Packer::new(codec),
            layer: Layer(0),
            inside: VecDeque::new(),
            fed: Instant::now(),
            pulse: Pulse::new(Instant::now()),
        };
        maker.hang();
        Ok((maker, legs))
    }

    pub(super) async fn run(mut self, mut wanted: watch::Receiver<bool>, mut anew: watch::Receiver<u32>) {
        gauge!("hearing_renditions").increment(1);
        info!(hearing = %self.hearing, track = %self.info.id, from = ?self.info.codec, to = ?self.codec, "rendition begins");
        let mut linger: Option<Alarm> = None;
        loop {
            let over = async move {
                match linger {
                    Some(alarm) => sleep_until(alarm).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = wanted.changed() => match changed {
                    Ok(()) => linger = (!*wanted.borrow_and_update()).then(|| Alarm::now() + LINGER),
                    Err(_) => break,
                },
                Ok(()) = anew.changed() => self.hang(),
                () = over => break,
                Some(given) = self.given.recv() => self.take(given),
                event = self.events.next() => match event {
                    Some(event) => self.handle(event),
                    None => break,
                },
            }
        }
        self.tell(Command::Detach { hearing: self.hearing, leg: *self.leg.borrow() });
        gauge!("hearing_renditions").decrement(1);
        info!(hearing = %self.hearing, track = %self.info.id, to = ?self.codec, "rendition ends");
    }

    #[cfg(test)]
    pub(super) fn child(&self) -> Arc<crate::pipeline::life::Shared> {
        self.feed.shared.clone()
    }

    /// Hangs a new leg on the router.
    fn hang(&mut self) {
        let (to, given) = mpsc::channel(QUEUE);
        self.given = given;
        let id = LegId::fresh();
        self.leg.send_replace(id);
        let place = Place::Rendition(self.info.id, self.codec);
        let leg = Box::new(RenditionLeg::new(to));
        self.tell(Command::Attach(Attach { hearing: self.hearing, id, place, ufrag: None, leg }));
    }

    fn take(&mut self, given: Given) {
        match given {
            Given::Frame(frame) => {
                let head = frame.head();
                (self.layer, self.packer.level) = (head.layer, head.level);
                let pts = self.timeline.place(head.captured);
                let Some(coded) = convert::coded(self.info.codec, self.stream(), pts, &frame) else {
                    counter!("hearing_pipeline_frames_lost_total").increment(1);
                    return self.need_key();
                };
                let now = Instant::now();
                if !self.feed.offer(coded) {
                    self.need_key();
                } else if self.inside.len() < INSIDE {
                    self.inside.push_back((pts, now));
                }
                self.watch(now);
            }
            Given::KeyFrame => self.feed.key_frame(self.stream()),
        }
    }

    /// A child that takes frames and gives none stands still: it is ended, and the next one starts.
    fn watch(&mut self, now: Instant) {
        // What a publisher that paused left inside waits for what follows it, and not for the child.
        if now.saturating_duration_since(std::mem::replace(&mut self.fed, now)) > STALL / 2 {
            self.inside.clear();
            self.pulse.rest(now);
        }
        let waiting = self.inside.front().is_some_and(|(_, since)| now.saturating_duration_since(*since) > STALL);
        if waiting && self.pulse.is_still(now) {
            warn!(hearing = %self.hearing, track = %self.info.id, "a rendition's child stands still and is ended");
            counter!("hearing_pipeline_stalls_total").increment(1);
            self.feed.kill();
            self.inside.clear();
            self.pulse = Pulse::new(now);
        }
    }

    fn handle(&mut self, event: Event) {
        // Its figures come whether it works or not.
        if !matches!(event, Event::Said(FromChild::Stats(_))) {
            self.pulse.hear(Instant::now(), &event);
        }
        match event {
            Event::Up => {
                self.inside.clear();
                self.need_key();
            }
            Event::Said(FromChild::Frame(coded)) => self.give(&coded),
            Event::Said(FromChild::NeedKey { .. }) => self.need_key(),
            Event::Said(FromChild::Stats(_)) => {}
            Event::Said(other) => {
                warn!(hearing = %self.hearing, track = %self.info.id, said = ?other, "rendition");
            }
            Event::Down { reason, again } => {
                counter!("hearing_pipeline_restarts_total", "what" => "rendition").increment(1);
                warn!(hearing = %self.hearing, track = %self.info.id, reason, ?again, "a rendition's child is down");
            }
        }
    }

    fn give(&mut self, coded: &Coded) {
        let now = Instant::now();
        while let Some((_, since)) = self.inside.pop_front_if(|(pts, _)| *pts <= coded.pts) {
            histogram!("hearing_rendition_delay_seconds").record(now.saturating_duration_since(since).as_secs_f64());
        }
        let frame = self.timeline.captured(coded.pts).and_then(|captured| self.packer.pack(captured, coded));
        if let Some(frame) = frame {
            let (leg, track) = (*self.leg.borrow(), self.info.id);
            self.tell(Command::Inject { hearing: self.hearing, leg, track, frame });
        }
    }

    fn need_key(&self) {
        if self.info.id.kind.is_picture() {
            let (track, layer) = (self.info.id, self.layer);
            self.tell(Command::KeyFrame { hearing: self.hearing, track, layer });
        }
    }

    const fn stream(&self) -> u16 {
        if self.info.id.kind.is_picture() { PICTURE } else { SOUND }
    }

    /// What does not fit is counted by the worker's handle.
    fn tell(&self, command: Command) {
        if self.worker.send(command).is_err() {
            warn!(hearing = %self.hearing, track = %self.info.id, "command lost");
        }
    }
}

/// How long a rendition stays after its last subscriber: somebody who comes back finds it.
const LINGER: Duration = Duration::from_secs(5);
/// Frames of which the delay is measured at once.
const INSIDE: usize = 256;
