//! The way to a device's loudspeaker: it is told that there is something to hear (Broadcast) and invites us, or is invited to talk
//! (`s=Talk`) when it does not; then it is sent A-law, and told when what was said (RTCP).

use std::time::{Duration, Instant};

use hearing_config::Codec;
use hearing_proto::gb28181::{self as gb, Message, sdp};
use rsipstack::sip::{Header, StatusCode};
use tokio::sync::mpsc;
use tokio::time::{Interval, interval, timeout};

use super::Core;
use super::dialog::{Held, Said};
use super::roster::{Target, host};
use super::socket::{Peer, Socket, answer, way};
use super::speech::Speech;
use super::talk::{Fetch, Spoken, Standing};
use super::voice::Voice;
use crate::router::{Feed, FeedOutput};

/// A call in which a device is spoken to.
pub(super) struct Mouth {
    held: Held,
    voice: Voice,
    reports: Interval,
}

impl Mouth {
    /// Tells a device that there is something to hear, and waits until it has fetched it; invites it when it does not.
    pub(super) async fn open(core: &Core, target: &Target) -> Result<Self, String> {
        let fetched = match announced(core, target).await {
            Ok(fetch) => Self::accept(core, fetch).await,
            Err(why) => Err(why),
        };
        match fetched {
            Ok(mouth) => Ok(mouth),
            Err(why) => Self::invite(core, target).await.map_err(|too| format!("{why}; invited to talk: {too}")),
        }
    }

    async fn accept(core: &Core, fetch: Fetch) -> Result<Self, String> {
        let Fetch { dialog, states, offer, answered } = fetch;
        let socket = match Socket::open(&core.ports, offer.transport).await {
            Ok(socket) => socket,
            Err(error) => {
                let _ = dialog.reject(Some(StatusCode::ServiceUnavailable), None);
                return Err(error.to_string());
            }
        };
        let held = Held::new(core.stack.dialogs.clone(), dialog, states);
        let ssrc = sdp::ssrc(core.id, core.number() as u16);
        let at = (core.settings.advertise, socket.port());
        let answer = sdp::speak(core.id, at, ssrc, way(offer.transport));
        let headers = vec![Header::ContentType("APPLICATION/SDP".into())];
        held.dialog().accept(Some(headers), Some(answer.into_bytes())).map_err(|error| error.to_string())?;
        // Nobody waits for it any more when it took too long.
        let _ = answered.send(());
        let speech = Speech::new(offer.payload, ssrc);
        Self::begin(held, Voice::open(socket, &offer.peer, speech, core.clock)).await
    }

    /// What the device sends in such a call is in its program stream as well: it is not read.
    async fn invite(core: &Core, target: &Target) -> Result<Self, String> {
        let transport = core.transport(target.device);
        let socket = Socket::open(&core.ports, transport).await.map_err(|error| error.to_string())?;
        let ssrc = sdp::ssrc(core.id, core.number() as u16);
        let offer = sdp::talk(core.id, (core.settings.advertise, socket.port()), ssrc, way(transport));
        let option = core.invitation(target, ssrc, offer).map_err(|error| error.to_string())?;
        let (held, body) = Held::invite(&core.stack.dialogs, option).await?;
        let media = answer(&body, transport)?;
        let payload = media.payload.filter(|_| media.sound).ok_or("its answer takes no A-law")?;
        let peer = Peer::new(host(&target.at), &media);
        Self::begin(held, Voice::open(socket, &peer, Speech::new(payload, ssrc), core.clock)).await
    }

    /// Until there is a way to it, a device may hang up.
    async fn begin(mut held: Held, opening: impl Future<Output = Result<Voice, String>>) -> Result<Self, String> {
        let voice = tokio::select! {
            voice = opening => voice?,
            why = held.over() => return Err(why),
        };
        Ok(Self { held, voice, reports: interval(REPORTED) })
    }

    /// Says what comes from a feed, until there is something else. Cancelling it loses nothing.
    pub(super) async fn next(&mut self, feed: &mut dyn Feed) -> Spoken {
        loop {
            tokio::select! {
                said = self.held.next() => match said {
                    Said::Over(why) => return Spoken::Over(why),
                    Said::Message(_) => {}
                },
                output = feed.next() => match output {
                    FeedOutput::Sound(Codec::Pcma, frame) => {
                        if let Err(why) = self.voice.say(&frame, Instant::now()) {
                            return Spoken::Over(why);
                        }
                    }
                    other => return Spoken::Output(other),
                },
                why = self.voice.over() => return Spoken::Over(why),
                _ = self.reports.tick() => self.voice.report(),
            }
        }
    }
}

/// Tells a device that there is something to hear; how it fetches it.
async fn announced(core: &Core, target: &Target) -> Result<Fetch, String> {
    let (sender, mut fetches) = mpsc::channel(1);
    let mut answer = core.answers.await_for(target.device, core.number());
    let _standing = Standing::new(&core.announced, target, sender);
    let body = gb::broadcast(core.id, target.channel, answer.sn);
    core.tell(target.device, &target.at, body).await.map_err(|error| error.to_string())?;
    let fetched = async {
        loop {
            tokio::select! {
                Some(fetch) = fetches.recv() => return Ok(fetch),
                answered = answer.next() => {
                    // Some say nothing, and come.
                    if let Ok(Message::Broadcast { accepted: false, .. }) = answered {
                        return Err("it takes no sound".to_owned());
                    }
                }
            }
        }
    };
    timeout(FETCH_LIMIT, fetched).await.map_err(|_| "it does not fetch what it is told".to_owned())?
}

/// From the announcement until the device has come.
const FETCH_LIMIT: Duration = Duration::from_secs(15);
/// Between two reports (RFC 3550, section 6.2).
const REPORTED: Duration = Duration::from_secs(5);
