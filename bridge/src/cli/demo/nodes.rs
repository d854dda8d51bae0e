//! The demo's node processes: start, watch, stop.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::files::{Files, NodeFiles};
use crate::cli::client::Client;

/// The running nodes; they are killed when this is dropped.
pub(super) struct Nodes {
    running: Vec<(NodeFiles, Child)>,
}

impl Nodes {
    pub(super) fn start(files: &Files) -> anyhow::Result<Self> {
        let running = files.iter().map(|node| Ok((node.clone(), spawn(node)?))).collect::<anyhow::Result<_>>()?;
        Ok(Self { running })
    }

    /// Waits until a node ends by itself, which it should not, and says how its log ends.
    pub(super) async fn first_death(&mut self) -> anyhow::Error {
        loop {
            for (node, child) in &mut self.running {
                if let Ok(Some(status)) = child.try_wait() {
                    return anyhow!("node {} ended ({status}); its log ends:\n{}", node.name, tail(node));
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks every node to stop and waits for it; whoever takes longer than 5 s is killed.
    pub(super) async fn stop(&mut self) {
        for (_, child) in &self.running {
            if let Some(pid) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
                // The node may have ended by itself in the meantime.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        for (_, child) in &mut self.running {
            if timeout(Duration::from_secs(5), child.wait()).await.is_err() {
                // Killing fails only for a process that is gone, which is what is wanted.
                let _ = child.kill().await;
            }
        }
    }
}

/// Waits until `home` answers and its trunks to `edges` peers are up.
pub(super) async fn wait_until_joined(home: &Client, edges: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let up = match home.get::<Value>("/admin/node").await {
            Ok(node) => node["trunks"].as_array().map_or(0, |trunks| trunks.iter().filter(|t| t["up"] == true).count()),
            Err(_) => 0,
        };
        if up >= edges {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("only {up} of {edges} trunks came up within 20 s");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn spawn(node: &NodeFiles) -> anyhow::Result<Child> {
    // A socket that a killed node left behind would look like a node that answers.
    match fs::remove_file(&node.socket) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => bail!("cannot remove {}: {e}", node.socket.display()),
        _ => {}
    }
    let log = File::create(&node.log).with_context(|| format!("cannot write {}", node.log.display()))?;
    Command::new(std::env::current_exe()?)
        .arg("run")
        .arg("--config")
        .arg(&node.config)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start node {}", node.name))
}

fn tail(node: &NodeFiles) -> String {
    let text = fs::read_to_string(&node.log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
