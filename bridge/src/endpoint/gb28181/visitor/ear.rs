//! What a device of our own listens to: it invites whoever wants to speak, and is sent A-law.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use hearing_config::{Codec, Timestamp};
use hearing_proto::gb28181::{Code, sdp};
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::sip::Header;
use tokio::net::UdpSocket;

use super::super::dialog::{Held, Said};
use super::post::{Post, uri};
use crate::endpoint::media::Unwrap;
use crate::endpoint::source::{Coded, Cutter, SenderClock, SourceClock};
use crate::net::clock::NodeClock;
use crate::net::rtp;
use crate::router::Frame;

/// What it hears.
pub(super) enum Ear {
    /// Nothing.
    Deaf,
    /// Nothing yet.
    Fetching(BoxFuture<'static, Result<Listening, String>>),
    Open(Box<Listening>),
}

/// A call in which it is spoken to.
pub(super) struct Listening {
    held: Held,
    socket: UdpSocket,
    /// Where the node is.
    known: [IpAddr; 2],
    clock: NodeClock,
    voice: Voice,
    buffer: Vec<u8>,
}

/// Frames of what is said, on one time line.
struct Voice {
    payload: u8,
    time: Unwrap,
    last: Option<i64>,
    source: SourceClock,
    cutter: Cutter,
}

impl Ear {
    /// Invites `source`, who wants to speak.
    pub(super) fn fetch(post: &Arc<Post>, source: Code) -> Self {
        let post = Arc::clone(post);
        Self::Fetching(Box::pin(async move { Listening::fetch(&post, source).await }))
    }

    /// What it hears next; never, while nobody speaks. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Result<Frame, String> {
        loop {
            match self {
                Self::Deaf => return std::future::pending().await,
                Self::Fetching(fetching) => *self = Self::Open(Box::new(fetching.await?)),
                Self::Open(listening) => match listening.next().await {
                    Some(frame) => return Ok(frame),
                    None => *self = Self::Deaf,
                },
            }
        }
    }
}

impl Listening {
    async fn fetch(post: &Post, source: Code) -> Result<Self, String> {
        let socket = UdpSocket::bind((post.at.ip(), 0)).await.map_err(|error| error.to_string())?;
        let own = socket.local_addr().map_err(|error| error.to_string())?;
        let ssrc = sdp::ssrc(post.platform, post.number() as u16);
        let option = InviteOption {
            caller: uri(format!("sip:{}@{}", post.id, post.door.domain))?,
            callee: uri(format!("sip:{source}@{}", post.door.at))?,
            destination: Some(post.node.clone()),
            contact: post.contact()?,
            content_type: Some("APPLICATION/SDP".to_owned()),
            offer: Some(sdp::listen(post.id, (own.ip(), own.port()), ssrc).into_bytes()),
            headers: Some(vec![Header::Subject(sdp::subject(source, ssrc, post.id).into())]),
            ..InviteOption::default()
        };
        let invited = Held::invite(&post.stack.dialogs, option).await;
        let (held, body) = invited.map_err(|why| format!("the node speaks, and who wants to listen: {why}"))?;
        let media = sdp::read(&String::from_utf8_lossy(&body)).filter(|media| media.sound);
        let media = media.ok_or("the node speaks, and its answer names no sound")?;
        let payload = media.payload.ok_or("the node speaks, and not in A-law")?;
        let known = [post.door.at.ip(), media.address.unwrap_or(post.door.at.ip())];
        let (clock, buffer) = (post.clock, vec![0; LONGEST]);
        Ok(Self { held, socket, known, clock, voice: Voice::new(payload), buffer })
    }

    /// The next of what is said; `None` when nothing more is.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            let (length, from) = tokio::select! {
                said = self.held.next() => match said {
                    Said::Over(_) => return None,
                    Said::Message(_) => continue,
                },
                // An error tells of a datagram that could not be delivered, and concerns none that comes.
                came = self.socket.recv_from(&mut self.buffer) => match came {
                    Ok(came) => came,
                    Err(_) => continue,
                },
            };
            let arrival = self.clock.at(Instant::now());
            if self.known.contains(&from.ip())
                && let Some(frame) = self.voice.take(arrival, &self.buffer[..length])
            {
                return Some(frame);
            }
            metrics::counter!("hearing_gb28181_datagrams_refused_total").increment(1);
        }
    }
}

impl Voice {
    fn new(payload: u8) -> Self {
        let (source, cutter) = (SourceClock::new(RATE), Cutter::new(Codec::Pcma, Vec::new()));
        Self { payload, time: Unwrap::DEFAULT, last: None, source, cutter }
    }

    /// The frame of a packet; `None` for one that is none, or comes too late.
    fn take(&mut self, arrival: Timestamp, datagram: &[u8]) -> Option<Frame> {
        let (header, place) = rtp::Header::read(datagram).filter(|(header, _)| header.payload_type == self.payload)?;
        let media_time = self.time.unwrap(header.timestamp, 32);
        if self.last.is_some_and(|last| media_time <= last) {
            return None;
        }
        self.last = Some(media_time);
        let captured = self.source.captured(media_time, arrival, &SenderClock::default());
        let packets = self.cutter.cut(Coded { media_time, captured, data: &datagram[place] });
        (!packets.is_empty()).then_some(Frame { packets })
    }
}

/// Samples a second of A-law.
const RATE: u32 = 8_000;
const LONGEST: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stands_in_its_time_and_what_comes_late_twice_or_is_none_is_left_out() {
        let mut voice = Voice::new(8);
        let mut take = |payload_type, timestamp: u32, arrival| {
            let header = rtp::Header { marker: false, payload_type, sequence: 1, timestamp, ssrc: 7 };
            let frame = voice.take(Timestamp(arrival), &header.write(&[0xd5; 160]))?;
            Some((frame.head().captured.0, frame.len()))
        };
        assert_eq!(take(8, u32::MAX - 79, 1_000_000), Some((1_000_000, 160)));
        let second = take(8, 80, 1_030_000);
        assert!(
            second.is_some_and(|(at, _)| at.abs_diff(1_020_000) < 20),
            "it came late and was not said late: {second:?}"
        );
        assert_eq!(
            (take(8, 80, 1_030_000), take(8, u32::MAX - 79, 1_030_000), take(0, 240, 1_040_000)),
            (None, None, None)
        );
        assert!(take(8, 400, 1_080_000).is_some_and(|(captured, _)| captured.abs_diff(1_060_000) < 20));
        assert_eq!(Voice::new(8).take(Timestamp(0), b"rubbish"), None);
    }
}
