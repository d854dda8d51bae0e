//! The node that bridges court hearings across security zones. See docs/architecture.md.

pub mod router;
