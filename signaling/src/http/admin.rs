//! What the operator asks of this node, over the admin socket.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use hearing_config::{HearingId, NodeId, Role, SeatId, Zone};
use serde::{Deserialize, Serialize};

use super::extract::{Body, Named};
use super::{App, Problem, TrunkView};
use crate::hearing::{Action, HearingView, LiveSeat, Phase};
use crate::registry::{Listed, SeatLink};

/// A hearing to start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRequest {
    case: String,
    template: String,
}

/// A hearing that was started, with its links.
#[derive(Serialize)]
pub(super) struct StartAnswer {
    id: HearingId,
    /// What a SIP terminal dials.
    code: String,
    case: String,
    template: String,
    seats: Vec<SeatAnswer>,
}

#[derive(Serialize)]
struct SeatAnswer {
    id: SeatId,
    name: String,
    title: String,
    title_en: String,
    role: Role,
    zone: Zone,
    endpoint: String,
    link: Option<String>,
}

/// One hearing in the list; `phase` is `null` while its home can't be reached.
#[derive(Serialize)]
pub(super) struct ListAnswer {
    id: HearingId,
    case: String,
    template: String,
    phase: Option<Phase>,
    home: bool,
}

/// A hearing as the operator sees it.
#[derive(Serialize)]
pub(super) struct BoardAnswer {
    /// What a SIP terminal dials.
    code: String,
    view: HearingView,
    live: Vec<LiveSeat>,
}

/// What an action led to.
#[derive(Serialize)]
pub(super) struct ActAnswer {
    seq: u64,
}

/// This node.
#[derive(Serialize)]
pub(super) struct NodeAnswer {
    node: NodeId,
    zone: Zone,
    version: &'static str,
    trunks: Vec<TrunkView>,
}

pub(super) async fn start(
    State(app): State<App>,
    Body(request): Body<StartRequest>,
) -> Result<(StatusCode, Json<StartAnswer>), Problem> {
    let started = app.registry.start(&request.case, &request.template).await?;
    let seats = started.seats.into_iter().map(seat_answer).collect();
    let answer =
        StartAnswer { id: started.id, code: started.id.code(), case: request.case, template: request.template, seats };
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(super) async fn list(State(app): State<App>) -> Json<Vec<ListAnswer>> {
    Json(join_all(app.registry.list().into_iter().map(listed)).await)
}

pub(super) async fn show(named: Named) -> Result<Json<BoardAnswer>, Problem> {
    let board = named.handle.show().await?;
    Ok(Json(BoardAnswer { code: board.view.id.code(), view: board.view, live: board.live }))
}

pub(super) async fn act(named: Named, Body(action): Body<Action>) -> Result<Json<ActAnswer>, Problem> {
    let seq = named.handle.operate(action).await?;
    Ok(Json(ActAnswer { seq }))
}

pub(super) async fn node(State(app): State<App>) -> Json<NodeAnswer> {
    let trunks = app.trunks.borrow().clone();
    Json(NodeAnswer { node: app.node, zone: app.zone, version: env!("CARGO_PKG_VERSION"), trunks })
}

async fn listed(listed: Listed) -> ListAnswer {
    let (id, home) = (listed.id, listed.home.is_none());
    match listed.handle.show().await {
        Ok(board) => {
            ListAnswer { id, case: board.view.case, template: board.view.template, phase: Some(board.view.phase), home }
        }
        Err(_) => ListAnswer { id, case: String::new(), template: String::new(), phase: None, home },
    }
}

fn seat_answer(seat: SeatLink) -> SeatAnswer {
    let SeatLink { id, name, title, title_en, role, zone, endpoint, link } = seat;
    SeatAnswer { id, name, title, title_en, role, zone, endpoint: endpoint.to_string(), link }
}
