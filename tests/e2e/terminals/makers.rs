//! Terminals of another maker: linphone, whose SIP, media and codecs (belle-sip, mediastreamer, OpenH264) have nothing in common with
//! baresip's. It knows SHA-256, which baresip does not.

use std::path::PathBuf;

use hearing_proto::testcard::tone::{SAMPLE_RATE, tones};

use super::{TLS, USERS, court_with};
use crate::harness::camera::Setup;
use crate::harness::linphone::Linphone;
use crate::harness::node::{Node, until};
use crate::harness::record::{Record, marks, samples};

#[test]
fn terminals_that_prove_themselves_by_sha_256_over_tls_meet_with_keys_are_recorded_hold_and_are_called_back() {
    let node = court_with("required", "digest = [\"SHA-256\"]");
    let at = format!("{}:{TLS}", node.site.address);
    let rooms = USERS.map(|(user, password)| {
        let linphone = Linphone::run(&node.site.room(), &node.site.path("pki/root.pem"));
        linphone.register(user, password, &at);
        assert!(linphone.log().contains("algorithm=SHA-256, username="), "{}", linphone.log());
        linphone
    });
    let started = node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "rooms"]);
    let hearing = started["id"].as_str().expect("an id");
    let connected = || {
        for seat in ["judge", "guard"] {
            until("it is connected", || (node.presence(hearing, seat) == "connected").then_some(()));
        }
    };
    connected();
    (0..).zip(&rooms).for_each(|(seat, room)| room.show(&clip(&node, seat)));
    until("it is open", || node.try_hearing(&["open", hearing]).status.success().then_some(()));
    for (room, other) in rooms.iter().zip([1, 0]) {
        until("the other is heard", || room.hears().contains(&other).then_some(()));
        until("a picture is decoded", || room.log().contains("First video frame decoded").then_some(()));
    }
    let record = Record::of(&node.site.path("court/record"), hearing);
    until("five seconds are recorded", || (record.lines("judge-audio", "cluster").len() >= 2).then_some(()));

    // While it holds it goes on sending, as others send music.
    let gets = || node.live(hearing, 0)["quality"]["down_kbps"].as_u64();
    rooms[0].hold();
    until("nothing is sent to it", || (gets() == Some(0)).then_some(()));
    rooms[0].resume();
    until("it goes on", || (gets() > Some(0)).then_some(()));
    rooms[0].hang_up();
    until("its seat is empty", || (node.presence(hearing, "judge") == "admitted").then_some(()));
    connected();
    node.hearing(&["close", hearing]);
    until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    let cards =
        record.files("judge-video").iter().flat_map(|file| marks(file)).flatten().filter(|mark| mark.seat == 0).count();
    assert!(cards >= 50, "{cards} pictures of the clip");
    let sound: Vec<_> = record.files("judge-audio").iter().flat_map(|file| samples(file)).collect();
    let heard = sound.chunks_exact(SAMPLE_RATE as usize / 10).filter(|tenth| tones(tenth) == [0]).count();
    assert!(heard >= 30, "its tone in {heard} tenths of a second");
}

/// The test card and the tone of a seat, in codecs that linphone knows.
fn clip(node: &Node, seat: u8) -> PathBuf {
    let directory = node.site.path(&format!("clip{seat}"));
    std::fs::create_dir(&directory).expect("a folder");
    let setup = Setup { address: node.site.address, picture: "h264", sound: "opus", access: "open", lower: "any" };
    setup.clip(&directory, seat, 60)
}
