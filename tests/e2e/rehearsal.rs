//! The rehearsal of templates with terminals and devices: a built-in SIP terminal or GB/T 28181 device takes each one's seat, and the
//! real one is not rung.

use std::fs;

use serde_json::Value;

use crate::harness::device::{Account, Clip, Device};
use crate::harness::node::{Node, Site, until};

#[test]
fn a_sip_terminal_is_rehearsed_by_a_built_in_one_and_the_real_one_is_not_rung() {
    let site = Site::with_rooms();
    let real = site.room().socket();
    real.set_nonblocking(true).expect("a socket");
    let aor = format!("sip:room@{}", real.local_addr().expect("an address"));
    let sip = format!("[sip]\nudp = \"{}:{SIP}\"\n", site.address);
    let node =
        court(site, &sip, &[BROWSER_JUDGE, BROWSER_GUARD, ("defendant", "defendant", "tripartite", &sip_seat(&aor))]);
    let (code, report) = rehearse(&node);
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "{report:#}\n{}", node.site.log_text());
    assert_eq!(endpoints(&report), ["browser", "browser", "sip"], "{report:#}");
    for (from, to) in [("judge", "defendant"), ("guard", "defendant"), ("defendant", "judge"), ("defendant", "guard")] {
        assert_well(&report, from, to);
    }
    assert_eq!(report["record"]["tracks"], 6, "{report:#}");
    assert_eq!(real.recv(&mut [0; 2_048]).map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock));
    until("no call is left", || (node.metric("hearing_sip_dialogs") == Some(0.0)).then_some(()));
}

#[test]
fn terminals_of_two_zones_are_rehearsed_each_at_its_own_node_with_keys_over_tcp_where_they_are_required() {
    let site = Site::court();
    let mut edge = Site::edge(&site);
    edge.rest +=
        &format!("{BACK}{THERE}[sip]\ntcp = \"{}:{SIP}\"\nsrtp = \"required\"\ndigest = [\"SHA-256\"]\n", edge.address);
    let rooms = [
        ("judge", "judge", "tripartite", &*sip_seat("sip:judge@court")),
        ("counsel", "counsel", "internet", &*sip_seat("sip:lawyer@edge")),
    ];
    let more = format!("{BACK}[sip]\nudp = \"{}:{SIP}\"\n", site.address);
    let node = court(site, &more, &rooms);
    let edge = edge.run();
    until("the trunk is up", || node.has_trunk().then_some(()));
    let (code, report) = rehearse(&node);
    let logs = || format!("{report:#}\n{}\n{}", node.site.log_text(), edge.site.log_text());
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "{}", logs());
    assert_eq!(endpoints(&report), ["sip", "sip"], "{report:#}");
    assert_well(&report, "judge", "counsel");
    assert_well(&report, "counsel", "judge");
    assert_eq!(report["record"]["frames_missing"], 0, "{report:#}");
}

#[test]
fn a_terminal_of_a_node_that_listens_over_tls_alone_is_rehearsed_by_tls_with_keys() {
    let site = Site::court();
    let sip = format!(
        "[sip]\ntls = {{ listen = \"{}:5061\", certificate = \"pki/court.pem\", key = \"pki/court.key\" }}\nsrtp = \"required\"\n",
        site.address
    );
    let seat = sip_seat("sip:room@court");
    let node = court(site, &sip, &[BROWSER_JUDGE, ("defendant", "defendant", "tripartite", &seat)]);
    let (code, report) = rehearse(&node);
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "{report:#}\n{}", node.site.log_text());
    assert_eq!(endpoints(&report), ["browser", "sip"], "{report:#}");
    assert_well(&report, "judge", "defendant");
    assert_well(&report, "defendant", "judge");
    until("no call is left", || (node.metric("hearing_sip_dialogs") == Some(0.0)).then_some(()));
}

#[test]
fn a_terminal_whose_node_has_no_sip_fails_the_rehearsal_in_words() {
    let site = Site::court();
    let mut edge = Site::edge(&site);
    edge.rest += &format!("{BACK}{THERE}");
    let rooms = [BROWSER_JUDGE, ("counsel", "counsel", "internet", &*sip_seat("sip:lawyer@edge"))];
    let node = court(site, BACK, &rooms);
    let _edge = edge.run();
    until("the trunk is up", || node.has_trunk().then_some(()));
    let (code, report) = rehearse(&node);
    assert_eq!((code, &report["ok"]), (1, &Value::Bool(false)), "{report:#}");
    let faults = report["faults"].to_string();
    assert!(faults.contains("counsel: 本节点未配置 [sip]") && faults.contains("has no [sip]"), "{faults}");
}

#[test]
fn a_device_is_rehearsed_by_a_built_in_one_beside_a_terminal_and_the_real_one_is_not_invited() {
    let site = Site::with_rooms();
    let room = site.room();
    let (address, directory) = (site.address, site.path(""));
    fs::write(site.path("device.secret"), SECRET).expect("a secret");
    let devices = format!(
        "[sip]\nudp = \"{address}:{SIP}\"\n[gb28181]\nid = \"{PLATFORM}\"\nudp = \"{address}:{GB28181}\"\nkeepalive = 2\n\
         [[gb28181.device]]\nid = \"{REAL}\"\nsecret = \"device.secret\"\n"
    );
    let (device, phone) = (gb28181_seat(REAL), sip_seat("sip:lawyer@court"));
    let seats = [
        BROWSER_JUDGE,
        ("counsel", "counsel", "tripartite", &*phone),
        ("defendant", "defendant", "tripartite", &*device),
    ];
    let node = court(site, &devices, &seats);
    let clip = Clip::make(&directory, ("h264", "pcma"), 9, 5);
    let platform = (address, GB28181);
    let (framing, signalling, talk) = ("4571", "udp", "broadcast");
    let account = Account { platform, id: REAL, password: SECRET, framing, signalling, talk };
    let real = Device::run(&room, &directory, &clip, &account);
    real.wait_for("registration 200");
    let (code, report) = rehearse(&node);
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "{report:#}\n{}", node.site.log_text());
    assert_eq!(endpoints(&report), ["browser", "sip", "gb28181"], "{report:#}");
    for (from, to) in [("defendant", "judge"), ("defendant", "counsel"), ("judge", "counsel"), ("counsel", "judge")] {
        assert_well(&report, from, to);
    }
    for from in ["judge", "counsel"] {
        assert_heard_only(&report, from, "defendant");
    }
    assert_eq!(report["record"]["tracks"], 6, "{report:#}");
    assert!(!real.log().contains("invited") && !real.log().contains("listens"), "{}", real.log());
    let listed = node.hearing(&["terminal", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "the built-in one is listed nowhere: {listed}");
}

#[test]
fn a_device_of_another_zone_is_rehearsed_there_over_tcp() {
    let site = Site::court();
    let mut edge = Site::edge(&site);
    edge.rest += &format!("{BACK}{THERE}[gb28181]\nid = \"{PLATFORM}\"\ntcp = \"{}:{GB28181}\"\n", edge.address);
    let rooms = [BROWSER_JUDGE, ("counsel", "counsel", "internet", &*gb28181_seat(REAL))];
    let node = court(site, BACK, &rooms);
    let edge = edge.run();
    until("the trunk is up", || node.has_trunk().then_some(()));
    let (code, report) = rehearse(&node);
    let logs = || format!("{report:#}\n{}\n{}", node.site.log_text(), edge.site.log_text());
    assert_eq!((code, &report["ok"]), (0, &Value::Bool(true)), "{}", logs());
    assert_eq!(endpoints(&report), ["browser", "gb28181"], "{report:#}");
    assert_heard_only(&report, "judge", "counsel");
    assert_well(&report, "counsel", "judge");
}

#[test]
fn a_device_whose_node_has_no_gb28181_fails_the_rehearsal_in_words() {
    let site = Site::court();
    let mut edge = Site::edge(&site);
    edge.rest += &format!("{BACK}{THERE}");
    let rooms = [BROWSER_JUDGE, ("counsel", "counsel", "internet", &*gb28181_seat(REAL))];
    let node = court(site, BACK, &rooms);
    let _edge = edge.run();
    until("the trunk is up", || node.has_trunk().then_some(()));
    let (code, report) = rehearse(&node);
    assert_eq!((code, &report["ok"]), (1, &Value::Bool(false)), "{report:#}");
    let faults = report["faults"].to_string();
    assert!(faults.contains("counsel: 本节点未配置 [gb28181]") && faults.contains("has no [gb28181]"), "{faults}");
}

/// Runs a rehearsal of a few seconds: the exit code and the report.
fn rehearse(node: &Node) -> (i32, Value) {
    let output = node.try_hearing(&["rehearse", "--template", "rooms", "--seconds", "8"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no report: {said}\n{}", node.site.log_text()));
    (output.status.code().expect("no signal ended it"), report)
}

fn endpoints(report: &Value) -> Vec<&str> {
    let seats = report["seats"].as_array().expect("seats");
    seats.iter().map(|seat| seat["endpoint"].as_str().expect("an endpoint")).collect()
}

/// Enough frames were read and the tone was heard.
fn assert_well(report: &Value, from: &str, to: &str) {
    let pairs = report["pairs"].as_array().expect("pairs");
    let pair = pairs.iter().find(|pair| pair["from"] == from && pair["to"] == to);
    let pair = pair.unwrap_or_else(|| panic!("no pair {from} -> {to}: {report:#}"));
    assert!(pair["frames"].as_u64() > Some(20) && pair["tone"] == true, "{pair:#}");
}

/// The tone was heard, and no picture was sent to what has no screen.
fn assert_heard_only(report: &Value, from: &str, to: &str) {
    let pairs = report["pairs"].as_array().expect("pairs");
    let pair = pairs.iter().find(|pair| pair["from"] == from && pair["to"] == to);
    let pair = pair.unwrap_or_else(|| panic!("no pair {from} -> {to}: {report:#}"));
    assert!(pair["frames"] == 0 && pair["tone"] == true, "{pair:#}");
}

/// A court with a template `rooms` of these seats, each a name, a role, a zone and an endpoint.
fn court(mut site: Site, more: &str, seats: &[(&str, &str, &str, &str)]) -> Node {
    let seat = |(name, role, zone, endpoint): &(&str, &str, &str, &str)| {
        format!(
            "[[template.seat]]\nname = \"{name}\"\ntitle = \"席位\"\ntitle_en = \"Seat\"\nrole = \"{role}\"\nzone = \"{zone}\"\n\
             endpoint = {endpoint}\n"
        )
    };
    let seats: String = seats.iter().map(seat).collect();
    let template = format!("[[template]]\nname = \"rooms\"\ntitle = \"远程提讯\"\ntitle_en = \"Rooms\"\n{seats}");
    site.rest = format!("{}\n{template}\n{more}", site.rest);
    site.run()
}

fn sip_seat(aor: &str) -> String {
    format!("{{ sip = \"{aor}\" }}")
}

fn gb28181_seat(id: &str) -> String {
    format!("{{ gb28181 = \"{id}\" }}")
}

const SIP: u16 = 5060;
const GB28181: u16 = 5061;
const PLATFORM: &str = "34020000002000000001";
const REAL: &str = "34020000001320000001";
const SECRET: &str = "secret-of-the-device";
const BROWSER_JUDGE: (&str, &str, &str, &str) = ("judge", "judge", "tripartite", "\"browser\"");
const BROWSER_GUARD: (&str, &str, &str, &str) = ("guard", "guard", "tripartite", "\"browser\"");
/// What the internet may see and hear of the court.
const BACK: &str = "[[crossing]]\nfrom = \"tripartite\"\nto = \"internet\"\nroles = [\"judge\", \"defendant\"]\nkinds = [\"audio\", \"video\"]\n";
/// And the court of the internet; the court's own configuration has it.
const THERE: &str =
    "[[crossing]]\nfrom = \"internet\"\nto = \"tripartite\"\nroles = [\"counsel\"]\nkinds = [\"audio\", \"video\"]\n";
