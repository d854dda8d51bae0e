//! Everything that can sit in a hearing meets everything else: browsers, SIP terminals of two zones, a camera and, the long way round, a
//! GB/T 28181 device, each in a network of its own in its zone. Whoever receives pictures reads every sender's counter from them, and hears its tone.

mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use hearing_proto::testcard::tone::frequency;
use tempfile::TempDir;

use self::table::{Table, listen, look};
use crate::harness::baresip::{self, Account, Baresip, SOUND};
use crate::harness::browser::Browser;
use crate::harness::camera::{Camera, Setup};
use crate::harness::court::{Court, ffprobe};
use crate::harness::device::{self, Clip, Device};
use crate::harness::firewall;
use crate::harness::media::Card;
use crate::harness::record::Record;
use crate::harness::rooms::Room;
use crate::harness::zones::{ALL, GOV, INTERNET, TRIPARTITE, Zone, Zones};

#[test]
fn browsers_terminals_and_a_camera_of_three_zones_see_and_hear_each_other() {
    let mut hall = Hall::fill(&ENDS[..5]);
    let table = hall.observe(SHORT);
    hall.close();
    table.assert_all();
    hall.assert_recorded("party", "adpcm_g722");
    hall.assert_recorded("camera", "aac");
}

/// The long way round, for `scripts/test --full`.
#[test]
#[ignore = "takes four minutes: scripts/test --full"]
fn they_meet_for_a_minute_on_lines_that_lose_2_percent_and_after_every_terminal_was_started_again() {
    let mut hall = Hall::fill(&ENDS);
    hall.lose(20);
    let before = hall.observe(LONG);
    hall.restart_terminals();
    let after = hall.observe(LONG);
    hall.close();
    before.assert_all();
    after.assert_all();
}

/// A hearing with one of each.
struct Hall {
    ends: &'static [End],
    /// In the order of [`BROWSERS`].
    browsers: Vec<Browser>,
    /// In the order of [`TERMINALS`].
    terminals: Vec<Baresip>,
    camera: Option<Camera>,
    device: Option<Device>,
    files: Files,
    stands: Stands,
    court: Court,
    hearing: String,
}

/// Where terminals stand.
struct Stands {
    camera: Room,
    /// In the order of [`TERMINALS`].
    terminals: [Room; 2],
    device: Room,
}

/// What terminals show and know.
struct Files {
    directory: TempDir,
    /// In the order of [`TERMINALS`].
    clips: Vec<PathBuf>,
    camera: (Setup, PathBuf),
    device: Clip,
}

impl Hall {
    /// Everybody has come and is connected; the hearing is open.
    fn fill(ends: &'static [End]) -> Self {
        let files = Files::draw();
        let court = Court::with(|zone| format!("{CROSSINGS}\n{}", files.sections(zone)), &files.template(ends));
        let stands = Stands::of(&court.zones);
        let terminals = files.start_terminals(&stands);
        for (terminal, (seat, ..)) in terminals.iter().zip(TERMINALS) {
            court.until(&format!("{seat} is registered"), || terminal.log().contains("200 OK").then_some(()));
        }
        let camera = Some(files.start_camera(&stands));
        let device = ends.contains(&DEVICE).then(|| files.start_device(&stands));
        let (hearing, link) = court.convene("matrix");
        let browsers = BROWSERS.map(|(seat, number, zone)| {
            let card = Card::draw(files.directory.path(), number);
            let mut browser = Browser::chromium(&court.zones.client(zone), &card);
            browser.join(&link(seat));
            court.wait_for(&hearing, seat, "waiting");
            court.hearing(&["admit", &hearing, seat, "--identity", "known"]);
            browser
        });
        let hall = Self { ends, browsers: browsers.into(), terminals, camera, device, files, stands, court, hearing };
        hall.wait_for_all();
        hall.court.until("the hearing is open", || {
            hall.court.try_hearing(&["open", &hall.hearing]).status.success().then_some(())
        });
        hall
    }

    fn wait_for_all(&self) {
        self.ends.iter().for_each(|(seat, _)| self.court.wait_for(&self.hearing, seat, "connected"));
    }

    /// Every line between a node and its clients loses so many packets of a thousand, both ways.
    fn lose(&self, of_a_thousand: u32) {
        let (zones, Stands { camera, terminals: [judge, party], device }) = (&self.court.zones, &self.stands);
        let own = [camera, judge, party, device].map(|room| room.namespace.clone());
        let shared = ALL.iter().flat_map(|zone| [zones.client(*zone), zones.node(*zone)]);
        shared.chain(own).for_each(|namespace| firewall::loses(&namespace, of_a_thousand));
    }

    /// Every terminal, the camera and the device is switched off without a goodbye, and comes back to its seat.
    fn restart_terminals(&mut self) {
        self.terminals.clear();
        (self.camera, self.device) = (None, None);
        let away: Vec<_> = self.ends.iter().filter(|(end, _)| !BROWSERS.iter().any(|(seat, ..)| seat == end)).collect();
        for (seat, _) in away {
            self.court.wait_for(&self.hearing, seat, "admitted");
        }
        self.terminals = self.files.start_terminals(&self.stands);
        self.camera = Some(self.files.start_camera(&self.stands));
        self.device = self.ends.contains(&DEVICE).then(|| self.files.start_device(&self.stands));
        self.wait_for_all();
    }

    /// What everybody sees and hears for so long.
    fn observe(&mut self, span: Duration) -> Table {
        let Self { browsers, terminals, device, .. } = self;
        let ends = self.ends;
        let mut table = Table::of(ends);
        std::thread::scope(|scope| {
            let seconds = u32::try_from(span.as_secs()).expect("a short while");
            let watchers: Vec<_> =
                browsers.iter_mut().map(|browser| scope.spawn(move || browser.observe(seconds))).collect();
            let lookers: Vec<_> =
                terminals.iter().map(|terminal| scope.spawn(move || look(terminal, ends.len(), span))).collect();
            let listener = device.as_ref().map(|device| scope.spawn(move || listen(device, span)));
            for (watcher, (viewer, ..)) in watchers.into_iter().zip(BROWSERS) {
                table.browser(viewer, seconds, &watcher.join().expect("the page can be observed"));
            }
            for (looker, (viewer, ..)) in lookers.into_iter().zip(TERMINALS) {
                table.terminal(viewer, &looker.join().expect("the terminal shows its screen"));
            }
            if let Some(listener) = listener {
                table.listener(DEVICE.0, &listener.join().expect("the device hears"));
            }
        });
        table
    }

    fn close(&self) {
        self.court.hearing(&["close", &self.hearing]);
    }

    /// The sound of a seat is in the record, at home, as it came.
    fn assert_recorded(&self, seat: &str, codec: &str) {
        let record = Record::of(&self.court.records(), &self.hearing);
        self.court.until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
        let probed = ffprobe(&record.files(&format!("{seat}-audio"))[0]);
        let packets = probed["packets"].as_array().map_or(0, Vec::len);
        assert!(
            probed["streams"][0]["codec_name"] == codec && packets > 100,
            "{seat}: {packets} packets of {probed:#}"
        );
    }
}

impl Stands {
    fn of(zones: &Zones) -> Self {
        let camera = zones.room(TRIPARTITE);
        assert_eq!(camera.address.to_string(), CAMERA_ADDRESS, "the template names the first room");
        Self { camera, terminals: TERMINALS.map(|(_, _, zone, _)| zones.room(zone)), device: zones.room(TRIPARTITE) }
    }
}

impl Files {
    fn draw() -> Self {
        let directory = tempfile::Builder::new().prefix("hearing-matrix-").tempdir().expect("a temporary directory");
        for (seat, ..) in TERMINALS {
            fs::write(directory.path().join(seat), SECRET).expect("a secret");
        }
        let clips = TERMINALS.map(|(_, number, ..)| baresip::clip(directory.path(), number)).into();
        let address = CAMERA_ADDRESS.parse().expect("an address");
        let setup = Setup { address, picture: "h264", sound: "aac", access: "digest", lower: "tcp" };
        let camera = (setup.clone(), setup.clip(directory.path(), CAMERA.1, 120));
        let own = directory.path().join(DEVICE.0);
        fs::create_dir(&own).expect("a directory");
        fs::write(own.join("secret"), SECRET).expect("a secret");
        let device = Clip::make(&own, ("h264", "pcma"), DEVICE.1, 120);
        Self { directory, clips, camera, device }
    }

    /// What a zone's node knows of terminals.
    fn sections(&self, zone: Zone) -> String {
        let gb28181 = if zone.name == TRIPARTITE.name { self.gb28181(zone) } else { String::new() };
        format!("{}{gb28181}", self.sip(zone))
    }

    fn gb28181(&self, zone: Zone) -> String {
        let (address, secret) = (zone.address, self.directory.path().join(DEVICE.0).join("secret"));
        format!(
            "[gb28181]\nid = \"{PLATFORM}\"\nudp = \"{address}:{GB28181}\"\nkeepalive = 2\nrtp = [31000, 31199]\n\
             [[gb28181.device]]\nid = \"{DEVICE_ID}\"\nsecret = \"{}\"\n",
            secret.display()
        )
    }

    fn sip(&self, zone: Zone) -> String {
        let own = TERMINALS.iter().filter(|(_, _, of, _)| of.name == zone.name);
        let device = |(seat, ..): &(&str, u8, Zone, &str)| {
            format!("[[sip.device]]\nuser = \"{seat}\"\nsecret = \"{}\"\n", self.directory.path().join(seat).display())
        };
        let devices: String = own.map(device).collect();
        let address = zone.address;
        if devices.is_empty() {
            return devices;
        }
        format!("[sip]\nudp = \"{address}:{SIP}\"\nadvertise = \"{address}\"\nrtp = [30000, 30199]\n{devices}")
    }

    fn template(&self, ends: &[End]) -> String {
        let mut text = "[[template]]\nname = \"matrix\"\ntitle = \"融合\"\ntitle_en = \"Matrix\"\n".to_owned();
        for (seat, number) in ends {
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
            "device" => ("guard", TRIPARTITE, format!("{{ gb28181 = \"{DEVICE_ID}\" }}")),
            _ => ("technician", TRIPARTITE, format!("{{ rtsp = \"{}\" }}", self.camera.0.url())),
        }
    }

    fn start_terminals(&self, stands: &Stands) -> Vec<Baresip> {
        (0..TERMINALS.len()).map(|at| self.start_terminal(stands, at)).collect()
    }

    fn start_terminal(&self, stands: &Stands, at: usize) -> Baresip {
        let (seat, number, zone, sound) = TERMINALS[at];
        let node = format!("{}:{SIP}", zone.address);
        let account = Account {
            user: seat,
            password: SECRET,
            node: &node,
            transport: "udp",
            sound,
            more: "",
            tone: frequency(number),
            register: 60,
        };
        Baresip::showing(stands.terminals[at].clone(), &account, &self.clips[at])
    }

    fn start_device(&self, stands: &Stands) -> Device {
        let account = device::Account {
            platform: (TRIPARTITE.address.parse().expect("an address"), GB28181),
            id: DEVICE_ID,
            password: SECRET,
            framing: "4571",
            signalling: "udp",
            talk: "broadcast",
        };
        let directory = self.directory.path().join(DEVICE.0);
        Device::run(&stands.device, &directory, &self.device, &account)
    }

    fn start_camera(&self, stands: &Stands) -> Camera {
        let (setup, clip) = &self.camera;
        Camera::start(&stands.camera.namespace, setup, clip)
    }
}

const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);
const SIP: u16 = 5060;
const GB28181: u16 = 5062;
/// A seat and its number, as it is drawn into pictures and heard as a tone.
type End = (&'static str, u8);
const ENDS: [End; 6] = [("counsel", 0), ("prosecutor", 1), ("judge", 2), ("party", 3), CAMERA, DEVICE];
const BROWSERS: [(&str, u8, Zone); 2] = [("counsel", 0, INTERNET), ("prosecutor", 1, GOV)];
/// A seat, its number, its zone and what it speaks.
const TERMINALS: [(&str, u8, Zone, &str); 2] = [("judge", 2, TRIPARTITE, SOUND), ("party", 3, GOV, "G722/16000/1")];
const CAMERA: End = ("camera", 4);
const CAMERA_ADDRESS: &str = "10.30.0.11";
const DEVICE: End = ("device", 5);
const DEVICE_ID: &str = "34020000001320000001";
const PLATFORM: &str = "34020000002000000001";
const SECRET: &str = "a-good-secret";
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
