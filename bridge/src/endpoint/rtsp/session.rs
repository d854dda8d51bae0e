//! One pull of a camera: asks what it has, sets up a picture and a sound, and hands what comes to the router until the camera is
//! not heard any more. Whoever keeps the seat begins anew then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use hearing_config::{Kind, RtspTransport, RtspUrl};
use percent_encoding::percent_decode_str;
use retina::client::{
    Credentials, PacketItem, PlayOptions, Playing, Session, SessionGroup, SessionOptions, SetupOptions,
    TcpTransportOptions, Transport, UdpTransportOptions,
};
use retina::rtcp::ReceivedCompoundPacket;
use tokio::time::timeout;
use tracing::{info, warn};
use url::Url;

use super::track::Track;
use crate::endpoint::source::{SenderClock, Tally};
use crate::endpoint::terminal::{Call, Ended, Gauge, Line, Room, Told};
use crate::net::clock::NodeClock;

/// How media comes from a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Way {
    /// Between the messages of the session's own connection (RFC 2326, section 10.12).
    #[default]
    Tcp,
    /// As datagrams.
    Udp,
}

impl Way {
    /// As configured.
    pub(crate) const fn of(transport: RtspTransport) -> Self {
        match transport {
            RtspTransport::Tcp => Self::Tcp,
            RtspTransport::Udp => Self::Udp,
        }
    }
}

/// A camera that is to be pulled.
pub(crate) struct Camera {
    /// Where it is, user and password taken off.
    url: Url,
    credentials: Option<Credentials>,
    clock: NodeClock,
}

impl Camera {
    /// The camera at `url`.
    ///
    /// # Errors
    /// When this node can't speak to such an address.
    pub(crate) fn at(url: &RtspUrl, clock: NodeClock) -> Result<Self, &'static str> {
        let mut url = Url::parse(url.as_str()).map_err(|_| "its address can't be read")?;
        if url.scheme() != "rtsp" {
            return Err("RTSP over TLS is not spoken");
        }
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = (!url.username().is_empty()).then(|| Credentials {
            username: plain(url.username()),
            password: plain(url.password().unwrap_or_default()),
        });
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| "its address names no host")?;
        Ok(Self { url, credentials, clock })
    }

    /// Pulls the camera for a seat, first the `way` that is wished, then the other if the camera refuses that one.
    pub(crate) async fn pull(&self, call: Call, way: Way) -> Ended {
        let stop = call.stop.clone();
        tokio::select! {
            () = stop.cancelled() => Ended::Stopped,
            ended = self.run(&call, way) => ended,
        }
    }

    async fn run(&self, call: &Call, way: Way) -> Ended {
        match self.open_either(way).await {
            Ok(opened) => Pull::new(opened, self.clock, call).run(call).await,
            Err(error) => Ended::Gone(error.to_string()),
        }
    }

    /// The way that is wished, or the other one if the camera refuses that.
    pub(super) async fn open_either(&self, way: Way) -> Result<(Session<Playing>, Vec<Option<Track>>), Error> {
        match self.open(way).await {
            Err(Error::Transport) => self.open(if way == Way::Tcp { Way::Udp } else { Way::Tcp }).await,
            opened => opened,
        }
    }

    pub(super) const fn clock(&self) -> NodeClock {
        self.clock
    }

    async fn open(&self, way: Way) -> Result<(Session<Playing>, Vec<Option<Track>>), Error> {
        let group = Arc::new(SessionGroup::default());
        let options = SessionOptions::default()
            .creds(self.credentials.clone())
            .user_agent("hearing".to_owned())
            .session_group(Arc::clone(&group));
        let mut session = timeout(ANSWER_LIMIT, Session::describe(self.url.clone(), options)).await??;
        let tracks = chosen(session.streams().iter().map(Track::of).collect());
        if tracks.iter().all(Option::is_none) {
            return Err(Error::Nothing);
        }
        for at in (0..tracks.len()).filter(|at| tracks[*at].is_some()) {
            let options = SetupOptions::default().transport(transport(way));
            timeout(ANSWER_LIMIT, session.setup(at, options)).await?.map_err(Error::of_setup)?;
        }
        let session = timeout(ANSWER_LIMIT, session.play(play())).await??;
        Ok((session, tracks))
    }
}

/// The first picture and the first sound that can be carried.
fn chosen(mut tracks: Vec<Option<Track>>) -> Vec<Option<Track>> {
    let mut taken = Vec::new();
    for track in &mut tracks {
        let Some(kind) = track.as_ref().map(Track::kind) else { continue };
        if taken.contains(&kind) {
            *track = None;
        } else {
            taken.push(kind);
        }
    }
    tracks
}

fn transport(way: Way) -> Transport {
    match way {
        Way::Tcp => Transport::Tcp(TcpTransportOptions::default()),
        Way::Udp => Transport::Udp(UdpTransportOptions::default()),
    }
}

/// Cameras tell the beginning of their time lines wrongly or not at all, and nothing here needs it.
fn play() -> PlayOptions {
    PlayOptions::default().initial_timestamp(retina::client::InitialTimestampPolicy::Ignore)
}

/// A camera that plays.
struct Pull<'a> {
    session: Session<Playing>,
    /// By the session's streams; `None` for those that are not taken.
    tracks: Vec<Option<Track>>,
    sender: SenderClock,
    tally: Tally,
    room: Room,
    gauge: Gauge<'a>,
    clock: NodeClock,
}

impl<'a> Pull<'a> {
    fn new((session, tracks): (Session<Playing>, Vec<Option<Track>>), clock: NodeClock, call: &'a Call) -> Self {
        let (sender, tally) = (SenderClock::default(), Tally::new(Instant::now()));
        Self { session, tracks, sender, tally, room: Room::default(), gauge: Gauge::new(call), clock }
    }

    /// The seat is taken when the first packet has come.
    async fn run(mut self, call: &Call) -> Ended {
        let first = match timeout(SILENCE_LIMIT, self.session.next()).await {
            Ok(Some(Ok(item))) => item,
            silent => return gone(silent),
        };
        let Ok(mut line) = Line::attach(call.seat.clone()) else { return Ended::Gone(BUSY.to_owned()) };
        for track in self.tracks.iter().flatten() {
            if line.publish(track.kind(), track.codec()).is_err() {
                return Ended::Gone(BUSY.to_owned());
            }
            info!(hearing = %call.seat.hearing, seat = %call.seat.seat, kind = %track.kind(), codec = ?track.codec(), "camera plays");
        }
        self.take(&line, first);
        loop {
            tokio::select! {
                item = timeout(SILENCE_LIMIT, self.session.next()) => match item {
                    Ok(Some(Ok(item))) => self.take(&line, item),
                    over => return gone(over),
                },
                measured = self.gauge.next() => self.room.take(Instant::now(), &measured),
                told = line.next() => match told {
                    // A camera takes nothing, and RTSP has no way to ask for a key frame: the next one comes by itself.
                    Some(Told::Feed(_) | Told::KeyFrame(_) | Told::Demand(..)) => {}
                    None => return Ended::Gone("the seat was taken by another connection".to_owned()),
                },
            }
        }
    }

    /// What the worker does not take is counted there.
    fn take(&mut self, line: &Line, item: PacketItem) {
        let now = Instant::now();
        match item {
            PacketItem::Rtp(packet) => {
                let arrival = self.clock.at(now);
                self.tally.count(packet.payload().len(), u64::from(packet.loss()));
                if let Some(Some(track)) = self.tracks.get_mut(packet.stream_id()) {
                    let packets = track.handle(packet, arrival, &self.sender);
                    if track.kind() == Kind::Audio {
                        self.gauge.hear(track.codec(), &packets);
                    }
                    if !packets.is_empty() {
                        let _ = line.send(track.kind(), packets);
                    }
                }
            }
            PacketItem::Rtcp(compound) => self.report(&compound, now),
            _ => {}
        }
        if let Some(quality) = self.tally.poll(now) {
            let _ = line.quality(self.room.figures(now, quality));
        }
    }

    /// A sender report tells what the camera's wall clock was at a time of the track.
    fn report(&mut self, compound: &ReceivedCompoundPacket, now: Instant) {
        let Some(time) = compound.rtp_timestamp() else { return };
        let report = compound.pkts().next().and_then(|packet| packet.as_sender_report().ok().flatten());
        let Some(Some(track)) = self.tracks.get_mut(compound.stream_id()) else { return };
        if let Some(ntp) = report.map(|report| report.ntp_timestamp().0).filter(|ntp| *ntp != 0) {
            let micros = (ntp >> 32) as i64 * 1_000_000 + (((ntp & 0xffff_ffff) * 1_000_000) >> 32) as i64;
            self.sender.report(micros, self.clock.at(now));
            track.report(micros, time.timestamp());
        }
    }
}

/// Why nothing comes any more.
fn gone(over: Result<Option<Result<PacketItem, retina::Error>>, tokio::time::error::Elapsed>) -> Ended {
    let why = match over {
        Ok(Some(Err(error))) => Error::Rtsp(error).to_string(),
        Ok(_) => "the camera ended the session".to_owned(),
        Err(_) => format!("the camera was silent for {} s", SILENCE_LIMIT.as_secs()),
    };
    warn!(why, "camera is gone");
    Ended::Gone(why)
}

/// Why a camera does not play.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("RTSP: {}", first_line(.0))]
    Rtsp(#[from] retina::Error),
    #[error("the camera did not answer within {} s", ANSWER_LIMIT.as_secs())]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("the camera refuses the transport")]
    Transport,
    #[error("the camera has neither a picture nor a sound that can be carried")]
    Nothing,
}

impl Error {
    /// 461 is Unsupported Transport (RFC 2326, section 11.3.14).
    fn of_setup(error: retina::Error) -> Self {
        if error.status_code() == Some(461) { Self::Transport } else { Self::Rtsp(error) }
    }
}

/// What comes after it are addresses and whole messages.
fn first_line(error: &retina::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().chars().take(200).collect()
}

const BUSY: &str = "the media worker takes no more commands for now";
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// A camera sends many packets a second.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(url: &str) -> Result<Camera, &'static str> {
        Camera::at(&RtspUrl::try_from(url.to_owned()).unwrap(), NodeClock::begin())
    }

    #[test]
    fn user_and_password_are_taken_off_the_address_and_decoded() {
        let camera = camera("rtsp://admin:c%40urt%2F1@10.0.0.9:8554/cam?x=1").unwrap();
        assert_eq!(camera.url.as_str(), "rtsp://10.0.0.9:8554/cam?x=1");
        let credentials = camera.credentials.unwrap();
        assert_eq!((&*credentials.username, &*credentials.password), ("admin", "c@urt/1"));
    }

    #[test]
    fn a_camera_over_tls_is_refused_by_name() {
        assert_eq!(camera("rtsps://10.0.0.9/cam").err(), Some("RTSP over TLS is not spoken"));
    }
}
