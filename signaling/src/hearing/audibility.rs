//! Who hears and sees whom, derived from the state of the hearing and nothing else; docs/design/audibility.md says why.

use hearing_config::{Kind, Role, TrackId};

use super::start::Link;
use super::{
    HearingView, Kept, MediaPlan, PauseReason, Phase, PlannedSeat, Presence, RecordOrder, Row, SeatSet, SeatView,
    Terminal,
};
use crate::access::{Permission, may};

/// The plan for a hearing; `starting` while it waits for the recorder to begin.
pub(super) fn plan(kept: &Kept, starting: bool, revision: u64) -> MediaPlan {
    let view = &kept.view;
    let record = record_order(view.phase, starting);
    let rows = view.seats.iter().zip(&kept.links).filter(|(seat, link)| publishes(view.phase, seat, link));
    let rows = rows.flat_map(|(seat, _)| Kind::ALL.map(|kind| row(view, seat, kind, record))).collect();
    let seats = view.seats.iter().zip(&kept.links).map(|(seat, link)| planned(view.phase, seat, link)).collect();
    MediaPlan { revision, seats, rows, record }
}

fn record_order(phase: Phase, starting: bool) -> RecordOrder {
    match phase {
        Phase::InSession | Phase::Signing => RecordOrder::Run,
        Phase::Waiting | Phase::Recess(_) if starting => RecordOrder::Run,
        Phase::Recess(reason) => RecordOrder::Pause(reason),
        Phase::Scheduled | Phase::Waiting | Phase::Closed | Phase::Sealed => RecordOrder::Off,
    }
}

fn planned(phase: Phase, seat: &SeatView, link: &Link) -> PlannedSeat {
    let rings = link.endpoint.is_terminal() && seat.presence != Presence::Removed && !phase.is_over();
    PlannedSeat {
        id: seat.id,
        name: seat.name.clone(),
        role: seat.role,
        zone: seat.zone.clone(),
        admitted: connects(phase, seat),
        required: seat.required.clone(),
        terminal: rings.then(|| Terminal { endpoint: link.endpoint.clone(), layout: link.layout }),
    }
}

fn row(view: &HearingView, from: &SeatView, kind: Kind, record: RecordOrder) -> Row {
    let silent = kind == Kind::Audio && from.muted;
    let mut audience = SeatSet::EMPTY;
    for to in view.seats.iter().filter(|to| !silent && to.id != from.id && receives(view.phase, from, to, kind)) {
        audience.insert(to.id);
    }
    Row {
        track: TrackId { seat: from.id, kind },
        audience,
        recorded: record == RecordOrder::Run && !silent && !from.apart,
    }
}

/// True when `to` may receive `from`'s tracks of `kind`; `from` publishes.
fn receives(phase: Phase, from: &SeatView, to: &SeatView, kind: Kind) -> bool {
    if !connects(phase, to) || to.apart || !may(to.role, Permission::Subscribe) {
        return false;
    }
    if from.apart {
        return is_bench(to.role);
    }
    match phase {
        Phase::InSession => true,
        Phase::Waiting | Phase::Signing => to.role != Role::Observer,
        Phase::Recess(PauseReason::Recess) => in_recess(from.role, to.role, kind),
        Phase::Recess(PauseReason::ClosedEvidence | PauseReason::Mediation) => {
            !matches!(to.role, Role::Observer | Role::Technician)
        }
        Phase::Scheduled | Phase::Closed | Phase::Sealed => false,
    }
}

/// The bench sees who is there and speaks among itself; nobody overhears what a defendant says to counsel in a recess.
const fn in_recess(from: Role, to: Role, kind: Kind) -> bool {
    match kind {
        Kind::Audio => is_bench(from) && is_bench(to),
        Kind::Video => is_bench(to) || matches!(to, Role::Technician),
        Kind::Screen => false,
    }
}

/// A technician watches; the camera on a technician's seat is there to be seen.
fn publishes(phase: Phase, seat: &SeatView, link: &Link) -> bool {
    let is_equipment = seat.role == Role::Technician && link.endpoint.is_terminal();
    connects(phase, seat) && (may(seat.role, Permission::Publish) || is_equipment)
}

const fn connects(phase: Phase, seat: &SeatView) -> bool {
    seat.presence.is_admitted() && !phase.is_over()
}

const fn is_bench(role: Role) -> bool {
    matches!(role, Role::Judge | Role::Clerk)
}
