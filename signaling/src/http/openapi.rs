//! `GET /api/openapi.json`.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{Problem, ice, join, media, whip};
use crate::hearing::{Action, Entry, HearingView, LiveSeat};
use crate::ws::{ClientMessage, ServerMessage};

/// The public API as an OpenAPI document.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Answers with the document.
pub(super) async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}

#[derive(OpenApi)]
#[openapi(
    info(title = "hearing", description = "Joins a hearing, follows it, sends and receives its media. Errors have one shape everywhere."),
    paths(join::join, crate::ws::upgrade, media::offer, media::restart, media::end, ice::servers, whip::publish, whip::watch, whip::end),
    components(schemas(Problem, HearingView, Entry, LiveSeat, Action, ClientMessage, ServerMessage)),
    modifiers(&Bearers)
)]
struct Document;

struct Bearers;

impl Modify for Bearers {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = |what| {
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(what)).build())
        };
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("session", bearer("the session that join gave"));
        components.add_security_scheme("link", bearer("the secret of a join link"));
    }
}
