//! Our node as it is: the binary with a configuration of its own, joined through its public HTTP API.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::load::{Host, Peer, machine_address};
use crate::process::Server;

/// A running node with one hearing whose seats nobody has taken yet.
pub(crate) struct Node {
    server: Server,
    api: Http,
    admin: Http,
    hearing: String,
    /// Seats that are free: their slug and the secret of their link; the sender's first.
    seats: std::vec::IntoIter<(String, String)>,
    directory: TempDir,
}

impl Node {
    /// Starts `hearing run` with one seat for the sender and `subscribers` for receivers.
    pub(crate) fn start(binary: &Path, subscribers: u8) -> Result<Self> {
        ensure!(binary.exists(), "{} is not there: build it with the same profile", binary.display());
        let directory = TempDir::new()?;
        let (web, admin_port) = (free_tcp_port()?, free_tcp_port()?);
        let socket = directory.path().join("admin.sock");
        make_certificate(binary, directory.path())?;
        let config = directory.path().join("node.toml");
        fs::write(&config, configuration(directory.path(), [web, admin_port, free_udp_port()?], subscribers)?)?;
        let mut command = Command::new(binary);
        command.arg("run").arg("--config").arg(&config);
        let mut server = Server::start(&mut command, directory.path().join("log"))?;
        let (api, admin) = (Http::to(&format!("http://127.0.0.1:{web}"))?, Http::to_socket(&socket)?);
        server.wait_until("hearing", || admin.get("/admin/node").is_ok())?;
        let made = admin.post("/admin/hearings", None, &json!({"case": "bench", "template": "bench"}))?;
        let hearing = text(&made, "id")?;
        let seats = made["seats"].as_array().context("no seats")?.iter().map(link).collect::<Result<Vec<_>>>()?;
        Ok(Self { server, api, admin, hearing, seats: seats.into_iter(), directory })
    }

    /// Opens the hearing: from now on everything that is sent is recorded.
    pub(crate) fn open(&self) -> Result<()> {
        let open = json!({"action": "open"});
        self.admin.post(&format!("/admin/hearings/{}/act", self.hearing), None, &open).map(drop)
    }

    /// The folder of the hearing's record.
    pub(crate) fn record(&self) -> PathBuf {
        self.directory.path().join("records").join(&self.hearing)
    }

    /// Ends it as a power cut would, at once and without a word.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Joins the next free seat, has it admitted, and exchanges the descriptions.
    fn take_seat(&mut self, peer: &mut Peer, sends: bool) -> Result<()> {
        let (seat, token) = self.seats.next().context("no seat is free")?;
        let device = "A".repeat(22);
        let path = format!("/api/hearings/{}", self.hearing);
        let joined = self.api.post(&format!("{path}/join"), None, &json!({"token": token, "device": device}))?;
        let admit = json!({"action": "admit", "seat": seat, "identity": "known"});
        self.admin.post(&format!("/admin/hearings/{}/act", self.hearing), None, &admit)?;
        let sdp = peer.offer()?;
        let offer = if sends {
            json!({"sdp": sdp, "sends": lines(&sdp, &[]), "slots": []})
        } else {
            json!({"sdp": sdp, "sends": [], "slots": lines(&sdp, &[("seat", json!(0))])})
        };
        let session = text(&joined, "session")?;
        let answer = self.api.post(&format!("{path}/media"), Some(&session), &offer)?;
        peer.accept_answer(&text(&answer, "sdp")?)
    }
}

impl Host for Node {
    fn process(&self) -> u32 {
        self.server.id()
    }

    fn publish(&mut self, peer: &mut Peer) -> Result<()> {
        self.take_seat(peer, true)
    }

    fn subscribe(&mut self, peer: &mut Peer) -> Result<()> {
        self.take_seat(peer, false)
    }
}

/// What the m-lines of an offer are for: sound, then picture, with `more` about each.
fn lines(sdp: &str, more: &[(&str, Value)]) -> Vec<Value> {
    let mids = sdp.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    let line = |(mid, kind): (&str, &str)| {
        let mut line = json!({"mid": mid, "kind": kind});
        for (key, value) in more {
            line[key] = value.clone();
        }
        line
    };
    mids.zip(["audio", "video"]).map(line).collect()
}

fn link(seat: &Value) -> Result<(String, String)> {
    let link = text(seat, "link")?;
    let token = link.split_once("#t=").context("a link without a token")?.1;
    Ok((text(seat, "name")?, token.to_owned()))
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).with_context(|| format!("no {key} in {value}"))
}

/// A certificate authority and the node's certificate.
fn make_certificate(binary: &Path, directory: &Path) -> Result<()> {
    let keys = directory.join("pki");
    let pki = |args: &[&str]| -> Result<()> {
        let output = Command::new(binary).arg("pki").args(args).arg("--dir").arg(&keys).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "hearing pki {}: {said}", args.join(" "));
        Ok(())
    };
    pki(&["init"])?;
    pki(&["issue", "--zone", "gov", "--node", "bench"])
}

fn configuration(directory: &Path, [web, admin, media]: [u16; 3], subscribers: u8) -> Result<String> {
    let (at, ip) = (directory.display(), machine_address()?);
    let mut text = format!(
        r#"
[node]
id = "bench"
zone = "gov"
data = "{at}/data"
[web]
bind = "127.0.0.1:{web}"
url = "http://127.0.0.1:{web}"
[media]
bind = "{ip}:{media}"
advertise = ["{ip}"]
workers = 1
[admin]
socket = "{at}/admin.sock"
listen = "127.0.0.1:{admin}"
[pki]
root = "{at}/pki/root.pem"
certificate = "{at}/pki/bench.pem"
key = "{at}/pki/bench.key"
revoked = "{at}/pki/revoked.crl"
[record]
directory = "{at}/records"
[[template]]
name = "bench"
title = "测量"
title_en = "Measurement"
"#
    );
    // Most rows never open the hearing, so that nothing is recorded.
    seat(&mut text, "sender", "judge", r#"["audio", "video"]"#);
    (1..=subscribers).for_each(|number| seat(&mut text, &format!("party-{number}"), "party", "[]"));
    Ok(text)
}

fn seat(text: &mut String, name: &str, role: &str, required: &str) {
    *text += &format!(
        r#"[[template.seat]]
name = "{name}"
title = "席位"
title_en = "Seat"
role = "{role}"
zone = "gov"
endpoint = "browser"
required = {required}
"#
    );
}

fn free_tcp_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn free_udp_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}
