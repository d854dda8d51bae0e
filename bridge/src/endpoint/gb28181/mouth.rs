//! The way to a device's loudspeaker: it is told that there is something to hear (Broadcast) and invites us, or is invited to talk
//! (`s=Talk`) when it does not; then it is sent A-law, and told when what was said (RTCP).

use std::net::SocketAddr;
use std::time::Duration;

use hearing_config::Codec;
use hearing_proto::gb28181::{self as gb, Message, sdp};
use rsipstack::sip::{Header, StatusCode};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Interval, interval, timeout};

use super::Core;
use super::dialog::{Held, Said};
use super::roster::{Target, host};
use super::speech::Speech;
use super::talk::{Fetch, Spoken, Standing};
use crate::net::clock::NodeClock;
use crate::router::{Feed, FeedOutput, Frame};

/// A call in which a device is spoken to.
pub(super) struct Mouth {
    held: Held,
    voice: Voice,
    reports: Interval,
}

/// Its sockets.
struct Voice {
    rtp: UdpSocket,
    /// At the port above, where that is free: then the device is told our clock.
    rtcp: Option<UdpSocket>,
    to: SocketAddr,
    speech: Speech,
    clock: NodeClock,
}

impl Mouth {
    /// Tells a device that there is something to hear, and waits until it has fetched it; invites it when it does not.
    pub(super) async fn open(core: &Core, target: &Target) -> Result<Self, String> {
        match Self::announced(core, target).await {
            Ok(mouth) => Ok(mouth),
            Err(why) => Self::invite(core, target).await.map_err(|too| format!("{why}; invited to talk: {too}")),
        }
    }

    async fn announced(core: &Core, target: &Target) -> Result<Self, String> {
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
        let fetch =
            timeout(FETCH_LIMIT, fetched).await.map_err(|_| "it does not fetch what it is told".to_owned())??;
        Self::accept(core, fetch).await
    }

    async fn accept(core: &Core, fetch: Fetch) -> Result<Self, String> {
        let Fetch { dialog, states, to, payload, answered } = fetch;
        let (rtp, port) = match core.ports.udp().await.and_then(|rtp| Ok((rtp.local_addr()?.port(), rtp))) {
            Ok((port, rtp)) => (rtp, port),
            Err(error) => {
                let _ = dialog.reject(Some(StatusCode::ServiceUnavailable), None);
                return Err(error.to_string());
            }
        };
        let held = Held::new(core.stack.dialogs.clone(), dialog, states);
        let ssrc = sdp::ssrc(core.id, core.number() as u16);
        let answer = sdp::speak(core.id, core.settings.advertise, port, ssrc);
        let headers = vec![Header::ContentType("APPLICATION/SDP".into())];
        held.dialog().accept(Some(headers), Some(answer.into_bytes())).map_err(|error| error.to_string())?;
        // Nobody waits for it any more when it took too long.
        let _ = answered.send(());
        Ok(Self::new(held, Voice::new(core, rtp, to, Speech::new(payload, ssrc)).await))
    }

    /// What the device sends in such a call is in its program stream as well: it is not read.
    async fn invite(core: &Core, target: &Target) -> Result<Self, String> {
        let rtp = core.ports.udp().await.map_err(|error| error.to_string())?;
        let port = rtp.local_addr().map_err(|error| error.to_string())?.port();
        let ssrc = sdp::ssrc(core.id, core.number() as u16);
        let offer = sdp::talk(core.id, core.settings.advertise, port, ssrc);
        let option = core.invitation(target, ssrc, offer).map_err(|error| error.to_string())?;
        let (held, body) = Held::invite(&core.stack.dialogs, option).await?;
        let media = sdp::read(&String::from_utf8_lossy(&body));
        let fits = media.filter(|media| media.sound && media.transport == sdp::Transport::Udp && media.port != 0);
        let answer = fits.and_then(|media| Some((media.address.or(host(&target.at))?, media.port, media.payload?)));
        let (ip, port, payload) = answer.ok_or_else(|| {
            metrics::counter!("hearing_gb28181_sdp_malformed_total").increment(1);
            "its answer takes no A-law over UDP"
        })?;
        let to = SocketAddr::new(ip, port);
        Ok(Self::new(held, Voice::new(core, rtp, to, Speech::new(payload, ssrc)).await))
    }

    fn new(held: Held, voice: Voice) -> Self {
        Self { held, voice, reports: interval(REPORTED) }
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
                    FeedOutput::Sound(Codec::Pcma, frame) => self.voice.say(&frame),
                    other => return Spoken::Output(other),
                },
                _ = self.reports.tick() => self.voice.report(),
            }
        }
    }
}

impl Voice {
    async fn new(core: &Core, rtp: UdpSocket, to: SocketAddr, speech: Speech) -> Self {
        let above = |at: SocketAddr| Some(SocketAddr::new(at.ip(), at.port().checked_add(1)?));
        let rtcp = match rtp.local_addr().ok().and_then(above) {
            Some(at) => UdpSocket::bind(at).await.ok(),
            None => None,
        };
        Self { rtp, rtcp, to, speech, clock: core.clock }
    }

    fn say(&mut self, frame: &Frame) {
        for packet in self.speech.packets(frame) {
            sent(self.rtp.try_send_to(&packet, self.to).is_ok());
        }
    }

    /// To the port above the one for sound (RFC 3550, section 11).
    fn report(&self) {
        let port = self.to.port().checked_add(1);
        if let (Some(report), Some(rtcp), Some(port)) = (self.speech.report(self.clock.now()), &self.rtcp, port) {
            sent(rtcp.try_send_to(&report, SocketAddr::new(self.to.ip(), port)).is_ok());
        }
    }
}

fn sent(is_sent: bool) {
    if !is_sent {
        metrics::counter!("hearing_gb28181_datagrams_unsent_total").increment(1);
    }
}

/// From the announcement until the device has come.
const FETCH_LIMIT: Duration = Duration::from_secs(15);
/// Between two reports (RFC 3550, section 6.2).
const REPORTED: Duration = Duration::from_secs(5);
