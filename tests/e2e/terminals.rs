//! Real SIP terminals in a hearing: baresip registers, is rung, calls, is heard, hears, holds and goes on.

mod lossy;
mod makers;

use std::fs;

use hearing_proto::testcard::tone::frequency;
use serde_json::Value;

use crate::harness::baresip::{Account, Baresip, SOUND};
use crate::harness::court::ffprobe;
use crate::harness::node::{Node, Site, until};
use crate::harness::party::{Party, assert_heard};
use crate::harness::record::{Record, assert_film_sounds};

#[test]
fn terminals_that_are_rung_over_udp_see_and_hear_each_other_and_are_recorded() {
    let node = court("allowed");
    let rooms = rooms(&node, "udp", "");
    let hearing = rung(&node, &rooms);
    let record = Record::of(&node.site.path("court/record"), &hearing);
    until("it is open", || node.try_hearing(&["open", &hearing]).status.success().then_some(()));
    meet(&rooms);
    until("the board shows how a room sounds", || {
        let sound = node.live(&hearing, 1)["quality"]["sound"].clone();
        (sound["mean"].as_u64()? < 40 && sound["echo"].as_u64()? <= 60).then_some(())
    });
    for track in TRACKS {
        until("five seconds are recorded", || (record.lines(track, "cluster").len() >= 2).then_some(()));
    }
    node.hearing(&["close", &hearing]);
    until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    for track in TRACKS {
        let files = record.files(track);
        let packets = ffprobe(&files[0])["packets"].as_array().map_or(0, Vec::len);
        assert!(packets > 100, "{track} has {packets} packets");
    }
    for room in &rooms {
        until("the terminal was hung up", || room.log().contains("terminated").then_some(()));
    }
}

#[test]
fn terminals_with_keys_over_tcp_meet_where_keys_are_required() {
    let node = court("required");
    let rooms = rooms(&node, "tcp", ";mediaenc=srtp-mand");
    until("the terminal is registered", || rooms[0].log().contains("200 OK").then_some(()));
    let trial = node.hearing(&["terminal", "test", "room1", "--seconds", "3"]);
    let encrypted = |what: &str| trial[what]["encrypted"] == true;
    assert!(trial["ok"] == true && encrypted("sound") && encrypted("picture"), "{trial}");
    rung(&node, &rooms);
    meet(&rooms);
}

#[test]
fn a_terminal_that_calls_in_meets_one_that_is_rung_over_tls_with_keys() {
    let node = court("allowed");
    let [tls, udp] = [TLS, SIP].map(|port| format!("{}:{port}", node.site.address));
    let keys = ";mediaenc=srtp-mand";
    let (user, password) = USERS[0];
    let rung = Baresip::run(
        node.site.room(),
        &Account {
            user,
            password,
            node: &tls,
            transport: "tls",
            sound: SOUND,
            more: keys,
            tone: TONES[0],
            register: 60,
        },
    );
    let (user, password) = USERS[1];
    let calls = Baresip::run(
        node.site.room(),
        &Account { user, password, node: &udp, transport: "udp", sound: SOUND, more: "", tone: TONES[1], register: 0 },
    );
    until("it is registered", || rung.log().contains("200 OK").then_some(()));
    calls.command("dial", &format!("sip:hearing@{udp}"));
    until("no hearing has a seat for it", || calls.log().contains("session closed: 404").then_some(()));
    let started = node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "rooms"]);
    let hearing = started["id"].as_str().expect("an id").to_owned();
    until("the first is connected", || (node.presence(&hearing, "judge") == "connected").then_some(()));
    assert_eq!(node.presence(&hearing, "guard"), "absent", "who is not registered can't be rung");
    calls.command("dial", &format!("sip:hearing@{udp}"));
    until("the second is connected", || (node.presence(&hearing, "guard") == "connected").then_some(()));
    meet(&[rung, calls]);
}

#[test]
fn terminals_that_speak_g722_are_heard_at_a_browser_and_hear_it_and_are_recorded_as_they_came() {
    let node = court("allowed");
    let at = format!("{}:{SIP}", node.site.address);
    let room = |(seat, (user, password)): (u8, (&str, &str))| {
        // The first one takes G.711 as well, which is worse.
        let sound = if seat == 0 { "PCMA/8000/1,G722/16000/1" } else { "G722/16000/1" };
        let (tone, transport) = (frequency(seat), "udp");
        let account = Account { user, password, node: &at, transport, sound, more: "", tone, register: 60 };
        Baresip::run(node.site.room(), &account)
    };
    let rooms: Vec<_> = (0..).zip(USERS).map(room).collect();
    for room in &rooms {
        until("the terminal is registered", || room.log().contains("200 OK").then_some(()));
    }
    let trial = node.hearing(&["terminal", "test", "room1"]);
    assert_eq!((&trial["ok"], &trial["sound"]["codec"]), (&Value::from(true), &Value::from("g722")), "{trial}");
    let started = node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "mixed"]);
    let hearing = started["id"].as_str().expect("an id").to_owned();
    let link = started["seats"][2]["link"].as_str().expect("a link").to_owned();
    let party = Party::take_in(&node.site.room().namespace, &[(2, link)]);
    until("counsel waits", || (node.presence(&hearing, "counsel") == "waiting").then_some(()));
    node.hearing(&["admit", &hearing, "counsel", "--identity", "known"]);
    for seat in ["judge", "guard", "counsel"] {
        until("they are connected", || (node.presence(&hearing, seat) == "connected").then_some(()));
    }
    until("it is open", || node.try_hearing(&["open", &hearing]).status.success().then_some(()));
    let record = Record::of(&node.site.path("court/record"), &hearing);
    for (room, others) in rooms.iter().zip([[1, 2], [0, 2]]) {
        for other in others {
            until(&format!("seat {other} is heard"), || room.hears().contains(&other).then_some(()));
        }
    }
    for track in TRACKS {
        until("five seconds are recorded", || (record.lines(track, "cluster").len() >= 2).then_some(()));
    }
    node.hearing(&["close", &hearing]);
    until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    let report = party.leave();
    for (seat, number) in [("judge", 0), ("guard", 1)] {
        let files = record.files(&format!("{seat}-audio"));
        assert_heard(&report, number);
        assert_eq!(ffprobe(&files[0])["streams"][0]["codec_name"], "adpcm_g722");
        record.assert_tone(seat, number);
    }
    assert_film_sounds(&node, &hearing, &[0, 1]);
}

#[test]
fn a_terminal_that_holds_sends_and_gets_nothing_and_goes_on_where_it_was() {
    let node = court("allowed");
    let rooms = rooms(&node, "udp", "");
    let hearing = rung(&node, &rooms);
    meet(&rooms);
    let tracks = || node.live(&hearing, 1)["tracks"].as_array().map_or(0, Vec::len);
    rooms[1].command("hold", "");
    until("nothing comes from it", || (tracks() == 0).then_some(()));
    rooms[1].command("resume", "");
    until("it goes on", || (tracks() == 2).then_some(()));
    meet(&rooms);
}

#[test]
fn a_terminal_is_tried_outside_a_hearing_and_not_while_it_is_in_one() {
    let node = court("allowed");
    assert_eq!(node.refused(&["terminal", "test", "room1"]).0, "terminal_unregistered");
    assert_eq!(node.refused(&["terminal", "test", "nobody"]).0, "unknown_terminal");
    let rooms = rooms(&node, "udp", "");
    for room in &rooms {
        until("the terminal is registered", || room.log().contains("200 OK").then_some(()));
    }
    let trial = node.hearing(&["terminal", "test", "room1"]);
    assert_eq!(trial["ok"], true, "{trial}");
    assert_eq!((trial["sound"]["codec"].as_str(), trial["picture"]["codec"].as_str()), (Some("opus"), Some("h264")));
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("no number in {trial}"));
    // Five seconds at 50 packets of sound and 25 pictures.
    assert!(number(&trial["sound"]["received"]) > 200.0 && number(&trial["sound"]["sent"]) > 150.0, "{trial}");
    assert!(number(&trial["pictures"]) > 75.0, "{trial}");
    assert!((1.0..40.0).contains(&number(&trial["level_db"])), "{trial}");
    assert!(number(&trial["sound"]["lost"]) == 0.0 && number(&trial["round_trip_ms"]) < 100.0, "{trial}");
    until("it was hung up", || rooms[0].log().contains("terminated").then_some(()));
    until("it heard the tone", || (rooms[0].loudness() > 0.0).then_some(()));
    let hearing = rung(&node, &rooms);
    let (code, message) = node.refused(&["terminal", "test", "room1"]);
    assert!(code == "terminal_busy" && message.contains(&hearing), "{code}: {message}");
}

#[test]
fn a_terminal_decodes_a_picture_soon_after_the_order_to_start() {
    let node = court("allowed");
    let rooms = rooms(&node, "udp", "");
    for room in &rooms {
        until("the terminal is registered", || room.log().contains("200 OK").then_some(()));
        room.keep_picture();
    }
    let began = std::time::SystemTime::now();
    node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "rooms"]);
    for room in &rooms {
        let picture = until("a picture was decoded", || room.picture());
        let made = fs::metadata(&picture).and_then(|file| file.created()).expect("the picture's time");
        let after = made.duration_since(began).expect("it is newer than the order");
        eprintln!("first picture {after:?} after hearing start");
    }
}

#[test]
fn a_terminal_that_guesses_is_shut_out_after_five_times_and_a_stranger_may_not_call() {
    let node = court("allowed");
    let at = format!("{}:{SIP}", node.site.address);
    let account = |user, password| Account {
        user,
        password,
        node: &at,
        transport: "udp",
        sound: SOUND,
        more: "",
        tone: 440,
        register: 60,
    };
    let wrong = Baresip::run(node.site.room(), &account("room1", "guess"));
    until("it is shut out", || wrong.log().contains("403 Forbidden").then_some(()));
    assert!(!wrong.log().contains("200 OK"), "{}", wrong.log());
    let stranger = Baresip::run(node.site.room(), &account("nobody", "nothing"));
    stranger.command("dial", &format!("sip:hearing@{at}"));
    until("it is refused", || stranger.log().contains("session closed: 403").then_some(()));
}

/// A node with two terminals for the seats of its template.
fn court(srtp: &str) -> Node {
    court_with(srtp, "")
}

/// The same with more keys of `[sip]`.
fn court_with(srtp: &str, more: &str) -> Node {
    let mut site = Site::with_rooms();
    let address = site.address;
    for (user, secret) in USERS {
        fs::write(site.path(&format!("{user}.secret")), secret).expect("a secret");
    }
    let devices = USERS.map(|(user, _)| format!("[[sip.device]]\nuser = \"{user}\"\nsecret = \"{user}.secret\"\n"));
    site.rest = format!(
        "{}\n[sip]\nudp = \"{address}:{SIP}\"\ntcp = \"{address}:{SIP}\"\n\
         tls = {{ listen = \"{address}:{TLS}\", certificate = \"pki/court.pem\", key = \"pki/court.key\" }}\nsrtp = \"{srtp}\"\nrtp = [30000, 30199]\n{more}\n{}{ROOMS}",
        site.rest,
        devices.concat()
    );
    site.run()
}

fn rooms(node: &Node, transport: &str, more: &str) -> Vec<Baresip> {
    let at = format!("{}:{SIP}", node.site.address);
    let room = |(n, (user, password)): (usize, &(&str, &str))| {
        let account =
            Account { user, password, node: &at, transport, sound: SOUND, more, tone: TONES[n], register: 60 };
        Baresip::run(node.site.room(), &account)
    };
    USERS.iter().enumerate().map(room).collect()
}

/// A hearing whose terminals were rung by themselves.
fn rung(node: &Node, rooms: &[Baresip]) -> String {
    for room in rooms {
        until("the terminal is registered", || room.log().contains("200 OK").then_some(()));
    }
    let started = node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "rooms"]);
    let hearing = started["id"].as_str().expect("an id").to_owned();
    assert!(started["seats"].as_array().expect("seats").iter().all(|seat| seat["link"].is_null()), "{started}");
    for seat in ["judge", "guard"] {
        until("the terminal is connected", || (node.presence(&hearing, seat) == "connected").then_some(()));
    }
    hearing
}

/// The live figures of a seat.
/// Each hears the other's tone.
fn meet(rooms: &[Baresip]) {
    for (n, room) in rooms.iter().enumerate() {
        until("the other's tone is heard", || (room.heard(TONES[1 - n]) > 0.5).then_some(()));
    }
}

const TRACKS: [&str; 4] = ["judge-audio", "judge-video", "guard-audio", "guard-video"];
const SIP: u16 = 5060;
const TLS: u16 = 5061;
const TONES: [u32; 2] = [440, 1_000];
const USERS: [(&str, &str); 2] = [("room1", "secret-of-one"), ("room2", "secret-of-two")];
const ROOMS: &str = r#"
[[template]]
name = "rooms"
title = "远程提讯"
title_en = "Rooms"

[[template.seat]]
name = "judge"
title = "审判员"
title_en = "Judge"
role = "judge"
zone = "tripartite"
endpoint = { sip = "sip:room1@court" }

[[template.seat]]
name = "guard"
title = "法警"
title_en = "Guard"
role = "guard"
zone = "tripartite"
endpoint = { sip = "sip:room2@court" }

[[template]]
name = "mixed"
title = "混合"
title_en = "Mixed"

[[template.seat]]
name = "judge"
title = "审判员"
title_en = "Judge"
role = "judge"
zone = "tripartite"
endpoint = { sip = "sip:room1@court" }

[[template.seat]]
name = "guard"
title = "法警"
title_en = "Guard"
role = "guard"
zone = "tripartite"
endpoint = { sip = "sip:room2@court" }

[[template.seat]]
name = "counsel"
title = "辩护人"
title_en = "Counsel"
role = "counsel"
zone = "tripartite"
"#;
