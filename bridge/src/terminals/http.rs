//! What the operator asks about terminals, and tells cameras to do.

mod trial;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use hearing_config::{DeviceId, EndpointKind};
use hearing_proto::gb28181::{Move, PresetOrder, Ptz};
use hearing_signaling::http::Problem;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Terminals;
use crate::endpoint::gb28181::{Gb28181, Undone};
use crate::endpoint::sip::Sip;

/// `GET /admin/terminals`, `POST /admin/terminals/test` and `POST /admin/terminals/{id}/ptz`.
pub(crate) fn routes(terminals: Terminals) -> Router {
    Router::new()
        .route("/admin/terminals", get(list))
        .route("/admin/terminals/test", post(trial::run))
        .route("/admin/terminals/{id}/ptz", post(ptz))
        .with_state(terminals)
}

/// A terminal of any protocol.
#[derive(Serialize)]
struct Entry<T> {
    kind: EndpointKind,
    #[serde(flatten)]
    device: T,
}

async fn list(State(terminals): State<Terminals>) -> Json<Vec<Value>> {
    let entry = |kind, device: Value| json!(Entry { kind, device });
    let sip = terminals.parts.sip.iter().flat_map(Sip::devices).map(|device| entry(EndpointKind::Sip, json!(device)));
    let gb28181 = terminals.parts.gb28181.iter().flat_map(Gb28181::devices);
    Json(sip.chain(gb28181.map(|device| entry(EndpointKind::Gb28181, json!(device)))).collect())
}

/// An order to a camera that turns.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    order: Word,
    /// 1 to 100, of the camera's fastest.
    #[serde(default = "usual")]
    speed: u8,
    /// 1 to 255.
    preset: Option<u8>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Up,
    Down,
    Left,
    Right,
    ZoomIn,
    ZoomOut,
    Stop,
    PresetGo,
    PresetSet,
    PresetDelete,
}

const fn usual() -> u8 {
    50
}

async fn ptz(
    State(terminals): State<Terminals>,
    Path(id): Path<String>,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(wish) = wish.map_err(|rejection| malformed(&rejection.body_text()))?;
    let order = wish.order()?;
    let id = DeviceId::try_from(id).map_err(|error| malformed(&error.to_string()))?;
    let platform = terminals.parts.gb28181.as_ref().ok_or_else(|| absent("this node has no [gb28181]"))?;
    platform.move_camera(&id, order).await.map_err(|undone| match &undone {
        Undone::Absent(_) => absent(&undone.to_string()),
        Undone::Unheard(_) => {
            let zh = format!("设备未执行指令：{undone}");
            Problem::new(StatusCode::BAD_GATEWAY, "terminal_refused", undone.to_string(), zh)
        }
    })?;
    Ok(Json(json!({ "done": true })))
}

impl Wish {
    fn order(&self) -> Result<Ptz, Problem> {
        let part = |full: i16| i16::from(self.speed) * full / 100;
        if !(1..=100).contains(&self.speed) {
            return Err(malformed("speed is not between 1 and 100"));
        }
        let preset = |order| match self.preset {
            Some(number @ 1..) => Ok(Ptz::Preset(order, number)),
            Some(0) | None => Err(malformed("preset is not between 1 and 255")),
        };
        // At least the slowest that is a movement.
        let (turn, zoom) = (part(255), part(15).max(1) as i8);
        let moved = |pan, tilt, zoom| Ok(Ptz::Move(Move { pan, tilt, zoom }));
        match self.order {
            Word::Up => moved(0, turn, 0),
            Word::Down => moved(0, -turn, 0),
            Word::Left => moved(-turn, 0, 0),
            Word::Right => moved(turn, 0, 0),
            Word::ZoomIn => moved(0, 0, zoom),
            Word::ZoomOut => moved(0, 0, -zoom),
            Word::Stop => Ok(Ptz::Stop),
            Word::PresetGo => preset(PresetOrder::Go),
            Word::PresetSet => preset(PresetOrder::Set),
            Word::PresetDelete => preset(PresetOrder::Forget),
        }
    }
}

fn malformed(what: &str) -> Problem {
    let zh = format!("请求无法识别：{what}");
    Problem::new(StatusCode::BAD_REQUEST, "malformed", format!("the request cannot be read: {what}"), zh)
}

fn absent(what: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_terminal", what, format!("没有此终端，或该终端不在线：{what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(text: &str) -> Result<Ptz, String> {
        serde_json::from_str::<Wish>(text).unwrap().order().map_err(|problem| problem.message)
    }

    #[test]
    fn words_become_orders_and_speeds_the_cameras_own() {
        let left = Ptz::Move(Move { pan: -127, ..Move::default() });
        assert_eq!(order(r#"{"order":"left"}"#), Ok(left));
        let nearer = Ptz::Move(Move { zoom: 1, ..Move::default() });
        assert_eq!(order(r#"{"order":"zoom-in","speed":1}"#), Ok(nearer));
        assert_eq!(order(r#"{"order":"preset-go","preset":3}"#), Ok(Ptz::Preset(PresetOrder::Go, 3)));
        assert_eq!(order(r#"{"order":"stop"}"#), Ok(Ptz::Stop));
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        for (text, named) in [
            (r#"{"order":"left","speed":0}"#, "speed"),
            (r#"{"order":"left","speed":101}"#, "speed"),
            (r#"{"order":"preset-set"}"#, "preset"),
            (r#"{"order":"preset-set","preset":0}"#, "preset"),
        ] {
            assert!(order(text).unwrap_err().contains(named), "{text}");
        }
    }
}
