//! Media plans.

use hearing_config::{Endpoint, Layout, SeatId, Zone};
use hearing_proto::wire;
use hearing_signaling::hearing::{MediaPlan, PlannedSeat, RecordOrder, Row, SeatSet, Terminal};

use super::{
    Invalid, kind_from, kind_to, layout_from, layout_to, pause_from, pause_to, role_from, role_to, track_from,
    track_to, zone_from,
};

/// As a peer in `zone` is told: addresses of terminals are for the node that calls them.
pub(in crate::trunk) fn plan_to(plan: &MediaPlan, zone: &Zone) -> wire::MediaPlan {
    let seat = |seat: &PlannedSeat| wire::PlannedSeat {
        name: seat.name.clone(),
        role: role_to(seat.role),
        zone: seat.zone.to_string(),
        admitted: seat.admitted,
        required: seat.required.iter().copied().map(kind_to).collect(),
        terminal: seat.terminal.as_ref().filter(|_| seat.zone == *zone).and_then(terminal_to),
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
            terminal: seat.terminal.map(terminal_from).transpose()?,
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

fn terminal_to(terminal: &Terminal) -> Option<wire::Terminal> {
    match &terminal.endpoint {
        Endpoint::Browser => None,
        Endpoint::Sip(aor) => Some(wire::Terminal::Sip(aor.clone().into(), layout_to(terminal.layout))),
        Endpoint::Gb28181(device) => Some(wire::Terminal::Gb28181(device.clone().into())),
        Endpoint::Rtsp(url) => Some(wire::Terminal::Rtsp(url.clone().into())),
    }
}

fn terminal_from(terminal: wire::Terminal) -> Result<Terminal, Invalid> {
    let layout = if let wire::Terminal::Sip(_, layout) = terminal { layout_from(layout) } else { Layout::default() };
    let endpoint = match terminal {
        wire::Terminal::Sip(aor, _) => aor.try_into().map(Endpoint::Sip),
        wire::Terminal::Gb28181(device) => device.try_into().map(Endpoint::Gb28181),
        wire::Terminal::Rtsp(url) => url.try_into().map(Endpoint::Rtsp),
    };
    let endpoint = endpoint.map_err(|_| Invalid("the address of a terminal"))?;
    Ok(Terminal { endpoint, layout })
}
