//! All headless participants of one node, as one process beside it: `hearing participant`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use hearing_config::{Config, DeviceId, HearingId};
use hearing_proto::wire::{RehearseReport, RehearsedSeat};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::client::{self, Link};
use super::device::{self, Camera};
use super::participant::{Attended, attend};
use super::terminal::{self, Phone};
use crate::endpoint::gb28181::{self, Gb28181};
use crate::endpoint::sip::{self, Sip};
use crate::net::sip::Account;
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
    /// The seats that are taken by a SIP call.
    #[serde(default)]
    pub phones: Vec<Phone>,
    /// The seats that are taken by a GB/T 28181 device.
    #[serde(default)]
    pub cameras: Vec<Camera>,
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
#[derive(Clone)]
pub struct Station {
    hearing: PathBuf,
    web: String,
    sip: Option<Sip>,
    gb28181: Option<Gb28181>,
}

/// A seat of this node's zone that is to be taken.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) seat: u8,
    pub(super) secret: Secret,
}

/// What opens a seat.
#[derive(Clone)]
pub(super) enum Secret {
    /// The secret of its link.
    Link(String),
    /// The identity of its SIP terminal, for as long as the rehearsal lasts.
    Sip(Account),
    /// The identity of its GB/T 28181 device, likewise.
    Gb28181(Account),
}

/// What ends when the rehearsal does.
#[derive(Default)]
struct Passes {
    sip: Vec<sip::Pass>,
    gb28181: Vec<gb28181::Pass>,
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
        for phone in self.phones {
            let (program, times) = (program.clone(), (Duration::from_secs(self.seconds.into()), limit));
            seats.spawn(async move { terminal::attend(phone, &program, times).await });
        }
        for camera in self.cameras {
            let (program, times) = (program.clone(), (Duration::from_secs(self.seconds.into()), limit));
            seats.spawn(async move { device::attend(camera, &program, times).await });
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
    /// Beside the node with this configuration: its participants reach it at the address at which its page listens, its terminals
    /// at that of `sip`, its devices at that of `gb28181`.
    ///
    /// # Errors
    /// The path of this program is unknown.
    pub fn of(config: &Config, (sip, gb28181): (Option<Sip>, Option<Gb28181>)) -> std::io::Result<Self> {
        let mut at = config.web.bind;
        if at.ip().is_unspecified() {
            at.set_ip(if at.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        let scheme = if config.web.tls.is_some() { "https" } else { "http" };
        Ok(Self { hearing: std::env::current_exe()?, web: format!("{scheme}://{at}"), sip, gb28181 })
    }

    /// The link that leads to a seat through this node.
    fn link(&self, hearing: HearingId, token: &str) -> String {
        format!("{}/h/{hearing}#t={token}", self.web)
    }

    /// Has seats taken by a party, and lets its terminals and devices in meanwhile. A seat for which there can be none is reported.
    ///
    /// # Errors
    /// As [`Self::host`].
    pub(super) async fn take(
        &self,
        hearing: HearingId,
        seconds: u16,
        places: Vec<Place>,
    ) -> Result<RehearseReport, Error> {
        let mut party = Party { seconds, guests: Vec::new(), phones: Vec::new(), cameras: Vec::new() };
        let (mut passes, mut absent) = (Passes::default(), Vec::new());
        for Place { seat, secret } in places {
            let invited = match secret {
                Secret::Link(token) => {
                    party.guests.push(Guest { seat, link: self.link(hearing, &token) });
                    Ok(())
                }
                Secret::Sip(account) => self.admit_phone(&account).map(|(door, pass)| {
                    party.phones.push(Phone { seat, door, account });
                    passes.sip.push(pass);
                }),
                Secret::Gb28181(account) => self.admit_camera(&account).map(|(door, pass)| {
                    party.cameras.push(Camera { seat, door, account });
                    passes.gb28181.push(pass);
                }),
            };
            absent.extend(invited.err().map(|fault| not_taken(seat, fault)));
        }
        let mut report = self.host(&party).await?;
        drop(passes);
        report.seats.extend(absent);
        Ok(report)
    }

    fn admit_phone(&self, account: &Account) -> Result<(sip::Door, sip::Pass), &'static str> {
        let sip = self.sip.as_ref().ok_or(NO_SIP)?;
        let door = sip.door().ok_or(NO_SIP)?;
        Ok((door, sip.admit(account)))
    }

    fn admit_camera(&self, account: &Account) -> Result<(gb28181::Door, gb28181::Pass), &'static str> {
        let platform = self.gb28181.as_ref().ok_or(NO_GB28181)?;
        let door = platform.door().ok_or(NO_GB28181)?;
        let device = DeviceId::try_from(account.user.clone()).map_err(|_| NO_DEVICE)?;
        Ok((door, platform.admit(&device, &account.secret)))
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
            let seats = &rehearsal.ask.seats;
            let places = seats.iter().map(|seat| Place { seat: seat.seat, secret: Secret::read(&seat.link) }).collect();
            info!(hearing = %hearing, seats = seats.len(), "rehearsing for another zone's home");
            match self.take(hearing, rehearsal.ask.seconds, places).await {
                // The home may have given up meanwhile.
                Ok(report) => drop(rehearsal.reply.send(report)),
                Err(error) => warn!(hearing = %hearing, %error, "rehearsal failed"),
            }
        }
    }
}

impl Secret {
    /// As it is told to the node of another zone.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Link(token) => token.clone(),
            Self::Sip(Account { user, secret }) => format!("sip:{user}:{secret}"),
            Self::Gb28181(Account { user, secret }) => format!("gb28181:{user}:{secret}"),
        }
    }

    /// The secret of a link has no colon.
    fn read(told: &str) -> Self {
        let account = |(user, secret): (&str, &str)| Account { user: user.to_owned(), secret: secret.to_owned() };
        let after = |prefix: &str| told.strip_prefix(prefix)?.split_once(':').map(account);
        let device = || after("gb28181:").map(Self::Gb28181);
        after("sip:").map(Self::Sip).or_else(device).unwrap_or_else(|| Self::Link(told.to_owned()))
    }
}

fn not_taken(seat: u8, fault: &str) -> RehearsedSeat {
    RehearsedSeat { seat, joined_ms: None, first_frame_ms: None, fault: Some(fault.to_owned()) }
}

const NO_SIP: &str =
    "本节点未配置 [sip]，无法接入 SIP 终端 no SIP terminal can take this seat: the node of its zone has no [sip]";
const NO_GB28181: &str = "本节点未配置 [gb28181]，无法接入国标设备 no GB/T 28181 device can take this seat: the node of its zone has no [gb28181]";
const NO_DEVICE: &str = "设备编号须为 20 位数字 the identity of the built-in device has not twenty digits: do both nodes run the same version?";
/// How long a hearing may take to get going and to end.
const PATIENCE: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_told_to_another_zone_as_it_is_and_a_link_stays_a_link() {
        let account = Account { user: "rehearsal-1f".to_owned(), secret: "se:cret".to_owned() };
        assert!(matches!(Secret::read(&Secret::Sip(account.clone()).told()), Secret::Sip(read) if read == account));
        let device = Secret::Gb28181(account.clone());
        assert!(matches!(Secret::read(&device.told()), Secret::Gb28181(read) if read == account));
        let link = Secret::Link("q0-A_b".to_owned());
        assert!(matches!(Secret::read(&link.told()), Secret::Link(read) if read == "q0-A_b"));
    }
}
