//! The hearing's pure state machine and what goes into and comes out of it.

mod audibility;
mod input;
mod machine;
mod plan;
mod recording;
mod seats;
mod session;
mod sight;
mod start;
mod view;

pub use input::{Action, Identity, MediaReport, PauseReason, Relief, SeatQuality, SeatSound};
pub use machine::{Hearing, Input, Kept, Output, Reply};
pub use plan::{MediaPlan, PlannedSeat, RecordOrder, Row, SeatSet, Terminal};
pub use sight::{Eyes, Sight};
pub use start::{Seating, Sitting, Window};
pub use view::{Change, Entry, HearingView, LiveSeat, Mark, Phase, Presence, Proof, RecordState, RecordView, SeatView};

#[cfg(test)]
pub(crate) mod tests;
