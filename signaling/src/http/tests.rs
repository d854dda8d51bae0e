//! The API as a client meets it: every refusal with its code, and a day over a real socket.

mod admin;
mod calls;
mod sockets;

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use axum::{Extension, Router};
use hearing_config::HearingId;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

use super::*;
use crate::hearing::{Action, Identity};
use crate::registry::tests::settings;
use crate::registry::{HearingHandle, Registry, Started};

/// A node with one hearing: judge in `gov`, counsel and witness in `internet`.
pub(super) struct Court {
    pub(super) registry: Registry,
    pub(super) started: Started,
    pub(super) public: Router,
    pub(super) admin: Router,
    pub(super) media: mpsc::Receiver<MediaRequest>,
    _data: TempDir,
}

impl Court {
    /// The node stands in `zone`.
    pub(super) async fn new(zone: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let registry = Registry::open(settings(data.path())).await.unwrap();
        let started = registry.start("(2022)内0291刑初123号", "small").await.unwrap();
        let (asked, media) = mpsc::channel(8);
        let (_, trunks) = watch::channel(Vec::new());
        let app = App {
            demands: Default::default(),
            turn: None,
            registry: registry.clone(),
            media: asked,
            node: "home".parse().unwrap(),
            zone: zone.parse().unwrap(),
            trunks,
        };
        let peer: SocketAddr = "192.0.2.7:40000".parse().unwrap();
        let public = super::public(app.clone(), axum::Router::new()).layer(Extension(ConnectInfo(peer)));
        Self { registry, started, public, admin: super::admin(app), media, _data: data }
    }

    pub(super) fn id(&self) -> HearingId {
        self.started.id
    }

    pub(super) fn handle(&self) -> HearingHandle {
        self.registry.find(self.id()).unwrap()
    }

    pub(super) fn path(&self, what: &str) -> String {
        format!("/api/hearings/{}/{what}", self.id())
    }

    /// The secret of a seat's link.
    pub(super) fn token(&self, seat: &str) -> String {
        let link = self.started.seats.iter().find(|link| link.name == seat).unwrap();
        link.link.as_ref().unwrap().split_once("#t=").unwrap().1.to_owned()
    }

    pub(super) async fn join(&self, token: &str, device: &str) -> (StatusCode, Value) {
        let body = json!({ "token": token, "device": device }).to_string();
        self.post(&self.path("join"), &body).await
    }

    /// The session of a seat that joins with its first device.
    pub(super) async fn session(&self, seat: &str) -> String {
        let (status, answer) = self.join(&self.token(seat), FIRST).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["session"].as_str().unwrap().to_owned()
    }

    pub(super) async fn post(&self, path: &str, body: &str) -> (StatusCode, Value) {
        let request =
            Request::post(path).header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap();
        read(self.send(request).await).await
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.public.clone().oneshot(request).await.unwrap()
    }

    pub(super) async fn admit(&self, seat: &str) {
        self.handle().operate(Action::Admit { seat: seat.into(), identity: Identity::Known }).await.unwrap();
    }
}

pub(super) async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
    )
}

/// Status and code of a refusal, which always has both sentences.
pub(super) fn problem((status, answer): &(StatusCode, Value)) -> (u16, &str) {
    assert!(answer["message"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    assert!(answer["message_zh"].as_str().is_some_and(|text| !text.is_ascii()), "{answer}");
    (status.as_u16(), answer["code"].as_str().unwrap())
}

pub(super) const FIRST: &str = "AAAAAAAAAAAAAAAAAAAAAA";
pub(super) const SECOND: &str = "AQEBAQEBAQEBAQEBAQEBAQ";
