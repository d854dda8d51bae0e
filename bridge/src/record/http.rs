//! The admin API's part about records.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;

use super::Error;
use super::catalog::{self, Record};

/// `GET /admin/records`, for the records in `directory`.
pub fn routes(directory: PathBuf) -> Router {
    Router::new().route("/admin/records", get(list)).with_state(Arc::new(directory))
}

async fn list(State(directory): State<Arc<PathBuf>>) -> Result<Json<Vec<Record>>, Failure> {
    blocking(move || catalog::list(&directory)).await.map(Json)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Failure::Record),
        Err(_) => Err(Failure::Aborted),
    }
}

enum Failure {
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
            Self::Aborted => {
                (StatusCode::INTERNAL_SERVER_ERROR, "aborted", "the work was aborted".to_owned(), "操作中断")
            }
            Self::Record(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "record_failed", error.to_string(), "录音录像读写失败")
            }
        };
        (status, Json(Body { code, message, message_zh })).into_response()
    }
}
