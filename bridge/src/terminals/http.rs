//! What the operator asks about terminals.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::Terminals;
use crate::endpoint::sip::Device;
use crate::endpoint::terminal::NoTrial;

/// `/admin/terminals`.
pub(crate) fn routes(terminals: Terminals) -> Router {
    let router = Router::new().route("/admin/terminals", get(list)).route("/admin/terminals/test", post(test));
    router.with_state(terminals)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    terminal: String,
    #[serde(default = "usual")]
    seconds: u64,
}

const fn usual() -> u64 {
    5
}

async fn list(State(terminals): State<Terminals>) -> Json<Vec<Device>> {
    Json(terminals.parts.sip.iter().flat_map(crate::endpoint::sip::Sip::devices).collect())
}

async fn test(State(terminals): State<Terminals>, Json(wish): Json<Wish>) -> Response {
    if !(1..=60).contains(&wish.seconds) {
        return refuse(StatusCode::BAD_REQUEST, "bad_seconds", "seconds must be 1 to 60", "时长应为 1 至 60 秒");
    }
    let Some(sip) = &terminals.parts.sip else {
        return refuse(StatusCode::CONFLICT, "no_sip", "this node has no [sip]", "本节点未配置 [sip]");
    };
    match sip.test(&wish.terminal, wish.seconds, &terminals.parts.cards).await {
        Ok(trial) => Json(trial).into_response(),
        Err(why) => {
            let (status, code, zh) = match &why {
                NoTrial::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_terminal", "没有此终端"),
                NoTrial::Busy { .. } => (StatusCode::CONFLICT, "terminal_busy", "该终端正在庭审中"),
                NoTrial::Unregistered(_) => (StatusCode::CONFLICT, "terminal_unregistered", "该终端未注册"),
                NoTrial::Unreached(_) => (StatusCode::CONFLICT, "terminal_unreached", "无法接通该终端"),
            };
            refuse(status, code, &why.to_string(), zh)
        }
    }
}

fn refuse(status: StatusCode, code: &str, message: &str, zh: &str) -> Response {
    (status, Json(json!({ "code": code, "message": message, "message_zh": zh }))).into_response()
}
