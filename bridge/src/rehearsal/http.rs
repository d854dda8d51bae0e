//! `POST /admin/rehearse`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::run::{Error, Rehearsals};

/// The admin API's part about rehearsals; one at a time.
pub fn routes(rehearsals: Rehearsals) -> Router {
    let one = Arc::new(Semaphore::new(1));
    Router::new().route("/admin/rehearse", post(rehearse)).with_state((rehearsals, one))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    template: String,
    #[serde(default = "usual")]
    seconds: u16,
}

const fn usual() -> u16 {
    6
}

async fn rehearse(State((rehearsals, one)): State<(Rehearsals, Arc<Semaphore>)>, Json(wish): Json<Wish>) -> Response {
    if !(2..=600).contains(&wish.seconds) {
        return refuse(StatusCode::BAD_REQUEST, "bad_seconds", "seconds must be 2 to 600", "时长应为 2 至 600 秒");
    }
    let Ok(_turn) = one.try_acquire() else {
        return refuse(StatusCode::CONFLICT, "rehearsing", "this node rehearses already", "本节点正在彩排");
    };
    match rehearsals.run(&wish.template, wish.seconds).await {
        Ok(report) => Json(report).into_response(),
        Err(error) => {
            let (status, code, zh) = match &error {
                Error::Registry(_) => (StatusCode::CONFLICT, "not_started", "庭审无法创建"),
                Error::Hearing(_) => (StatusCode::CONFLICT, "hearing_failed", "庭审无应答"),
                Error::Child(_) => (StatusCode::INTERNAL_SERVER_ERROR, "no_media_child", "媒体子进程无法启动"),
            };
            refuse(status, code, &error.to_string(), zh)
        }
    }
}

fn refuse(status: StatusCode, code: &str, message: &str, zh: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message, "message_zh": zh }))).into_response()
}
