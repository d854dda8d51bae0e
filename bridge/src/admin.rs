//! What the operator's socket and the metrics address answer besides the hearings: records, health, counters.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use hearing_config::{Config, HearingId, NodeId};
use hearing_signaling::registry::Registry;
use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tokio::sync::oneshot;

use crate::record::keep::http::Keeping;
use crate::record::{self, Recorder, keep};
use crate::router::{Command, Report, WorkerHandle};
use crate::trunk::{FlowReport, FlowWay, Trunks};
use crate::workers::Workers;

/// What the routes here read. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admin {
    records: PathBuf,
    registry: Registry,
    trunks: Trunks,
    workers: Workers,
    recorder: Recorder,
    keeping: Keeping,
    metrics: PrometheusHandle,
}

impl Admin {
    /// Over the parts of a node.
    #[must_use]
    pub(crate) fn new(
        config: &Config,
        registry: Registry,
        trunks: Trunks,
        workers: Workers,
        (recorder, keeping): (Recorder, Keeping),
        metrics: PrometheusHandle,
    ) -> Self {
        Self { records: config.record.directory.clone(), registry, trunks, workers, recorder, keeping, metrics }
    }

    /// The operator's socket: `hearings` are the routes that signaling answers.
    pub(crate) fn operator(&self, hearings: Router) -> Router {
        let room = middleware::from_fn_with_state(Arc::new(self.recorder.clone()), refuse_without_room);
        let witness = Router::new().route("/admin/witness/{id}", get(witnessed)).with_state(Arc::new(self.clone()));
        hearings
            .layer(room)
            .merge(record::http::routes(self.records.clone()))
            .merge(keep::http::routes(self.keeping.clone()))
            .merge(witness)
    }

    /// The metrics address.
    pub(crate) fn observer(&self) -> Router {
        let state = Arc::new(self.clone());
        Router::new().route("/healthz", get(health)).route("/metrics", get(metrics)).with_state(state)
    }
}

/// Begins to count; once per process.
///
/// # Errors
/// Something else in the process counts already.
pub(crate) fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().install_recorder()
}

/// A hearing that could not be recorded is not started.
async fn refuse_without_room(State(recorder): State<Arc<Recorder>>, request: Request, next: Next) -> Response {
    let starts = request.method() == Method::POST && request.uri().path() == "/admin/hearings";
    match recorder.room() {
        Err(fault) if starts => {
            let message = fault.to_string();
            let body =
                json!({ "code": "no_room", "message": message, "message_zh": format!("录像磁盘空间不足：{message}") });
            (StatusCode::INSUFFICIENT_STORAGE, Json(body)).into_response()
        }
        _ => next.run(request).await,
    }
}

/// What this node has cosigned of a hearing's record, as it stands in its own file.
async fn witnessed(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Response {
    let told = |status: StatusCode, code: &str, message: String, zh: &str| {
        (status, Json(json!({ "code": code, "message": message, "message_zh": zh }))).into_response()
    };
    let Ok(hearing) = id.parse::<HearingId>() else {
        return told(StatusCode::BAD_REQUEST, "bad_hearing_id", "this is not a hearing id".to_owned(), "庭审编号无效");
    };
    match tokio::fs::read_to_string(admin.trunks.witnessed(hearing)).await {
        Ok(text) => Json(json!({ "hearing": hearing, "lines": text.lines().count(), "text": text })).into_response(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("this node has cosigned nothing of hearing {hearing}");
            told(StatusCode::NOT_FOUND, "not_witnessed", message, "本节点没有见证过该庭审的录音录像")
        }
        Err(error) => {
            let message = format!("the witness file can't be read: {error}");
            told(StatusCode::INTERNAL_SERVER_ERROR, "witness_failed", message, "见证文件无法读取")
        }
    }
}

/// Healthy while every media worker answers. A leg that panicked cost its own seat a reconnection: that is told; trunks that are down are told, and are no reason to restart a node.
async fn health(State(admin): State<Arc<Admin>>) -> Response {
    let (mut answers, mut leg_panics) = (Vec::new(), 0);
    for worker in admin.workers.iter() {
        let report = report(worker).await;
        answers.push(report.is_some());
        leg_panics += report.map_or(0, |report| report.leg_panics);
    }
    let down: Vec<_> = admin.trunks.status().iter().filter(|t| !t.up).map(|t| t.peer.to_string()).collect();
    let well = answers.iter().all(|answers| *answers);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ok": well, "workers": answers, "leg_panics": leg_panics, "trunks_down": down })))
        .into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>) -> String {
    gauge!("hearing_hearings").set(admin.registry.list().len() as f64);
    for trunk in admin.trunks.status() {
        gauge!("hearing_trunk_up", "peer" => trunk.peer.to_string()).set(f64::from(u8::from(trunk.up)));
        gauge!("hearing_trunk_standby", "peer" => trunk.peer.to_string()).set(f64::from(trunk.standby));
        gauge!("hearing_trunk_redundancy", "peer" => trunk.peer.to_string()).set(f64::from(trunk.redundancy));
        gauge!("hearing_trunk_parity", "peer" => trunk.peer.to_string()).set(f64::from(trunk.parity) / 100.0);
        gauge!("hearing_trunk_held", "peer" => trunk.peer.to_string()).set(f64::from(trunk.held));
    }
    admin.trunks.flows().into_iter().for_each(|(peer, flow)| show_flow(&peer, &flow));
    for worker in admin.workers.iter() {
        for track in report(worker).await.unwrap_or_default().tracks {
            let name = [("hearing", track.hearing.to_string()), ("track", track.info.id.to_string())];
            gauge!("hearing_track_packets", &name).set(track.packets as f64);
            gauge!("hearing_track_lost", &name).set(track.lost as f64);
            gauge!("hearing_track_subscribers", &name).set(f64::from(track.subscribers));
        }
    }
    admin.metrics.render()
}

/// What became of one track on one trunk.
fn show_flow(peer: &NodeId, flow: &FlowReport) {
    let name = || {
        [("peer", peer.to_string()), ("hearing", flow.hearing.to_string()), ("track", flow.track.to_string())].to_vec()
    };
    let frames = |fate: &str, count: u64| {
        let labels: Vec<_> = name().into_iter().chain([("fate", fate.to_owned())]).collect();
        gauge!("hearing_trunk_flow_frames", &labels).set(count as f64);
    };
    match flow.way {
        FlowWay::Out { sent, shed, late, parity, held, holds, .. } => {
            [("sent", sent), ("shed", shed), ("late", late), ("parity", parity), ("held", held)]
                .into_iter()
                .for_each(|(fate, count)| frames(fate, count));
            gauge!("hearing_trunk_flow_held", &name()).set(f64::from(u8::from(holds)));
        }
        FlowWay::In { received, lost, repaired, dropped, mended, latency_ms } => {
            [("received", received), ("lost", lost), ("repaired", repaired), ("dropped", dropped), ("mended", mended)]
                .into_iter()
                .for_each(|(fate, count)| frames(fate, count));
            for (quantile, ms) in latency_ms.into_iter().flat_map(|(p50, p99)| [("0.5", p50), ("0.99", p99)]) {
                let labels: Vec<_> = name().into_iter().chain([("quantile", quantile.to_owned())]).collect();
                gauge!("hearing_trunk_flow_latency_seconds", &labels).set(f64::from(ms) / 1e3);
            }
        }
    }
}

/// What a worker counts; `None` when it does not answer.
async fn report(worker: &WorkerHandle) -> Option<Report> {
    let (reply, counters) = oneshot::channel();
    worker.send(Command::Report { reply }).ok()?;
    tokio::time::timeout(ANSWER, counters).await.ok()?.ok()
}

/// How long a worker may take to answer before it counts as hung.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(2);
