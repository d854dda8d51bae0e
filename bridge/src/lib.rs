//! The node that bridges court hearings across security zones. See docs/architecture.md.

mod admin;
mod after;
mod background;
pub mod cli;
pub mod endpoint;
mod late;
pub mod net;
pub mod node;
pub mod pipeline;
pub mod playback;
pub mod record;
mod recording;
pub mod rehearsal;
pub mod router;
mod sessions;
mod sitting;
mod terminals;
pub mod trunk;
mod witnessing;
mod workers;
