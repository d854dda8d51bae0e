//! Talking to a device: who was announced to whom, and what is said as long as a device listens.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use hearing_config::{Codec, Gb28181Transport, TrackId};
use hearing_proto::gb28181::Code;
use hearing_proto::gb28181::sdp::{self, Transport};
use rsipstack::dialog::dialog::DialogStateReceiver;
use rsipstack::dialog::invite_dialog::InviteDialog;
use tokio::sync::{mpsc, oneshot};

use super::Core;
use super::mouth::Mouth;
use super::roster::Target;
use super::socket::Peer;
use crate::endpoint::terminal::{Call, Gauge, own};
use crate::router::{Feed, FeedInput, FeedOutput, Packet, Protected, Takes, TrackInfo};

/// A device that fetches what there is to hear.
pub(super) struct Fetch {
    pub(super) dialog: InviteDialog,
    pub(super) states: DialogStateReceiver,
    pub(super) offer: Offer,
    /// Used when the final answer has been given.
    pub(super) answered: oneshot::Sender<()>,
}

/// How a device wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) peer: Peer,
    /// What we are to be for it.
    pub(super) transport: Gb28181Transport,
    /// The payload type of A-law.
    pub(super) payload: u8,
}

impl Offer {
    /// What a device offers that signals from `host`; `None` when it can't be read, is refused again, or is not A-law.
    pub(super) fn read(body: &[u8], host: IpAddr) -> Option<Self> {
        let media = sdp::read_offer(&String::from_utf8_lossy(body));
        let media = media.filter(|media| media.sound && media.port != 0)?;
        let transport = match media.transport {
            Transport::Udp => Gb28181Transport::Udp,
            // The device may be where we cannot connect to, and signals to us anyway.
            Transport::TcpActive | Transport::TcpEither => Gb28181Transport::TcpPassive,
            Transport::TcpPassive => Gb28181Transport::TcpActive,
        };
        Some(Self { peer: Peer::new(Some(host), &media), transport, payload: media.payload? })
    }
}

/// Devices that were told to fetch something, by the identity that was named to them.
#[derive(Default)]
pub(super) struct Announced(Mutex<HashMap<Code, (Code, mpsc::Sender<Fetch>)>>);

impl Announced {
    /// Where a fetch of this sender goes: it is what was called, or the device that has it.
    pub(super) fn by(&self, sender: Code) -> Option<mpsc::Sender<Fetch>> {
        let found =
            |(channel, (device, _)): &(&Code, &(Code, mpsc::Sender<Fetch>))| **channel == sender || *device == sender;
        self.all().iter().find(found).map(|(_, (_, fetches))| fetches.clone())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Code, (Code, mpsc::Sender<Fetch>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An announcement that stands; not any more when it is dropped.
pub(super) struct Standing<'a>(&'a Announced, Code);

impl<'a> Standing<'a> {
    /// A device was told that there is something for one of its channels; it is fetched by `fetches`.
    pub(super) fn new(announced: &'a Announced, target: &Target, fetches: mpsc::Sender<Fetch>) -> Self {
        announced.all().insert(target.channel, (target.device, fetches));
        Self(announced, target.channel)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.all().remove(&self.1);
    }
}

/// What a device is told of the hearing, and how its room sounds.
pub(super) struct Talk<'a> {
    state: State<'a>,
    call: &'a Call,
    /// Measures its sound where nothing is said to it.
    gauge: Gauge<'a>,
    /// What its seat may have: a feed that is made later has to know it.
    tracks: BTreeMap<TrackId, TrackInfo>,
    protected: Option<Protected>,
}

enum State<'a> {
    Off,
    Asking(BoxFuture<'a, Result<Mouth, String>>),
    On(Box<Mouth>, Box<dyn Feed>),
}

/// Something of a talk.
pub(super) enum Spoken {
    /// The device listens.
    Begun,
    /// It does not, or no longer.
    Over(String),
    /// For the leg.
    Output(FeedOutput),
}

impl<'a> Talk<'a> {
    /// No talk.
    pub(super) const fn none(call: &'a Call) -> Self {
        Self { state: State::Off, call, gauge: Gauge::new(call), tracks: BTreeMap::new(), protected: None }
    }

    /// Begins to talk.
    pub(super) fn begin(core: &'a Core, target: &'a Target, call: &'a Call) -> Self {
        Self { state: State::Asking(Box::pin(Mouth::open(core, target))), ..Self::none(call) }
    }

    /// What the seat may have.
    pub(super) fn hear(&mut self, input: FeedInput) {
        match &input {
            FeedInput::Track(info) => _ = self.tracks.insert(info.id, info.clone()),
            FeedInput::TrackEnd(track) => _ = self.tracks.remove(track),
            FeedInput::Protect(protected) => self.protected = Some(*protected),
            FeedInput::Frame(..) | FeedInput::KeyFrame | FeedInput::Own(..) => {}
        }
        if let State::On(_, feed) = &mut self.state {
            feed.handle(input);
        }
    }

    /// Sound of the device itself, to be measured.
    pub(super) fn measure(&mut self, codec: Codec, packets: &[Packet]) {
        match &mut self.state {
            State::On(_, feed) => own(packets).for_each(|frame| feed.handle(FeedInput::Own(codec, frame))),
            State::Off => self.gauge.hear(codec, packets),
            // Soon one of both does.
            State::Asking(_) => {}
        }
    }

    /// What comes next; never, where there is no talk and nothing is measured. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Spoken {
        let spoken = match &mut self.state {
            State::Off => return Spoken::Output(self.gauge.next().await),
            State::Asking(asking) => match asking.await {
                Ok(mouth) => {
                    self.state = State::On(Box::new(mouth), self.feed());
                    return Spoken::Begun;
                }
                Err(why) => Spoken::Over(why),
            },
            State::On(mouth, feed) => mouth.next(feed.as_mut()).await,
        };
        if matches!(spoken, Spoken::Over(_)) {
            self.state = State::Off;
        }
        spoken
    }

    fn feed(&self) -> Box<dyn Feed> {
        let takes = Takes { sound: vec![Codec::Pcma], ..Takes::default() };
        let mut feed = (self.call.feeds)(&self.call.seat, takes);
        self.tracks.values().for_each(|info| feed.handle(FeedInput::Track(info.clone())));
        self.protected.iter().for_each(|protected| feed.handle(FeedInput::Protect(*protected)));
        feed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(line: &str, more: &str) -> Option<Offer> {
        let text = format!("v=0\r\nc=IN IP4 10.0.0.9\r\nm=audio {line}\r\na=recvonly\r\n{more}y=0200000077\r\n");
        Offer::read(text.as_bytes(), "10.0.0.8".parse().unwrap())
    }

    #[test]
    fn whoever_fetches_over_a_connection_makes_it_unless_it_wants_to_be_connected_to() {
        let transport = |more| offer("7000 TCP/RTP/AVP 8", more).unwrap().transport;
        assert_eq!(transport("a=setup:active\r\na=connection:new\r\n"), Gb28181Transport::TcpPassive);
        assert_eq!(transport("a=setup:passive\r\na=connection:new\r\n"), Gb28181Transport::TcpActive);
        assert_eq!(transport("a=setup:actpass\r\n"), Gb28181Transport::TcpPassive);
        assert_eq!(transport(""), Gb28181Transport::TcpPassive);
        assert_eq!(offer("7000 RTP/AVP 8", "").unwrap().transport, Gb28181Transport::Udp);
    }

    #[test]
    fn sound_goes_to_where_the_device_says_and_is_a_law_or_nothing() {
        let read = offer("7000 RTP/AVP 0 8", "").unwrap();
        assert_eq!((read.peer.told, read.payload), (Some("10.0.0.9:7000".parse().unwrap()), 8));
        assert_eq!(offer("7000 RTP/AVP 0", ""), None);
        assert_eq!(offer("0 TCP/RTP/AVP 8", "a=setup:active\r\n"), None);
    }
}
