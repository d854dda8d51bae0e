//! Certificates, disks and the clock.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hearing_config::Config;
use tokio::process::Command;

use super::{Finding, existing};
use crate::net::tls::{self, TrunkTls};
use crate::record::keep::scrub;

/// The node's certificate, its revocation list, and the page's certificate.
pub(super) fn certificates(config: &Config, now: jiff::Timestamp) -> Vec<Finding> {
    let mut findings = vec![own(config, now)];
    findings.extend(tls::list_due(&config.pki.revoked).ok().flatten().filter(|due| *due < now).map(|due| {
        let text = format!("{}: a newer list was due {due}", config.pki.revoked.display());
        Finding::warn(
            CERTIFICATES,
            text,
            "fetch the authority's present list; `hearing pki revoke` and `issue` sign a new one",
        )
    }));
    if let Some(files) = &config.web.tls {
        findings.push(match tls::web(&files.certificate, &files.key) {
            Ok(_) => expiry(&files.certificate, "web.tls", now),
            Err(error) => {
                Finding::fail(CERTIFICATES, format!("web.tls: {error}"), "correct web.tls.certificate and web.tls.key")
            }
        });
    }
    findings
}

fn own(config: &Config, now: jiff::Timestamp) -> Finding {
    let node = &config.node;
    let tls = match TrunkTls::load(&config.pki) {
        Ok(tls) => tls,
        Err(error) => {
            return Finding::fail(CERTIFICATES, error.to_string(), "correct [pki], or run `hearing pki issue`");
        }
    };
    let own = tls.own();
    if (&own.zone, &own.node) != (&node.zone, &node.id) {
        let text =
            format!("{} belongs to {own}, this node is {}/{}", config.pki.certificate.display(), node.zone, node.id);
        let remedy = format!("run `hearing pki issue --zone {} --node {}`, or correct [node]", node.zone, node.id);
        return Finding::fail(CERTIFICATES, text, remedy);
    }
    if tls.is_revoked(&tls.own_serial()) {
        return Finding::fail(
            CERTIFICATES,
            format!("the certificate of {own} is revoked"),
            "issue a new one with `hearing pki issue`",
        );
    }
    expiry(&config.pki.certificate, &own.to_string(), now)
}

fn expiry(file: &Path, what: &str, now: jiff::Timestamp) -> Finding {
    let remedy = "issue or fetch a new one in good time";
    match tls::valid_until(file) {
        Ok(until) if until < now => {
            Finding::fail(CERTIFICATES, format!("{what}: expired {until}"), "issue or fetch a new one")
        }
        Ok(until) if until.duration_since(now) < SOON => {
            Finding::warn(CERTIFICATES, format!("{what}: expires {until}"), remedy)
        }
        Ok(until) => Finding::ok(CERTIFICATES, format!("{what}: 有效至 valid until {until}")),
        Err(error) => Finding::fail(CERTIFICATES, error.to_string(), "correct the path"),
    }
}

/// Room where the node writes.
pub(super) fn disks(config: &Config) -> Vec<Finding> {
    let record = &config.record;
    vec![
        disk("node.data", &config.node.data, &record.warn_free_percent, 0),
        disk("record.directory", &record.directory, &record.warn_free_percent, record.refuse_free_percent),
    ]
}

/// Whether every record was what it was when it was verified last.
pub(super) fn records(config: &Config) -> Finding {
    match scrub::bad(&config.record.directory) {
        Ok(bad) if bad.is_empty() => Finding::ok(RECORDS, "无异常 none is known to be damaged"),
        Ok(bad) => {
            let told: Vec<_> =
                bad.iter().map(|(hearing, at, verdict)| format!("{hearing} ({verdict}, {at})")).collect();
            let remedy =
                "run `hearing record verify` on it, and `hearing record restore` its copy from the second store";
            Finding::fail(RECORDS, told.join(", "), remedy)
        }
        Err(error) => Finding::fail(RECORDS, error.to_string(), "give it to the user that runs the node"),
    }
}

fn disk(key: &str, directory: &Path, warn: &[u8], refuse: u8) -> Finding {
    let at = existing(directory);
    let room = match rustix::fs::statvfs(at) {
        Ok(room) if room.f_blocks > 0 => room,
        Ok(_) => {
            return Finding::warn(
                DISK,
                format!("{key}: {} tells no size", at.display()),
                "use a file system that does",
            );
        }
        Err(error) => return Finding::fail(DISK, format!("{key}: {}: {error}", at.display()), "correct the path"),
    };
    let (free, percent) = (room.f_bavail * room.f_frsize, room.f_bavail * 100 / room.f_blocks);
    let text = format!("{key}: {}: 剩余 free {:.1} GB ({percent} %)", at.display(), free as f64 / 1e9);
    if rustix::fs::access(at, rustix::fs::Access::WRITE_OK).is_err() {
        return Finding::fail(
            DISK,
            format!("{text}, and may not be written"),
            "give it to the user that runs the node",
        );
    }
    match percent {
        p if p < u64::from(refuse) => {
            Finding::fail(DISK, text, "make room: below refuse_free_percent no hearing begins")
        }
        p if warn.iter().any(|limit| p < u64::from(*limit)) => Finding::warn(DISK, text, "make room"),
        _ => Finding::ok(DISK, text),
    }
}

/// Asks systemd or chrony whether the clock follows a time server.
pub(super) async fn clock() -> Finding {
    let systemd = said("timedatectl", &["show", "--property=NTPSynchronized", "--value"]).await;
    let chrony = said("chronyc", &["-c", "tracking"]).await;
    let leap = chrony.as_deref().and_then(|line| line.trim().rsplit(',').next().map(str::to_owned));
    match (systemd.as_deref().map(str::trim), leap.as_deref()) {
        (Some("yes"), _) | (_, Some("Normal")) => Finding::ok(CLOCK, "与时间服务器同步 follows a time server"),
        (Some("no"), _) | (_, Some(_)) => Finding::warn(
            CLOCK,
            "未同步 does not follow a time server; the record's times would be wrong",
            "set up chrony or systemd-timesyncd with the court's time server",
        ),
        _ => Finding::warn(
            CLOCK,
            "无法判断 neither timedatectl nor chronyc can tell",
            "install chrony, or make sure of it another way",
        ),
    }
}

/// What a program says within two seconds; `None` when it is not there, fails or hangs.
async fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let run = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(2), run).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

const CERTIFICATES: &str = "证书 certificates";
const DISK: &str = "磁盘 disk";
const RECORDS: &str = "录像 records";
const CLOCK: &str = "时钟 clock";

/// Time enough to get a certificate from another office.
const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::net::pki::{Host, Pki, Wish};
    use crate::net::tls::Identity;

    #[test]
    fn a_certificate_of_another_node_fails() {
        let (_directory, mut config) = court(365);
        config.node.id = "other".parse().unwrap();
        let finding = own(&config, jiff::Timestamp::now());
        assert_eq!(finding.state, State::Fail);
        assert!(finding.text.contains("belongs to tripartite/court, this node is tripartite/other"), "{finding:?}");
    }

    #[test]
    fn a_certificate_that_expires_soon_is_a_warning_and_one_that_does_not_is_fine() {
        let (_kept, config) = court(365);
        assert_eq!(own(&config, jiff::Timestamp::now()).state, State::Ok);
        let (_kept, config) = court(20);
        assert_eq!(own(&config, jiff::Timestamp::now()).state, State::Warn);
    }

    #[test]
    fn a_revoked_certificate_fails() {
        let (directory, config) = court(365);
        Pki::open(directory.path()).unwrap().revoke_at("tripartite/court", jiff::Timestamp::now()).unwrap();
        let finding = own(&config, jiff::Timestamp::now());
        assert!(finding.state == State::Fail && finding.text.contains("is revoked"), "{finding:?}");
    }

    #[test]
    fn an_old_revocation_list_is_a_warning() {
        let (_directory, config) = court(365);
        let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(400 * 24);
        assert!(
            certificates(&config, later)
                .iter()
                .any(|f| f.state == State::Warn && f.text.contains("newer list was due"))
        );
    }

    #[test]
    fn a_disk_with_less_room_than_wanted_is_told() {
        let here = std::env::temp_dir();
        assert_eq!(disk("x", &here.join("not/there"), &[], 0).state, State::Ok);
        assert_eq!(disk("x", &here, &[101], 0).state, State::Warn);
        assert_eq!(disk("x", &here, &[], 101).state, State::Fail);
    }

    fn court(days: u32) -> (tempfile::TempDir, Config) {
        let directory = tempfile::tempdir().unwrap();
        let now = jiff::Timestamp::now();
        let pki = Pki::init_at(directory.path(), "test", now).unwrap();
        let identity = Identity { zone: "tripartite".parse().unwrap(), node: "court".parse().unwrap() };
        pki.issue_at(&Wish { identity, hosts: vec![Host::parse("localhost")], days }, directory.path(), now).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/demo.toml");
        let mut config = Config::load(&example).unwrap();
        config.pki.root = directory.path().join("root.pem");
        config.pki.certificate = directory.path().join("court.pem");
        config.pki.key = directory.path().join("court.key");
        config.pki.revoked = directory.path().join("revoked.crl");
        (directory, config)
    }
}
