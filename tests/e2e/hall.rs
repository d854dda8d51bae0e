//! A large hearing on a node with two media workers: where each of its sessions lives, from joining to leaving.

use serde_json::{Value, json};

use crate::harness::node::{MEDIA, Node, Site, until};

#[test]
fn from_the_17th_on_sessions_of_a_hearing_live_on_the_other_worker_and_restart_and_end_there() {
    let node = hall();
    let started = node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "hall"]);
    let hearing = started["id"].as_str().expect("an id");
    let sessions: Vec<String> = (0..SEATS).map(|seat| join(&node, &started, seat)).collect();
    let offer = |session: &str| port(&node.media("POST", hearing, session, &offer("them")).body);
    let ports: Vec<u16> = sessions.iter().map(|session| offer(session)).collect();
    assert_eq!(ports, [vec![MEDIA; AT_HOME], vec![MEDIA + 1; SEATS - AT_HOME]].concat());
    assert_far(&node, SEATS - AT_HOME);

    let last = &sessions[SEATS - 1];
    let restarted = node.media("PATCH", hearing, last, &json!({"sdp": sdp("anew")}));
    assert_eq!((restarted.status, port(&restarted.body)), (200, MEDIA + 1));
    assert_eq!(node.media("DELETE", hearing, last, &Value::Null).status, 204);
    assert_far(&node, SEATS - AT_HOME - 1);
    assert_eq!(node.media("PATCH", hearing, last, &json!({"sdp": sdp("late")})).refusal().1, "cannot_restart");

    // Whoever sits on the hearing's own worker and comes again finds his place free, and so does the other.
    assert_eq!(offer(&sessions[0]), MEDIA);
    assert_eq!(offer(last), MEDIA + 1);
    assert_far(&node, SEATS - AT_HOME);
}

/// So many sessions live on the other worker, once its figures of this second are out.
fn assert_far(node: &Node, sessions: usize) {
    let far = || node.metric("hearing_far_sessions{worker=\"1\"}");
    until(&format!("{sessions} sessions are far"), || (far() == Some(sessions as f64)).then_some(()));
    assert_eq!(node.metric("hearing_far_sessions{worker=\"0\"}"), Some(0.0));
}

/// Joins the seat and has it admitted; the session.
fn join(node: &Node, started: &Value, seat: usize) -> String {
    let hearing = started["id"].as_str().expect("an id");
    let link = started["seats"][seat]["link"].as_str().expect("a link");
    let joined = node.join(hearing, link, 'A');
    node.hearing(&["admit", hearing, &format!("seat{seat}"), "--identity", "known"]);
    joined.body["session"].as_str().unwrap_or_else(|| panic!("no session: {joined:?}")).to_owned()
}

fn offer(ufrag: &str) -> Value {
    json!({"sdp": sdp(ufrag), "sends": [{"mid": "0", "kind": "audio"}], "slots": []})
}

/// What a client that sends sound offers.
fn sdp(ufrag: &str) -> String {
    let fingerprint = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n\
         a=rtpmap:111 opus/48000/2\r\n"
    )
}

/// The UDP port of an answer's candidates.
fn port(answer: &Value) -> u16 {
    let sdp = answer["sdp"].as_str().unwrap_or_else(|| panic!("no answer: {answer}"));
    let candidate = sdp.lines().find(|line| line.starts_with("a=candidate:") && line.contains(" udp "));
    let port = candidate.and_then(|line| line.split(' ').nth(5)?.parse().ok());
    port.unwrap_or_else(|| panic!("no candidate: {sdp}"))
}

fn hall() -> Node {
    let mut site = Site::court();
    let seat = |n: usize| {
        let (role, required) = if n == 0 { ("judge", "\"audio\"") } else { ("party", "") };
        format!(
            "[[template.seat]]\nname = \"seat{n}\"\ntitle = \"席\"\ntitle_en = \"Seat\"\nrole = \"{role}\"\n\
             zone = \"tripartite\"\nrequired = [{required}]\n"
        )
    };
    let seats: String = (0..SEATS).map(seat).collect();
    site.rest += &format!("[[template]]\nname = \"hall\"\ntitle = \"法庭\"\ntitle_en = \"Hall\"\n{seats}");
    site.media = false;
    site.workers = 2;
    site.run()
}

const SEATS: usize = 20;
/// Of each hearing so many sessions stay with its router.
const AT_HOME: usize = 16;
