//! The hearing's pure state machine and what goes into and comes out of it.

mod input;
mod plan;
mod view;

pub use input::{Action, Identity, MediaReport, PauseReason, SeatQuality};
pub use plan::{MediaPlan, PlannedSeat, RecordOrder, Row, SeatSet};
pub use view::{Change, Entry, HearingView, LiveSeat, Phase, Presence, RecordState, RecordView, SeatView};
