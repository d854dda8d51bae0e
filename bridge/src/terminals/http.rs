//! What the operator asks about terminals.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::Terminals;
use crate::endpoint::sip::Device;

/// `/admin/terminals`.
pub(crate) fn routes(terminals: Terminals) -> Router {
    Router::new().route("/admin/terminals", get(list)).with_state(terminals)
}

async fn list(State(terminals): State<Terminals>) -> Json<Vec<Device>> {
    Json(terminals.parts.sip.iter().flat_map(crate::endpoint::sip::Sip::devices).collect())
}
