//! Real nodes, each on a loopback address of its own or in a network with rooms for terminals.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use hearing_bridge::net::tls::Pki;
use serde_json::Value;
use tempfile::TempDir;

use super::court::HEARING;
use super::netns;
use super::rooms::{Room, Rooms};

/// Where a node stands: its configuration, its keys, its data and its address.
#[derive(Clone)]
pub(crate) struct Site {
    directory: Arc<TempDir>,
    /// The node's id.
    pub(crate) node: &'static str,
    /// Its zone.
    pub(crate) zone: &'static str,
    /// Its own address: loopback's, or its network's.
    pub(crate) address: Ipv4Addr,
    /// Its network, where it does not stand on loopback.
    rooms: Option<Arc<Rooms>>,
    /// The rest of its configuration: trunks, crossings, templates, record.
    pub(crate) rest: String,
    /// False for a node that finds no `hearing-media`.
    pub(crate) media: bool,
    /// Its media workers.
    pub(crate) workers: u16,
}

/// A node that runs; killed when it is dropped.
pub(crate) struct Node {
    /// Where it stands.
    pub(crate) site: Site,
    child: Child,
}

/// What a node's public API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body, `null` when it is no JSON.
    pub(crate) body: Value,
}

impl Site {
    /// The court on loopback, with a template of a judge, a witness and counsel who comes from the internet.
    pub(crate) fn court() -> Self {
        Self::court_at(fresh_address(), None)
    }

    /// The same in a network of its own, with rooms for terminals.
    pub(crate) fn with_rooms() -> Self {
        let rooms = Rooms::alone();
        Self::court_at(rooms.address, Some(Arc::new(rooms)))
    }

    fn court_at(address: Ipv4Addr, rooms: Option<Arc<Rooms>>) -> Self {
        let directory = tempfile::Builder::new().prefix("hearing-node-").tempdir().expect("a temporary directory");
        Pki::init(&directory.path().join("pki"), "test").expect("an authority");
        Self {
            directory: Arc::new(directory),
            node: "court",
            zone: "tripartite",
            address,
            rooms,
            rest: String::new(),
            media: true,
            workers: 1,
        }
        .certified()
        .with_rest(|own| format!("[trunks]\nlisten = \"{own}:{TRUNK}\"\n{COURT}"))
    }

    /// A node of the internet that dials `court`.
    pub(crate) fn edge(court: &Self) -> Self {
        let home = court.address;
        Self { node: "internet-edge", zone: "internet", address: fresh_address(), ..court.clone() }
            .certified()
            .with_rest(|_| format!("[[trunk]]\npeer = \"court\"\nzone = \"tripartite\"\ndial = \"{home}:{TRUNK}\"\n"))
    }

    /// The same node, but in another zone.
    pub(crate) fn in_zone(self, zone: &'static str) -> Self {
        Self { zone, ..self }.certified()
    }

    /// The namespace of a node with rooms.
    pub(crate) fn namespace(&self) -> &str {
        &self.rooms.as_ref().expect("the site has rooms").node
    }

    /// A room for a terminal, in which nothing but the node is reached.
    pub(crate) fn room(&self) -> Room {
        self.rooms.as_ref().expect("the site has rooms").add()
    }

    /// A path in the directory that all sites of a test share.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The authority.
    pub(crate) fn pki(&self) -> Pki {
        Pki::open(&self.path("pki")).expect("the authority is there")
    }

    /// Its configuration, written as it is now.
    pub(crate) fn config(&self) -> PathBuf {
        let file = self.path(&format!("{}.toml", self.node));
        fs::write(&file, self.configuration()).expect("the configuration is written");
        file
    }

    /// Starts the node and waits until it answers.
    pub(crate) fn run(self) -> Node {
        let child = self.spawn(&self.config());
        let mut node = Node { site: self, child };
        until(&format!("{} answers", node.site.node), || {
            if let Some(status) = node.child.try_wait().expect("the node is a child of the test") {
                panic!("the node ended with {status}: {}", node.site.log_text());
            }
            node.try_hearing(&["list"]).status.success().then_some(())
        });
        node
    }

    /// Starts the node, which must end by itself; gives its exit code and what it said.
    pub(crate) fn refusal(&self) -> (i32, String) {
        let mut node = Node { site: self.clone(), child: self.spawn(&self.config()) };
        let status =
            until("the node refuses to run", || node.child.try_wait().expect("the node is a child of the test"));
        (status.code().expect("no signal ended it"), self.log_text())
    }

    /// Runs a verb that asks no node.
    pub(crate) fn hearing(&self, arguments: &[&str]) -> Output {
        Command::new(HEARING).args(arguments).current_dir(self.directory.path()).output().expect("hearing runs")
    }

    /// `hearing check` of the program at `program`: true if all is well, and its findings.
    pub(crate) fn check(&self, program: &Path) -> (bool, Vec<Value>) {
        let output = Command::new(program)
            .args(["check", "--json", "--config"])
            .arg(self.config())
            .output()
            .expect("hearing runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("check prints JSON");
        assert_eq!(output.status.code(), Some(i32::from(report["ok"] != true)), "{report}");
        (report["ok"] == true, report["checks"].as_array().expect("findings").clone())
    }

    /// The node's log so far.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn spawn(&self, config: &Path) -> Child {
        let log = File::create(self.log()).expect("a log");
        let mut command = self.command(HEARING);
        if !self.media {
            command.env("HEARING_MEDIA", "/nonexistent/hearing-media");
        }
        command
            .args(["run", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the node starts")
    }

    /// A program where the node stands.
    fn command(&self, program: &str) -> Command {
        self.rooms.as_ref().map_or_else(|| Command::new(program), |rooms| netns::command(&rooms.node, program))
    }

    fn log(&self) -> PathBuf {
        self.path(&format!("{}.log", self.node))
    }

    fn certified(self) -> Self {
        let (zone, node) = (self.zone.parse().expect("a zone"), self.node.parse().expect("a node"));
        self.pki().issue(&zone, &node, &[self.address.into()], &[]).expect("a certificate");
        self
    }

    fn with_rest(self, rest: impl FnOnce(Ipv4Addr) -> String) -> Self {
        let rest = rest(self.address);
        Self { rest, ..self }
    }

    fn configuration(&self) -> String {
        let Self { node, zone, address, rest, workers, rooms, .. } = self;
        // Pages in the clear are for loopback only.
        let (scheme, tls) = match rooms {
            Some(_) => ("https", format!("tls = {{ certificate = \"pki/{node}.pem\", key = \"pki/{node}.key\" }}\n")),
            None => ("http", String::new()),
        };
        format!(
            "[node]\nid = \"{node}\"\nzone = \"{zone}\"\ndata = \"{node}\"\n\
             [web]\nbind = \"{address}:{WEB}\"\nurl = \"{scheme}://{address}:{WEB}\"\n{tls}\
             [media]\nbind = \"{address}:{MEDIA}\"\nworkers = {workers}\n\
             [admin]\nlisten = \"{address}:{ADMIN}\"\n\
             [pki]\nroot = \"pki/root.pem\"\ncertificate = \"pki/{node}.pem\"\nkey = \"pki/{node}.key\"\n\
             revoked = \"pki/revoked.crl\"\n{rest}"
        )
    }
}

impl Node {
    /// Runs a verb of the command line and expects success; the answer is its JSON.
    pub(crate) fn hearing(&self, arguments: &[&str]) -> Value {
        let output = self.try_hearing(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "hearing {}: {said}\n{}", arguments.join(" "), self.site.log_text());
        serde_json::from_slice(&output.stdout).expect("the answer is JSON")
    }

    /// Runs a verb of the command line that the node must refuse; gives the code and the message.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (String, String) {
        let output = self.try_hearing(arguments);
        assert_eq!(output.status.code(), Some(1), "hearing {}", arguments.join(" "));
        let problem: Value = serde_json::from_slice(&output.stdout).expect("the refusal is JSON");
        assert_ne!(problem["message_zh"], "", "{problem}");
        let text = |key: &str| problem[key].as_str().expect("a refusal has a code and a message").to_owned();
        (text("code"), text("message"))
    }

    /// Runs a verb of the command line, whatever comes of it.
    pub(crate) fn try_hearing(&self, arguments: &[&str]) -> Output {
        let socket = self.site.path(self.site.node).join("admin.sock");
        Command::new(HEARING).args(arguments).arg("--json").env("HEARING_ADMIN", socket).output().expect("hearing runs")
    }

    /// True while a trunk is up.
    pub(crate) fn has_trunk(&self) -> bool {
        let socket = self.site.path(self.site.node).join("admin.sock");
        let output =
            Command::new("curl").args(["--silent", "--unix-socket"]).arg(socket).arg("http://node/admin/node").output();
        let node: Value = serde_json::from_slice(&output.expect("curl runs").stdout).expect("the node answers");
        node["trunks"].as_array().is_some_and(|trunks| trunks.iter().any(|trunk| trunk["up"] == true))
    }

    /// Who is on a seat, as the operator sees it.
    pub(crate) fn presence(&self, hearing: &str, seat: &str) -> Value {
        let shown = self.hearing(&["show", hearing]);
        let seats = shown["view"]["seats"].as_array().expect("seats");
        let found = seats.iter().find(|s| s["name"] == seat).unwrap_or_else(|| panic!("no seat {seat}"));
        found["presence"].clone()
    }

    /// The live figures of a seat by its number; `null` while there are none.
    pub(crate) fn live(&self, hearing: &str, seat: u8) -> Value {
        let shown = self.hearing(&["show", hearing]);
        let all = shown["live"].as_array().expect("live figures");
        all.iter().find(|live| live["seat"] == seat).cloned().unwrap_or_default()
    }

    /// A metric without labels; `None` while nothing has counted it.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let url = format!("http://{}:{ADMIN}/metrics", self.site.address);
        let output = self.site.command("curl").args(["--silent", &url]).output();
        let output = output.expect("curl is installed by scripts/setup");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Starts a hearing; gives its id and the link of each seat.
    pub(crate) fn convene(&self) -> (String, impl Fn(&str) -> String + use<>) {
        let started = self.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "small"]);
        let id = started["id"].as_str().expect("an id").to_owned();
        let link = move |seat: &str| {
            let seats = started["seats"].as_array().expect("seats");
            let found = seats.iter().find(|s| s["name"] == seat).unwrap_or_else(|| panic!("no seat {seat}"));
            found["link"].as_str().expect("a link").to_owned()
        };
        (id, link)
    }

    /// Joins with a link's secret from a device, which one letter tells from others.
    pub(crate) fn join(&self, hearing: &str, link: &str, device: char) -> Answer {
        let device = format!("{}A", device.to_string().repeat(21));
        let body = serde_json::json!({ "token": secret(link), "device": device });
        self.post(&format!("/api/hearings/{hearing}/join"), &["Content-Type: application/json"], &body.to_string())
    }

    /// Publishes by WHIP with a link's secret.
    pub(crate) fn whip(&self, hearing: &str, link: &str, sdp: &str) -> Answer {
        let bearer = format!("Authorization: Bearer {}", secret(link));
        self.post(&format!("/api/hearings/{hearing}/whip"), &[&bearer, "Content-Type: application/sdp"], sdp)
    }

    /// Offers media (`POST`), restarts it (`PATCH`) or ends it (`DELETE`) with the session of a join.
    pub(crate) fn media(&self, method: &str, hearing: &str, session: &str, body: &Value) -> Answer {
        let bearer = format!("Authorization: Bearer {session}");
        let headers = [&bearer, "Content-Type: application/json"];
        self.send(method, &format!("/api/hearings/{hearing}/media"), &headers, &body.to_string())
    }

    fn post(&self, path: &str, headers: &[&str], body: &str) -> Answer {
        self.send("POST", path, headers, body)
    }

    fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut curl = Command::new("curl");
        curl.args([
            "--request",
            method,
            "--silent",
            "--show-error",
            "--max-time",
            "10",
            "--data-binary",
            "@-",
            "--write-out",
            "\n%{http_code}",
        ]);
        for header in headers {
            curl.args(["--header", header]);
        }
        curl.arg(format!("http://{}:{WEB}{path}", self.site.address));
        let mut child =
            curl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("curl is installed by scripts/setup");
        child.stdin.take().expect("stdin is piped").write_all(body.as_bytes()).expect("curl reads the body");
        let output = child.wait_with_output().expect("curl ends");
        let text = String::from_utf8(output.stdout).expect("the answer is text");
        let (body, status) = text.rsplit_once('\n').expect("curl writes the status");
        Answer { status: status.parse().expect("a status"), body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }
}

impl Answer {
    /// Status, code and message of a refusal, which has both languages.
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        let text = |key: &str| self.body[key].as_str().unwrap_or_else(|| panic!("no refusal: {self:?}"));
        assert!(!text("message_zh").is_empty(), "{self:?}");
        (self.status, text("code"), text("message"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A node that ended already needs no killing; the test has judged that by then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What in a link opens its seat.
fn secret(link: &str) -> &str {
    link.split_once("#t=").expect("a link holds a secret").1
}

/// Waits for something to become true, at most 30 s.
pub(crate) fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited 30 s in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An address that nothing else on this machine uses: every 127.x.y.z is loopback.
fn fresh_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    // The test's process tells it from other tests, the last bits from the test's other sites.
    let site = NEXT.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, 64 + (high << 2 | site) % 128, middle, low)
}

/// The port of the page.
pub(crate) const WEB: u16 = 8080;
/// The UDP port of media.
pub(crate) const MEDIA: u16 = 40000;
/// The port of metrics and health.
pub(crate) const ADMIN: u16 = 9100;
/// The UDP port of trunks.
pub(crate) const TRUNK: u16 = 7443;

const COURT: &str = include_str!("../fixtures/court.toml");
