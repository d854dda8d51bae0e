//! Playback over HTTP: the operator gives and takes links and exports; whoever holds a link looks, and every look is logged.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use hearing_config::{HearingId, Timestamp};
use hearing_signaling::access::{Closed, JoinToken, Viewing};
use hearing_signaling::http::Problem;
use hearing_signaling::store::{Act, NewShare, View, Viewed};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_stream::wrappers::ReceiverStream;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

use super::export::Order;
use super::timeline::Timeline;
use super::{Error, Playback};
use crate::record::catalog;

/// What the operator may do, over the admin socket.
pub fn operator(playback: Playback) -> Router {
    Router::new()
        .route("/admin/records/{id}/export", post(export))
        .route("/admin/records/{id}/share", post(share))
        .route("/admin/records/{id}/unshare", post(unshare))
        .route("/admin/records/{id}/audit", get(audit))
        .with_state(playback)
}

/// What the holder of a link may do.
pub fn public(playback: Playback) -> Router {
    Router::new()
        .route("/api/records/{id}/open", post(open))
        .route("/api/records/{id}/timeline", get(timeline))
        .route("/api/records/{id}/media/{copy}/{file}", get(media))
        .route("/api/records/{id}/view", post(view))
        .with_state(playback)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportWish {
    to: PathBuf,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    no_compose: bool,
}

/// Answers with a line of JSON for each step and one for the result.
async fn export(State(playback): State<Playback>, Path(id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    let hearing = hearing(&id)?;
    let wish: ExportWish = read(&body)?;
    if !wish.to.is_absolute() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "relative_path",
            "\"to\" must be an absolute path",
            "导出目录须为绝对路径",
        ));
    }
    catalog::find(&playback.parts.records, hearing).map_err(|error| problem(&error.into()))?;
    let order = Order { hearing, to: wish.to, public: wish.public, compose: !wish.no_compose };
    let (lines, stream) = tokio::sync::mpsc::channel::<Result<String, std::convert::Infallible>>(PROGRESS);
    tokio::task::spawn_blocking(move || {
        let last = Cell::new(("", -1));
        // A line that does not fit is followed by a newer one; nobody misses it.
        let told = |step: &'static str, done: f64| {
            let now = (step, (done * 100.0) as i32);
            if last.replace(now) != now {
                let _ = lines.try_send(Ok(format!("{}\n", json!({ "step": now.0, "percent": now.1 }))));
            }
        };
        let end = match playback.parts.export(&order, &told) {
            Ok(exported) => json!({ "exported": exported }),
            Err(error) => json!({ "failed": problem(&error) }),
        };
        // The operator may have gone; the export is there all the same.
        let _ = lines.blocking_send(Ok(format!("{end}\n")));
    });
    let body = Body::from_stream(ReceiverStream::new(stream));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareWish {
    name: String,
    hours: u32,
    #[serde(default)]
    public: bool,
}

#[derive(Serialize)]
struct Shared {
    link: String,
    name: String,
    public: bool,
    until: Timestamp,
}

async fn share(State(playback): State<Playback>, Path(id): Path<String>, body: Bytes) -> Result<Json<Shared>, Problem> {
    let (hearing, wish): (_, ShareWish) = (hearing(&id)?, read(&body)?);
    let name = wish.name.trim().to_owned();
    if !(1..=100).contains(&name.chars().count()) || !(1..=8_760).contains(&wish.hours) {
        let message = "a name has 1 to 100 characters, and a link lasts 1 to 8760 hours";
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "bad_share",
            message,
            "姓名为 1 至 100 字，有效期为 1 至 8760 小时",
        ));
    }
    let parts = &playback.parts;
    let record = catalog::find(&parts.records, hearing).map_err(|error| problem(&error.into()))?;
    let (token, made) = (JoinToken::random(), Timestamp::now());
    let until = made.plus(i64::from(wish.hours) * 3_600_000_000);
    let new = NewShare { hearing, hash: token.hash(), name: name.clone(), public: wish.public, made, until };
    let id = parts.journal.share(&new).await.map_err(|error| problem(&error.into()))?;
    note(&playback, hearing, Some(id), OPERATOR, Act::Share).await?;
    if record.sheet.closed.is_some() {
        tokio::spawn(std::sync::Arc::clone(parts).prepare_film(hearing, wish.public));
    }
    let link = format!("{}/p/{hearing}#t={}", parts.url, token.reveal());
    Ok(Json(Shared { link, name, public: wish.public, until }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnshareWish {
    name: String,
}

async fn unshare(
    State(playback): State<Playback>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let (hearing, wish): (_, UnshareWish) = (hearing(&id)?, read(&body)?);
    let revoked = playback.parts.journal.revoke_shares(hearing, wish.name.trim(), Timestamp::now()).await;
    let revoked = revoked.map_err(|error| problem(&error.into()))?;
    if revoked.is_empty() {
        let message = format!("no valid link to this record was given to {:?}", wish.name);
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_share", message, "没有给予此人的有效链接"));
    }
    for share in &revoked {
        note(&playback, hearing, Some(*share), OPERATOR, Act::Unshare).await?;
    }
    Ok(Json(json!({ "revoked": revoked.len() })))
}

async fn audit(State(playback): State<Playback>, Path(id): Path<String>) -> Result<Json<Vec<Viewed>>, Problem> {
    let views = playback.parts.journal.views(hearing(&id)?).await;
    views.map(Json).map_err(|error| problem(&error.into()))
}

/// The secret of the link goes into a cookie, because media elements can't send it otherwise.
async fn open(
    State(playback): State<Playback>,
    Path(id): Path<String>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let hearing = hearing(&id)?;
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = bearer.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let viewing = admit(&playback, hearing, &secret, peer.as_ref()).await?;
    let share = viewing.share();
    playback.parts.forget_fetches(share.id);
    note(&playback, hearing, Some(share.id), &address(peer.as_ref()), Act::Open).await?;
    let secure = if playback.parts.url.starts_with("https:") { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={secret}; Path=/api/records/{hearing}; HttpOnly; SameSite=Strict; Max-Age=86400{secure}");
    let cookie = HeaderValue::from_str(&cookie).map_err(|_| Problem::not_found())?;
    let answer = json!({ "viewer": share.name, "public": share.public, "until": share.until });
    Ok(([(header::SET_COOKIE, cookie)], Json(answer)).into_response())
}

async fn timeline(
    State(playback): State<Playback>,
    Path(id): Path<String>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Result<Json<Timeline>, Problem> {
    let hearing = hearing(&id)?;
    let viewing = admit(&playback, hearing, cookie(&headers), peer.as_ref()).await?;
    let (parts, share) = (&playback.parts, viewing.share());
    let copy = parts.copy(hearing, share.public).await.map_err(|error| problem(&error))?;
    let film = parts.film(hearing, share.public);
    Timeline::of(&copy, share, film).map(Json).map_err(|error| problem(&error.into()))
}

async fn media(
    State(playback): State<Playback>,
    Path((id, copy, file)): Path<(String, String, String)>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    request: Request,
) -> Result<Response, Problem> {
    let hearing = hearing(&id)?;
    let viewing = admit(&playback, hearing, cookie(request.headers()), peer.as_ref()).await?;
    let share = viewing.share();
    let path = playback.parts.media(hearing, share.public, &copy, &file).ok_or_else(Problem::not_found)?;
    if playback.parts.first_fetch(share.id, &copy, &file) {
        let view = View { file: Some(file), ..blank(hearing, Some(share.id), &address(peer.as_ref()), Act::Fetch) };
        playback.parts.journal.view(&view).await.map_err(|error| problem(&error.into()))?;
    }
    let served = match ServeFile::new(&path).oneshot(request).await {
        Ok(served) => served,
        Err(never) => match never {},
    };
    let mut response = served.map(Body::new);
    // Chromium plays H.264 and Opus in Matroska under this name.
    let kind = if path.extension().is_some_and(|e| e == "mp4") { "video/mp4" } else { "video/webm" };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Watched {
    from_ms: u32,
    to_ms: u32,
}

async fn view(
    State(playback): State<Playback>,
    Path(id): Path<String>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let hearing = hearing(&id)?;
    let viewing = admit(&playback, hearing, cookie(&headers), peer.as_ref()).await?;
    let watched: Watched = read(&body)?;
    let span = Some((i64::from(watched.from_ms), i64::from(watched.to_ms)));
    let line = View { span, ..blank(hearing, Some(viewing.share().id), &address(peer.as_ref()), Act::Watch) };
    playback.parts.journal.view(&line).await.map_err(|error| problem(&error.into()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who holds this secret may look; everybody else is refused, and that is logged.
async fn admit(
    playback: &Playback,
    hearing: HearingId,
    secret: &str,
    peer: Option<&Extension<ConnectInfo<SocketAddr>>>,
) -> Result<Viewing, Problem> {
    let token = JoinToken::parse(secret);
    let found = match &token {
        Some(token) => playback.parts.journal.find_share(hearing, token.hash()).await,
        None => Ok(None),
    };
    let share = found.map_err(|error| problem(&error.into()))?;
    let id = share.as_ref().map(|share| share.id);
    let opened = share.ok_or(Closed::Unknown).and_then(|share| share.open(Timestamp::now()));
    match opened {
        Ok(viewing) => Ok(viewing),
        Err(closed) => {
            metrics::counter!("hearing_playback_refused_total").increment(1);
            // A request without any secret is a page that was not opened yet, or curiosity; only tries count.
            if token.is_some() {
                note(playback, hearing, id, &address(peer), Act::Refuse).await?;
            }
            let (code, zh) = match closed {
                Closed::Unknown => ("unknown_share", "此链接不能查看本节点的任何录像"),
                Closed::Expired => ("share_expired", "此链接已过期，请向法庭重新申请"),
                Closed::Revoked => ("share_revoked", "法庭已收回此链接"),
            };
            Err(Problem::new(StatusCode::FORBIDDEN, code, closed.to_string(), zh))
        }
    }
}

async fn note(
    playback: &Playback,
    hearing: HearingId,
    share: Option<i64>,
    address: &str,
    act: Act,
) -> Result<(), Problem> {
    playback.parts.journal.view(&blank(hearing, share, address, act)).await.map_err(|error| problem(&error.into()))
}

fn blank(hearing: HearingId, share: Option<i64>, address: &str, act: Act) -> View {
    View { hearing, share, at: Timestamp::now(), address: address.to_owned(), act, file: None, span: None }
}

fn address(peer: Option<&Extension<ConnectInfo<SocketAddr>>>) -> String {
    let ip = peer.map(|Extension(ConnectInfo(address))| address.ip().to_canonical());
    ip.map_or_else(String::new, |ip: IpAddr| ip.to_string())
}

fn cookie(headers: &HeaderMap) -> &str {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map_or("", |(_, value)| value)
}

fn hearing(id: &str) -> Result<HearingId, Problem> {
    let message = "this is not a hearing id";
    id.parse().map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad_hearing_id", message, "庭审编号无效"))
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string(), "请求内容无效"))
}

fn problem(error: &Error) -> Problem {
    let (status, code, zh) = match error {
        Error::Record(crate::record::Error::Unknown(_)) => {
            (StatusCode::NOT_FOUND, "unknown_record", "本节点没有该庭审的录音录像")
        }
        Error::Empty => (StatusCode::CONFLICT, "not_opened", "尚未开庭，还没有录音录像"),
        Error::Child(_) | Error::Compose(_) | Error::Film(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "not_composed", "合成画面失败；可使用 --no-compose 导出其余全部内容")
        }
        Error::Journal(_) => (StatusCode::SERVICE_UNAVAILABLE, "journal", "庭审日志无法读写"),
        Error::Record(_) | Error::File { .. } | Error::Zip { .. } | Error::Aborted => {
            (StatusCode::INTERNAL_SERVER_ERROR, "record_failed", "录音录像读写失败")
        }
    };
    Problem::new(status, code, error.to_string(), zh)
}

/// What the operator's lines have for an address.
const OPERATOR: &str = "operator";
const COOKIE: &str = "hearing-record";
/// Lines of progress that may wait.
const PROGRESS: usize = 64;
