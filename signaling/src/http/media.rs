//! `/api/hearings/{id}/media`: the page's offer and its end.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;
use uuid::Uuid;

use super::extract::{Bearer, Body, Named};
use super::{App, MediaRefusal, MediaRequest, Offer, Problem, Shared};
use crate::access::{Grant, SessionId};
use crate::registry::{HearingHandle, Refusal};

/// The answer to an offer.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// The SDP.
    sdp: String,
}

#[utoipa::path(post, path = "/api/hearings/{id}/media", params(("id" = String, Path)), request_body = Offer,
    security(("session" = [])), responses((status = 201, body = Answer), (status = 401, description = "unknown_session", body = Problem),
    (status = 400, description = "bad_sdp, malformed", body = Problem), (status = 409, description = "not_admitted", body = Problem)))]
pub(super) async fn offer(
    State(shared): State<Arc<Shared>>,
    named: Named,
    bearer: Bearer,
    Body(offer): Body<Offer>,
) -> Result<(StatusCode, Json<Answer>), Problem> {
    let grant = authorize(&named.handle, &bearer.0).await?;
    let sdp = ask(&shared.app, grant, offer).await?;
    Ok((StatusCode::CREATED, Json(Answer { sdp })))
}

/// The offer of a client that restarts ICE.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restart {
    /// The SDP: the m-lines of the first offer, with new ICE credentials.
    sdp: String,
}

#[utoipa::path(patch, path = "/api/hearings/{id}/media", params(("id" = String, Path)), request_body = Restart,
    security(("session" = [])), responses((status = 200, body = Answer), (status = 401, description = "unknown_session", body = Problem),
    (status = 400, description = "bad_sdp, malformed", body = Problem),
    (status = 409, description = "cannot_restart, not_admitted", body = Problem)))]
pub(super) async fn restart(
    State(shared): State<Arc<Shared>>,
    named: Named,
    bearer: Bearer,
    Body(restart): Body<Restart>,
) -> Result<Json<Answer>, Problem> {
    let grant = authorize(&named.handle, &bearer.0).await?;
    let (reply, answer) = oneshot::channel();
    let sdp = request(&shared.app, MediaRequest::Restart(grant, restart.sdp, reply), answer).await?;
    Ok(Json(Answer { sdp }))
}

#[utoipa::path(delete, path = "/api/hearings/{id}/media", params(("id" = String, Path)), security(("session" = [])),
    responses((status = 204), (status = 401, description = "unknown_session", body = Problem)))]
pub(super) async fn end(
    State(shared): State<Arc<Shared>>,
    named: Named,
    bearer: Bearer,
) -> Result<StatusCode, Problem> {
    let grant = authorize(&named.handle, &bearer.0).await?;
    finish(&shared.app, grant.session()).await
}

/// The authority of the session that `text` names.
pub(super) async fn authorize(handle: &HearingHandle, text: &str) -> Result<Grant, Problem> {
    let session = Uuid::parse_str(text).map_err(|_| Refusal::UnknownSession)?;
    Ok(handle.authorize(SessionId(session)).await?)
}

/// Hands an offer to media and waits for the answer.
pub(super) async fn ask(app: &App, grant: Grant, offer: Offer) -> Result<String, Problem> {
    let (reply, answer) = oneshot::channel();
    request(app, MediaRequest::Offer(grant, offer, reply), answer).await
}

async fn request(
    app: &App,
    request: MediaRequest,
    answer: oneshot::Receiver<Result<String, MediaRefusal>>,
) -> Result<String, Problem> {
    app.media.try_send(request).map_err(|_| Problem::media_unavailable())?;
    match tokio::time::timeout(ANSWER_LIMIT, answer).await {
        Ok(Ok(answer)) => Ok(answer?),
        Ok(Err(_)) | Err(_) => Err(Problem::media_unavailable()),
    }
}

/// Ends a session's media.
pub(super) async fn finish(app: &App, session: SessionId) -> Result<StatusCode, Problem> {
    app.media.send(MediaRequest::End(session)).await.map_err(|_| Problem::media_unavailable())?;
    Ok(StatusCode::NO_CONTENT)
}

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
