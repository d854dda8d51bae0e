//! A device of our own that registers with a node, as a rehearsal has it on the seat of a device that is not to be invited; and the
//! node's leave for it, which lasts as long as the rehearsal.

mod ear;
mod post;
mod show;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hearing_config::{Codec, DeviceId, Kind, SeatId, TrackId};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Interval, interval};

use super::{Core, code};
use crate::net::sip::{self, Account};
use crate::router::{Feed, FeedInput, FeedOutput, Takes};
use ear::Ear;
use post::Post;
use show::Show;
use signals::Ask;

/// Where a platform is reached, and who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// An address of this machine.
    pub at: SocketAddr,
    /// TCP instead of UDP.
    pub tcp: bool,
    /// Its identity.
    pub platform: DeviceId,
    /// Its realm.
    pub domain: String,
    /// Seconds between two signs of life.
    pub keepalive: u16,
}

/// A device that may register until this is dropped.
pub struct Pass {
    core: Arc<Core>,
    device: DeviceId,
}

/// A device of our own: a camera with a loudspeaker, which sends H.264 and A-law as a program stream over UDP.
pub struct Visitor {
    post: Arc<Post>,
    asks: mpsc::Receiver<Ask>,
}

impl Door {
    pub(super) fn of(settings: &hearing_config::Gb28181) -> Option<Self> {
        let (at, tcp) = sip::reach(settings.udp, settings.tcp, settings.advertise)?;
        let hearing_config::Gb28181 { id, domain, keepalive, .. } = settings.clone();
        Some(Self { at, tcp, platform: id, domain, keepalive })
    }
}

impl Pass {
    pub(super) fn new(core: &Arc<Core>, device: DeviceId, secret: &str) -> Self {
        core.guard.admit(device.as_str(), secret);
        core.roster().admit(code(&device));
        Self { core: Arc::clone(core), device }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.core.guard.dismiss(self.device.as_str());
        self.core.roster().dismiss(code(&self.device));
        self.core.tell_change();
    }
}

impl Visitor {
    /// Binds addresses of its own beside the node. The account's user is the device's identity.
    ///
    /// # Errors
    /// None is free, the node's address is not of this machine, or the user is no identity.
    pub async fn start(door: &Door, account: Account) -> Result<Self, String> {
        let (post, requests) = Post::open(door, account).await?;
        let (sender, asks) = mpsc::channel(ASKS);
        let post = Arc::new(post);
        tokio::spawn(signals::serve(Arc::downgrade(&post), requests, sender));
        Ok(Self { post, asks })
    }

    /// Registers, waits until it is invited, and shows and listens until the node hangs up; then says goodbye. `feed` makes what is
    /// sent and takes what comes.
    ///
    /// # Errors
    /// The node's refusal, or that of `feed`.
    pub async fn attend(mut self, feed: impl FnOnce(&Takes) -> Result<Box<dyn Feed>, String>) -> Result<(), String> {
        self.post.register(LASTS).await?;
        let attended = self.work(feed).await;
        // A node that does not hear it notices the silence.
        let _ = self.post.register(0).await;
        attended
    }

    async fn work(&mut self, feed: impl FnOnce(&Takes) -> Result<Box<dyn Feed>, String>) -> Result<(), String> {
        let mut alive = interval(Duration::from_secs(self.post.door.keepalive.max(1).into()));
        let invitation = loop {
            match self.asked(&mut alive).await? {
                Ask::Play(invitation) => break invitation,
                // Nothing can be shown or heard yet: a node that does want to speak says so again when it has invited.
                Ask::KeyFrame | Ask::Broadcast(_) => {}
            }
        };
        let takes = Takes { sound: vec![Codec::Pcma], picture: vec![Codec::H264], ..Takes::default() };
        let mut feed = feed(&takes)?;
        let mut show = Show::begin(&self.post, invitation).await?;
        let mut ear = Ear::Deaf;
        loop {
            tokio::select! {
                ask = self.asked(&mut alive) => match ask? {
                    Ask::KeyFrame => feed.handle(FeedInput::KeyFrame),
                    Ask::Broadcast(source) => ear = Ear::fetch(&self.post, source),
                    // It plays already; dropping the invitation refuses it.
                    Ask::Play(second) => drop(second),
                },
                output = feed.next() => match output {
                    FeedOutput::Sound(_, frame) => show.sound(&frame),
                    FeedOutput::Picture(_, frame) => show.picture(&frame),
                    FeedOutput::KeyFrame(..) | FeedOutput::Wish(_) | FeedOutput::Loudness(_) | FeedOutput::Restarted => {}
                },
                heard = ear.next() => feed.handle(FeedInput::Frame(MIX, heard?)),
                () = show.over() => return Ok(()),
            }
        }
    }

    /// What the node wants next; meanwhile it is told that the device lives. Cancelling it loses nothing.
    async fn asked(&mut self, alive: &mut Interval) -> Result<Ask, String> {
        loop {
            tokio::select! {
                ask = self.asks.recv() => return ask.ok_or_else(|| "its signalling has ended".to_owned()),
                _ = alive.tick() => self.post.live(),
            }
        }
    }
}

/// What it hears is of everybody.
const MIX: TrackId = TrackId { seat: SeatId(0), kind: Kind::Audio };
/// Seconds for which it registers: longer than any rehearsal.
const LASTS: u32 = 3_600;
/// Wishes of the node that may wait.
const ASKS: usize = 16;

#[cfg(test)]
mod tests;
