//! Late media: home fetches what it lacks of tracks that entered at an edge, from what the edge kept. Typed and bounded, judged
//! by the gates at both ends like everything else, and at the lowest priority and a part of the line's rate.

use std::time::Duration;

use bytes::Bytes;
use hearing_config::{Codec, HearingId, Role, Timestamp, TrackId, Verdict, Zone};
use hearing_proto::wire::{self, Decoded, LateHead, encode_frame, encode_late};
use hearing_signaling::hearing::MediaPlan;
use quinn::Connection;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use super::calls::Call;
use super::cause::Cause;
use super::event::Event;
use super::peer::Peer;
use super::{Trunks, convert, transport};
use crate::router::{Frame, LayerSet, TrackInfo, proto};

/// What a peer, home of a hearing, asks of what this node keeps.
#[derive(Debug)]
pub enum LateAsk {
    /// Media that it lacks.
    Read {
        /// The hearing.
        hearing: HearingId,
        /// The track.
        track: TrackId,
        /// The first moment, by this node's clock.
        from: Timestamp,
        /// The moment after the last.
        to: Timestamp,
        /// Where it goes; dropped, it says that there is nothing.
        reply: oneshot::Sender<LatePiece>,
    },
    /// It has what was captured before this.
    Kept {
        /// The hearing.
        hearing: HearingId,
        /// The track.
        track: TrackId,
        /// The moment, by this node's clock.
        through: Timestamp,
    },
}

/// Some of what was kept, in the order in which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatePiece {
    /// How the frames are coded; `None` when there are none.
    pub codec: Option<Codec>,
    /// The frames.
    pub frames: Vec<Frame>,
    /// Everything that is there and was captured before this is in the piece.
    pub upto: Timestamp,
}

/// What home lacks of a track, by its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// The hearing.
    pub hearing: HearingId,
    /// The track.
    pub track: TrackId,
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub to: Timestamp,
    /// The seat's role, of a hearing that is over here: its record knows it, and no plan does any more.
    pub role: Option<Role>,
}

/// Why late media did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No trunk leads there.
    #[error("no [[trunk]] leads to zone {0}")]
    NoTrunk(Zone),
    /// The line is down, or went down meanwhile.
    #[error("the line is down")]
    LineDown,
    /// This node's gate does not let the track pass.
    #[error("the track may not cross")]
    Denied,
    /// The peer's gate does not let it pass, or the peer does not carry the hearing.
    #[error("the peer does not give the track")]
    Refused,
    /// No answer in time.
    #[error("the peer sent no answer in time")]
    Late,
}

pub(super) type FetchReply = oneshot::Sender<Result<LatePiece, FetchError>>;

impl Trunks {
    /// Fetches what is lacking, or the beginning of it, from the node of `zone`, where the track entered.
    ///
    /// # Errors
    /// Every [`FetchError`].
    pub async fn fetch(&self, zone: &Zone, lack: Lack) -> Result<LatePiece, FetchError> {
        let trunk = self.peers.iter().find(|trunk| trunk.peer.zone == *zone);
        let trunk = trunk.ok_or_else(|| FetchError::NoTrunk(zone.clone()))?;
        let (reply, answer) = oneshot::channel();
        trunk.events.send(Event::Fetch(lack, reply)).await.map_err(|_| FetchError::LineDown)?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(FetchError::LineDown),
            Err(_) => Err(FetchError::Late),
        }
    }

    /// Tells the node of `zone` that what was captured of a track before `through` is in the record, or not wanted any more.
    pub async fn kept(&self, zone: &Zone, hearing: HearingId, track: TrackId, through: Timestamp) {
        if let Some(trunk) = self.peers.iter().find(|trunk| trunk.peer.zone == *zone) {
            drop(trunk.events.send(Event::Kept(hearing, track, through)).await);
        }
    }
}

impl Peer {
    /// Home here lacks something.
    pub(super) fn fetch(&mut self, lack: Lack, reply: FetchReply) {
        if self.link.is_none() {
            drop(reply.send(Err(FetchError::LineDown)));
            return;
        }
        if !self.may_come(&lack) {
            drop(reply.send(Err(FetchError::Denied)));
            return;
        }
        let offset = self.gauges.offset_us();
        let id = self.expect(Call::Fetch(reply));
        self.say(wire::Fetch {
            id,
            hearing: convert::hearing_to(lack.hearing),
            track: convert::track_to(lack.track),
            from: lack.from.plus(offset).0,
            to: lack.to.plus(offset).0,
        });
    }

    /// It has something of the peer's.
    pub(super) fn tell_kept(&self, hearing: HearingId, track: TrackId, through: Timestamp) {
        let through = through.plus(self.gauges.offset_us() - MARGIN).0;
        self.say(wire::Kept { hearing: convert::hearing_to(hearing), track: convert::track_to(track), through });
    }

    /// The peer's answer came in. Its times become this node's.
    pub(super) fn handle_late(&mut self, head: &LateHead, frames: Vec<Decoded>) -> Result<(), Cause> {
        let reply = match self.calls.remove(&head.id) {
            Some(Call::Fetch(reply)) => reply,
            Some(_) => return Err(Cause::Protocol("late media answers another question")),
            // Whoever asked did not wait for it.
            None => return Ok(()),
        };
        let offset = self.gauges.offset_us();
        let mut frames: Vec<Frame> = frames.into_iter().map(|(head, payloads)| proto::frame(&head, payloads)).collect();
        for packet in frames.iter_mut().flat_map(|frame| &mut frame.packets) {
            packet.captured = packet.captured.plus(-offset);
        }
        let codec = head.codec.map(convert::codec_from);
        let piece = LatePiece { codec, frames, upto: Timestamp(head.upto).plus(-offset) };
        drop(reply.send(if head.served { Ok(piece) } else { Err(FetchError::Refused) }));
        Ok(())
    }

    /// The peer, a hearing's home, lacks something that entered here.
    pub(super) fn handle_fetch(&mut self, fetch: &wire::Fetch) -> Result<(), Cause> {
        let (hearing, track) = (convert::hearing_from(fetch.hearing), convert::track_from(fetch.track)?);
        let Some((from, to)) = self.may_go(hearing, track).then_some((Timestamp(fetch.from), Timestamp(fetch.to)))
        else {
            self.answer(fetch.id, false, None);
            return Ok(());
        };
        let (reply, piece) = oneshot::channel();
        let asked = self.shared.late.try_send(LateAsk::Read { hearing, track, from, to, reply });
        self.answer(fetch.id, asked.is_ok(), Some(piece));
        Ok(())
    }

    /// The peer has something that entered here.
    pub(super) fn handle_kept(&self, kept: &wire::Kept) -> Result<(), Cause> {
        let (hearing, track) = (convert::hearing_from(kept.hearing), convert::track_from(kept.track)?);
        let was_here = || self.shared.former.role(hearing, &self.settings.identity.node, track.seat).is_some();
        if self.remotes.contains_key(&hearing) || was_here() {
            let through = Timestamp(kept.through);
            // What does not fit is said again with the next.
            drop(self.shared.late.try_send(LateAsk::Kept { hearing, track, through }));
        }
        Ok(())
    }

    fn answer(&mut self, id: u32, served: bool, piece: Option<oneshot::Receiver<LatePiece>>) {
        let Some(link) = &mut self.link else { return };
        let (connection, kbps) = (link.connection.clone(), self.settings.kbps);
        link.tasks.spawn(async move {
            let piece = match piece {
                Some(piece) => piece.await.ok(),
                None => None,
            };
            let nothing = || LatePiece { codec: None, frames: Vec::new(), upto: Timestamp(0) };
            let served = served && piece.is_some();
            send(&connection, kbps, (id, served), &piece.unwrap_or_else(nothing)).await;
        });
    }

    /// A track of a hearing at home here, from the zone of its seat, as this node's gate lets it in.
    fn may_come(&self, lack: &Lack) -> bool {
        let zone = &self.settings.identity.zone;
        let Some(plan) = self.carried.get(&lack.hearing).filter(|c| c.carry.home.is_none()).map(|c| c.plan()) else {
            let vouched = self.settings.vouches.contains(zone);
            return vouched
                && lack.role.is_some_and(|role| self.shared.gate.lets(zone, &self.shared.own.zone, role, lack.track));
        };
        let Some(info) = info(&plan, lack.track).filter(|info| info.origin == self.settings.identity.zone) else {
            return false;
        };
        self.shared.gate.ingress(&plan, &info, &self.settings.vouches) == Verdict::Inspect
    }

    /// A track of a hearing at home there, that entered here, as this node's gate lets it out. When the
    /// hearing is over here, what is remembered of it decides who asks and which role the seat had.
    fn may_go(&self, hearing: HearingId, track: TrackId) -> bool {
        let peer = &self.settings.identity;
        let at_home = |carried: &&super::carried::Carried| carried.carry.home.as_ref() == Some(&peer.node);
        let Some(plan) = self.carried.get(&hearing).filter(at_home).map(|carried| carried.plan()) else {
            let role = self.shared.former.role(hearing, &peer.node, track.seat);
            return role.is_some_and(|role| self.shared.gate.lets(&self.shared.own.zone, &peer.zone, role, track));
        };
        let Some(info) = info(&plan, track).filter(|info| info.origin == self.shared.own.zone) else { return false };
        self.shared.gate.egress(&plan, &info, &peer.zone) == Verdict::Inspect
    }
}

/// What the gate asks of a track: that its seat's zone is where it entered. How it is coded is no matter to it.
fn info(plan: &MediaPlan, track: TrackId) -> Option<TrackInfo> {
    let codec = if track.kind.is_picture() { Codec::Vp8 } else { Codec::Opus };
    plan.seat(track.seat).map(|seat| TrackInfo {
        id: track,
        codec,
        origin: seat.zone.clone(),
        layers: LayerSet::ALL,
        held: false,
    })
}

/// One answer, one stream, behind everything live. What does not fit is fetched again from `upto` on.
async fn send(connection: &Connection, kbps: u32, (id, served): (u32, bool), piece: &LatePiece) {
    let mut head = LateHead { id, codec: piece.codec.map(convert::codec_to), upto: piece.upto.0, served };
    let (mut frames, mut room): (Vec<Bytes>, usize) = (Vec::new(), LARGEST);
    for frame in &piece.frames {
        let payloads: Vec<Bytes> = frame.packets.iter().map(|packet| packet.payload.clone()).collect();
        let Ok(bytes) = encode_frame(&proto::head_of_kept(frame), &payloads) else { continue };
        if bytes.len() + 4 > room || frames.len() == wire::MAX_LATE_FRAMES {
            head.upto = frame.head().captured.0;
            break;
        }
        room -= bytes.len() + 4;
        frames.push(bytes);
    }
    match encode_late(&head, &frames) {
        Ok(bytes) => {
            if let Err(error) = write(connection, kbps, &bytes).await {
                debug!(%error, "late media could not be sent");
            }
        }
        Err(error) => warn!(%error, "late media can't be sent"),
    }
}

async fn write(connection: &Connection, kbps: u32, mut bytes: &[u8]) -> Result<(), Cause> {
    let failed = |error: quinn::WriteError| Cause::Lost(error.to_string());
    let mut stream = connection.open_uni().await.map_err(Cause::of)?;
    drop(stream.set_priority(PRIORITY));
    let mut turns = interval(Duration::from_secs_f64(CHUNK as f64 / (transport::rate(kbps) * SHARE)));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !bytes.is_empty() {
        turns.tick().await;
        let (chunk, rest) = bytes.split_at(bytes.len().min(CHUNK));
        stream.write_all(chunk).await.map_err(failed)?;
        bytes = rest;
    }
    stream.finish().map_err(|error| Cause::Lost(error.to_string()))
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Clocks are as exact as that, in microseconds: what was captured just before is kept a little longer.
const MARGIN: i64 = 1_000_000;
/// Of the booked rate.
const SHARE: f64 = 0.25;
const CHUNK: usize = 16 << 10;
/// What is live goes first.
const PRIORITY: i32 = -10;
const LARGEST: usize = wire::MAX_LATE - 256;
