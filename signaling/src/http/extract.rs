//! What handlers take out of a request; whatever can't be read is a [`Problem`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use hearing_config::HearingId;
use serde::de::DeserializeOwned;

use super::{App, Problem, Shared};
use crate::registry::{HearingHandle, Refusal};

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(error)) => Err(unreadable(&error)),
            Err(error) => Err(Problem::malformed(&error.body_text())),
        }
    }
}

/// A body of SDP, with the media type that says so.
pub(super) struct Sdp(pub(super) String);

impl<S: Send + Sync> FromRequest<S> for Sdp {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|value| value.split(';').next()).map(str::trim);
        if !media_type.is_some_and(|value| value.eq_ignore_ascii_case("application/sdp")) {
            let message = "the body has to be application/sdp";
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_sdp",
                message,
                "请求内容应为 application/sdp",
            ));
        }
        let body = axum::body::Bytes::from_request(request, state).await.map_err(|error| unreadable(&error))?;
        String::from_utf8(body.into()).map(Self).map_err(|_| Problem::malformed("the SDP is not UTF-8"))
    }
}

/// The token of an `Authorization: Bearer` header.
pub(super) struct Bearer(pub(super) String);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token =
            header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = token.map(|(_, token)| Self(token.trim().to_owned()));
        token.ok_or_else(|| {
            let message = "an Authorization: Bearer header is needed";
            Problem::new(StatusCode::UNAUTHORIZED, "no_authority", message, "缺少 Authorization: Bearer 请求头")
        })
    }
}

/// The address of the peer, when the server knows it. One IPv6 customer has a /64, so that counts as one address.
pub(super) struct Peer(pub(super) Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(info.map(|ConnectInfo(address)| customer(address.ip().to_canonical()))))
    }
}

/// The hearing that the path names.
pub(crate) struct Named {
    pub(crate) id: HearingId,
    pub(crate) handle: HearingHandle,
}

impl Named {
    fn find(text: &str, app: &App) -> Result<Self, Problem> {
        let id: HearingId = text.parse().map_err(|_| Problem::not_found())?;
        let handle = app.registry.find(id).ok_or(Refusal::UnknownHearing(id))?;
        Ok(Self { id, handle })
    }
}

impl FromRequestParts<Arc<Shared>> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        Self::find(&path_id(parts).await?, &shared.app)
    }
}

impl FromRequestParts<App> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::find(&path_id(parts).await?, app)
    }
}

/// The first part of the path that is a parameter.
async fn path_id(parts: &mut Parts) -> Result<String, Problem> {
    let Path(parameters) =
        Path::<Vec<(String, String)>>::from_request_parts(parts, &()).await.map_err(|_| Problem::not_found())?;
    parameters.into_iter().next().map(|(_, value)| value).ok_or_else(Problem::not_found)
}

fn unreadable(error: &BytesRejection) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::too_large()
    } else {
        Problem::malformed(&error.body_text())
    }
}

fn customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}
