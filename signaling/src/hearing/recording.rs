//! The record as the hearing knows it: which tracks it needs, which of them are written, and what media reports.

use std::collections::BTreeSet;

use hearing_config::{EndpointKind, Kind, SeatId, Timestamp, TrackId, Zone};

use super::{Change, Hearing, Identity, MediaReport, Phase, Presence, Proof, RecordState, RecordView, Reply};

impl Hearing {
    pub(super) fn report(&mut self, report: MediaReport, now: Timestamp) -> Reply {
        match report {
            MediaReport::Connected { seat } => self.connected(seat, now),
            MediaReport::Disconnected { seat } => self.disconnected(seat, false, now),
            MediaReport::Left { seat } => self.disconnected(seat, true, now),
            MediaReport::TrackUp { track } => self.track_up(track, now),
            MediaReport::TrackDown { track } => _ = self.arriving.remove(&track),
            MediaReport::Recording { tracks } => self.recorded(tracks),
            MediaReport::RecordFailed { reason } => self.record_failed(reason),
            MediaReport::RecordWarning { warning } => self.warning = warning,
            MediaReport::Proof { proof } => self.proven(proof),
            MediaReport::Sealed { proof } => self.sealed(proof, now),
            MediaReport::Line { zone, up: false } => self.line_down(&zone, now),
            // Its node reports again who is connected there.
            MediaReport::Line { up: true, .. } => {}
            // Live figures are not the hearing's: its owner keeps them.
            MediaReport::Speaking { .. } | MediaReport::Quality { .. } => {}
        }
        Reply::Done
    }

    /// The tracks without which the hearing can't be in session: those of every seat that was not taken out and does not wait
    /// apart; muted sound is not recorded, so it is not required either.
    pub(super) fn required(&self) -> BTreeSet<TrackId> {
        let seats = self.kept.view.seats.iter().filter(|seat| seat.presence != Presence::Removed && !seat.apart);
        let tracks = seats.flat_map(|seat| seat.required.iter().map(|kind| (seat.muted, seat.id, *kind)));
        tracks
            .filter(|(muted, _, kind)| !(*muted && *kind == Kind::Audio))
            .map(|(_, seat, kind)| TrackId { seat, kind })
            .collect()
    }

    /// The required tracks that are not being recorded.
    pub(super) fn unrecorded(&self) -> Vec<TrackId> {
        self.required().difference(&self.recording).copied().collect()
    }

    /// Tracks in words, as `seat/kind` with the seat's slug.
    pub(super) fn names(&self, tracks: &[TrackId]) -> String {
        tracks.iter().map(|track| self.name(*track)).collect::<Vec<_>>().join(", ")
    }

    /// Keeps the view of the record true.
    pub(super) fn settle_record(&mut self, now: Timestamp) {
        self.settle_grace(now);
        let record = self.record();
        if record != self.kept.view.record {
            self.change(Change::Record(record), now);
        }
    }

    /// A track that becomes required in session (unmuted, called) gives the recorder a moment before the record is faulty.
    fn settle_grace(&mut self, now: Timestamp) {
        if !self.phase().is_recorded() {
            self.grace.clear();
            self.owed.clear();
            return;
        }
        let required = self.required();
        for track in required.difference(&self.owed) {
            self.grace.insert(*track, now.plus(GRACE));
        }
        self.grace.retain(|track, until| now < *until && required.contains(track) && !self.recording.contains(track));
        self.owed = required;
    }

    fn record(&self) -> RecordView {
        let state = match self.phase() {
            Phase::Scheduled | Phase::Waiting => RecordState::Off,
            Phase::InSession | Phase::Signing if self.record_fault().is_some() => RecordState::Faulty,
            Phase::InSession | Phase::Signing => RecordState::Running,
            Phase::Recess(_) => RecordState::Paused,
            Phase::Closed | Phase::Sealed if self.kept.view.opened_at.is_none() => RecordState::Off,
            Phase::Closed | Phase::Sealed => RecordState::Ended,
        };
        let shown = self.phase().is_recorded();
        let tracks = self.recording.iter().filter(|_| shown).map(|track| self.name(*track)).collect();
        let fault = if shown { self.record_fault() } else { self.fault.clone().filter(|_| self.awaits_seal()) };
        let warning = self.warning.clone().filter(|_| !self.phase().is_over());
        RecordView { state, tracks, fault, warning, proof: self.kept.proof.clone() }
    }

    fn record_fault(&self) -> Option<String> {
        if let Some(reason) = &self.fault {
            return Some(reason.clone());
        }
        let missing: Vec<_> = self.unrecorded().into_iter().filter(|track| !self.grace.contains_key(track)).collect();
        match (missing.is_empty(), self.recording.is_empty()) {
            (false, _) => Some(format!("not recorded: {}", self.names(&missing))),
            (true, true) if self.grace.is_empty() => Some("nothing is being recorded".to_owned()),
            (true, _) => None,
        }
    }

    fn name(&self, track: TrackId) -> String {
        format!("{}/{}", self.seat(track.seat).name, track.kind)
    }

    fn connected(&mut self, id: SeatId, now: Timestamp) {
        let Some(seat) = self.known_seat(id).filter(|_| !self.phase().is_over()) else { return };
        match seat.presence {
            Presence::Admitted => {
                self.change_seat(id, now, |seat| (seat.presence, seat.left) = (Presence::Connected, false))
            }
            Presence::Absent if seat.endpoint != EndpointKind::Browser => self.terminal_came(id, now),
            Presence::Absent | Presence::Waiting | Presence::Connected | Presence::Removed => {}
        }
    }

    /// The court has put the terminal into the hearing's template and its node has rung it: nobody has to let it in.
    fn terminal_came(&mut self, id: SeatId, now: Timestamp) {
        if self.phase() == Phase::Scheduled {
            self.change(Change::Phase(Phase::Waiting), now);
        }
        self.change_seat(id, now, |seat| {
            (seat.presence, seat.identity) = (Presence::Connected, Some(Identity::Known));
        });
    }

    fn disconnected(&mut self, id: SeatId, left: bool, now: Timestamp) {
        if self.known_seat(id).is_some_and(|seat| seat.presence == Presence::Connected) {
            self.change_seat(id, now, |seat| (seat.presence, seat.left) = (Presence::Admitted, left));
        }
    }

    /// A track can only arrive from a connected endpoint; so a line that came back needs no other word.
    fn track_up(&mut self, track: TrackId, now: Timestamp) {
        if self.known_seat(track.seat).is_some() {
            self.arriving.insert(track);
            self.connected(track.seat, now);
        }
    }

    fn recorded(&mut self, tracks: Vec<TrackId>) {
        if self.phase().is_recorded() || self.starting.is_some() {
            self.recording = tracks.into_iter().filter(|track| self.known_seat(track.seat).is_some()).collect();
            self.fault = None;
        }
    }

    fn record_failed(&mut self, reason: String) {
        if self.phase().is_recorded() || self.starting.is_some() || self.awaits_seal() {
            self.recording.clear();
            self.fault = Some(reason);
        }
    }

    /// Nothing that was final once changes any more.
    fn proven(&mut self, proof: Proof) {
        if self.kept.proof.integrity.is_none() {
            let binding = self.kept.proof.binding.take().or(proof.binding);
            self.kept.proof = Proof { binding, ..proof };
        }
    }

    fn sealed(&mut self, proof: Proof, now: Timestamp) {
        if self.phase() == Phase::Closed {
            self.fault = None;
            self.proven(proof);
            // Whoever leaves at the seal has seen what proves the record.
            self.settle_record(now);
            self.seal(now);
        }
    }

    /// True once a hearing that has a record was closed, until the record is final.
    fn awaits_seal(&self) -> bool {
        self.phase() == Phase::Closed && self.kept.view.opened_at.is_some()
    }

    fn line_down(&mut self, zone: &Zone, now: Timestamp) {
        let cut: Vec<_> = self.kept.view.seats.iter().filter(|seat| seat.zone == *zone).map(|seat| seat.id).collect();
        for id in cut {
            self.disconnected(id, false, now);
        }
    }
}

/// How long the recorder may take for one more track before the record counts as faulty, in microseconds.
const GRACE: i64 = 3_000_000;
