//! One headless participant: joins by its link, waits to be let in, sends a test card and its tone, and reads everybody
//! else's from decoded pixels and decoded sound until the hearing is over.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hearing_config::{Kind, SeatId, Timestamp};
use hearing_proto::child::{self, Codec, FromChild, Generate, Job, PICTURE, PictureShape, SOUND, Stream};
use hearing_proto::testcard::Mark;
use hearing_proto::wire::{RehearsePair, RehearsedSeat};
use hearing_signaling::hearing::{Change, HearingView};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};

use super::assembly::{Assembly, Piece};
use super::client::{self, Client, Follower, Joined, Link, Said};
use super::peer::{self, Peer};
use super::tally::Tally;
use crate::pipeline::{self, Events, Feed, Life, Program};

/// What one participant found.
pub(super) struct Attended {
    pub(super) seat: RehearsedSeat,
    pub(super) pairs: Vec<RehearsePair>,
}

/// Takes a seat until the hearing ends, at most for `limit`.
pub(super) async fn attend(seat: u8, link: Link, program: &Program, limit: Duration) -> Attended {
    let mut attendance = Attendance::begin(seat);
    let fault = match attendance.run(link, program, limit).await {
        Ok(()) => attendance.tally.mistaken(),
        Err(error) => Some(error.to_string()),
    };
    attendance.report(fault)
}

/// Why a participant could not do its part.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Client(#[from] client::Error),
    #[error(transparent)]
    Child(#[from] pipeline::Error),
    #[error("WebRTC: {0}")]
    Peer(#[from] peer::Error),
    #[error("the link belongs to seat {0}")]
    OtherSeat(SeatId),
    #[error("the hearing ended before the seat was let in: {0}")]
    NotAdmitted(String),
    #[error("the media connection failed")]
    Disconnected,
    #[error("the media child failed: {0}")]
    Failed(String),
}

struct Attendance {
    seat: u8,
    began: Instant,
    joined: Option<Instant>,
    first_frame: Option<Instant>,
    /// When place 0 of its picture was drawn.
    drawing: Timestamp,
    tally: Tally,
}

/// Everything that runs while media flows.
struct Media {
    peer: Peer,
    packets: mpsc::Receiver<peer::Event>,
    streams: HashMap<u32, Assembly>,
    observer: (Feed, Events),
    connected: bool,
}

/// Why media no longer flows as it did.
enum Next {
    Over,
    /// The hearing was closed, at this time of its home.
    Closed(Timestamp),
    Others(Vec<SeatId>),
}

impl Attendance {
    fn begin(seat: u8) -> Self {
        Self {
            seat,
            began: Instant::now(),
            joined: None,
            first_frame: None,
            drawing: Timestamp::default(),
            tally: Tally::default(),
        }
    }

    async fn run(&mut self, link: Link, program: &Program, limit: Duration) -> Result<(), Error> {
        let until = tokio::time::Instant::now() + limit;
        let address = link.local_address()?;
        let client = Client::new(link)?;
        let joined = client.join().await?;
        if joined.seat.id.0 != self.seat {
            return Err(Error::OtherSeat(joined.seat.id));
        }
        self.joined = Some(Instant::now());
        let (feed, mut made) = program.spawn(generate(self.seat), Life::Once)?;
        let mut follower = client.follow(&joined).await?;
        let mut others = admitted(&mut follower, &joined).await?;
        loop {
            let mut media = self.connect(&client, &joined, &others, address, program).await?;
            let next = self.exchange(&mut media, (&feed, &mut made), &mut follower, &others, until).await;
            if let Ok(Next::Closed(at)) = next {
                self.send_rest(&mut media, &mut made, at).await?;
            }
            self.finish(media).await;
            match next? {
                Next::Over | Next::Closed(_) => return Ok(()),
                Next::Others(seen) => others = seen,
            }
        }
    }

    /// Offers to send and to receive from `others`, and starts what reads them.
    async fn connect(
        &mut self,
        client: &Client,
        joined: &Joined,
        others: &[SeatId],
        address: IpAddr,
        program: &Program,
    ) -> Result<Media, Error> {
        self.tally.expect(others.iter().map(|seat| seat.0));
        let observer = program.spawn(observe(others), Life::Once)?;
        let (events, packets) = mpsc::channel(PACKETS);
        let (peer, offer) = Peer::offer(address, others, events).await?;
        let answer = client.offer(joined, &offer).await?;
        let streams = peer::sources(&answer, &offer.slots).into_iter().map(|(ssrc, (seat, kind))| {
            let stream = stream(seat, kind);
            (ssrc, Assembly::new(stream.id, stream.codec))
        });
        let streams = streams.collect();
        peer.answer(answer).await?;
        Ok(Media { peer, packets, streams, observer, connected: false })
    }

    /// Until the hearing is over for this seat, the time is up, or other seats are to be seen than before.
    async fn exchange(
        &mut self,
        media: &mut Media,
        (generator, made): (&Feed, &mut Events),
        follower: &mut Follower,
        others: &[SeatId],
        until: tokio::time::Instant,
    ) -> Result<Next, Error> {
        loop {
            tokio::select! {
                said = follower.next() => match said? {
                    Some(Said::Ended { .. }) | None => return Ok(Next::Over),
                    Some(Said::Entry { entry }) if over(&entry.change) => return Ok(Next::Closed(entry.at)),
                    Some(Said::View { you, view }) => {
                        let seen = besides(you, &view);
                        if seen != others {
                            return Ok(Next::Others(seen));
                        }
                    }
                    Some(Said::Entry { .. } | Said::Other) => {}
                },
                Some(event) = media.packets.recv() => media.arrived(event, generator)?,
                Some(event) = made.next() => self.made(event, media).await?,
                Some(event) = media.observer.1.next() => self.observed(event)?,
                () = sleep_until(until) => return Ok(Next::Over),
            }
        }
    }

    /// Sends what was drawn and played before the close, which the record has to hold, at most for [`DRAIN`].
    async fn send_rest(&mut self, media: &mut Media, made: &mut Events, closed: Timestamp) -> Result<(), Error> {
        let patience = tokio::time::sleep(DRAIN);
        tokio::pin!(patience);
        let mut rest = BTreeSet::from([PICTURE, SOUND]);
        while !rest.is_empty() {
            tokio::select! {
                Some(event) = made.next() => {
                    if let pipeline::Event::Said(FromChild::Frame(frame)) = &event
                        && self.drawing.plus(frame.pts) > closed
                    {
                        rest.remove(&frame.stream);
                    }
                    self.made(event, media).await?;
                }
                Some(event) = media.observer.1.next() => self.observed(event)?,
                () = &mut patience => rest.clear(),
            }
        }
        // Packets that the node misses are asked for and sent again.
        tokio::time::sleep(REPAIR).await;
        Ok(())
    }

    /// Lets the observer decode what it has.
    async fn finish(&mut self, media: Media) {
        let Media { peer, observer: (feed, mut events), .. } = media;
        peer.close().await;
        let drain = async {
            if feed.stop().await.is_ok() {
                while let Some(event) = events.next().await {
                    // What comes now was received before the end.
                    let _ = self.observed(event);
                }
            }
        };
        // A child that does not finish is ended with its feed.
        let _ = timeout(DRAIN, drain).await;
    }

    /// What the generator makes is sent while there is a connection.
    async fn made(&mut self, event: pipeline::Event, media: &mut Media) -> Result<(), Error> {
        match event {
            pipeline::Event::Said(FromChild::Started { at }) => self.drawing = Timestamp(at),
            pipeline::Event::Said(FromChild::Frame(frame)) if media.connected => {
                media.peer.send(&frame, self.drawing).await?
            }
            other => healthy(other)?,
        }
        Ok(())
    }

    fn observed(&mut self, event: pipeline::Event) -> Result<(), Error> {
        match event {
            pipeline::Event::Said(FromChild::Seen { stream, counter, seat, .. }) => {
                self.first_frame.get_or_insert_with(Instant::now);
                self.tally.seen(sender(stream), Mark { counter, seat }, Timestamp::now().0, FPS);
            }
            pipeline::Event::Said(FromChild::Heard { stream, seats, .. }) => self.tally.heard(sender(stream), &seats),
            other => healthy(other)?,
        }
        Ok(())
    }

    fn report(&self, fault: Option<String>) -> Attended {
        let millis = |from: Instant, to: Instant| u32::try_from((to - from).as_millis()).unwrap_or(u32::MAX);
        let seat = RehearsedSeat {
            seat: self.seat,
            joined_ms: self.joined.map(|joined| millis(self.began, joined)),
            first_frame_ms: self.joined.zip(self.first_frame).map(|(joined, frame)| millis(joined, frame)),
            fault,
        };
        Attended { seat, pairs: self.tally.pairs(self.seat) }
    }
}

impl Media {
    fn arrived(&mut self, event: peer::Event, generator: &Feed) -> Result<(), Error> {
        match event {
            peer::Event::Connected => {
                self.connected = true;
                generator.key_frame(PICTURE);
            }
            peer::Event::KeyFrame => generator.key_frame(PICTURE),
            peer::Event::Failed => return Err(Error::Disconnected),
            peer::Event::Packet(packet) => {
                let (header, payload) = (&packet.header, &packet.payload[..]);
                let (sequence, timestamp, marker) = (header.sequence_number, header.timestamp, header.marker);
                let piece = Piece { sequence, timestamp, marker, payload };
                if let Some(frame) = self.streams.get_mut(&header.ssrc).and_then(|stream| stream.push(&piece)) {
                    self.observer.0.offer(frame);
                }
            }
        }
        Ok(())
    }
}

/// Waits until the seat is let in; gives the seats of everybody else, as far as it may know them: whoever waits apart knows
/// nobody until called, and then gets a view of all.
async fn admitted(follower: &mut Follower, joined: &Joined) -> Result<Vec<SeatId>, Error> {
    let own = joined.seat.id;
    loop {
        match follower.next().await? {
            Some(Said::View { you, view }) => {
                if view.seats.iter().any(|seat| seat.id == you && seat.presence.is_admitted()) {
                    return Ok(besides(you, &view));
                }
            }
            Some(Said::Entry { entry }) => match entry.change {
                Change::Seat(seat) if seat.id == own && seat.presence.is_admitted() && seat.apart => {
                    return Ok(Vec::new());
                }
                change if over(&change) => return Err(Error::NotAdmitted("it was closed".to_owned())),
                Change::Seat(_) | Change::Phase(_) | Change::Record(_) | Change::Floor(_) | Change::Mark(_) => {}
            },
            Some(Said::Ended { code, message }) => return Err(Error::NotAdmitted(format!("{message} ({code})"))),
            Some(Said::Other) => {}
            None => return Err(Error::NotAdmitted("the socket was closed".to_owned())),
        }
    }
}

fn besides(own: SeatId, view: &HearingView) -> Vec<SeatId> {
    view.seats.iter().map(|seat| seat.id).filter(|id| *id != own).collect()
}

fn over(change: &Change) -> bool {
    matches!(change, Change::Phase(phase) if phase.is_over())
}

/// Events of a child that are no news, and its end.
fn healthy(event: pipeline::Event) -> Result<(), Error> {
    match event {
        pipeline::Event::Down { reason, .. } if reason != pipeline::FINISHED => Err(Error::Failed(reason)),
        pipeline::Event::Said(FromChild::Failed { reason, .. }) => Err(Error::Failed(reason)),
        pipeline::Event::Up | pipeline::Event::Said(_) | pipeline::Event::Down { .. } => Ok(()),
    }
}

fn generate(seat: u8) -> Job {
    let picture = Some(PictureShape { codec: Codec::Vp8, width: 640, height: 360, fps: FPS, kbps: KBPS });
    Job::Generate(Generate { seat, picture, sound: Some(Codec::Opus) })
}

fn observe(others: &[SeatId]) -> Job {
    let both = |seat: &SeatId| [stream(*seat, Kind::Video), stream(*seat, Kind::Audio)];
    Job::Observe(others.iter().flat_map(both).collect())
}

/// The observer's stream for a slot.
fn stream(seat: SeatId, kind: Kind) -> Stream {
    let id = u16::from(seat.0) * 2;
    if kind.is_picture() { Stream { id, codec: Codec::Vp8 } } else { Stream { id: id + 1, codec: child::Codec::Opus } }
}

fn sender(stream: u16) -> u8 {
    u8::try_from(stream / 2).unwrap_or(u8::MAX)
}

/// Frames a second of a headless participant's picture.
pub(super) const FPS: u8 = 15;
const KBPS: u32 = 300;
/// RTP packets that may wait: about a second of eight seats.
const PACKETS: usize = 1024;
/// How long the node may ask again for what it misses of the last frames.
const REPAIR: Duration = Duration::from_millis(200);
/// How long what was drawn before the close may take to be sent, and an observer to decode what it has at the end.
const DRAIN: Duration = Duration::from_secs(3);
