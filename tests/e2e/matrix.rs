//! Everything that can sit in a hearing meets everything else: browsers, SIP terminals of two zones and a camera, each in its own
//! zone's network. Whoever receives pictures reads every sender's counter from them, and hears its tone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hearing_proto::scene::{Layout, Scene, Tile, Words};
use hearing_proto::testcard::tone::frequency;
use hearing_proto::testcard::{self, Luma, Mark};
use tempfile::TempDir;

use crate::harness::baresip::{Account, Baresip, SOUND, Stand};
use crate::harness::browser::{Browser, Seen};
use crate::harness::camera::{Camera, Setup};
use crate::harness::court::Court;
use crate::harness::firewall;
use crate::harness::media::{Card, is_tone_of};
use crate::harness::zones::{ALL, GOV, INTERNET, TRIPARTITE, Zone};

#[test]
fn browsers_terminals_and_a_camera_of_three_zones_see_and_hear_each_other() {
    let mut hall = Hall::fill();
    let table = hall.observe(SHORT);
    hall.close();
    table.assert_all();
}

/// The long way round, for `scripts/test --full`.
#[test]
#[ignore = "takes four minutes: scripts/test --full"]
fn they_meet_for_a_minute_on_lines_that_lose_2_percent_and_after_every_terminal_was_started_again() {
    let mut hall = Hall::fill();
    ALL.iter().for_each(|zone| hall.lose(*zone, 20));
    let before = hall.observe(LONG);
    hall.restart_terminals();
    let after = hall.observe(LONG);
    hall.close();
    before.assert_all();
    after.assert_all();
}

/// A hearing with one of each.
struct Hall {
    /// In the order of [`BROWSERS`].
    browsers: Vec<Browser>,
    /// In the order of [`TERMINALS`].
    terminals: Vec<Baresip>,
    camera: Option<Camera>,
    files: Files,
    court: Court,
    hearing: String,
}

/// What terminals show and know.
struct Files {
    directory: TempDir,
    /// In the order of [`TERMINALS`].
    clips: Vec<PathBuf>,
    camera: (Setup, PathBuf),
}

impl Hall {
    /// Everybody has come and is connected; the hearing is open.
    fn fill() -> Self {
        let files = Files::draw();
        let court = Court::with(|zone| format!("{CROSSINGS}\n{}", files.sip(zone)), &files.template());
        let terminals: Vec<_> = (0..TERMINALS.len()).map(|n| files.terminal(&court, n)).collect();
        for (terminal, (seat, ..)) in terminals.iter().zip(TERMINALS) {
            court.until(&format!("{seat} is registered"), || terminal.log().contains("200 OK").then_some(()));
        }
        let camera = Some(files.start_camera(&court));
        let (hearing, link) = court.convene("matrix");
        let browsers = BROWSERS.map(|(seat, number, zone)| {
            let card = Card::draw(files.directory.path(), number);
            let mut browser = Browser::chromium(&court.zones.client(zone), &card);
            browser.join(&link(seat));
            court.wait_for(&hearing, seat, "waiting");
            court.hearing(&["admit", &hearing, seat, "--identity", "known"]);
            browser
        });
        let hall = Self { browsers: browsers.into(), terminals, camera, files, court, hearing };
        hall.wait_for_all();
        hall.court.until("the hearing is open", || {
            hall.court.try_hearing(&["open", &hall.hearing]).status.success().then_some(())
        });
        hall
    }

    fn wait_for_all(&self) {
        ENDS.iter().for_each(|(seat, _)| self.court.wait_for(&self.hearing, seat, "connected"));
    }

    /// The line between a zone's node and its clients loses so many packets of a thousand, both ways. They are dropped where they
    /// arrive: whoever sends one that is dropped on its way out is told so by its own system, which no line does.
    fn lose(&self, zone: Zone, of_a_thousand: u32) {
        for namespace in [self.court.zones.client(zone), self.court.zones.node(zone)] {
            firewall::rules(
                &namespace,
                &format!(
                    "table inet line {{\nchain in {{\ntype filter hook input priority filter\n\
                     iifname \"access\" numgen random mod 1000 < {of_a_thousand} drop\n}}\n}}"
                ),
            );
        }
    }

    /// Every terminal and the camera is switched off without a goodbye, and comes back to its seat.
    fn restart_terminals(&mut self) {
        self.terminals.clear();
        self.camera = None;
        for seat in TERMINALS.map(|(seat, ..)| seat).into_iter().chain([CAMERA.0]) {
            self.court.wait_for(&self.hearing, seat, "admitted");
        }
        self.terminals = (0..TERMINALS.len()).map(|n| self.files.terminal(&self.court, n)).collect();
        self.camera = Some(self.files.start_camera(&self.court));
        self.wait_for_all();
    }

    /// What everybody sees and hears for so long.
    fn observe(&mut self, span: Duration) -> Table {
        let Self { browsers, terminals, .. } = self;
        let mut table = Table::default();
        std::thread::scope(|scope| {
            let seconds = u32::try_from(span.as_secs()).expect("a short while");
            let watchers: Vec<_> =
                browsers.iter_mut().map(|browser| scope.spawn(move || browser.observe(seconds))).collect();
            let lookers: Vec<_> = terminals.iter().map(|terminal| scope.spawn(move || look(terminal, span))).collect();
            for (watcher, (viewer, ..)) in watchers.into_iter().zip(BROWSERS) {
                table.browser(viewer, seconds, &watcher.join().expect("the page can be observed"));
            }
            for (looker, (viewer, ..)) in lookers.into_iter().zip(TERMINALS) {
                table.terminal(viewer, &looker.join().expect("the terminal shows its screen"));
            }
        });
        table
    }

    fn close(&self) {
        self.court.hearing(&["close", &self.hearing]);
    }
}

impl Files {
    fn draw() -> Self {
        let directory = tempfile::Builder::new().prefix("hearing-matrix-").tempdir().expect("a temporary directory");
        for (seat, ..) in TERMINALS {
            fs::write(directory.path().join(seat), "a-good-secret").expect("a secret");
        }
        let clips = TERMINALS.map(|(_, number, _)| clip(directory.path(), number)).into();
        let address = TRIPARTITE.client.parse().expect("an address");
        let setup = Setup { address, picture: "h264", sound: "pcma", access: "digest", lower: "tcp" };
        let camera = (setup.clone(), setup.clip(directory.path(), CAMERA.1, 120));
        Self { directory, clips, camera }
    }

    /// The SIP section of a zone's node.
    fn sip(&self, zone: Zone) -> String {
        let own = TERMINALS.iter().filter(|(.., of)| of.name == zone.name);
        let device = |(seat, ..): &(&str, u8, Zone)| {
            format!("[[sip.device]]\nuser = \"{seat}\"\nsecret = \"{}\"\n", self.directory.path().join(seat).display())
        };
        let devices: String = own.map(device).collect();
        let address = zone.address;
        if devices.is_empty() {
            return devices;
        }
        format!("[sip]\nudp = \"{address}:{SIP}\"\nadvertise = \"{address}\"\nrtp = [30000, 30199]\n{devices}")
    }

    fn template(&self) -> String {
        let mut text = "[[template]]\nname = \"matrix\"\ntitle = \"融合\"\ntitle_en = \"Matrix\"\n".to_owned();
        for (seat, number) in ENDS {
            let (role, zone, endpoint) = self.stands(seat);
            let _ = write!(
                text,
                "\n[[template.seat]]\nname = \"{seat}\"\ntitle = \"席位{number}\"\ntitle_en = \"Seat {number}\"\nrole = \"{role}\"\n\
                 zone = \"{}\"\nendpoint = {endpoint}\n",
                zone.name
            );
        }
        text
    }

    fn stands(&self, seat: &str) -> (&'static str, Zone, String) {
        match seat {
            "counsel" => ("counsel", INTERNET, "\"browser\"".to_owned()),
            "prosecutor" => ("prosecutor", GOV, "\"browser\"".to_owned()),
            "judge" => ("judge", TRIPARTITE, "{ sip = \"sip:judge@court\" }".to_owned()),
            "party" => ("party", GOV, "{ sip = \"sip:party@gov\" }".to_owned()),
            _ => ("technician", TRIPARTITE, format!("{{ rtsp = \"{}\" }}", self.camera.0.url())),
        }
    }

    fn terminal(&self, court: &Court, at: usize) -> Baresip {
        let (seat, number, zone) = TERMINALS[at];
        let node = format!("{}:{SIP}", zone.address);
        let account = Account {
            user: seat,
            password: "a-good-secret",
            node: &node,
            transport: "udp",
            sound: SOUND,
            more: "",
            tone: frequency(number),
            register: 60,
        };
        let namespace = court.zones.client(zone);
        Baresip::run_at(
            &account,
            &Stand { namespace: Some(&namespace), address: zone.client, clip: Some(&self.clips[at]) },
        )
    }

    fn start_camera(&self, court: &Court) -> Camera {
        let (setup, clip) = &self.camera;
        Camera::start_in(&court.zones.client(TRIPARTITE), setup, clip)
    }
}

/// What a terminal saw and heard: counters of every seat, and in how many looks its tone was there.
#[derive(Default)]
struct Looks {
    looks: u32,
    counters: BTreeMap<u8, BTreeSet<u16>>,
    tones: BTreeMap<u8, u32>,
}

/// Looks at a terminal's screen and listens to its loudspeaker, again and again.
fn look(terminal: &Baresip, span: Duration) -> Looks {
    let (mut looks, end) = (Looks::default(), Instant::now() + span);
    while Instant::now() < end {
        let (pixels, width, height) = terminal.screen();
        for Mark { seat, counter } in marks(&pixels, width, height) {
            looks.counters.entry(seat).or_default().insert(counter);
        }
        for seat in terminal.hears() {
            *looks.tones.entry(seat).or_default() += 1;
        }
        looks.looks += 1;
    }
    looks
}

/// The cards in a composed picture, whoever stands large in it.
fn marks(pixels: &[u8], width: usize, height: usize) -> Vec<Mark> {
    let side = |side: usize| u16::try_from(side).expect("a screen");
    // Everybody else, and the place of an exhibit.
    let tile = || Tile { name: Words { zh: String::new(), en: String::new() }, streams: Vec::new() };
    let scene = Scene {
        width: side(width),
        height: side(height),
        fps: 25,
        layout: Layout::Exhibit,
        heading: String::new(),
        utc_offset: 0,
        emblem: None,
        tiles: (0..ENDS.len()).map(|_| tile()).collect(),
    };
    let areas: BTreeSet<_> = (0..side(ENDS.len()))
        .flat_map(|large| scene.places(large))
        .map(|area| area.fit(640, 360))
        .map(|area| (area.x, area.y, area.width, area.height))
        .collect();
    let card = |(x, y, wide, high): (u16, u16, u16, u16)| {
        let start = usize::from(y) * width + usize::from(x);
        testcard::read(Luma { pixels: pixels.get(start..)?, stride: width, width: wide.into(), height: high.into() })
    };
    areas.into_iter().filter_map(card).collect()
}

/// Who saw and heard whom: pictures, and the share of the time in which the tone was there.
#[derive(Default)]
struct Table(BTreeMap<(&'static str, &'static str), Cell>);

struct Cell {
    /// Pictures with different counters, and how many there should be at least.
    pictures: (u32, u32),
    /// In how many of so many looks its tone was there.
    tone: (u32, u32),
}

impl Table {
    fn browser(&mut self, viewer: &'static str, seconds: u32, seen: &std::collections::HashMap<String, Seen>) {
        for (other, number) in ENDS.into_iter().filter(|(other, _)| *other != viewer) {
            let (picture, sound) = (&seen[&format!("{other}/video")], &seen[&format!("{other}/audio")]);
            let right = picture.seat == i32::from(number);
            let cell = Cell {
                pictures: (if right { picture.frames } else { 0 }, seconds * 2),
                tone: (is_tone_of(number, sound.tone).into(), 1),
            };
            self.0.insert((other, viewer), cell);
        }
    }

    fn terminal(&mut self, viewer: &'static str, looks: &Looks) {
        for (other, number) in ENDS.into_iter().filter(|(other, _)| *other != viewer) {
            let pictures = looks.counters.get(&number).map_or(0, BTreeSet::len) as u32;
            let heard = looks.tones.get(&number).copied().unwrap_or_default();
            // Nothing is sent again to a terminal: at 2 % loss every second picture on its screen is torn.
            let cell = Cell { pictures: (pictures, (looks.looks / 4).max(2)), tone: (heard, looks.looks) };
            self.0.insert((other, viewer), cell);
        }
    }

    /// Rows send, columns receive; a camera receives nothing.
    #[expect(clippy::print_stderr, reason = "the table is what the test is for; docs/guide/terminals.md shows one")]
    fn assert_all(&self) {
        let viewers: Vec<_> = ENDS.iter().map(|(seat, _)| *seat).filter(|seat| *seat != CAMERA.0).collect();
        let mut text = format!("{:<12}", "");
        for viewer in &viewers {
            let _ = write!(text, "{viewer:>26}");
        }
        for (sender, _) in ENDS {
            let _ = write!(text, "\n{sender:<12}");
            for viewer in &viewers {
                let cell = self.0.get(&(sender, *viewer));
                let words = cell.map_or("-".to_owned(), |cell| {
                    let (heard, looks) = cell.tone;
                    format!("{} pictures, tone {heard}/{looks}", cell.pictures.0)
                });
                let _ = write!(text, "{words:>26}");
            }
        }
        eprintln!("{text}");
        let well = |cell: &Cell| cell.tone.0 * 2 > cell.tone.1 && cell.pictures.0 >= cell.pictures.1;
        let broken: Vec<_> = self.0.iter().filter(|(_, cell)| !well(cell)).map(|(pair, _)| pair).collect();
        assert!(broken.is_empty(), "from, to: {broken:?}\n{text}");
    }
}

/// Two minutes of the test card in a form that baresip's camera takes.
fn clip(directory: &Path, number: u8) -> PathBuf {
    let (card, clip) = (Card::draw(directory, number), directory.join(format!("seat{number}.mp4")));
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-stream_loop", "11", "-i"])
        .arg(&card.video)
        .args(["-vf", "scale=320:180", "-c:v", "mpeg4", "-q:v", "3", "-g", "15"])
        .arg(&clip)
        .status()
        .expect("ffmpeg is installed by scripts/setup");
    assert!(status.success());
    clip
}

const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);
const SIP: u16 = 5060;
/// Seats and their numbers, as they are drawn into pictures and heard as tones.
const ENDS: [(&str, u8); 5] = [("counsel", 0), ("prosecutor", 1), ("judge", 2), ("party", 3), CAMERA];
const BROWSERS: [(&str, u8, Zone); 2] = [("counsel", 0, INTERNET), ("prosecutor", 1, GOV)];
const TERMINALS: [(&str, u8, Zone); 2] = [("judge", 2, TRIPARTITE), ("party", 3, GOV)];
const CAMERA: (&str, u8) = ("camera", 4);
/// Everybody may be seen everywhere.
const CROSSINGS: &str = r#"
[[crossing]]
from = "tripartite"
to = "gov"
roles = ["judge", "technician", "guard"]
kinds = ["audio", "video"]

[[crossing]]
from = "tripartite"
to = "internet"
roles = ["judge", "technician", "guard"]
kinds = ["audio", "video"]

[[crossing]]
from = "gov"
to = "tripartite"
roles = ["prosecutor", "party"]
kinds = ["audio", "video"]

[[crossing]]
from = "gov"
to = "internet"
roles = ["prosecutor", "party"]
kinds = ["audio", "video"]

[[crossing]]
from = "internet"
to = "tripartite"
roles = ["counsel"]
kinds = ["audio", "video"]

[[crossing]]
from = "internet"
to = "gov"
roles = ["counsel"]
kinds = ["audio", "video"]
"#;
