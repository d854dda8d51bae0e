//! Cameras that are pulled by RTSP: what they show is on their seat and in the record, and a camera that was cut off comes back.

use serde_json::{Value, json};

use crate::harness::camera::{Camera, Setup};
use crate::harness::court::ffprobe;
use crate::harness::node::{Node, Site, until};
use crate::harness::party::{Party, assert_heard};
use crate::harness::record::{Record, assert_film_sounds, times};
use crate::harness::rooms::Room;

#[test]
fn a_camera_over_tcp_with_digest_is_recorded_and_comes_back_after_it_was_cut_off() {
    let bench = Bench::with("h264", "pcma", "digest", "tcp", "");
    let camera = bench.camera();
    let (hearing, party, record) = bench.open();
    record.wait_for_seconds(SEAT, 1);
    until("the board shows how the room sounds", || {
        let sound = bench.node.live(&hearing, NUMBER)["quality"]["sound"].clone();
        (sound["mean"].as_u64()? < 40 && sound["clipped"] == 0).then_some(())
    });
    drop(camera);
    bench.wait_for(&hearing, "admitted");
    let again = bench.camera();
    bench.wait_for(&hearing, "connected");
    record.wait_for_seconds(SEAT, 2);
    bench.close(&hearing, party, &record);
    drop(again);
    // Two runs of the clip, each from its beginning.
    let (shown, runs) = record.shown(SEAT, NUMBER);
    assert!(runs == 2 && shown >= 100, "{shown} pictures in {runs} runs");
    record.assert_tone(SEAT, NUMBER);
    let log = bench.node.site.log_text();
    assert!(!log.contains("stands still"), "a pause of the camera is no fault of a rendition's child");
}

#[test]
fn a_camera_that_takes_only_datagrams_is_recorded_though_tcp_was_asked_first() {
    let bench = Bench::with("h265", "opus", "basic", "udp", "");
    let camera = bench.camera();
    let (hearing, party, record) = bench.open();
    record.wait_for_seconds(SEAT, 1);
    bench.close(&hearing, party, &record);
    drop(camera);
    let (shown, runs) = record.shown(SEAT, NUMBER);
    assert!(runs == 1 && shown >= 50, "{shown} pictures in {runs} runs");
    record.assert_tone(SEAT, NUMBER);
}

#[test]
fn a_camera_with_aac_is_heard_at_a_browser_and_recorded_as_it_came() {
    let bench = Bench::with("h264", "aac", "digest", "tcp", "");
    let camera = bench.camera();
    let trial = bench.node.hearing(&["terminal", "test", &bench.setup.url(), "--seconds", "4"]);
    let codecs = ["sound", "picture"].map(|what| trial[what]["codec"].as_str());
    assert_eq!((codecs, &trial["size"]), ([Some("aac"), Some("h264")], &json!([320, 180])), "{trial}");
    assert!(trial["ok"] == true && trial["pictures"].as_u64() > Some(30), "{trial}");
    assert_eq!((&trial["sound"]["lost"], &trial["picture"]["lost"]), (&json!(0), &json!(0)), "{trial}");
    let (hearing, party, record) = bench.open();
    record.wait_for_seconds(SEAT, 1);
    let report = bench.close(&hearing, party, &record);
    drop(camera);
    assert_heard(&report, NUMBER);
    let sound = &record.files(&format!("{SEAT}-audio"))[0];
    let probed = ffprobe(sound);
    let stream = &probed["streams"][0];
    assert_eq!((&stream["codec_name"], &stream["sample_rate"]), (&Value::from("aac"), &Value::from("44100")));
    record.assert_tone(SEAT, NUMBER);
    assert_film_sounds(&bench.node, &hearing, &[0, NUMBER]);
    // A frame lasts 23.2 ms: none is missing, and the times follow the samples.
    let (times, frame) = (times(sound), 1_024_000_000 / 44_100);
    let span = times[times.len() - 1] - times[0];
    assert!((span - frame * (times.len() as i64 - 1)).abs() < 60_000, "{} frames in {span} µs", times.len());
}

#[test]
fn a_camera_with_another_password_never_takes_its_seat_and_the_log_shows_no_password() {
    let bench = Bench::with("h264", "pcma", "digest", "tcp", "wrong");
    let camera = bench.camera();
    let (hearing, _) = bench.node.convene();
    until("the camera has refused", || bench.node.site.log_text().contains("401").then_some(()));
    assert_eq!(bench.node.presence(&hearing, SEAT), "absent");
    let wrong = bench.setup.url().replace("urt1@", "urt1wrong@");
    let (code, message) = bench.node.refused(&["terminal", "test", &wrong]);
    assert!(code == "terminal_unreached" && message.contains("401") && !message.contains("urt1"), "{code}: {message}");
    let log = bench.node.site.log_text();
    assert!(!log.contains("c%40urt1") && !log.contains("c@urt1"), "{log}");
    drop(camera);
}

/// A node of whose template the witness is a camera.
struct Bench {
    node: Node,
    room: Room,
    setup: Setup,
    clip: std::path::PathBuf,
}

impl Bench {
    fn with(
        picture: &'static str,
        sound: &'static str,
        access: &'static str,
        lower: &'static str,
        spoil: &str,
    ) -> Self {
        let mut site = Site::with_rooms();
        let room = site.room();
        let setup = Setup { address: room.address, picture, sound, access, lower };
        let named = format!("name = \"{SEAT}\"\n");
        let url = setup.url().replace("urt1@", &format!("urt1{spoil}@"));
        site.rest = site.rest.replace(&named, &format!("{named}endpoint = {{ rtsp = \"{url}\" }}\n"));
        // A witness would wait apart.
        site.rest = site.rest.replace("role = \"witness\"", "role = \"guard\"");
        let clip = setup.clip(&site.path(""), NUMBER, 60);
        Self { node: site.run(), room, setup, clip }
    }

    fn camera(&self) -> Camera {
        Camera::start(&self.room.namespace, &self.setup, &self.clip)
    }

    /// The camera takes its seat by itself; the hearing is opened.
    fn open(&self) -> (String, Party, Record) {
        let (hearing, link) = self.node.convene();
        let party = Party::take_in(&self.node.site.room().namespace, &[(0, link("judge"))]);
        for seat in ["judge", SEAT] {
            until("they are connected", || (self.node.presence(&hearing, seat) == "connected").then_some(()));
        }
        until("it is open", || self.node.try_hearing(&["open", &hearing]).status.success().then_some(()));
        let record = Record::of(&self.node.site.path("court/record"), &hearing);
        (hearing, party, record)
    }

    fn wait_for(&self, hearing: &str, presence: &str) {
        until(&format!("the camera is {presence}"), || (self.node.presence(hearing, SEAT) == presence).then_some(()));
    }

    /// What the party saw and heard.
    fn close(&self, hearing: &str, party: Party, record: &Record) -> Value {
        self.node.hearing(&["close", hearing]);
        let report = party.leave();
        until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
        report
    }
}

impl Drop for Bench {
    #[expect(clippy::print_stderr, reason = "a test that failed shows what its node said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.node.site.log_text());
        }
    }
}

const SEAT: &str = "witness";
/// As it is drawn into the pictures.
const NUMBER: u8 = 1;
