//! What screens and operators see.

use hearing_config::{HearingId, SeatId, Timestamp};
use hearing_proto::wire;
use hearing_signaling::hearing::{
    Change, Entry, HearingView, LiveSeat, Mark, Phase, Presence, Proof, RecordState, RecordView, SeatView,
};
use hearing_signaling::registry::Board;

use super::hearing::{identity_from, identity_to, quality_from, quality_to};
use super::{
    Invalid, endpoint_from, endpoint_to, kind_from, kind_to, pause_from, pause_to, role_from, role_to, same_words,
    seat_from, zone_from,
};

same_words!(presence_to, presence_from, Presence, wire::Presence, [Absent, Waiting, Admitted, Connected, Removed]);
same_words!(state_to, state_from, RecordState, wire::RecordState, [Off, Running, Paused, Faulty, Ended]);

pub(in crate::trunk) fn view_to(view: HearingView) -> wire::HearingView {
    wire::HearingView {
        case: view.case,
        template: view.template,
        phase: phase_to(view.phase),
        opened_at: view.opened_at.map(|at| at.0),
        seats: view.seats.into_iter().map(seat_view_to).collect(),
        record: record_to(view.record),
        floor: view.floor.map(|seat| seat.0),
        seq: view.seq,
    }
}

pub(in crate::trunk) fn view_from(id: HearingId, view: wire::HearingView) -> Result<HearingView, Invalid> {
    if view.seats.len() > SeatId::LIMIT {
        return Err(Invalid("a hearing of more than 64 seats"));
    }
    Ok(HearingView {
        id,
        case: view.case,
        template: view.template,
        phase: phase_from(view.phase),
        opened_at: view.opened_at.map(Timestamp),
        seats: view.seats.into_iter().map(seat_view_from).collect::<Result<_, _>>()?,
        record: record_from(view.record),
        floor: view.floor.map(seat_from).transpose()?,
        seq: view.seq,
    })
}

pub(in crate::trunk) fn board_to(board: Board) -> wire::Board {
    wire::Board { view: view_to(board.view), live: live_to(board.live) }
}

pub(in crate::trunk) fn board_from(id: HearingId, board: wire::Board) -> Result<Board, Invalid> {
    Ok(Board { view: view_from(id, board.view)?, live: live_from(board.live)? })
}

pub(in crate::trunk) fn entry_to(entry: Entry) -> wire::Entry {
    let change = match entry.change {
        Change::Phase(phase) => wire::Change::Phase(phase_to(phase)),
        Change::Seat(seat) => wire::Change::Seat(seat_view_to(seat)),
        Change::Record(record) => wire::Change::Record(record_to(record)),
        Change::Floor(floor) => wire::Change::Floor(floor.map(|seat| seat.0)),
        Change::Mark(mark) => {
            wire::Change::Mark(wire::Mark { note: mark.note, seat: mark.seat.map(|seat| seat.0), text: mark.text })
        }
    };
    wire::Entry { seq: entry.seq, at: entry.at.0, change }
}

pub(in crate::trunk) fn entry_from(entry: wire::Entry) -> Result<Entry, Invalid> {
    let change = match entry.change {
        wire::Change::Phase(phase) => Change::Phase(phase_from(phase)),
        wire::Change::Seat(seat) => Change::Seat(seat_view_from(seat)?),
        wire::Change::Record(record) => Change::Record(record_from(record)),
        wire::Change::Floor(floor) => Change::Floor(floor.map(seat_from).transpose()?),
        wire::Change::Mark(mark) => {
            Change::Mark(Mark { note: mark.note, seat: mark.seat.map(seat_from).transpose()?, text: mark.text })
        }
    };
    Ok(Entry { seq: entry.seq, at: Timestamp(entry.at), change })
}

pub(in crate::trunk) fn live_to(live: Vec<LiveSeat>) -> Vec<wire::LiveSeat> {
    let seat = |live: LiveSeat| wire::LiveSeat {
        seat: live.seat.0,
        speaking: live.speaking,
        quality: quality_to(live.quality),
        tracks: live.tracks.into_iter().map(kind_to).collect(),
        recorded: live.recorded.into_iter().map(kind_to).collect(),
    };
    live.into_iter().map(seat).collect()
}

pub(in crate::trunk) fn live_from(live: Vec<wire::LiveSeat>) -> Result<Vec<LiveSeat>, Invalid> {
    let seat = |live: wire::LiveSeat| {
        Ok(LiveSeat {
            seat: seat_from(live.seat)?,
            speaking: live.speaking,
            quality: quality_from(live.quality),
            tracks: live.tracks.into_iter().map(kind_from).collect(),
            recorded: live.recorded.into_iter().map(kind_from).collect(),
        })
    };
    live.into_iter().map(seat).collect()
}

pub(super) fn seat_view_to(seat: SeatView) -> wire::SeatView {
    wire::SeatView {
        id: seat.id.0,
        name: seat.name,
        title: seat.title,
        title_en: seat.title_en,
        role: role_to(seat.role),
        zone: seat.zone.to_string(),
        endpoint: endpoint_to(seat.endpoint),
        presence: presence_to(seat.presence),
        identity: seat.identity.map(identity_to),
        muted: seat.muted,
        apart: seat.apart,
        hand: seat.hand,
        microphone_off: seat.microphone_off,
        camera_off: seat.camera_off,
        left: seat.left,
        required: seat.required.into_iter().map(kind_to).collect(),
    }
}

pub(super) fn seat_view_from(seat: wire::SeatView) -> Result<SeatView, Invalid> {
    Ok(SeatView {
        id: seat_from(seat.id)?,
        name: seat.name,
        title: seat.title,
        title_en: seat.title_en,
        role: role_from(seat.role),
        zone: zone_from(&seat.zone)?,
        endpoint: endpoint_from(seat.endpoint),
        presence: presence_from(seat.presence),
        identity: seat.identity.map(identity_from),
        muted: seat.muted,
        apart: seat.apart,
        hand: seat.hand,
        microphone_off: seat.microphone_off,
        camera_off: seat.camera_off,
        left: seat.left,
        required: seat.required.into_iter().map(kind_from).collect(),
    })
}

fn record_to(record: RecordView) -> wire::RecordView {
    let Proof { binding, integrity, witness } = record.proof;
    wire::RecordView {
        state: state_to(record.state),
        tracks: record.tracks,
        fault: record.fault,
        warning: record.warning,
        proof: wire::Proof { binding, integrity, witness },
    }
}

fn record_from(record: wire::RecordView) -> RecordView {
    let wire::Proof { binding, integrity, witness } = record.proof;
    RecordView {
        state: state_from(record.state),
        tracks: record.tracks,
        fault: record.fault,
        warning: record.warning,
        proof: Proof { binding, integrity, witness },
    }
}

const fn phase_to(phase: Phase) -> wire::Phase {
    match phase {
        Phase::Scheduled => wire::Phase::Scheduled,
        Phase::Waiting => wire::Phase::Waiting,
        Phase::InSession => wire::Phase::InSession,
        Phase::Recess(reason) => wire::Phase::Recess(pause_to(reason)),
        Phase::Signing => wire::Phase::Signing,
        Phase::Closed => wire::Phase::Closed,
        Phase::Sealed => wire::Phase::Sealed,
    }
}

const fn phase_from(phase: wire::Phase) -> Phase {
    match phase {
        wire::Phase::Scheduled => Phase::Scheduled,
        wire::Phase::Waiting => Phase::Waiting,
        wire::Phase::InSession => Phase::InSession,
        wire::Phase::Recess(reason) => Phase::Recess(pause_from(reason)),
        wire::Phase::Signing => Phase::Signing,
        wire::Phase::Closed => Phase::Closed,
        wire::Phase::Sealed => Phase::Sealed,
    }
}
