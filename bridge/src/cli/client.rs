//! HTTP over a node's admin socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Talks to one node.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    socket: PathBuf,
}

/// Why a node gave no answer to use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nobody answers.
    #[error(
        "节点无应答 the node does not answer at {}: {reason}\n  节点是否已启动？ Is it running (hearing run), is this its socket (--admin, HEARING_ADMIN, --config), and may you use it?",
        socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The node says no.
    #[error("{} ({})\n  {}", .0.message_zh, .0.code, .0.message)]
    Refused(Problem),
    /// The answer is not what this version understands.
    #[error(
        "节点的应答无法识别 the node's answer is not understood: {reason}; are node and command line of the same version?"
    )]
    Garbled {
        /// What is wrong with it.
        reason: String,
    },
}

/// An error as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Problem {
    /// For programs.
    pub(super) code: String,
    /// English.
    pub(super) message: String,
    /// 中文.
    #[serde(default)]
    pub(super) message_zh: String,
}

impl Client {
    /// A client of the node whose admin socket is `socket`; connects when it is used.
    pub(super) fn new(socket: &Path) -> Self {
        // TLS is never spoken over the socket; given roots keep reqwest from looking for the system's.
        let tls = rustls::ClientConfig::builder_with_provider(crate::net::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider has TLS 1.3")
            .with_root_certificates(Arc::new(rustls::RootCertStore::empty()))
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .unix_socket(socket)
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .connect_timeout(PATIENCE)
            .build()
            .expect("the settings are constant");
        Self { http, socket: socket.to_owned() }
    }

    /// Asks for something; answers within ten seconds.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.send(self.http.get(url(path)).timeout(PATIENCE)).await
    }

    /// Has something done, and waits for as long as it takes.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.send(self.http.post(url(path)).json(body)).await
    }

    /// Has something done that takes no more than a moment.
    pub(super) async fn tell<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        self.send(self.http.post(url(path)).json(body).timeout(PATIENCE)).await
    }

    /// Has something done that tells how far it is: `told` gets every line of JSON, and the last one is the answer.
    pub(super) async fn follow(
        &self,
        path: &str,
        body: &impl Serialize,
        told: &mut impl FnMut(&Value),
    ) -> Result<Value, Error> {
        let unreachable = |e: reqwest::Error| Error::Unreachable { socket: self.socket.clone(), reason: root(&e) };
        let garbled = |reason: String| Error::Garbled { reason };
        let mut answer = self.http.post(url(path)).json(body).send().await.map_err(unreachable)?;
        if !answer.status().is_success() {
            let (status, body) = (answer.status(), answer.bytes().await.map_err(unreachable)?);
            let problem = serde_json::from_slice(&body);
            return Err(problem.map_or_else(|_| garbled(format!("HTTP {status}")), Error::Refused));
        }
        let (mut waiting, mut last) = (Vec::new(), Value::Null);
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            waiting.extend_from_slice(&chunk);
            while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = waiting.drain(..=end).collect();
                last = serde_json::from_slice(&line).map_err(|error| garbled(error.to_string()))?;
                told(&last);
            }
        }
        match last.get("failed") {
            Some(problem) => {
                Err(serde_json::from_value(problem.clone()).map_or_else(|e| garbled(e.to_string()), Error::Refused))
            }
            None => Ok(last),
        }
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Error> {
        let unreachable = |e: reqwest::Error| Error::Unreachable { socket: self.socket.clone(), reason: root(&e) };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|e| Error::Garbled { reason: e.to_string() });
        }
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(Error::Refused(problem)),
            Err(_) => Err(Error::Garbled { reason: format!("HTTP {status}") }),
        }
    }
}

fn url(path: &str) -> String {
    format!("http://node{path}")
}

/// What is at the bottom of an error: "connection refused" says more than "error sending request".
fn root(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_socket_that_nobody_serves_is_unreachable() {
        let directory = tempfile::tempdir().unwrap();
        let error = Client::new(&directory.path().join("none")).get::<Value>("/admin/node").await.unwrap_err();
        assert!(matches!(&error, Error::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains("No such file"), "{error}");
    }

    #[tokio::test]
    async fn what_the_node_refuses_is_told_in_its_own_words() {
        let no = json!({"code": "not_ready", "message": "no", "message_zh": "不行"});
        let (_directory, client) =
            serve(Router::new().route("/x", post(|| async { (StatusCode::CONFLICT, Json(no)) })));
        let Err(Error::Refused(problem)) = client.tell::<Value>("/x", &json!({})).await else { panic!("not refused") };
        assert_eq!((problem.code.as_str(), problem.message_zh.as_str()), ("not_ready", "不行"));
    }

    #[tokio::test]
    async fn an_answer_that_is_no_json_is_garbled() {
        let (_directory, client) = serve(Router::new().route("/x", get(|| async { "hello" })));
        assert!(matches!(client.get::<Value>("/x").await, Err(Error::Garbled { .. })));
        assert!(matches!(client.get::<Value>("/elsewhere").await, Err(Error::Garbled { .. })));
    }

    fn serve(routes: Router) -> (tempfile::TempDir, Client) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("admin.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (directory, Client::new(&socket))
    }
}
