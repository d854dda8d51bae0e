//! What a trunk counts and shows.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use hearing_config::{NodeId, Zone};

use super::clock::Offset;
use super::flows::Flows;
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
    /// Other lines to the peer that stand by.
    pub standby: u8,
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
    /// Frames of sound that came only because they were sent again.
    pub repaired: u64,
    /// How many frames of sound are sent again with each now, because the line loses packets.
    pub redundancy: u8,
    /// Frames of pictures that are whole only by parity.
    pub mended: u64,
    /// Percent of parity that goes with protected pictures now, because the line loses packets.
    pub parity: u8,
    /// Pictures that are held back now: the line has no room for them.
    pub held: u8,
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
    Repaired,
    Parity,
    Mended,
}

/// Shared by everything that belongs to one trunk.
#[derive(Debug)]
pub(super) struct Gauges {
    peer: Identity,
    up: AtomicBool,
    rtt_us: AtomicU64,
    offset_us: AtomicI64,
    offset_settled: AtomicBool,
    redundancy: AtomicU8,
    parity: AtomicU8,
    held: AtomicU8,
    standby: AtomicU8,
    counts: [AtomicU64; 11],
    pub(super) flows: Flows,
}

impl Gauges {
    pub(super) fn new(peer: Identity) -> Self {
        let (up, rtt_us, offset_us, offset_settled) = Default::default();
        let (redundancy, parity, held, standby, counts, flows) = Default::default();
        Self { peer, up, rtt_us, offset_us, offset_settled, redundancy, parity, held, standby, counts, flows }
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
        [&self.redundancy, &self.parity, &self.held].iter().for_each(|gauge| gauge.store(0, Ordering::Relaxed));
        self.flows.clear();
    }

    pub(super) fn set_redundancy(&self, depth: usize) {
        self.redundancy.store(u8::try_from(depth).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    /// A share, 0.0 to 1.0.
    pub(super) fn set_parity(&self, share: f64) {
        self.parity.store((share * 100.0) as u8, Ordering::Relaxed);
    }

    pub(super) fn set_held(&self, pictures: usize) {
        self.held.store(u8::try_from(pictures).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    pub(super) fn set_standby(&self, lines: usize) {
        self.standby.store(u8::try_from(lines).unwrap_or(u8::MAX), Ordering::Relaxed);
    }

    pub(super) fn has_standby(&self) -> bool {
        self.standby.load(Ordering::Relaxed) > 0
    }

    pub(super) fn offset_us(&self) -> i64 {
        self.offset_us.load(Ordering::Relaxed)
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
            standby: self.standby.load(Ordering::Relaxed),
            rtt_ms: (rtt > 0).then(|| u32::try_from(rtt.div_ceil(1_000)).unwrap_or(u32::MAX)),
            clock_offset_us: self.offset_us.load(Ordering::Relaxed),
            links: count(Count::Links),
            sent: count(Count::Sent),
            received: count(Count::Received),
            lost: count(Count::Lost),
            shed: count(Count::Shed),
            repaired: count(Count::Repaired),
            redundancy: self.redundancy.load(Ordering::Relaxed),
            mended: count(Count::Mended),
            parity: self.parity.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
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
            Self::Repaired => "hearing_trunk_frames_repaired_total",
            Self::Parity => "hearing_trunk_parity_sent_total",
            Self::Mended => "hearing_trunk_frames_mended_total",
        }
    }
}
