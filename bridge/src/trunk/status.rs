//! What a trunk counts and shows.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use hearing_config::{NodeId, Zone};

use super::clock::Offset;
use crate::net::tls::Identity;

/// One trunk, for the board and the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkStatus {
    /// The peer.
    pub peer: NodeId,
    /// Its zone.
    pub zone: Zone,
    /// True while media may flow.
    pub up: bool,
    /// Round trip in milliseconds; `None` while it is not up or not known yet.
    pub rtt_ms: Option<u32>,
    /// How far the peer's clock is ahead of ours, in microseconds; 0 while not known.
    pub clock_offset_us: i64,
    /// Links made since the start.
    pub links: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames received and handed to routers.
    pub received: u64,
    /// Frames that the peer sent and that never came.
    pub lost: u64,
    /// Frames shed before they were sent, or given up on the way.
    pub shed: u64,
    /// Frames that came and were not used: too late, or of a picture that waits for its key frame.
    pub dropped: u64,
    /// Frames, in either direction, of tracks that no gate let pass.
    pub stray: u64,
    /// Frames that could not be read.
    pub malformed: u64,
}

/// What is counted, for status and metrics alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Links,
    Sent,
    Received,
    Lost,
    Shed,
    Dropped,
    Stray,
    Malformed,
}

/// Shared by everything that belongs to one trunk.
#[derive(Debug)]
pub(super) struct Gauges {
    peer: Identity,
    up: AtomicBool,
    rtt_us: AtomicU64,
    offset_us: AtomicI64,
    offset_settled: AtomicBool,
    counts: [AtomicU64; 8],
}

impl Gauges {
    pub(super) fn new(peer: Identity) -> Self {
        let (up, rtt_us, offset_us, offset_settled) = Default::default();
        Self { peer, up, rtt_us, offset_us, offset_settled, counts: Default::default() }
    }

    pub(super) fn add(&self, count: Count, n: u64) {
        if n > 0 {
            self.counts[count as usize].fetch_add(n, Ordering::Relaxed);
            metrics::counter!(count.metric(), "peer" => self.peer.node.to_string()).increment(n);
        }
    }

    pub(super) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
        self.offset_settled.store(false, Ordering::Relaxed);
        self.rtt_us.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_rtt(&self, rtt_us: u64, offset: Offset) {
        self.rtt_us.store(rtt_us.max(1), Ordering::Relaxed);
        self.offset_us.store(offset.micros, Ordering::Relaxed);
        self.offset_settled.store(offset.settled, Ordering::Relaxed);
        let peer = self.peer.node.to_string();
        metrics::gauge!("hearing_trunk_rtt_seconds", "peer" => peer.clone()).set(rtt_us as f64 / 1e6);
        metrics::gauge!("hearing_trunk_clock_offset_seconds", "peer" => peer).set(offset.micros as f64 / 1e6);
    }

    /// The peer's clock; what the link before knew of it until the first ping comes back.
    pub(super) fn offset(&self) -> Offset {
        let settled = self.offset_settled.load(Ordering::Relaxed);
        Offset { micros: self.offset_us.load(Ordering::Relaxed), settled }
    }

    pub(super) fn status(&self) -> TrunkStatus {
        let count = |count: Count| self.counts[count as usize].load(Ordering::Relaxed);
        let rtt = self.rtt_us.load(Ordering::Relaxed);
        TrunkStatus {
            peer: self.peer.node.clone(),
            zone: self.peer.zone.clone(),
            up: self.up.load(Ordering::Relaxed),
            rtt_ms: (rtt > 0).then(|| u32::try_from(rtt.div_ceil(1_000)).unwrap_or(u32::MAX)),
            clock_offset_us: self.offset_us.load(Ordering::Relaxed),
            links: count(Count::Links),
            sent: count(Count::Sent),
            received: count(Count::Received),
            lost: count(Count::Lost),
            shed: count(Count::Shed),
            dropped: count(Count::Dropped),
            stray: count(Count::Stray),
            malformed: count(Count::Malformed),
        }
    }
}

impl Count {
    const fn metric(self) -> &'static str {
        match self {
            Self::Links => "hearing_trunk_links_total",
            Self::Sent => "hearing_trunk_frames_sent_total",
            Self::Received => "hearing_trunk_frames_received_total",
            Self::Lost => "hearing_trunk_frames_lost_total",
            Self::Shed => "hearing_trunk_frames_shed_total",
            Self::Dropped => "hearing_trunk_frames_dropped_total",
            Self::Stray => "hearing_trunk_frames_stray_total",
            Self::Malformed => "hearing_trunk_frames_malformed_total",
        }
    }
}
