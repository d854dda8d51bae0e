//! Many calls at once: terminals of four hearings call in, stay and hang up, as fast as a court's whole building might after a
//! power cut, while as many others register. None fails and nothing is left of them.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::harness::netns;
use crate::harness::node::{Node, Site, until};

#[test]
fn two_hundred_calls_at_fifty_a_second_find_their_seats_and_leave_no_dialog() {
    let node = building();
    for hall in 0..HALLS {
        node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", &format!("hall{hall}")]);
    }
    let calls = Sipp::run(&node, "sipp-call.xml", "seat", SEATS, 200);
    let registrations = Sipp::run(&node, "sipp-register.xml", "door", DOORS, 200);
    until("calls are up", || node.metric("hearing_sip_dialogs").filter(|dialogs| *dialogs > 3.0));
    for (what, run) in [("calls", calls), ("registrations", registrations)] {
        let failed = run.failed();
        assert_eq!(failed, None, "{what}\n{}", node.site.log_text());
    }
    until("no dialog is left", || (node.metric("hearing_sip_dialogs") == Some(0.0)).then_some(()));
    let failed = Sipp::run(&node, "sipp-delayed.xml", "seat", SEATS, 50).failed();
    assert_eq!(failed, None, "calls without an offer\n{}", node.site.log_text());
    until("no dialog is left", || (node.metric("hearing_sip_dialogs") == Some(0.0)).then_some(()));
    assert_eq!(node.metric("hearing_sip_answers_bad_total").unwrap_or(0.0), 0.0);
    let registered = node.hearing(&["terminal", "list"]);
    let registered =
        registered.as_array().expect("a list").iter().filter(|device| device["address"].is_string()).count();
    assert_eq!(registered, DOORS);
}

/// A run of sipp.
struct Sipp(Child);

impl Sipp {
    /// So many calls of a scenario at 50/s from a room of its own, by the users `name0` to `nameN` in turn.
    fn run(node: &Node, scenario: &str, name: &str, users: usize, calls: u32) -> Self {
        let list = node.site.path(&format!("{name}.csv"));
        let line = |user: String| format!("{user};[authentication username={user} password={}]\n", secret(&user));
        let lines: String = (0..users).map(|n| line(format!("{name}{n}"))).collect();
        fs::write(&list, format!("SEQUENTIAL\n{lines}")).expect("a list of users");
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(scenario);
        let room = node.site.room();
        let child = netns::command(&room.namespace, "sipp")
            .args([&format!("{}:{SIP}", node.site.address), "-i", &room.address.to_string(), "-nostdin", "-r", "50"])
            .args(["-m", &calls.to_string(), "-l", "200", "-timeout", "40s", "-timeout_error", "-trace_err", "-sf"])
            .arg(scenario)
            .arg("-inf")
            .arg(&list)
            .arg("-error_file")
            .arg(node.site.path(&format!("{name}.errors")))
            .env("TERM", "xterm")
            .current_dir(list.parent().expect("a folder"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sipp is installed by scripts/setup");
        Self(child)
    }

    /// What went wrong; `None` when every call was good.
    fn failed(self) -> Option<String> {
        let output = self.0.wait_with_output().expect("sipp ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        // Its last screen alone: the others tell the same of earlier seconds.
        let last = said.rsplit("Scenario Screen").next().unwrap_or_default().to_owned();
        (!output.status.success()).then_some(last)
    }
}

/// A node with terminals for the seats of its halls, and others that stand at no seat.
fn building() -> Node {
    let mut site = Site::with_rooms();
    let address = site.address;
    let (seats, doors) = ((0..SEATS).map(|n| format!("seat{n}")), (0..DOORS).map(|n| format!("door{n}")));
    let devices: String = seats.chain(doors).map(|user| device(&site, &user)).collect();
    let halls: String = (0..HALLS).map(hall).collect();
    site.rest = format!("{}\n[sip]\nudp = \"{address}:{SIP}\"\nrtp = [30000, 30999]\n{devices}{halls}", site.rest);
    // What is measured is calls; a mix for each of fifty a second is more than any court has.
    site.media = false;
    site.run()
}

fn device(site: &Site, user: &str) -> String {
    fs::write(site.path(&format!("{user}.secret")), secret(user)).expect("a secret");
    format!("[[sip.device]]\nuser = \"{user}\"\nsecret = \"{user}.secret\"\n")
}

fn hall(hall: usize) -> String {
    let seat = |n: usize| {
        let (role, required) = if n == 0 { ("judge", "\"audio\"") } else { ("guard", "") };
        let user = hall * SEATS / HALLS + n;
        format!(
            "[[template.seat]]\nname = \"seat{n}\"\ntitle = \"席\"\ntitle_en = \"Seat\"\nrole = \"{role}\"\nzone = \"tripartite\"\n\
             required = [{required}]\nendpoint = {{ sip = \"sip:seat{user}@court\" }}\n"
        )
    };
    let seats: String = (0..SEATS / HALLS).map(seat).collect();
    format!("\n[[template]]\nname = \"hall{hall}\"\ntitle = \"法庭\"\ntitle_en = \"Hall\"\n{seats}")
}

fn secret(user: &str) -> String {
    format!("secret-of-{user}")
}

const SIP: u16 = 5060;
const HALLS: usize = 4;
const SEATS: usize = 64;
const DOORS: usize = 50;
