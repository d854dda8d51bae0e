//! All headless participants of one node, as one process beside it: `hearing participant`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use hearing_config::{Config, HearingId};
use hearing_proto::wire::RehearseReport;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::client::{self, Link};
use super::participant::{Attended, attend};
use crate::pipeline::{self, Program};
use crate::trunk::Rehearsal;

/// The seats that one process takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// How long media flows, in seconds; the process ends with the hearing, or half a minute later by itself.
    pub seconds: u16,
    /// The seats.
    pub guests: Vec<Guest>,
}

/// One seat to take.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// Its id; a link of another seat is refused.
    pub seat: u8,
    /// Its join link.
    pub link: String,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("seat", &self.seat).finish_non_exhaustive()
    }
}

/// Starts parties beside a node.
#[derive(Debug, Clone)]
pub struct Station {
    hearing: PathBuf,
    web: String,
}

/// Why a party gives no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A link can't be read.
    #[error(transparent)]
    Link(#[from] client::Error),
    /// No media child can be started.
    #[error(transparent)]
    Child(#[from] pipeline::Error),
    /// The process can't be started or talked to.
    #[error("the participants' process: {0}")]
    Process(#[from] std::io::Error),
    /// It ended otherwise than with a report.
    #[error("the participants' process gave no report: {0}")]
    NoReport(String),
}

impl Party {
    /// Takes all seats at once and reports when the last one is free again.
    ///
    /// # Errors
    /// A link is none, or there is no program for media children.
    pub async fn attend(self) -> Result<RehearseReport, Error> {
        let (program, limit) = (Program::find()?, Duration::from_secs(self.seconds.into()) + PATIENCE);
        let mut seats = JoinSet::new();
        for guest in self.guests {
            let (link, program) = (Link::parse(&guest.link)?, program.clone());
            seats.spawn(async move { attend(guest.seat, link, &program, limit).await });
        }
        let mut report = RehearseReport::default();
        while let Some(attended) = seats.join_next().await {
            let Attended { seat, pairs } = attended.map_err(|crash| Error::NoReport(crash.to_string()))?;
            report.seats.push(seat);
            report.pairs.extend(pairs);
        }
        report.seats.sort_by_key(|seat| seat.seat);
        report.pairs.sort_by_key(|pair| (pair.from, pair.to));
        Ok(report)
    }
}

impl Station {
    /// Beside the node with this configuration: its participants reach it at the address at which its page listens.
    ///
    /// # Errors
    /// The path of this program is unknown.
    pub fn of(config: &Config) -> std::io::Result<Self> {
        let mut at = config.web.bind;
        if at.ip().is_unspecified() {
            at.set_ip(if at.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        let scheme = if config.web.tls.is_some() { "https" } else { "http" };
        Ok(Self { hearing: std::env::current_exe()?, web: format!("{scheme}://{at}") })
    }

    /// The link that leads to a seat through this node.
    #[must_use]
    pub(super) fn link(&self, hearing: HearingId, token: &str) -> String {
        format!("{}/h/{hearing}#t={token}", self.web)
    }

    /// Runs a party in a process of its own.
    ///
    /// # Errors
    /// The process can't be started, or gives no report in time.
    pub async fn host(&self, party: &Party) -> Result<RehearseReport, Error> {
        let mut process = Command::new(&self.hearing)
            .args(["participant", "--party"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let words = serde_json::to_vec(party).map_err(|error| Error::NoReport(error.to_string()))?;
        if let Some(mut input) = process.stdin.take() {
            input.write_all(&words).await?;
        }
        let limit = Duration::from_secs(party.seconds.into()) + PATIENCE + PATIENCE;
        let output = tokio::time::timeout(limit, process.wait_with_output()).await;
        let output = output.map_err(|_| Error::NoReport("it did not end in time".to_owned()))??;
        if !output.status.success() {
            return Err(Error::NoReport(output.status.to_string()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| Error::NoReport(error.to_string()))
    }

    /// Does what the homes of other zones ask for, one rehearsal at a time.
    pub async fn serve(self, mut rehearsals: mpsc::Receiver<Rehearsal>) {
        while let Some(rehearsal) = rehearsals.recv().await {
            let hearing = rehearsal.hearing();
            let guest = |seat: &hearing_proto::wire::RehearseSeat| Guest {
                seat: seat.seat,
                link: self.link(hearing, &seat.link),
            };
            let party =
                Party { seconds: rehearsal.ask.seconds, guests: rehearsal.ask.seats.iter().map(guest).collect() };
            info!(hearing = %hearing, seats = party.guests.len(), "rehearsing for another zone's home");
            match self.host(&party).await {
                // The home may have given up meanwhile.
                Ok(report) => drop(rehearsal.reply.send(report)),
                Err(error) => warn!(hearing = %hearing, %error, "rehearsal failed"),
            }
        }
    }
}

/// How long a hearing may take to get going and to end.
const PATIENCE: Duration = Duration::from_secs(40);
