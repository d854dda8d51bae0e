//! WHIP (RFC 9725) in and WHEP out, for clients without a page: the join link's secret is the bearer token.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::extract::{Bearer, Named, Peer, Sdp};
use super::join::take_seat;
use super::{Offer, Problem, Shared, media, sdp};
use crate::access::{Grant, JoinToken};
use crate::registry::{HearingHandle, Refusal};

/// Which seat a WHEP client watches.
#[derive(Deserialize)]
pub(super) struct Watched {
    seat: String,
}

#[utoipa::path(post, path = "/api/hearings/{id}/whip", params(("id" = String, Path)), security(("link" = [])),
    request_body(content = String, content_type = "application/sdp"),
    responses((status = 201, description = "the answer; Location ends it", content_type = "application/sdp", body = String),
    (status = 409, description = "not_admitted: try again once admitted", body = Problem)))]
pub(super) async fn publish(
    State(shared): State<Arc<Shared>>,
    named: Named,
    peer: Peer,
    bearer: Bearer,
    Sdp(offer): Sdp,
) -> Result<Response, Problem> {
    let joined = take_seat(&shared, &named.handle, peer.0, &bearer.0, device).await?;
    answer(&shared, &named, joined.grant, sdp::publisher(offer)).await
}

#[utoipa::path(post, path = "/api/hearings/{id}/whep", params(("id" = String, Path), ("seat" = String, Query)), security(("link" = [])),
    request_body(content = String, content_type = "application/sdp"),
    responses((status = 201, description = "the answer; Location ends it", content_type = "application/sdp", body = String),
    (status = 404, description = "unknown_seat", body = Problem), (status = 409, description = "not_admitted", body = Problem)))]
pub(super) async fn watch(
    State(shared): State<Arc<Shared>>,
    named: Named,
    Query(watched): Query<Watched>,
    peer: Peer,
    bearer: Bearer,
    Sdp(offer): Sdp,
) -> Result<Response, Problem> {
    let joined = take_seat(&shared, &named.handle, peer.0, &bearer.0, device).await?;
    if !joined.seat.presence.is_admitted() {
        return Err(Refusal::NotAdmitted(joined.seat.name).into());
    }
    let seat = seat_named(&named.handle, &joined.grant, &watched.seat).await?;
    answer(&shared, &named, joined.grant, sdp::viewer(offer, seat)).await
}

#[utoipa::path(delete, path = "/api/hearings/{id}/whip/{session}", params(("id" = String, Path), ("session" = String, Path)),
    responses((status = 204), (status = 401, description = "unknown_session", body = Problem)))]
pub(super) async fn end(
    State(shared): State<Arc<Shared>>,
    named: Named,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let grant = media::authorize(&named.handle, &path.1).await?;
    media::finish(&shared.app, grant.session()).await
}

async fn answer(shared: &Shared, named: &Named, grant: Grant, offer: Offer) -> Result<Response, Problem> {
    let location = format!("/api/hearings/{}/whip/{}", named.id, grant.session().0);
    let sdp = media::ask(&shared.app, grant, offer).await?;
    let headers = [(header::CONTENT_TYPE, "application/sdp".to_owned()), (header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, sdp).into_response())
}

/// Such a client keeps nothing between two requests: whoever has its secret is its device.
fn device(token: &JoinToken) -> [u8; 16] {
    let mut device = [0; 16];
    device.copy_from_slice(&token.hash().0[..16]);
    device
}

async fn seat_named(handle: &HearingHandle, grant: &Grant, name: &str) -> Result<hearing_config::SeatId, Problem> {
    let view = handle.follow(grant.session(), None).await?.view;
    let seat = view.and_then(|view| view.seats.into_iter().find(|seat| seat.name == name));
    Ok(seat.map(|seat| seat.id).ok_or_else(|| Refusal::UnknownSeat(name.to_owned()))?)
}
