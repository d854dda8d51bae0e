//! `GET /api/hearings/{id}/ws`: one socket per screen, which follows its hearing and acts in it.

mod message;
mod socket;

use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;

pub(crate) use self::message::{ClientMessage, ServerMessage};
use self::socket::Socket;
use crate::http::{BODY_LIMIT, Named, Problem, Shared};

#[utoipa::path(get, path = "/api/hearings/{id}/ws", params(("id" = String, Path)), responses(
    (status = 101, description = "a WebSocket: ClientMessage up, hello first; ServerMessage down"),
    (status = 403, description = "cross_origin", body = Problem), (status = 404, description = "unknown_hearing", body = Problem)))]
pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    named: Named,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|error| Problem::malformed(&error.body_text()))?;
    if !same_origin(&uri, &headers) {
        return Err(Problem::cross_origin());
    }
    let upgrade = upgrade.max_message_size(BODY_LIMIT).max_frame_size(BODY_LIMIT);
    Ok(upgrade.on_upgrade(|socket| Socket::new(socket, shared, named.handle).run()))
}

/// Browsers always tell the origin of the page and don't keep pages of other sites from connecting; so this does.
/// Clients that are not browsers tell none.
fn same_origin(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str));
    matches!((origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "court.example:8443".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        same_origin(&Uri::from_static("/api/hearings/x/ws"), &headers)
    }

    #[test]
    fn only_pages_of_this_origin_may_connect() {
        assert!(from(Some("https://court.example:8443")));
        assert!(from(None));
        assert!(!from(Some("https://elsewhere.example")));
        assert!(!from(Some("https://court.example")), "another port is another origin");
        assert!(!from(Some("null")));
    }
}
