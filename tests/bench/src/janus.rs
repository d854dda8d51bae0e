//! The peer that we measure against: Debian's Janus with its videoroom.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Http;
use crate::load::{Host, Peer};
use crate::process::Server;

/// A running Janus with its rooms.
pub(crate) struct Janus {
    server: Server,
    http: Http,
    session: u64,
    _directory: TempDir,
}

impl Janus {
    pub(crate) fn start(rooms: usize, seats: usize) -> Result<Self> {
        let directory = TempDir::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        for (name, text) in configuration(port) {
            fs::write(directory.path().join(name), text)?;
        }
        let mut command = Command::new("janus");
        command.arg("--configs-folder").arg(directory.path());
        let mut server = Server::start(&mut command, directory.path().join("log"))?;
        let http = Http::to(&format!("http://127.0.0.1:{port}/janus"))?;
        server.wait_until("janus", || http.get("/info").is_ok())?;
        let mut janus = Self { server, http, session: 0, _directory: directory };
        let created = janus.http.post("", None, &json!({"janus": "create", "transaction": "bench"}))?;
        janus.session = id_of(&created)?;
        let handle = janus.attach()?;
        for room in 0..rooms {
            let room = json!({"request": "create", "room": number(room), "publishers": seats, "bitrate": 0, "videocodec": "vp8", "audiocodec": "opus"});
            janus.ask(handle, &room, None)?;
        }
        Ok(janus)
    }

    fn attach(&self) -> Result<u64> {
        let body = json!({"janus": "attach", "plugin": "janus.plugin.videoroom", "transaction": "bench"});
        id_of(&self.http.post(&format!("/{}", self.session), None, &body)?)
    }

    /// Asks the videoroom and waits for its answer, which may come as an event.
    fn ask(&self, handle: u64, body: &Value, jsep: Option<Value>) -> Result<Value> {
        let mut message = json!({"janus": "message", "transaction": "bench", "body": body});
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        let answer = self.http.post(&format!("/{}/{handle}", self.session), None, &message)?;
        if answer["janus"] == "success" {
            return Ok(answer);
        }
        loop {
            let event = self.http.get(&format!("/{}?maxev=1", self.session))?;
            if event["janus"] == "event" && event["sender"] == handle && event["transaction"] == "bench" {
                return Ok(event);
            }
        }
    }

    fn end_of_candidates(&self, handle: u64) -> Result<()> {
        let body = json!({"janus": "trickle", "transaction": "end", "candidate": {"completed": true}});
        self.http.post(&format!("/{}/{handle}", self.session), None, &body).map(drop)
    }
}

impl Host for Janus {
    fn process(&self) -> u32 {
        self.server.id()
    }

    fn publish(&mut self, room: usize, peer: &mut Peer) -> Result<()> {
        self.send_as(room, 0, peer)
    }

    fn subscribe(&mut self, room: usize, peer: &mut Peer) -> Result<()> {
        self.receive(room, &[0], peer)
    }

    fn gather(&mut self, room: usize, seats: usize) -> Result<Vec<Peer>> {
        let sender = |seat| {
            let mut peer = Peer::sender()?;
            self.send_as(room, seat, &mut peer)?;
            Ok(peer)
        };
        (0..seats).map(sender).collect()
    }

    fn complete(&mut self, room: usize, seats: usize) -> Result<Vec<Peer>> {
        let receiver = |seat| {
            let mut peer = Peer::receiver(seats - 1)?;
            let others: Vec<usize> = (0..seats).filter(|other| *other != seat).collect();
            self.receive(room, &others, &mut peer)?;
            Ok(peer)
        };
        (0..seats).map(receiver).collect()
    }
}

impl Janus {
    fn send_as(&mut self, room: usize, seat: usize, peer: &mut Peer) -> Result<()> {
        let handle = self.attach()?;
        let join = json!({"request": "join", "ptype": "publisher", "room": number(room), "id": feed(seat)});
        self.ask(handle, &join, None)?;
        let configure = json!({"request": "configure", "audio": true, "video": true, "bitrate": 0});
        let answer = self.ask(handle, &configure, Some(json!({"type": "offer", "sdp": peer.offer()?})))?;
        peer.accept_answer(sdp_of(&answer)?)?;
        self.end_of_candidates(handle)
    }

    fn receive(&mut self, room: usize, seats: &[usize], peer: &mut Peer) -> Result<()> {
        let handle = self.attach()?;
        let streams: Vec<Value> = seats.iter().map(|seat| json!({"feed": feed(*seat)})).collect();
        let join = json!({"request": "join", "ptype": "subscriber", "room": number(room), "streams": streams});
        let offer = self.ask(handle, &join, None)?;
        let answer = json!({"type": "answer", "sdp": peer.answer(sdp_of(&offer)?)?});
        self.ask(handle, &json!({"request": "start"}), Some(answer))?;
        self.end_of_candidates(handle)
    }
}

const fn number(room: usize) -> u64 {
    700_001 + room as u64
}

const fn feed(seat: usize) -> u64 {
    1 + seat as u64
}

fn id_of(answer: &Value) -> Result<u64> {
    answer["data"]["id"].as_u64().with_context(|| format!("janus: no id in {answer}"))
}

fn sdp_of(answer: &Value) -> Result<&str> {
    answer["jsep"]["sdp"].as_str().with_context(|| format!("janus: no SDP in {answer}"))
}

/// Nothing but HTTP and the videoroom, as quiet as it can be.
fn configuration(port: u16) -> [(&'static str, String); 3] {
    let general = "general: { debug_level = 1\n debug_timestamps = false\n disable_colors = true }\n\
                   media: { }\nnat: { nice_debug = false\n ignore_mdns = true }\n\
                   plugins: { disable = \"libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,\
                   libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,\
                   libjanus_videocall.so,libjanus_voicemail.so\" }\n\
                   transports: { disable = \"libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so,\
                   libjanus_websockets.so\" }\n\
                   events: { broadcast = false\n disable = \"libjanus_gelfevh.so,libjanus_mqttevh.so,libjanus_nanomsgevh.so,\
                   libjanus_rabbitmqevh.so,libjanus_sampleevh.so,libjanus_wsevh.so\" }\n";
    let http = format!(
        "general: {{ json = \"plain\"\n base_path = \"/janus\"\n http = true\n port = {port}\n ip = \"127.0.0.1\" }}\n"
    );
    [
        ("janus.jcfg", general.to_owned()),
        ("janus.transport.http.jcfg", http),
        ("janus.plugin.videoroom.jcfg", "general: { }\n".to_owned()),
    ]
}
