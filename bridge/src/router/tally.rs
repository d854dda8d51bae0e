//! What a worker dropped or refused, and why. Plain numbers, so that the packet path touches no registry of metrics.

use std::ops::AddAssign;

/// Counters since the worker began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Datagrams from sources that no leg is bound to.
    pub(super) strangers: u64,
    /// Datagrams that were not even looked at: their source had sent too much rubbish within the second.
    pub(super) shunned: u64,
    /// Datagrams for a transport that this node does not serve.
    pub(super) unroutable: u64,
    /// Packets and frames of tracks that their leg does not publish, or of layers that do not exist.
    pub(super) stray_packets: u64,
    /// Packets handed to legs.
    pub(super) forwarded: u64,
    /// Frames that could not be put together for those who take frames.
    pub(super) frames_skipped: u64,
    /// Key frames asked of publishers.
    pub(super) key_requests: u64,
    /// Plans that were not newer than the one in force.
    pub(super) stale_plans: u64,
    /// Tracks that a leg may not publish.
    pub(super) tracks_refused: u64,
    /// Reports that found no room.
    pub(super) events_lost: u64,
    /// Commands for hearings or legs that are not here.
    pub(super) stray_commands: u64,
    /// Legs that panicked.
    pub(super) leg_panics: u64,
}

impl Tally {
    /// Each counter's metric, and its value.
    pub(super) const fn metrics(&self) -> [(&'static str, u64); 12] {
        [
            ("hearing_router_strangers_total", self.strangers),
            ("hearing_router_shunned_total", self.shunned),
            ("hearing_router_unroutable_total", self.unroutable),
            ("hearing_router_stray_packets_total", self.stray_packets),
            ("hearing_router_forwarded_total", self.forwarded),
            ("hearing_router_frames_skipped_total", self.frames_skipped),
            ("hearing_router_key_requests_total", self.key_requests),
            ("hearing_router_stale_plans_total", self.stale_plans),
            ("hearing_router_tracks_refused_total", self.tracks_refused),
            ("hearing_router_events_lost_total", self.events_lost),
            ("hearing_router_stray_commands_total", self.stray_commands),
            ("hearing_router_leg_panics_total", self.leg_panics),
        ]
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.strangers += other.strangers;
        self.shunned += other.shunned;
        self.unroutable += other.unroutable;
        self.stray_packets += other.stray_packets;
        self.forwarded += other.forwarded;
        self.frames_skipped += other.frames_skipped;
        self.key_requests += other.key_requests;
        self.stale_plans += other.stale_plans;
        self.tracks_refused += other.tracks_refused;
        self.events_lost += other.events_lost;
        self.stray_commands += other.stray_commands;
        self.leg_panics += other.leg_panics;
    }
}
