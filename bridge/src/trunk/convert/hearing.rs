//! What people do, who may, and what media reports.

use hearing_config::{HearingId, SeatId, Zone};
use hearing_proto::wire;
use hearing_signaling::access::Grant;
use hearing_signaling::hearing::{Action, Identity, MediaReport, SeatQuality, SeatSound};
use hearing_signaling::registry::Joined;

use super::view::{seat_view_from, seat_view_to};
use super::{Invalid, pause_from, pause_to, role_from, role_to, same_words, seat_from, session_from, session_to};

same_words!(
    relief_to,
    relief_from,
    hearing_signaling::hearing::Relief,
    wire::Relief,
    [Nothing, Resolution, FrameRate, Pictures]
);
same_words!(
    identity_to,
    identity_from,
    Identity,
    wire::Identity,
    [CheckedByDocument, Known, VouchedByCustody, Declared]
);

pub(in crate::trunk) fn action_to(action: Action) -> wire::Action {
    match action {
        Action::Admit { seat, identity } => wire::Action::Admit { seat, identity: identity_to(identity) },
        Action::Refuse { seat } => wire::Action::Refuse { seat },
        Action::Remove { seat } => wire::Action::Remove { seat },
        Action::Mute { seat } => wire::Action::Mute { seat },
        Action::Unmute { seat } => wire::Action::Unmute { seat },
        Action::Call { seat } => wire::Action::Call { seat },
        Action::Dismiss { seat } => wire::Action::Dismiss { seat },
        Action::RaiseHand => wire::Action::RaiseHand,
        Action::LowerHand => wire::Action::LowerHand,
        Action::GiveFloor { seat } => wire::Action::GiveFloor { seat },
        Action::Open => wire::Action::Open,
        Action::Recess { reason } => wire::Action::Recess { reason: pause_to(reason) },
        Action::Resume => wire::Action::Resume,
        Action::Mark { text } => wire::Action::Mark { text },
        Action::Note { text } => wire::Action::Note { text },
        Action::Sign => wire::Action::Sign,
        Action::Close => wire::Action::Close,
        Action::SetDevices { microphone, camera } => wire::Action::SetDevices { microphone, camera },
    }
}

pub(in crate::trunk) fn action_from(action: wire::Action) -> Action {
    match action {
        wire::Action::Admit { seat, identity } => Action::Admit { seat, identity: identity_from(identity) },
        wire::Action::Refuse { seat } => Action::Refuse { seat },
        wire::Action::Remove { seat } => Action::Remove { seat },
        wire::Action::Mute { seat } => Action::Mute { seat },
        wire::Action::Unmute { seat } => Action::Unmute { seat },
        wire::Action::Call { seat } => Action::Call { seat },
        wire::Action::Dismiss { seat } => Action::Dismiss { seat },
        wire::Action::RaiseHand => Action::RaiseHand,
        wire::Action::LowerHand => Action::LowerHand,
        wire::Action::GiveFloor { seat } => Action::GiveFloor { seat },
        wire::Action::Open => Action::Open,
        wire::Action::Recess { reason } => Action::Recess { reason: pause_from(reason) },
        wire::Action::Resume => Action::Resume,
        wire::Action::Mark { text } => Action::Mark { text },
        wire::Action::Note { text } => Action::Note { text },
        wire::Action::Sign => Action::Sign,
        wire::Action::Close => Action::Close,
        wire::Action::SetDevices { microphone, camera } => Action::SetDevices { microphone, camera },
    }
}

pub(in crate::trunk) fn joined_to(joined: Joined) -> wire::Joined {
    let session = session_to(joined.grant.session());
    wire::Joined { session, seat: seat_view_to(joined.seat), case: joined.case, template: joined.template }
}

/// The home's word that a device is on a seat; only of this node's own zone.
pub(in crate::trunk) fn joined_from(id: HearingId, own: &Zone, joined: wire::Joined) -> Result<Joined, Invalid> {
    let seat = seat_view_from(joined.seat)?;
    if seat.zone != *own {
        return Err(Invalid("a join onto a seat of another zone"));
    }
    let grant = Grant::from_home(id, seat.id, seat.role, seat.zone.clone(), session_from(joined.session));
    Ok(Joined { grant, seat, case: joined.case, template: joined.template })
}

pub(in crate::trunk) const fn grant_to(grant: &Grant) -> wire::Grant {
    wire::Grant { session: session_to(grant.session()), seat: grant.seat().0, role: role_to(grant.role()) }
}

pub(in crate::trunk) fn grant_from(id: HearingId, own: &Zone, grant: wire::Grant) -> Result<Grant, Invalid> {
    let seat = seat_from(grant.seat)?;
    Ok(Grant::from_home(id, seat, role_from(grant.role), own.clone(), session_from(grant.session)))
}

/// What home is told of an edge's seats; `None` for what home sees for itself.
pub(in crate::trunk) fn report_to(report: &MediaReport) -> Option<(SeatId, wire::SeatReport)> {
    match report {
        MediaReport::Connected { seat } => Some((*seat, wire::SeatReport::Connected)),
        MediaReport::Disconnected { seat } => Some((*seat, wire::SeatReport::Disconnected)),
        MediaReport::Left { seat } => Some((*seat, wire::SeatReport::Left)),
        MediaReport::Quality { seat, quality } => Some((*seat, wire::SeatReport::Quality(quality_to(*quality)))),
        MediaReport::TrackUp { .. }
        | MediaReport::TrackDown { .. }
        | MediaReport::Speaking { .. }
        | MediaReport::Recording { .. }
        | MediaReport::RecordFailed { .. }
        | MediaReport::RecordWarning { .. }
        | MediaReport::Proof { .. }
        | MediaReport::Sealed { .. }
        | MediaReport::Line { .. } => None,
    }
}

pub(in crate::trunk) fn report_from(seat: SeatId, report: wire::SeatReport) -> MediaReport {
    match report {
        wire::SeatReport::Connected => MediaReport::Connected { seat },
        wire::SeatReport::Disconnected => MediaReport::Disconnected { seat },
        wire::SeatReport::Left => MediaReport::Left { seat },
        wire::SeatReport::Quality(quality) => MediaReport::Quality { seat, quality: quality_from(quality) },
    }
}

pub(super) const fn quality_to(quality: SeatQuality) -> wire::SeatQuality {
    wire::SeatQuality {
        up_kbps: quality.up_kbps,
        down_kbps: quality.down_kbps,
        loss_up: quality.loss_up,
        loss_down: quality.loss_down,
        rtt_ms: quality.rtt_ms,
        line_kbps: quality.line_kbps,
        relief: relief_to(quality.relief),
        sound: match quality.sound {
            Some(SeatSound { peak, mean, clipped, echo }) => Some(wire::SeatSound { peak, mean, clipped, echo }),
            None => None,
        },
        restarts: quality.restarts,
    }
}

pub(super) fn quality_from(quality: wire::SeatQuality) -> SeatQuality {
    SeatQuality {
        up_kbps: quality.up_kbps,
        down_kbps: quality.down_kbps,
        loss_up: share(quality.loss_up),
        loss_down: share(quality.loss_down),
        rtt_ms: quality.rtt_ms,
        line_kbps: quality.line_kbps,
        relief: relief_from(quality.relief),
        sound: quality.sound.map(|sound| SeatSound {
            peak: sound.peak.min(96),
            mean: sound.mean.min(96),
            clipped: sound.clipped.min(1_000),
            echo: sound.echo.min(100),
        }),
        restarts: quality.restarts,
    }
}

fn share(value: f32) -> f32 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}
