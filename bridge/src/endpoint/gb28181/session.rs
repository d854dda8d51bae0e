//! One call: from the invitation to its end it stands between a device and the router.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearing_config::Kind;
use hearing_proto::gb28181::{Code, Control, Message};
use tokio::sync::broadcast;
use tokio::time::{interval, timeout};
use tracing::{info, warn};

use super::Core;
use super::intake::Got;
use super::play::{Came, Playing};
use super::roster::Target;
use super::talk::{Spoken, Talk};
use crate::endpoint::terminal::{Call, Ended, Line, Room, Told};
use crate::router::{FeedOutput, Throttle};

/// Connects a device that is there to a seat, until one of them ends it.
pub(super) async fn run(core: &Arc<Core>, target: &Target, call: &Call) -> Ended {
    let held = async {
        match hold(core, target, call).await {
            Ok(why) | Err(why) => why,
        }
    };
    // Whatever is dropped here says its own goodbye.
    tokio::select! {
        () = call.stop.cancelled() => Ended::Stopped,
        why = held => Ended::Gone(why),
    }
}

async fn hold(core: &Arc<Core>, target: &Target, call: &Call) -> Result<String, String> {
    let mut talk = if core.talks_to(target.device) { Talk::begin(core, target, call) } else { Talk::none(call) };
    let (playing, first) = if target.channel.kind() == LOUDSPEAKER {
        listens(&mut talk).await?;
        (None, Vec::new())
    } else {
        let mut playing = Playing::invite(core, target).await?;
        let first = timeout(FIRST_LIMIT, first(core, &mut playing)).await;
        let first = first.map_err(|_| format!("it sends no media within {} s", FIRST_LIMIT.as_secs()))??;
        (Some(playing), first)
    };
    let line = Line::attach(call.seat.clone()).map_err(|full| full.to_string())?;
    info!(hearing = %call.seat.hearing, seat = %call.seat.seat, "device is connected");
    let asked = Throttle::spaced(TICK);
    let ended = core.ended.subscribe();
    let (published, room) = (Vec::new(), Room::default());
    let mut session = Session { core, target, line, playing, talk, room, published, asked, ended };
    session.pass(first)?;
    session.work().await
}

/// The first packets of a track.
async fn first(core: &Core, playing: &mut Playing) -> Result<Vec<Got>, String> {
    loop {
        if let Came::Media(got) = playing.next(core).await?
            && got.iter().any(|got| !got.packets.is_empty())
        {
            return Ok(got);
        }
    }
}

/// Waits until a loudspeaker listens.
async fn listens(talk: &mut Talk<'_>) -> Result<(), String> {
    loop {
        match talk.next().await {
            Spoken::Begun => return Ok(()),
            Spoken::Over(why) => return Err(why),
            // Nothing is wished before there is a leg.
            Spoken::Output(_) => {}
        }
    }
}

/// A call at work.
struct Session<'a> {
    core: &'a Arc<Core>,
    target: &'a Target,
    line: Line,
    /// `None` for a loudspeaker.
    playing: Option<Playing>,
    talk: Talk<'a>,
    room: Room,
    published: Vec<Kind>,
    /// Key frames that are asked of the device.
    asked: Throttle,
    ended: broadcast::Receiver<Code>,
}

impl Session<'_> {
    async fn work(&mut self) -> Result<String, String> {
        let mut tick = interval(TICK);
        loop {
            tokio::select! {
                came = next(self.core, &mut self.playing) => match came? {
                    Came::Media(got) => self.pass(got)?,
                    Came::Message(body) => self.message(&body)?,
                },
                told = self.line.next() => match told {
                    Some(told) => self.told(told),
                    None => return Err("its seat is taken".to_owned()),
                },
                spoken = self.talk.next() => self.spoken(spoken)?,
                ended = self.ended.recv() => {
                    if ended.is_ok_and(|code| self.is_meant(code)) {
                        return Ok("it says that its media has ended".to_owned());
                    }
                }
                _ = tick.tick() => self.tick()?,
            }
        }
    }

    /// What the device sends goes to the router.
    fn pass(&mut self, got: Vec<Got>) -> Result<(), String> {
        for Got { kind, codec, packets } in got.into_iter().filter(|got| !got.packets.is_empty()) {
            if !self.published.contains(&kind) {
                self.line.publish(kind, codec).map_err(|full| full.to_string())?;
                self.published.push(kind);
            }
            if kind == Kind::Audio {
                self.talk.measure(codec, &packets);
            }
            if kind.is_picture() && packets[0].key {
                self.asked.satisfy();
            }
            // What does not fit is counted by the worker's queue.
            let _ = self.line.send(kind, packets);
        }
        let lost = self.playing.as_mut().is_some_and(|playing| playing.intake.has_lost());
        if lost && self.published.contains(&Kind::Video) {
            let _ = self.line.broken(Kind::Video);
        }
        Ok(())
    }

    /// Something that the device says within the call.
    fn message(&self, body: &[u8]) -> Result<(), String> {
        match hearing_proto::gb28181::parse(body) {
            Ok(Message::MediaStatus { .. }) => Err("it says that its media has ended".to_owned()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn is_meant(&self, code: Code) -> bool {
        code == self.target.channel || code == self.target.device
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Feed(input) => self.talk.hear(input),
            Told::KeyFrame(kind) if kind.is_picture() => {
                if self.asked.request(Instant::now()) {
                    self.key_frame();
                }
            }
            // A device sends whether anybody looks or not.
            Told::KeyFrame(_) | Told::Demand(..) => {}
        }
    }

    /// Asks the device for a key frame.
    fn key_frame(&self) {
        metrics::counter!("hearing_gb28181_key_frames_asked_total").increment(1);
        let (core, Target { device, channel, at, .. }) = (Arc::clone(self.core), self.target.clone());
        tokio::spawn(async move {
            if let Err(why) = core.order(Control::KeyFrame, (device, channel), &at).await {
                info!(%why, "a device was asked for a key frame in vain");
            }
        });
    }

    fn spoken(&mut self, spoken: Spoken) -> Result<(), String> {
        match spoken {
            Spoken::Begun => info!("a device listens"),
            Spoken::Over(why) if self.playing.is_none() => return Err(why),
            Spoken::Over(why) => warn!(why, "a device is not spoken to"),
            Spoken::Output(FeedOutput::KeyFrame(track, layer)) => {
                self.line.key_frame(track, layer).map_err(|full| full.to_string())?;
            }
            Spoken::Output(FeedOutput::Wish(wishes)) => self.line.wish(wishes).map_err(|full| full.to_string())?,
            Spoken::Output(output @ (FeedOutput::Loudness(_) | FeedOutput::Restarted)) => {
                self.room.take(Instant::now(), &output);
            }
            // A device has no screen, and sound in its codec has gone to it already.
            Spoken::Output(FeedOutput::Sound(..) | FeedOutput::Picture(..)) => {}
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), String> {
        let now = Instant::now();
        if self.core.epoch(self.target.device) != Some(self.target.epoch) {
            return Err("the device is offline, or has come from elsewhere".to_owned());
        }
        if let Some(playing) = &mut self.playing {
            if now.saturating_duration_since(playing.heard) > SILENCE {
                return Err(format!("nothing came for {} s", SILENCE.as_secs()));
            }
            if let Some(quality) = playing.intake.quality(now) {
                // Figures are worth nothing later.
                let _ = self.line.quality(self.room.figures(now, quality));
            }
        }
        if self.asked.handle_timeout(now) {
            self.key_frame();
        }
        Ok(())
    }
}

/// What comes next of a device that plays; never, where none does.
async fn next(core: &Core, playing: &mut Option<Playing>) -> Result<Came, String> {
    match playing {
        Some(playing) => playing.next(core).await,
        None => std::future::pending().await,
    }
}

/// What an identity of a loudspeaker says in its digits 11 to 13 (GB/T 28181-2016, annex D).
const LOUDSPEAKER: u16 = 137;
const TICK: Duration = Duration::from_secs(1);
/// From the answer to the first media.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(5);
