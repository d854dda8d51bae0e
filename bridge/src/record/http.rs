//! The admin API's part about records.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hearing_config::HearingId;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Error;
use super::catalog::{self, Record};
use super::export::{self, Exported};

/// `GET /admin/records` and `POST /admin/records/{id}/export`, for the records in `directory`.
pub fn routes(directory: PathBuf) -> Router {
    Router::new()
        .route("/admin/records", get(list))
        .route("/admin/records/{id}/export", post(run_export))
        .with_state(Arc::new(directory))
}

async fn list(State(directory): State<Arc<PathBuf>>) -> Result<Json<Vec<Record>>, Failure> {
    blocking(move || catalog::list(&directory)).await.map(Json)
}

/// Where to export to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportTo {
    /// An absolute path of a folder that is empty or doesn't exist.
    to: PathBuf,
}

async fn run_export(
    State(directory): State<Arc<PathBuf>>,
    Path(id): Path<String>,
    request: Result<Json<ExportTo>, JsonRejection>,
) -> Result<Json<Exported>, Failure> {
    let Json(request) = request.map_err(|rejection| Failure::BadBody(rejection.body_text()))?;
    let hearing: HearingId = id.parse().map_err(|_| Failure::BadId)?;
    if !request.to.is_absolute() {
        return Err(Failure::Relative);
    }
    blocking(move || export::export(&directory, hearing, &request.to)).await.map(Json)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Failure::Record),
        Err(_) => Err(Failure::Aborted),
    }
}

enum Failure {
    BadId,
    BadBody(String),
    Relative,
    Aborted,
    Record(Error),
}

#[derive(Serialize)]
struct Body {
    code: &'static str,
    message: String,
    message_zh: &'static str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, code, message, message_zh) = match self {
            Self::BadId => {
                (StatusCode::BAD_REQUEST, "bad_hearing_id", "this is not a hearing id".to_owned(), "庭审编号无效")
            }
            Self::BadBody(reason) => (StatusCode::BAD_REQUEST, "bad_request", reason, "请求内容无效"),
            Self::Relative => (
                StatusCode::BAD_REQUEST,
                "relative_path",
                "\"to\" must be an absolute path".to_owned(),
                "导出目录须为绝对路径",
            ),
            Self::Aborted => {
                (StatusCode::INTERNAL_SERVER_ERROR, "aborted", "the work was aborted".to_owned(), "操作中断")
            }
            Self::Record(error @ Error::Unknown(_)) => {
                (StatusCode::NOT_FOUND, "unknown_record", error.to_string(), "本节点没有该庭审的录音录像")
            }
            Self::Record(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "record_failed", error.to_string(), "录音录像读写失败")
            }
        };
        (status, Json(Body { code, message, message_zh })).into_response()
    }
}
