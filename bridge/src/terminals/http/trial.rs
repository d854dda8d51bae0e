//! A trial call to a terminal, outside any hearing.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use hearing_config::RtspUrl;
use hearing_signaling::http::Problem;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Terminals, malformed};
use crate::endpoint::rtsp::Camera;
use crate::endpoint::terminal::NoTrial;

/// Whom to call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    terminal: String,
    /// For how long media is exchanged.
    #[serde(default = "usual")]
    seconds: u64,
}

const fn usual() -> u64 {
    5
}

pub(super) async fn run(
    State(terminals): State<Terminals>,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(wish) = wish.map_err(|rejection| malformed(&rejection.body_text()))?;
    if !(1..=60).contains(&wish.seconds) {
        let (en, zh) = ("seconds must be 1 to 60", "时长应为 1 至 60 秒");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_seconds", en, zh));
    }
    if wish.terminal.starts_with("rtsp") {
        return camera(&terminals, &wish).await;
    }
    let none = || Problem::new(StatusCode::CONFLICT, "no_sip", "this node has no [sip]", "本节点未配置 [sip]");
    let sip = terminals.parts.sip.as_ref().ok_or_else(none)?;
    let trial = sip.test(&wish.terminal, wish.seconds, &terminals.parts.cards).await.map_err(refused)?;
    Ok(Json(json!(trial)))
}

/// A camera is named by its address, which nothing that is said here repeats: it has a password in it.
async fn camera(terminals: &Terminals, wish: &Wish) -> Result<Json<Value>, Problem> {
    let url = RtspUrl::try_from(wish.terminal.clone()).map_err(|_| malformed("terminal is no address of a camera"))?;
    let parts = &terminals.parts;
    let camera = Camera::at(&url, parts.clock).map_err(malformed)?;
    let trial = camera.test(parts.cameras, wish.seconds, &parts.cards).await.map_err(refused)?;
    Ok(Json(json!(trial)))
}

fn refused(why: NoTrial) -> Problem {
    let (status, code, zh) = match &why {
        NoTrial::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_terminal", "没有此终端"),
        NoTrial::Busy { .. } => (StatusCode::CONFLICT, "terminal_busy", "该终端正在庭审中"),
        NoTrial::Unregistered(_) => (StatusCode::CONFLICT, "terminal_unregistered", "该终端未注册"),
        NoTrial::Unreached(_) => (StatusCode::CONFLICT, "terminal_unreached", "无法接通该终端"),
    };
    Problem::new(status, code, why.to_string(), zh)
}
