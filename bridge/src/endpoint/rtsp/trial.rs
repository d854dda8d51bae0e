//! A look at a camera outside any hearing: it is opened, and what comes is counted and decoded for a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use hearing_config::{Kind, SeatId, TrackId};
use retina::client::{PacketItem, Playing, Session};
use retina::codec::ParametersRef;
use retina::rtp::ReceivedPacket;
use tokio::time::timeout;

use super::session::{Camera, Way};
use super::track::Track;
use crate::endpoint::media::Jitter;
use crate::endpoint::source::SenderClock;
use crate::endpoint::terminal::{self, Cards, HUNG_UP, NoTrial, Trial, Tried};
use crate::net::clock::NodeClock;
use crate::router::{Assembler, Feed, FeedInput, Watcher};

impl Camera {
    /// Opens it, looks at what it sends for `seconds`, and lets it go.
    ///
    /// # Errors
    /// [`NoTrial::Unreached`]: why it does not play, or nothing can be decoded at this node.
    pub(crate) async fn test(&self, way: Way, seconds: u64, cards: &Cards) -> Result<Trial, NoTrial> {
        let began = Instant::now();
        let opened = self.open_either(way).await;
        let (session, tracks) = opened.map_err(|error| NoTrial::Unreached(error.to_string()))?;
        let answered = began.elapsed();
        let watcher = Watcher::default();
        let codec = |kind| tracks.iter().flatten().find(|track| track.kind() == kind).map(Track::codec);
        let sends = Tried::Camera { sound: codec(Kind::Audio), picture: codec(Kind::Video) };
        let feed = cards(sends, watcher.clone()).map_err(NoTrial::Unreached)?;
        let mut look = Look::new(session, tracks, feed, self.clock());
        let ended = timeout(Duration::from_secs(seconds), look.run()).await.is_ok();
        Ok(look.report((answered, seconds), ended, &watcher))
    }
}

/// A camera that is looked at.
struct Look {
    session: Session<Playing>,
    /// By the session's streams; `None` for those that are not taken.
    tracks: Vec<Option<Track>>,
    tallies: HashMap<Kind, Tally>,
    feed: Box<dyn Feed>,
    clock: NodeClock,
}

/// What came of one stream.
struct Tally {
    received: u64,
    lost: u64,
    jitter: Jitter,
    rate: u32,
    assembler: Assembler,
}

impl Look {
    fn new(session: Session<Playing>, tracks: Vec<Option<Track>>, feed: Box<dyn Feed>, clock: NodeClock) -> Self {
        let tally = |kind| Tally {
            received: 0,
            lost: 0,
            jitter: Jitter::default(),
            rate: 1_000,
            assembler: Assembler::new(kind),
        };
        let tallies = tracks.iter().flatten().map(|track| (track.kind(), tally(track.kind()))).collect();
        Self { session, tracks, tallies, feed, clock }
    }

    /// Until the camera ends it.
    async fn run(&mut self) {
        loop {
            tokio::select! {
                item = self.session.next() => match item {
                    Some(Ok(PacketItem::Rtp(packet))) => self.take(packet),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
                // RTSP has no way to ask for a key frame, and a camera hears nothing.
                _ = self.feed.next() => {}
            }
        }
    }

    fn take(&mut self, packet: ReceivedPacket) {
        let Some(Some(track)) = self.tracks.get_mut(packet.stream_id()) else { return };
        let Some(tally) = self.tallies.get_mut(&track.kind()) else { return };
        let (now, time) = (Instant::now(), packet.timestamp());
        let arrival = self.clock.at(now);
        tally.received += 1;
        tally.lost += u64::from(packet.loss());
        tally.rate = time.clock_rate().get();
        tally.jitter.arrive(arrival, time.timestamp(), tally.rate);
        for packet in track.handle(packet, arrival, &SenderClock::default()) {
            tally.assembler.handle_packet(now, &packet);
        }
        tally.assembler.handle_timeout(now);
        while let Some(frame) = tally.assembler.poll_frame() {
            self.feed.handle(FeedInput::Frame(TrackId { seat: SeatId(0), kind: track.kind() }, frame));
        }
    }

    fn report(&self, (answered, seconds): (Duration, u64), ended: bool, watcher: &Watcher) -> Trial {
        let way = |kind: Kind| {
            let (track, tally) = (self.tracks.iter().flatten().find(|t| t.kind() == kind)?, self.tallies.get(&kind)?);
            Some(terminal::Way {
                codec: track.codec(),
                encrypted: false,
                sent: 0,
                lost_there_percent: None,
                jitter_there_ms: None,
                received: tally.received,
                lost: tally.lost,
                jitter_ms: tally.jitter.ticks() as f32 * 1_000.0 / tally.rate as f32,
            })
        };
        let seen = watcher.seen();
        let trial = Trial {
            ok: false,
            faults: Vec::new(),
            answered_ms: u64::try_from(answered.as_millis()).unwrap_or(u64::MAX),
            seconds,
            round_trip_ms: None,
            sound: way(Kind::Audio),
            level_db: seen.level,
            picture: way(Kind::Video),
            size: self.size(),
            pictures: seen.pictures,
        };
        trial.judged([(ended, HUNG_UP)])
    }

    /// As its description says.
    fn size(&self) -> Option<(u32, u32)> {
        let streams = self.session.streams().iter().zip(&self.tracks);
        let picture = streams.filter(|(_, track)| track.as_ref().is_some_and(|track| track.kind() == Kind::Video));
        picture.filter_map(|(stream, _)| stream.parameters()).find_map(|parameters| match parameters {
            ParametersRef::Video(video) => Some(video.pixel_dimensions()),
            _ => None,
        })
    }
}
