//! Our node as it is: the binary with a configuration of its own, joined through its public HTTP API.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::load::{Host, Peer, machine_address};
use crate::process::Server;

/// A running node with hearings whose seats nobody has taken yet.
pub(crate) struct Node {
    server: Server,
    api: Http,
    admin: Http,
    rooms: Vec<Hearing>,
    directory: TempDir,
}

struct Hearing {
    id: String,
    /// Seats that are free: their slug and the secret of their link; the sender's first.
    seats: std::vec::IntoIter<(String, String)>,
}

/// Who sits where: whom a seat sends to and receives from.
struct Seat {
    sends: bool,
    receives: Vec<usize>,
}

impl Node {
    /// Starts `hearing run` with so many hearings of so many seats.
    pub(crate) fn start(binary: &Path, rooms: usize, seats: usize) -> Result<Self> {
        Self::start_on(1, binary, rooms, seats)
    }

    /// The same with so many media workers.
    pub(crate) fn start_on(workers: u16, binary: &Path, rooms: usize, seats: usize) -> Result<Self> {
        ensure!(binary.exists(), "{} is not there: build it with the same profile", binary.display());
        let directory = TempDir::new()?;
        let (web, admin_port) = (free_tcp_port()?, free_tcp_port()?);
        let socket = directory.path().join("admin.sock");
        make_certificate(binary, directory.path())?;
        let config = directory.path().join("node.toml");
        fs::write(
            &config,
            configuration(directory.path(), [web, admin_port, free_udp_ports(workers)?], (workers, seats))?,
        )?;
        let mut command = Command::new(binary);
        command.arg("run").arg("--config").arg(&config);
        let mut server = Server::start(&mut command, directory.path().join("log"))?;
        let (api, admin) = (Http::to(&format!("http://127.0.0.1:{web}"))?, Http::to_socket(&socket)?);
        server.wait_until("hearing", || admin.get("/admin/node").is_ok())?;
        let rooms = (0..rooms).map(|_| Hearing::convene(&admin)).collect::<Result<_>>()?;
        Ok(Self { server, api, admin, rooms, directory })
    }

    /// Opens the first hearing: from now on everything that is sent is recorded.
    pub(crate) fn open(&self) -> Result<()> {
        let open = json!({"action": "open"});
        self.admin.post(&format!("/admin/hearings/{}/act", self.rooms[0].id), None, &open).map(drop)
    }

    /// The folder of the hearing's record.
    pub(crate) fn record(&self) -> PathBuf {
        self.directory.path().join("records").join(&self.rooms[0].id)
    }

    /// Ends it as a power cut would, at once and without a word.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Joins the next free seat of a room, has it admitted, and exchanges the descriptions.
    fn take_seat(&mut self, room: usize, peer: &mut Peer, at: &Seat) -> Result<()> {
        let hearing = &mut self.rooms[room];
        let (seat, token) = hearing.seats.next().context("no seat is free")?;
        let device = "A".repeat(22);
        let path = format!("/api/hearings/{}", hearing.id);
        let joined = self.api.post(&format!("{path}/join"), None, &json!({"token": token, "device": device}))?;
        let admit = json!({"action": "admit", "seat": seat, "identity": "known"});
        self.admin.post(&format!("/admin/hearings/{}/act", hearing.id), None, &admit)?;
        let sdp = peer.offer()?;
        let (sends, slots) = lines(&sdp, at);
        let offer = json!({"sdp": sdp, "sends": sends, "slots": slots});
        let session = text(&joined, "session")?;
        let answer = self.api.post(&format!("{path}/media"), Some(&session), &offer)?;
        peer.accept_answer(&text(&answer, "sdp")?)
    }
}

impl Hearing {
    fn convene(admin: &Http) -> Result<Self> {
        let made = admin.post("/admin/hearings", None, &json!({"case": "bench", "template": "bench"}))?;
        let seats = made["seats"].as_array().context("no seats")?.iter().map(link).collect::<Result<Vec<_>>>()?;
        Ok(Self { id: text(&made, "id")?, seats: seats.into_iter() })
    }
}

impl Host for Node {
    fn process(&self) -> u32 {
        self.server.id()
    }

    fn publish(&mut self, room: usize, peer: &mut Peer) -> Result<()> {
        self.take_seat(room, peer, &Seat { sends: true, receives: Vec::new() })
    }

    fn subscribe(&mut self, room: usize, peer: &mut Peer) -> Result<()> {
        self.take_seat(room, peer, &Seat { sends: false, receives: vec![0] })
    }

    fn gather(&mut self, room: usize, seats: usize) -> Result<Vec<Peer>> {
        let member = |own: usize| {
            let mut peer = Peer::member(seats - 1)?;
            let receives = (0..seats).filter(|seat| *seat != own).collect();
            self.take_seat(room, &mut peer, &Seat { sends: true, receives })?;
            Ok(peer)
        };
        (0..seats).map(member).collect()
    }

    fn complete(&mut self, _: usize, _: usize) -> Result<Vec<Peer>> {
        Ok(Vec::new())
    }
}

/// What the m-lines of an offer are for: by kind, those that are sent first, then those of every other seat.
fn lines(sdp: &str, seat: &Seat) -> (Vec<Value>, Vec<Value>) {
    let kind_of = |line: &str| if line.starts_with("audio") { "audio" } else { "video" };
    let sections: Vec<(&str, &str, bool)> = sdp
        .split("\r\nm=")
        .skip(1)
        .filter_map(|section| {
            let mid = section.lines().find_map(|line| line.strip_prefix("a=mid:"))?;
            Some((mid, kind_of(section), section.contains("a=recvonly")))
        })
        .collect();
    let of = |receiving: bool, kind: &'static str| {
        let wanted = move |(_, of, receives): &&(&str, &str, bool)| *receives == receiving && *of == kind;
        sections.iter().filter(wanted).map(|(mid, ..)| (*mid).to_owned()).collect::<Vec<_>>()
    };
    let kinds = ["audio", "video"];
    let sends = kinds
        .iter()
        .filter(|_| seat.sends)
        .flat_map(|kind| of(false, kind).into_iter().map(move |mid| json!({"mid": mid, "kind": kind})));
    let slots = kinds.iter().flat_map(|kind| {
        of(true, kind)
            .into_iter()
            .zip(&seat.receives)
            .map(move |(mid, from)| json!({"mid": mid, "kind": kind, "seat": from}))
    });
    (sends.collect(), slots.collect())
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

fn configuration(directory: &Path, [web, admin, media]: [u16; 3], (workers, seats): (u16, usize)) -> Result<String> {
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
workers = {workers}
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
    (1..seats).for_each(|number| seat(&mut text, &format!("party-{number}"), "party", "[]"));
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

/// The first of `count` ports in a row that nobody uses.
fn free_udp_ports(count: u16) -> Result<u16> {
    for _ in 0..TRIES {
        let first = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let all = (0..count).map(|n| UdpSocket::bind(("127.0.0.1", first.checked_add(n)?)).ok());
        if all.collect::<Option<Vec<_>>>().is_some() {
            return Ok(first);
        }
    }
    bail!("no {count} UDP ports in a row are free")
}

const TRIES: usize = 100;
