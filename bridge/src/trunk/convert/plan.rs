//! Media plans.

use hearing_config::SeatId;
use hearing_proto::wire;
use hearing_signaling::hearing::{MediaPlan, PlannedSeat, RecordOrder, Row, SeatSet};

use super::{Invalid, kind_from, kind_to, pause_from, pause_to, role_from, role_to, track_from, track_to, zone_from};

pub(in crate::trunk) fn plan_to(plan: &MediaPlan) -> wire::MediaPlan {
    let seat = |seat: &PlannedSeat| wire::PlannedSeat {
        name: seat.name.clone(),
        role: role_to(seat.role),
        zone: seat.zone.to_string(),
        admitted: seat.admitted,
        required: seat.required.iter().copied().map(kind_to).collect(),
    };
    let row = |row: &Row| wire::Row { track: track_to(row.track), audience: row.audience.0, recorded: row.recorded };
    wire::MediaPlan {
        revision: plan.revision,
        seats: plan.seats.iter().map(seat).collect(),
        rows: plan.rows.iter().map(row).collect(),
        record: match plan.record {
            RecordOrder::Off => wire::RecordOrder::Off,
            RecordOrder::Run => wire::RecordOrder::Run,
            RecordOrder::Pause(reason) => wire::RecordOrder::Pause(pause_to(reason)),
        },
    }
}

pub(in crate::trunk) fn plan_from(plan: wire::MediaPlan) -> Result<MediaPlan, Invalid> {
    if plan.seats.len() > SeatId::LIMIT {
        return Err(Invalid("a plan of more than 64 seats"));
    }
    let seat = |(seat, id): (wire::PlannedSeat, u8)| {
        Ok(PlannedSeat {
            id: SeatId(id),
            name: seat.name,
            role: role_from(seat.role),
            zone: zone_from(&seat.zone)?,
            admitted: seat.admitted,
            required: seat.required.into_iter().map(kind_from).collect(),
        })
    };
    let row = |row: wire::Row| {
        Ok(Row { track: track_from(row.track)?, audience: SeatSet(row.audience), recorded: row.recorded })
    };
    Ok(MediaPlan {
        revision: plan.revision,
        seats: plan.seats.into_iter().zip(0..).map(seat).collect::<Result<_, _>>()?,
        rows: plan.rows.into_iter().map(row).collect::<Result<_, _>>()?,
        record: match plan.record {
            wire::RecordOrder::Off => RecordOrder::Off,
            wire::RecordOrder::Run => RecordOrder::Run,
            wire::RecordOrder::Pause(reason) => RecordOrder::Pause(pause_from(reason)),
        },
    })
}
