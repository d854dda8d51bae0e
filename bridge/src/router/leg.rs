//! The trait by which a session hangs on the router. A leg is told the time, is handed what it has to send, and is drained
//! with `poll_output`. Browser sessions, trunk links and recorders are legs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use hearing_config::{Codec, Kind, SeatId, TrackId, Zone};
use hearing_signaling::hearing::{SeatQuality, SeatSet};
use hearing_signaling::http::Size;

use super::packet::{Frame, Layer, LayerSet, Packet};
use super::rendition::CodecSet;
use super::track::TrackInfo;

/// One endpoint's or link's connection to the router of a hearing.
pub trait Leg: Send {
    /// What the leg wants to be handed.
    fn delivery(&self) -> Delivery;

    /// The codecs in which the leg can take tracks of a kind. What comes in another one it gets as a rendition.
    fn takes(&self, _kind: Kind) -> CodecSet {
        CodecSet::ALL
    }

    /// A track may now be sent over this leg; `handle_packet` or `handle_frame` follow. Never called for a track of the leg's own seat.
    /// Called again when the layers of a track that it has change; a change of codec ends the track first.
    fn handle_track(&mut self, now: Instant, info: &TrackInfo);

    /// The track must no longer be sent: the audience changed, or it ended.
    fn handle_track_end(&mut self, now: Instant, track: TrackId);

    /// A packet of a track to send; only for [`Delivery::Packets`].
    fn handle_packet(&mut self, now: Instant, track: TrackId, packet: &Packet);

    /// A whole frame of a track to send; only for [`Delivery::Frames`].
    fn handle_frame(&mut self, now: Instant, track: TrackId, frame: &Frame);

    /// Something to pass towards a publisher, or from the page.
    fn handle_control(&mut self, now: Instant, control: Control);

    /// A datagram that belongs to this leg.
    fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]);

    /// The time that `poll_timeout` named has come (or passed).
    fn handle_timeout(&mut self, now: Instant);

    /// When `handle_timeout` wants to be called next.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The client begins anew on another network, with new credentials (RFC 8445, section 2.4). False when this is no leg with datagrams.
    fn handle_restart(&mut self, _now: Instant, _restart: IceRestart) -> bool {
        false
    }

    /// The next thing the leg has for the router; drained after every `handle_datagram` and `handle_timeout`, and after a
    /// run of the others (a batch of packets is handed over before the leg is drained, so that it may send them in one piece).
    fn poll_output(&mut self) -> Option<Output>;

    /// The layers of `track` that the leg wants to be handed.
    fn wanted(&self, track: TrackId) -> LayerSet;
}

/// Names a leg within a worker, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LegId(pub u64);

impl LegId {
    /// One that no other leg of this process has.
    #[must_use]
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Where a leg stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The endpoint of a seat.
    Seat(SeatId),
    /// A trunk to the hearing's home, which also keeps the record and hands on to the other zones.
    Home,
    /// A trunk from the home to an edge in this zone.
    Edge(Zone),
    /// The recorder.
    Record,
    /// What makes a rendition of a track in a codec: it is handed the track while anybody takes the rendition, and what it
    /// says of the track is the rendition.
    Rendition(TrackId, Codec),
}

/// Whether a leg is handed packets as they come or frames when they are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Packets, at once and possibly out of order.
    Packets,
    /// Whole frames, in order within their layer.
    Frames,
}

/// What a leg is told besides media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Somebody needs a key frame of a track that this leg publishes. The leg throttles.
    KeyFrame(TrackId, Layer),
    /// The layers of a track that this leg publishes and that anybody takes; empty: nobody does.
    Demand(TrackId, LayerSet),
    /// How large the page shows a track that it receives.
    Prefer(TrackId, Size),
    /// What the layers of a track take now, in kbit/s; 0 for those that nobody sends. To legs that may have the track.
    Rates(TrackId, [u32; Layer::LIMIT]),
    /// Whose pictures are given up last where a line is too thin for all.
    Protect(Protected),
}

/// Whose pictures are given up last: first the speaker's, then the judges'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protected {
    /// The seats of judges.
    pub judges: SeatSet,
    /// The seat that speaks, or spoke last.
    pub speaker: Option<SeatId>,
}

/// New ICE credentials of both ends; everything else of the session stays.
#[derive(Clone, PartialEq, Eq)]
pub struct IceRestart {
    /// Our user fragment.
    pub ufrag: String,
    /// Our password.
    pub pwd: String,
    /// The client's user fragment.
    pub remote_ufrag: String,
    /// The client's password.
    pub remote_pwd: String,
}

/// What a leg has for the router.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send this. Segments of `segment` bytes each, the last may be shorter; one segment when `None`.
    Transmit {
        /// Where to.
        path: Path,
        /// What.
        datagrams: Bytes,
        /// The size of all segments but the last, for segmentation offload.
        segment: Option<u16>,
    },
    /// From now on datagrams from this path are this leg's: its STUN integrity was checked.
    Bind(Path),
    /// The leg begins to publish a track, or publishes it in another way.
    Track(TrackInfo),
    /// The leg no longer publishes a track.
    TrackEnd(TrackId),
    /// A packet of a track that the leg publishes.
    Packet(TrackId, Packet),
    /// The leg needs a key frame of a track that it is being handed.
    KeyFrame(TrackId, Layer),
    /// The layers it wants to be handed changed: ask `wanted` again.
    Wanted(TrackId),
    /// The layers of a track that its publisher is to send from now on, and no others.
    Active(TrackId, LayerSet),
    /// The endpoint is connected (media can flow), or is heard again.
    Connected,
    /// The endpoint is not heard any more; the session waits for it. The text goes to the log.
    Lost(String),
    /// The endpoint was left on purpose: its user closed it. It is over; the router drops the leg.
    Left,
    /// Its figures, about once a second.
    Quality(SeatQuality),
    /// It is over; the router drops the leg. The text goes to the log.
    Closed(String),
}

/// Where a datagram comes from or goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// The remote end.
    pub remote: SocketAddr,
    /// How.
    pub transport: Transport,
}

/// How datagrams travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One datagram, one packet, over the worker's UDP socket.
    Udp,
    /// RFC 4571 frames over an accepted TCP connection.
    Tcp,
}
