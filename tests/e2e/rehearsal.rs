//! The rehearsal of templates with terminals: a built-in SIP terminal takes each one's seat, and the real one is not rung.

use std::net::UdpSocket;

use serde_json::Value;

use crate::harness::node::{Node, Site, until};

#[test]
fn a_sip_terminal_is_rehearsed_by_a_built_in_one_and_the_real_one_is_not_rung() {
    let site = Site::court();
    let real = UdpSocket::bind((site.address, 0)).expect("a socket");
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

const SIP: u16 = 5060;
const BROWSER_JUDGE: (&str, &str, &str, &str) = ("judge", "judge", "tripartite", "\"browser\"");
const BROWSER_GUARD: (&str, &str, &str, &str) = ("guard", "guard", "tripartite", "\"browser\"");
/// What the internet may see and hear of the court.
const BACK: &str = "[[crossing]]\nfrom = \"tripartite\"\nto = \"internet\"\nroles = [\"judge\", \"defendant\"]\nkinds = [\"audio\", \"video\"]\n";
/// And the court of the internet; the court's own configuration has it.
const THERE: &str =
    "[[crossing]]\nfrom = \"internet\"\nto = \"tripartite\"\nroles = [\"counsel\"]\nkinds = [\"audio\", \"video\"]\n";
