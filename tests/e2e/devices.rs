//! GB/T 28181 devices in a hearing: what they show is in the record however it travels, they hear what is said, and are moved.

use std::fs;

use hearing_proto::testcard::tone::frequency;
use serde_json::Value;

use crate::harness::court::ffprobe;
use crate::harness::device::{Account, Clip, Device, Foreign};
use crate::harness::node::{Node, Site, until};
use crate::harness::party::{Party, assert_heard};
use crate::harness::record::Record;
use crate::harness::rooms::Room;

#[test]
fn a_device_over_udp_is_recorded_hears_the_court_and_comes_back_after_it_was_cut_off() {
    let bench = Bench::with("h264", CAMERA, "transport = \"udp\"");
    let device = bench.device("4571");
    let (hearing, party, record) = bench.open();
    device.wait_for("listens sendonly");
    until("the judge is heard at the device", || (device.hears(frequency(0)) > 0.5).then_some(()));
    bench.wait_for_sound(&hearing);
    assert!(device.log().contains("key frame"), "the recorder needs a key frame to begin with: {}", device.log());
    assert!(device.log().contains("told date 3.0"), "{}", device.log());
    device.wait_for("report right");
    record.wait_for_seconds(SEAT, 1);
    drop(device);
    bench.wait_for(&hearing, "admitted");
    let again = bench.device("4571");
    bench.wait_for(&hearing, "connected");
    record.wait_for_seconds(SEAT, 2);
    bench.close(&hearing, party, &record);
    again.wait_for("hung up");
    again.wait_for("talk over");
    // Two runs of the clip, each from its beginning.
    let (shown, runs) = record.shown(SEAT, NUMBER);
    assert!(runs == 2 && shown >= 100, "{shown} pictures in {runs} runs");
    record.assert_tone(SEAT, NUMBER);
}

#[test]
fn a_device_that_signals_over_tcp_is_recorded_hears_the_court_and_comes_back_over_another_connection() {
    let bench = Bench::with("h264", CAMERA, "transport = \"tcp-passive\"");
    let device = bench.start(SECRET, CAMERA, ("4571", "tcp", "broadcast"));
    device.wait_for("registration 200");
    let listed = bench.node.hearing(&["terminal", "list"]);
    assert!(listed[0]["address"].as_str().is_some_and(|at| at.starts_with("TCP ")), "{listed}");
    let (hearing, party, record) = bench.open();
    device.wait_for("listens sendonly");
    until("the judge is heard at the device", || (device.hears(frequency(0)) > 0.5).then_some(()));
    device.wait_for("key frame");
    record.wait_for_seconds(SEAT, 1);
    drop(device);
    bench.wait_for(&hearing, "admitted");
    let again = bench.start(SECRET, CAMERA, ("4571", "tcp", "broadcast"));
    bench.wait_for(&hearing, "connected");
    record.wait_for_seconds(SEAT, 2);
    bench.close(&hearing, party, &record);
    again.wait_for("hung up");
    again.wait_for("talk over");
    let (shown, runs) = record.shown(SEAT, NUMBER);
    assert!(runs == 2 && shown >= 100, "{shown} pictures in {runs} runs");
    record.assert_tone(SEAT, NUMBER);
}

#[test]
fn a_device_that_fetches_nothing_is_invited_to_talk_and_hears_the_court() {
    let bench = Bench::with("h264", CAMERA, "");
    let device = bench.start(SECRET, CAMERA, ("4571", "udp", "invite"));
    let (hearing, party, record) = bench.open();
    device.wait_for(&format!("talks subject {CAMERA}:"));
    until("the judge is heard at the device", || (device.hears(frequency(0)) > 0.5).then_some(()));
    bench.close(&hearing, party, &record);
    device.wait_for("talk over");
}

#[test]
fn a_device_that_connects_for_what_it_is_told_hears_the_court() {
    assert_told_over_tcp("broadcast-active", "", "listens sendonly TCP");
}

#[test]
fn a_device_that_is_connected_to_for_what_it_is_told_hears_the_court() {
    assert_told_over_tcp("broadcast-passive", "", "listens sendonly TCP");
}

#[test]
fn a_device_whose_media_goes_over_tcp_is_invited_to_talk_over_tcp_and_connects() {
    assert_told_over_tcp("invite", "transport = \"tcp-passive\"", "talks subject");
}

#[test]
fn a_device_whose_media_goes_over_tcp_is_invited_to_talk_over_tcp_and_is_connected_to() {
    assert_told_over_tcp("invite", "transport = \"tcp-active\"", "talks subject");
}

#[test]
fn a_device_that_does_not_read_what_it_is_told_is_told_no_more_and_is_recorded_on() {
    let bench = Bench::with("h264", CAMERA, "");
    let device = bench.start(SECRET, CAMERA, ("4571", "udp", "broadcast-deaf"));
    let (hearing, party, record) = bench.open();
    device.wait_for("connected for sound");
    until("its talk is ended", || bench.node.site.log_text().contains("it has taken no sound for 5 s").then_some(()));
    device.wait_for("talk over");
    record.wait_for_seconds(SEAT, 1);
    let left_out = bench.node.metric("hearing_gb28181_sound_left_out_total");
    assert!(left_out.is_some_and(|packets| packets >= 100.0), "{left_out:?}");
    bench.close(&hearing, party, &record);
    bench.assert_recorded(&record);
}

#[test]
fn a_device_with_aac_is_heard_at_a_browser_and_recorded_as_it_came() {
    let bench = Bench::speaking("aac", "h264", CAMERA, "talk = false");
    let _device = bench.device("4571");
    let (report, record) = bench.recorded();
    assert_heard(&report, NUMBER);
    let sound = &record.files(&format!("{SEAT}-audio"))[0];
    let probed = ffprobe(sound);
    let stream = &probed["streams"][0];
    assert_eq!((&stream["codec_name"], &stream["sample_rate"]), (&Value::from("aac"), &Value::from("44100")));
}

#[test]
fn a_device_that_connects_for_its_media_is_recorded() {
    let bench = Bench::with("h264", CAMERA, "transport = \"tcp-passive\"\ntalk = false");
    let device = bench.device("4571");
    let (hearing, party, record) = bench.open();
    bench.wait_for_sound(&hearing);
    record.wait_for_seconds(SEAT, 1);
    bench.close(&hearing, party, &record);
    bench.assert_recorded(&record);
    assert!(device.log().contains("invited TCP/RTP/AVP"), "{}", device.log());
    assert!(!device.log().contains("listens"), "it is not to be spoken to: {}", device.log());
}

#[test]
fn a_device_that_is_connected_to_and_frames_as_rtsp_does_is_recorded() {
    let bench = Bench::with("h265", CAMERA, "transport = \"tcp-active\"\ntalk = false");
    let _device = bench.device("dollar");
    bench.recorded();
}

#[test]
fn a_channel_is_found_through_its_device_and_leaves_its_seat_when_its_media_ends() {
    let bench = Bench::with("h264", CHANNEL, "talk = false");
    let mut device = bench.device("4571");
    let (hearing, _party, _record) = bench.open();
    device.wait_for(&format!("subject {CHANNEL}:"));
    bench.node.hearing(&["terminal", "ptz", CHANNEL, "left", "--speed", "100"]);
    device.wait_for(&format!("moved A50F0102FF0000B6 of {CHANNEL}"));
    bench.node.hearing(&["terminal", "ptz", CHANNEL, "preset-go", "--preset", "3"]);
    device.wait_for(&format!("moved A50F01820003003A of {CHANNEL}"));
    let calls = device.log().matches("invited").count();
    device.command("end");
    until("it is invited anew", || (device.log().matches("invited").count() > calls).then_some(()));
    bench.wait_for(&hearing, "connected");
    device.command("bye");
    until("and anew", || (device.log().matches("invited").count() > calls + 1).then_some(()));
    device.command("off");
    until("its channel is gone", || {
        let listed = bench.node.hearing(&["terminal", "list"]);
        let channels = listed[0]["channels"].as_array().expect("channels").clone();
        channels.iter().any(|channel| channel["id"] == CHANNEL && channel["on"] == false).then_some(())
    });
    let (code, _) = bench.node.refused(&["terminal", "ptz", CHANNEL, "stop"]);
    assert_eq!(code, "unknown_terminal");
}

#[test]
fn a_device_of_another_maker_registers_is_known_is_moved_and_hears_the_court() {
    let bench = Bench::with("h264", SPEAKER, "");
    let at = (bench.node.site.address, SIP);
    let foreign = Foreign::run(&bench.room, at, (SPEAKER, SECRET), (CHANNEL, "证人室"));
    let listed = |wanted: &dyn Fn(&Value) -> bool| {
        until("the node knows the device", || {
            let listed = bench.node.hearing(&["terminal", "list"]);
            let device = listed.as_array().expect("terminals").iter().find(|device| device["user"] == SPEAKER).cloned();
            device.filter(|device| wanted(device))
        })
    };
    let known = listed(&|device| device["well"] == true && device["name"] == "第一审判庭");
    assert_eq!((&known["kind"], &known["version"]), (&Value::from("gb28181"), &Value::from("3.0")));
    let channels = known["channels"].as_array().expect("channels");
    assert!(channels.iter().any(|channel| channel["id"] == CHANNEL && channel["name"] == "证人室"), "{known}");

    bench.node.hearing(&["terminal", "ptz", CHANNEL, "up", "--speed", "50"]);
    bench.node.hearing(&["terminal", "ptz", CHANNEL, "preset-go", "--preset", "3"]);
    until("it was moved", || (foreign.moved().len() == 2).then_some(()));
    let moved = format!("{:?}", foreign.moved());
    assert!(moved.contains("bits: 8") && moved.contains("tilt_speed: 127"), "{moved}");
    // It looks for the preset's number in byte 7, where the standard (A.3.4) has it in byte 6: ours is read in the test of a channel.
    assert!(moved.contains("Preset { action: Call"), "{moved}");

    let (hearing, party, _record) = bench.open();
    until("the judge is heard at the device", || (foreign.hears(frequency(0)) > 0.5).then_some(()));
    assert_eq!(bench.node.presence(&hearing, SEAT), "connected");

    // Its notices lack the tag of their From (RFC 3261, section 8.1.1.3) and get no further than our stack: what they tell is read in
    // the test of a channel.
    until("the node asks to be told what changes", || foreign.gains("34020000001320000055", "新通道").then_some(()));
    foreign.leave();
    listed(&|device| device["address"].is_null());
    bench.wait_for(&hearing, "admitted");
    drop(party);
}

#[test]
fn a_device_that_guesses_is_shut_out_and_a_stranger_is_not_asked_for_its_password() {
    let bench = Bench::with("h264", CAMERA, "");
    let guesser = bench.run("guess", CAMERA, "4571");
    guesser.wait_for("registration 403");
    let log = guesser.log();
    assert!(log.contains("registration 401") && !log.contains("registration 200"), "{log}");
    drop(guesser);
    // From this address nothing is listened to any more, whatever its password.
    let shut_out = bench.run(SECRET, CAMERA, "4571");
    shut_out.wait_for("registration 403");
    assert!(!shut_out.log().contains("registration 401"), "{}", shut_out.log());
    drop(shut_out);
    let bench = Bench::with("h264", CAMERA, "");
    let stranger = bench.run(SECRET, "34020000001320000099", "4571");
    stranger.wait_for("registration 403");
    assert!(!stranger.log().contains("registration 401"), "{}", stranger.log());
}

#[test]
fn a_device_that_sends_nothing_but_rubbish_is_shut_out_and_its_call_ends() {
    let bench = Bench::with("h264", CAMERA, "talk = false");
    let mut device = bench.device("4571");
    let (hearing, _party, _record) = bench.open();
    device.command("rubbish");
    device.wait_for("message 400");
    device.wait_for("message 403");
    bench.wait_for(&hearing, "admitted");
    let listed = bench.node.hearing(&["terminal", "list"]);
    assert!(listed[0]["address"].is_null(), "{listed}");
    assert!(bench.node.site.log_text().contains("shut out"));
}

/// A device hears the court over TCP, in whole packets, until the hearing is over.
fn assert_told_over_tcp(talk: &str, more: &str, words: &str) {
    let bench = Bench::with("h264", CAMERA, more);
    let device = bench.start(SECRET, CAMERA, ("4571", "udp", talk));
    let (hearing, party, record) = bench.open();
    device.wait_for(words);
    device.wait_for("connected for sound");
    until("the judge is heard at the device", || (device.hears(frequency(0)) > 0.5).then_some(()));
    record.wait_for_seconds(SEAT, 1);
    bench.close(&hearing, party, &record);
    device.wait_for("talk over");
    device.wait_for("sound over");
    assert!(!device.log().contains("no sound"), "{}", device.log());
    bench.assert_recorded(&record);
}

/// A node of whose template the witness is a device.
struct Bench {
    node: Node,
    room: Room,
    clip: Clip,
}

impl Bench {
    fn with(codec: &'static str, seat: &str, more: &str) -> Self {
        Self::speaking("pcma", codec, seat, more)
    }

    fn speaking(sound: &'static str, codec: &'static str, seat: &str, more: &str) -> Self {
        let mut site = Site::with_rooms();
        let address = site.address;
        fs::write(site.path("device.secret"), SECRET).expect("a secret");
        let named = format!("name = \"{SEAT}\"\n");
        site.rest = site.rest.replace(&named, &format!("{named}endpoint = {{ gb28181 = \"{seat}\" }}\n"));
        // A witness would wait apart.
        site.rest = site.rest.replace("role = \"witness\"", "role = \"guard\"");
        let device = |id: &str| format!("[[gb28181.device]]\nid = \"{id}\"\nsecret = \"device.secret\"\n{more}\n");
        site.rest = format!(
            "{}\n[gb28181]\nid = \"{PLATFORM}\"\nudp = \"{address}:{SIP}\"\ntcp = \"{address}:{SIP}\"\n\
             keepalive = 2\nrtp = [31000, 31199]\n{}{}",
            site.rest,
            device(CAMERA),
            device(SPEAKER)
        );
        let clip = Clip::make(&site.path(""), (codec, sound), NUMBER, 60);
        Self { room: site.room(), node: site.run(), clip }
    }

    fn device(&self, framing: &str) -> Device {
        self.run(SECRET, CAMERA, framing)
    }

    fn run(&self, password: &str, id: &str, framing: &str) -> Device {
        self.start(password, id, (framing, "udp", "broadcast"))
    }

    fn start(&self, password: &str, id: &str, (framing, signalling, talk): (&str, &str, &str)) -> Device {
        let platform = (self.node.site.address, SIP);
        let account = Account { platform, id, password, framing, signalling, talk };
        Device::run(&self.room, &self.node.site.path(""), &self.clip, &account)
    }

    /// The device takes its seat by itself; the hearing is opened.
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

    /// A hearing with the device, from its beginning to its end; what the party saw and heard.
    fn recorded(&self) -> (Value, Record) {
        let (hearing, party, record) = self.open();
        record.wait_for_seconds(SEAT, 1);
        let report = self.close(&hearing, party, &record);
        self.assert_recorded(&record);
        (report, record)
    }

    fn assert_recorded(&self, record: &Record) {
        let (shown, runs) = record.shown(SEAT, NUMBER);
        assert!(runs == 1 && shown >= 50, "{shown} pictures in {runs} runs");
        record.assert_tone(SEAT, NUMBER);
    }

    /// The board tells how the device's room sounds: a tone a quarter as loud as can be, and no echo of the judge.
    fn wait_for_sound(&self, hearing: &str) {
        until("the board shows how the room sounds", || {
            let sound = self.node.live(hearing, NUMBER)["quality"]["sound"].clone();
            let good = sound["mean"].as_u64()? < 40 && sound["clipped"] == 0 && sound["echo"].as_u64()? <= 60;
            good.then_some(())
        });
    }

    fn wait_for(&self, hearing: &str, presence: &str) {
        until(&format!("the device is {presence}"), || (self.node.presence(hearing, SEAT) == presence).then_some(()));
    }

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
const SIP: u16 = 5_060;
const SECRET: &str = "secret-of-the-device";
const PLATFORM: &str = "34020000002000000001";
const CAMERA: &str = "34020000001320000001";
const SPEAKER: &str = "34020000001370000001";
const CHANNEL: &str = "34020000001320000009";
