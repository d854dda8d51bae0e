//! The HTTP API: parse, authorize, call, answer; one file per resource.

mod admin;
mod attempts;
mod demand;
mod extract;
mod ice;
mod join;
mod media;
mod openapi;
mod page;
mod problem;
mod sdp;
mod whip;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use hearing_config::{Kind, NodeId, SeatId, Zone};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::ToSchema;

pub(crate) use self::attempts::Attempts;
pub use self::demand::{Demands, Layers};
pub(crate) use self::extract::Named;
pub use self::ice::Turn;
pub use self::openapi::document;
pub use self::problem::Problem;
use crate::access::{Grant, SessionId};
use crate::registry::Registry;
use crate::ws;

/// What the API serves.
#[derive(Debug, Clone)]
pub struct App {
    /// The hearings.
    pub registry: Registry,
    /// Where media is asked for.
    pub media: mpsc::Sender<MediaRequest>,
    /// This node.
    pub node: NodeId,
    /// Its zone.
    pub zone: Zone,
    /// What media asks of the pages.
    pub demands: Demands,
    /// The relay that pages of this node may use.
    pub turn: Option<Arc<Turn>>,
    /// The trunks, for the operator.
    pub trunks: watch::Receiver<Vec<TrunkView>>,
}

/// One trunk as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrunkView {
    /// The node at the other end.
    #[schema(value_type = String)]
    pub peer: NodeId,
    /// Its zone.
    #[schema(value_type = String)]
    pub zone: Zone,
    /// True while the link is up.
    pub up: bool,
    /// The round trip in milliseconds, once known.
    pub rtt_ms: Option<u32>,
    /// Other lines to it that stand by.
    pub standby: u8,
    /// Frames that it sent and that never came, since this node started.
    pub lost: u64,
    /// Frames that this node did not send, or gave up, because the line was too narrow.
    pub shed: u64,
    /// Pictures that wait now, because the line has no room for them.
    pub held: u8,
}

/// What everybody may reach: the page, the API for those who have a link, and `records`, which answers for itself who may see
/// a record. Serve it with
/// `into_make_service_with_connect_info::<SocketAddr>()`, so that refused joins can be limited by address.
pub fn public(app: App, records: Router) -> Router {
    let shared = Arc::new(Shared { app, attempts: Attempts::default() });
    let api = Router::new()
        .route("/api/hearings/{id}/join", post(join::join))
        .route("/api/hearings/{id}/ws", any(ws::upgrade))
        .route(
            "/api/hearings/{id}/media",
            post(media::offer).patch(media::restart).delete(media::end).layer(DefaultBodyLimit::max(OFFER_LIMIT)),
        )
        .route("/api/hearings/{id}/ice", get(ice::servers))
        .route("/api/hearings/{id}/whip", post(whip::publish))
        .route("/api/hearings/{id}/whep", post(whip::watch))
        .route("/api/hearings/{id}/whip/{session}", delete(whip::end))
        .route("/api/openapi.json", get(openapi::serve))
        .with_state(shared);
    let page =
        Router::new().route("/h/{id}", get(page::index)).route("/p/{id}", get(page::index)).fallback(page::asset);
    secure(api.merge(records).merge(page))
}

/// What the operator on this machine may reach, over the admin socket; whoever can open the socket is the operator.
pub fn admin(app: App) -> Router {
    Router::new()
        .route("/admin/hearings", post(admin::start).get(admin::list))
        .route("/admin/hearings/{id}", get(admin::show))
        .route("/admin/hearings/{id}/act", post(admin::act))
        .route("/admin/node", get(admin::node))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app)
}

/// What the handlers of the public API share.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) attempts: Attempts,
}

fn secure(router: Router) -> Router {
    let slow = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_LIMIT);
    let limited = router.layer(DefaultBodyLimit::max(BODY_LIMIT)).layer(slow).layer(map_response(count_slow));
    SECURITY_HEADERS.into_iter().fold(limited, |router, (name, value)| {
        let layer = SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
        router.layer(layer)
    })
}

/// Whoever sends a request's body a byte at a time is let go, and counted.
async fn count_slow(response: Response) -> Response {
    if response.status() == StatusCode::REQUEST_TIMEOUT {
        metrics::counter!("hearing_http_slow_requests_total").increment(1);
    }
    response
}

/// What the API asks of media; the bridge answers.
#[derive(Debug)]
pub enum MediaRequest {
    /// A browser or WHIP/WHEP client offers; the answer is SDP. A second offer of the same session replaces the first.
    Offer(Grant, Offer, oneshot::Sender<Result<String, MediaRefusal>>),
    /// The client of a session restarts ICE; the answer is SDP.
    Restart(Grant, String, oneshot::Sender<Result<String, MediaRefusal>>),
    /// The page tells which size it shows a slot in.
    Prefer(Grant, SeatId, Kind, Size),
    /// The client ends its media session.
    End(SessionId),
}

/// A client's offer and what its m-lines are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The SDP.
    pub sdp: String,
    /// The m-lines by which the client sends.
    pub sends: Vec<Send>,
    /// The m-lines by which it receives: one fixed slot per seat and kind, for good.
    pub slots: Vec<Slot>,
}

/// One m-line by which a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Send {
    /// The m-line's `mid`.
    pub mid: String,
    /// What it carries.
    #[schema(value_type = String)]
    pub kind: Kind,
}

/// One m-line by which a client receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Slot {
    /// The m-line's `mid`.
    pub mid: String,
    /// The seat that it shows, for good.
    #[schema(value_type = u8)]
    pub seat: SeatId,
    /// What it carries.
    #[schema(value_type = String)]
    pub kind: Kind,
}

/// How large a page shows a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// Not at all.
    Off,
    /// A small tile: the lowest layer will do.
    Small,
    /// As large as it comes.
    Large,
}

/// Why media says no to an offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaRefusal {
    /// The SDP can't be read.
    #[error("the offer's SDP is not usable: {0}")]
    BadSdp(String),
    /// Nothing in common.
    #[error(
        "the offer has no codec in common for {0}: needed is Opus for sound, VP8 or H.264 constrained baseline for pictures"
    )]
    NoCodec(String),
    /// The node can't take more.
    #[error("the node is at its limit of media sessions")]
    Full,
    /// The seat isn't admitted.
    #[error("the seat has not been admitted yet")]
    NotAdmitted,
    /// There is nothing to restart, or it is not the same client's.
    #[error("the session's connection cannot be restarted; offer a new one")]
    CannotRestart,
}

/// The largest body of a request, in bytes.
pub(crate) const BODY_LIMIT: usize = 64 * 1024;
/// How long a request may take to come and be answered: longer than any answer, so that it ends those who send slowly.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// An offer of a browser with 16 seats has about 72,000 bytes.
const OFFER_LIMIT: usize = 256 * 1024;

// Style attributes are what component libraries place menus with; scripts come from this origin only.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    font-src 'self' data:; media-src 'self' blob: mediastream:; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    ),
];

#[cfg(test)]
mod tests;
