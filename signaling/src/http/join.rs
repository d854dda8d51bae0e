//! `POST /api/hearings/{id}/join`: a link and a device become a session.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, Named, Peer};
use super::{Problem, Shared};
use crate::access::JoinToken;
use crate::hearing::SeatView;
use crate::registry::{HearingHandle, Join, Joined, Refusal};

/// What a page sends to join.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinRequest {
    /// The link's secret: 43 characters of base64url.
    token: String,
    /// 16 random bytes that the page keeps, as 22 characters of base64url.
    device: String,
}

/// The answer to a device that was let onto its seat.
#[derive(Serialize, ToSchema)]
pub(super) struct JoinAnswer {
    /// The session, a secret of this device.
    session: String,
    /// Its seat.
    seat: SeatView,
    /// The case number.
    case: String,
    /// The template's name.
    template: String,
}

#[utoipa::path(post, path = "/api/hearings/{id}/join", params(("id" = String, Path)), request_body = JoinRequest, responses(
    (status = 200, body = JoinAnswer), (status = 409, description = "seat_taken, wrong_phase", body = Problem),
    (status = 403, description = "unknown_link, wrong_zone", body = Problem), (status = 410, description = "link_expired", body = Problem),
    (status = 429, description = "too_many_attempts", body = Problem)))]
pub(super) async fn join(
    State(shared): State<Arc<Shared>>,
    named: Named,
    peer: Peer,
    Body(request): Body<JoinRequest>,
) -> Result<Json<JoinAnswer>, Problem> {
    let device = URL_SAFE_NO_PAD.decode(&request.device).ok().and_then(|bytes| bytes.try_into().ok());
    let device = device.ok_or_else(|| Problem::malformed("device has to be 16 bytes as 22 characters of base64url"))?;
    let joined = take_seat(&shared, &named.handle, peer.0, &request.token, |_| device).await?;
    let session = joined.grant.session().0.to_string();
    Ok(Json(JoinAnswer { session, seat: joined.seat, case: joined.case, template: joined.template }))
}

/// Joins with a link's secret; `device` makes the device's number.
pub(super) async fn take_seat(
    shared: &Shared,
    handle: &HearingHandle,
    peer: Option<IpAddr>,
    token: &str,
    device: impl FnOnce(&JoinToken) -> [u8; 16],
) -> Result<Joined, Problem> {
    if peer.is_some_and(|address| shared.attempts.exhausted(address, Instant::now())) {
        return Err(Problem::too_many_attempts());
    }
    let joined = match JoinToken::parse(token) {
        Some(token) => {
            let (zone, node) = (shared.app.zone.clone(), shared.app.node.clone());
            handle.join(Join { token: token.hash(), device: device(&token), zone, node }).await
        }
        None => Err(Refusal::UnknownLink),
    };
    if let (Err(Refusal::UnknownLink), Some(address)) = (&joined, peer) {
        shared.attempts.count(address, Instant::now());
    }
    Ok(joined?)
}
