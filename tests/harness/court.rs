//! Three real nodes in isolated networks, driven as an operator would: by configuration and the command line.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hearing_bridge::net::tls::Pki;
use serde_json::Value;
use tempfile::TempDir;

use super::netns;
use super::zones::{ALL, GOV, INTERNET, TRIPARTITE, TRUNK, Zone, Zones};

/// A court with its edges; everything ends when it is dropped.
pub(crate) struct Court {
    /// The networks.
    pub(crate) zones: Zones,
    directory: TempDir,
    nodes: Vec<(Zone, Child)>,
}

impl Court {
    /// Starts all three nodes with other templates at home.
    pub(crate) fn with_templates(templates: &str) -> Self {
        Self::with(|_| CROSSINGS.to_owned(), templates)
    }

    /// Starts all three nodes, each with the crossings that are given for its zone.
    pub(crate) fn with_crossings(crossings: impl Fn(Zone) -> String) -> Self {
        Self::with(crossings, TEMPLATES)
    }

    /// Starts all three nodes with other templates at home, and more about media in every node's configuration: keys of `[media]`, and
    /// sections after it; a `bind` is the internet's node's alone.
    pub(crate) fn with_media(media: &str, templates: &str) -> Self {
        Self::build(|_| CROSSINGS.to_owned(), templates, media)
    }

    /// Starts all three nodes with other templates at home, each with the crossings and further sections that are given for its zone.
    pub(crate) fn with(crossings: impl Fn(Zone) -> String, templates: &str) -> Self {
        Self::build(crossings, templates, "")
    }

    fn build(crossings: impl Fn(Zone) -> String, templates: &str, media: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("hearing-e2e-").tempdir().expect("a temporary directory");
        let mut court = Self { zones: Zones::up(), directory, nodes: Vec::new() };
        let pki = Pki::init(&court.path("pki"), "test").expect("development certificates");
        for zone in ALL {
            let (name, node) = (zone.name.parse().expect("a zone"), zone.node.parse().expect("a node id"));
            pki.issue(&name, &node, &[zone.address.parse().expect("an address")], &[]).expect("a certificate");
            fs::write(court.config(zone), court.configuration(zone, media, &crossings(zone), templates))
                .expect("the configuration is written");
            court.start(zone);
        }
        court.wait_for_trunks(2);
        court
    }

    /// A path in the court's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the home keeps its records.
    pub(crate) fn records(&self) -> PathBuf {
        self.path(TRIPARTITE.node).join("records")
    }

    /// Starts the node of `zone`.
    pub(crate) fn start(&mut self, zone: Zone) {
        let log = File::options().create(true).append(true).open(self.log(zone)).expect("a log");
        let child = netns::command(&self.zones.node(zone), HEARING)
            .args(["run", "--config"])
            .arg(self.config(zone))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("the node starts");
        self.nodes.push((zone, child));
    }

    /// Kills the node of `zone` as a power cut would: no signal that it could handle.
    pub(crate) fn kill(&mut self, zone: Zone) {
        let at = self.nodes.iter().position(|(of, _)| of.name == zone.name).expect("the node runs");
        let (_, mut child) = self.nodes.remove(at);
        child.kill().expect("the node is killed");
        child.wait().expect("the node is gone");
    }

    /// Waits until the home has `count` trunks up.
    pub(crate) fn wait_for_trunks(&self, count: usize) {
        self.until("the trunks are up", || {
            let node = self.admin_get("/admin/node")?;
            let up = node["trunks"].as_array()?.iter().filter(|trunk| trunk["up"] == true).count();
            (up >= count).then_some(())
        });
    }

    /// Runs a verb of the command line at the home and expects success; the answer is its JSON.
    pub(crate) fn hearing(&self, arguments: &[&str]) -> Value {
        let output = self.try_hearing(arguments);
        assert!(
            output.status.success(),
            "hearing {}: {}\n{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr),
            self.logs()
        );
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Runs a verb of the command line at the node of `zone`, whatever comes of it.
    pub(crate) fn try_hearing_in(&self, zone: Zone, arguments: &[&str]) -> Output {
        Command::new(HEARING)
            .args(arguments)
            .arg("--json")
            .env("HEARING_ADMIN", self.path(zone.node).join("admin.sock"))
            .output()
            .expect("hearing runs")
    }

    /// Runs a verb of the command line at the home, whatever comes of it.
    pub(crate) fn try_hearing(&self, arguments: &[&str]) -> Output {
        self.try_hearing_in(TRIPARTITE, arguments)
    }

    /// Starts a hearing and gives its id and the links by seat.
    pub(crate) fn convene(&self, template: &str) -> (String, impl Fn(&str) -> String + use<>) {
        let started = self.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", template]);
        let id = started["id"].as_str().expect("an id").to_owned();
        let link = move |seat: &str| {
            let seats = started["seats"].as_array().expect("seats");
            let found = seats.iter().find(|s| s["name"] == seat).unwrap_or_else(|| panic!("no seat {seat}"));
            found["link"].as_str().expect("a link").to_owned()
        };
        (id, link)
    }

    /// The seat as the operator sees it.
    pub(crate) fn seat(&self, hearing: &str, seat: &str) -> Value {
        let shown = self.hearing(&["show", hearing]);
        let seats = shown["view"]["seats"].as_array().expect("seats");
        seats.iter().find(|s| s["name"] == seat).cloned().unwrap_or_else(|| panic!("no seat {seat}"))
    }

    /// Waits until `seat` is in the given presence.
    pub(crate) fn wait_for(&self, hearing: &str, seat: &str, presence: &str) {
        self.until(&format!("{seat} is {presence}"), || {
            (self.seat(hearing, seat)["presence"] == presence).then_some(())
        });
    }

    /// Waits for something to become true, at most 30 s.
    pub(crate) fn until<T>(&self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(value) = probe() {
                return value;
            }
            assert!(Instant::now() < deadline, "waited 30 s in vain until {what}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The log of a zone's node so far.
    pub(crate) fn log_text(&self, zone: Zone) -> String {
        fs::read_to_string(self.log(zone)).unwrap_or_default()
    }

    fn admin_get(&self, path: &str) -> Option<Value> {
        let socket = self.path(TRIPARTITE.node).join("admin.sock");
        let output = Command::new("curl")
            .args(["--silent", "--fail", "--unix-socket"])
            .arg(socket)
            .arg(format!("http://node{path}"))
            .output()
            .ok()?;
        serde_json::from_slice(&output.stdout).ok()
    }

    fn config(&self, zone: Zone) -> PathBuf {
        self.path(&format!("{}.toml", zone.node))
    }

    fn log(&self, zone: Zone) -> PathBuf {
        self.path(&format!("{}.log", zone.node))
    }

    fn logs(&self) -> String {
        let tail = |zone: Zone| {
            let text = self.log_text(zone);
            let lines: Vec<_> = text.lines().collect();
            format!("--- {}\n{}\n", zone.node, lines[lines.len().saturating_sub(40)..].join("\n"))
        };
        ALL.map(tail).concat()
    }

    fn configuration(&self, zone: Zone, media: &str, crossings: &str, templates: &str) -> String {
        let root = self.directory.path().display();
        let (node, address) = (zone.node, zone.address);
        // At private addresses browsers take no candidate with a port below 1024.
        let public = zone.name == INTERNET.name;
        let (own, media): (Vec<_>, Vec<_>) = media.lines().partition(|line| line.starts_with("bind ="));
        let bind = own.first().filter(|_| public).map_or(format!("bind = \"{address}:3478\""), |own| (*own).to_owned());
        let media = media.join("\n");
        let own = format!(
            "[node]\nid = \"{node}\"\nzone = \"{}\"\ndata = \"{root}/{node}\"\n\
             [web]\nbind = \"{address}:443\"\nurl = \"https://{address}\"\n\
             tls = {{ certificate = \"{root}/pki/{node}.pem\", key = \"{root}/pki/{node}.key\" }}\n\
             [media]\n{bind}\nadvertise = [\"{address}\"]\nworkers = 1\n{media}\n\
             [admin]\nsocket = \"{root}/{node}/admin.sock\"\nlisten = \"127.0.0.1:9090\"\n\
             [pki]\nroot = \"{root}/pki/root.pem\"\ncertificate = \"{root}/pki/{node}.pem\"\n\
             key = \"{root}/pki/{node}.key\"\nrevoked = \"{root}/pki/revoked.crl\"\n\
             [record]\ndirectory = \"{root}/{node}/records\"\n",
            zone.name
        );
        let templates = if zone.link.is_none() { templates } else { "" };
        own + &trunks(zone) + crossings + "\n" + templates
    }
}

impl Drop for Court {
    #[expect(clippy::print_stderr, reason = "a test that failed shows what its nodes said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        for (_, child) in &mut self.nodes {
            // A node that ended already needs no killing; the test has judged that by then.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn trunks(zone: Zone) -> String {
    match zone.link {
        None => {
            let peers = [INTERNET, GOV].map(|edge| {
                format!(
                    "[[trunk]]\npeer = \"{}\"\nzone = \"{}\"\nvouches = [\"{}\"]\nweb = \"https://{}\"\nkbps = 50000\n",
                    edge.node, edge.name, edge.name, edge.address
                )
            });
            format!("[trunks]\nlisten = \"0.0.0.0:{TRUNK_PORT}\"\n{}", peers.concat())
        }
        Some((home, _)) => {
            let vouched: Vec<_> = ALL.iter().map(|z| z.name).filter(|name| *name != zone.name).collect();
            format!(
                "[[trunk]]\npeer = \"{}\"\nzone = \"{}\"\ndial = \"{home}:{TRUNK_PORT}\"\nvouches = {vouched:?}\n\
                 web = \"https://{}\"\nkbps = 50000\n",
                TRIPARTITE.node, TRIPARTITE.name, TRIPARTITE.address
            )
        }
    }
}

/// Captures what passes on an edge's trunk link.
pub(crate) struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Begins to capture at `zone`'s end of its trunk link.
    pub(crate) fn begin(court: &Court, zone: Zone) -> Self {
        let file = court.path(&format!("{}.pcap", zone.node));
        let child = netns::command(&court.zones.node(zone), "tcpdump")
            .args(["-i", TRUNK, "-n", "-U", "--immediate-mode", "-Z", "root", "-w"])
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .expect("tcpdump is installed by scripts/setup");
        let capture = Self { child, file };
        court.until("tcpdump captures", || capture.file.metadata().is_ok_and(|m| m.len() > 0).then_some(()));
        capture
    }

    /// Ends it and gives every IP packet as tcpdump prints it, one a line.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.child.kill().expect("tcpdump ends");
        self.child.wait().expect("tcpdump is gone");
        let output = Command::new("tcpdump").args(["-n", "-q", "-t", "-r"]).arg(&self.file).output().expect("tcpdump");
        String::from_utf8_lossy(&output.stdout).lines().filter(|l| l.starts_with("IP ")).map(str::to_owned).collect()
    }
}

/// ffprobe of a file: every packet's stream and time, as JSON.
pub(crate) fn ffprobe(file: &Path) -> Value {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_streams", "-show_packets"])
        .arg(file)
        .output()
        .expect("ffprobe is installed by scripts/setup");
    assert!(output.stderr.is_empty(), "ffprobe {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("ffprobe prints JSON")
}

/// A configuration's text without the crossing from `from` to `to`.
pub(crate) fn without_crossing(crossings: &str, from: &str, to: &str) -> String {
    let named = format!("from = \"{from}\"\nto = \"{to}\"");
    let kept: Vec<_> = crossings.split("[[crossing]]").filter(|part| !part.contains(&named)).collect();
    assert!(kept.len() + 1 == crossings.split("[[crossing]]").count(), "no crossing from {from} to {to}");
    kept.join("[[crossing]]")
}

/// The binary under test.
pub(crate) const HEARING: &str = env!("CARGO_BIN_EXE_hearing");
/// The trunk's UDP port at home.
pub(crate) const TRUNK_PORT: u16 = 7443;
/// The demo's crossings.
pub(crate) const CROSSINGS: &str = include_str!("../../bridge/src/cli/demo/crossings.toml");
const TEMPLATES: &str = include_str!("../../bridge/src/cli/demo/templates.toml");
