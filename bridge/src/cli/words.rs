//! The words for what a hearing, a seat and a record are, in both languages.

use hearing_signaling::hearing::{PauseReason, Phase, Presence, RecordState, SeatView};

/// The state of a hearing.
pub(super) fn phase(phase: Phase) -> String {
    match phase {
        Phase::Scheduled => "已排期 scheduled".to_owned(),
        Phase::Waiting => "候审 waiting".to_owned(),
        Phase::InSession => "庭审中 in session".to_owned(),
        Phase::Recess(reason) => format!("休庭 recess: {}", pause(reason)),
        Phase::Signing => "签字 signing".to_owned(),
        Phase::Closed => "闭庭 closed".to_owned(),
        Phase::Sealed => "已封存 sealed".to_owned(),
    }
}

/// Who is on a seat.
pub(super) const fn presence(seat: &SeatView) -> &'static str {
    match seat.presence {
        Presence::Admitted if seat.left => "已离开 left",
        Presence::Absent => "未到 absent",
        Presence::Waiting => "等候 waiting",
        Presence::Admitted => "已准入 admitted",
        Presence::Connected => "在线 connected",
        Presence::Removed => "已请出 removed",
    }
}

/// The state of a record.
pub(super) const fn record(state: RecordState) -> &'static str {
    match state {
        RecordState::Off => "未开始 off",
        RecordState::Running => "录制中 running",
        RecordState::Paused => "已暂停 paused",
        RecordState::Faulty => "故障 FAULTY",
        RecordState::Ended => "已结束 ended",
    }
}

const fn pause(reason: PauseReason) -> &'static str {
    match reason {
        PauseReason::Recess => "休庭 recess",
        PauseReason::ClosedEvidence => "不公开质证 closed evidence",
        PauseReason::Mediation => "调解 mediation",
    }
}
