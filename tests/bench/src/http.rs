//! Requests to the servers that are measured, one after the other.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

/// A blocking client for one server.
pub(crate) struct Http {
    runtime: Runtime,
    client: Client,
    base: String,
}

impl Http {
    /// A server at an `http://` address.
    pub(crate) fn to(base: &str) -> Result<Self> {
        Self::with(Client::builder().build()?, base)
    }

    /// A server at a Unix socket.
    pub(crate) fn to_socket(socket: &Path) -> Result<Self> {
        Self::with(Client::builder().unix_socket(socket).build()?, "http://node")
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.call(self.client.get(format!("{}{path}", self.base)))
    }

    pub(crate) fn post(&self, path: &str, bearer: Option<&str>, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.base));
        let request = request.header("content-type", "application/json").body(body.to_string());
        self.call(bearer.into_iter().fold(request, RequestBuilder::bearer_auth))
    }

    fn with(client: Client, base: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, client, base: base.to_owned() })
    }

    fn call(&self, request: RequestBuilder) -> Result<Value> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, url) = (response.status(), response.url().clone());
            let text = response.text().await?;
            if !status.is_success() {
                bail!("{url}: {status}: {text}");
            }
            if text.is_empty() {
                Ok(Value::Null)
            } else {
                serde_json::from_str(&text).with_context(|| format!("{url}: {text}"))
            }
        })
    }
}
