//! The admin API's part about keeping records.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hearing_config::{HearingId, Timestamp};
use http::StatusCode;
use serde_json::{Value, json};

use super::rules::{self, Order};
use super::{Error, Ledger, Store};

/// What the routes need.
#[derive(Clone)]
pub struct Keeping {
    /// The folder of all records.
    pub directory: PathBuf,
    /// Days for which a closed record must be kept.
    pub keep_days: u32,
    /// Where copies are.
    pub copy: Option<Store>,
}

/// `GET /admin/records/{id}/keep` and `POST /admin/records/{id}/hold`, `release`, `delete`.
pub fn routes(keeping: Keeping) -> Router {
    Router::new()
        .route("/admin/records/{id}/keep", get(show))
        .route("/admin/records/{id}/hold", post(hold))
        .route("/admin/records/{id}/release", post(release))
        .route("/admin/records/{id}/delete", post(delete))
        .with_state(Arc::new(keeping))
}

type Answer = Result<Json<Value>, Failure>;
type Wish = Result<Json<Order>, JsonRejection>;

async fn show(State(keeping): State<Arc<Keeping>>, Path(id): Path<String>) -> Answer {
    let hearing = hearing(&id)?;
    blocking(move || {
        let ledger = Ledger::of(&keeping.directory, hearing);
        Ok(json!({ "state": ledger.state()?, "acts": ledger.acts()? }))
    })
    .await
}

async fn hold(State(keeping): State<Arc<Keeping>>, Path(id): Path<String>, order: Wish) -> Answer {
    let (hearing, Json(order)) = (hearing(&id)?, order?);
    blocking(move || {
        rules::hold(&keeping.directory, hearing, order, Timestamp::now())?;
        Ok(json!({ "held": true }))
    })
    .await
}

async fn release(State(keeping): State<Arc<Keeping>>, Path(id): Path<String>, order: Wish) -> Answer {
    let (hearing, Json(order)) = (hearing(&id)?, order?);
    blocking(move || {
        rules::release(&keeping.directory, hearing, order, Timestamp::now())?;
        Ok(json!({ "held": false }))
    })
    .await
}

/// Disks may be slow: off the threads that serve.
async fn blocking(work: impl FnOnce() -> Result<Value, Error> + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(Json(result?)),
        Err(_) => Err(Failure::Aborted),
    }
}

async fn delete(State(keeping): State<Arc<Keeping>>, Path(id): Path<String>, order: Wish) -> Answer {
    let rule = (keeping.keep_days, keeping.copy.as_ref());
    let gone = rules::delete(&keeping.directory, hearing(&id)?, order?.0, Timestamp::now(), rule).await?;
    Ok(Json(json!({ "deleted": true, "objects": gone.objects })))
}

fn hearing(id: &str) -> Result<HearingId, Failure> {
    id.parse().map_err(|_| Failure::BadId)
}

enum Failure {
    BadId,
    BadBody(String),
    Aborted,
    Keep(Error),
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        Self::BadBody(rejection.body_text())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Keep(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code, message, zh) = match self {
            Self::BadId => {
                (StatusCode::BAD_REQUEST, "bad_hearing_id", "this is not a hearing id".to_owned(), "庭审编号无效")
            }
            Self::BadBody(reason) => (StatusCode::BAD_REQUEST, "bad_request", reason, "请求内容无效"),
            Self::Aborted => {
                (StatusCode::INTERNAL_SERVER_ERROR, "aborted", "the work was aborted".to_owned(), "操作中断")
            }
            Self::Keep(error) => {
                let (status, code, zh) = kind(&error);
                (status, code, error.to_string(), zh)
            }
        };
        (status, Json(json!({ "code": code, "message": message, "message_zh": zh }))).into_response()
    }
}

const fn kind(error: &Error) -> (StatusCode, &'static str, &'static str) {
    match error {
        Error::Held { .. } => (StatusCode::CONFLICT, "record_held", "录音录像处于保全状态，须先解除"),
        Error::Early { .. } => (StatusCode::CONFLICT, "record_not_due", "录音录像未满保存期限"),
        Error::Open(_) => (StatusCode::CONFLICT, "record_open", "庭审尚未闭庭"),
        Error::NotHeld(_) => (StatusCode::CONFLICT, "record_not_held", "录音录像未处于保全状态"),
        Error::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_record", "本节点没有该庭审的录音录像"),
        Error::Empty(_) => (StatusCode::BAD_REQUEST, "bad_request", "须写明何人、何因"),
        Error::Disk { .. }
        | Error::Record(_)
        | Error::Store(_)
        | Error::Differs(_)
        | Error::Hole { .. }
        | Error::Keys(_)
        | Error::Locked { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "record_failed", "录音录像读写失败"),
    }
}
