//! SIP that no decent terminal speaks: every torture message of RFC 4475.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use super::{Node, SOON, alive, at, court, left_with, phone};
use crate::harness::netns;
use crate::harness::phone::Phone;

#[test]
fn every_torture_message_is_answered_as_it_should_be_or_dropped_and_the_node_goes_on() {
    let node = court("allowed", 1);
    let mut phone = phone(&node, 0);
    let mut wrong = Vec::new();
    for case in torture() {
        let before = dropped(&node);
        phone.send(&case.bytes(&format!("UDP {}", phone.address())));
        let answer = case.answered(&phone);
        if answer.is_none() && dropped(&node) != before + 1.0 {
            wrong.push(format!("{} is dropped and not counted once", case.name));
        }
        if answer != case.answer {
            wrong.push(format!("{} over UDP: {answer:?} and not {:?}", case.name, case.answer));
        }
        alive(&mut phone);
    }
    for case in torture() {
        let connect = || TcpStream::connect(at(&node)).expect("the node listens");
        let mut stream = netns::within(&phone.room.namespace, connect);
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        let local = stream.local_addr().expect("an address");
        // A node that has refused may have closed already.
        let _ = stream.write_all(&case.bytes(&format!("TCP {local}")));
        let mut answer = [0; 16];
        let _ = stream.read(&mut answer);
        alive(&mut phone);
    }
    assert_eq!(wrong, [""; 0], "{}", node.site.log_text());
    left_with(&node, 0);
    assert!(!node.site.log_text().contains("panicked"), "{}", node.site.log_text());
}

/// What was dropped or answers nothing, as the node counts it.
fn dropped(node: &Node) -> f64 {
    let names = ["hearing_sip_messages_dropped_total", "hearing_sip_answers_stray_total"];
    names.iter().map(|name| node.metric(name).unwrap_or(0.0)).sum()
}

/// One torture message.
struct Torture {
    name: String,
    answer: Option<u16>,
    text: String,
}

impl Torture {
    /// The final answer to it, if one comes soon; answers to others come again when nobody acknowledges them.
    fn answered(&self, phone: &Phone) -> Option<u16> {
        let expanded = repeated(&self.text);
        let named = expanded.lines().filter_map(|line| line.split_once(':'));
        let mut named = named.filter(|(name, _)| ["call-id", "i"].contains(&name.trim().to_ascii_lowercase().as_str()));
        let id = named.next().map(|(_, id)| id.trim().to_owned());
        let deadline = Instant::now() + SOON;
        while let Some(answer) = phone.receive(deadline.saturating_duration_since(Instant::now())) {
            let status = answer.status().filter(|status| *status >= 200);
            if status.is_some() && id.as_ref() == Some(&answer.header("call-id")) {
                return status;
            }
        }
        None
    }

    /// As it goes onto the wire; `via` is the transport and the address of whoever sends.
    fn bytes(&self, via: &str) -> Vec<u8> {
        let (transport, address) = via.split_once(' ').expect("a transport and an address");
        let own = format!("{transport} {address}");
        // Wherever the message names its own transport, it is the one that it goes over.
        let text = self
            .text
            .replace("UDP {via}", &own)
            .replace("/UDP\r\n    {via}", &format!("/{transport}\r\n    {address}"));
        unescaped(&repeated(&text.replace("{space}", " ")))
    }
}

fn torture() -> Vec<Torture> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/torture.txt");
    let text = fs::read_to_string(file).expect("the fixture");
    let cases: Vec<_> = text.split("\n=== ").skip(1).map(read_case).collect();
    assert_eq!(cases.len(), 49, "RFC 4475 has 49 messages");
    cases
}

fn read_case(text: &str) -> Torture {
    let (head, message) = text.split_once('\n').expect("a message below its name");
    let (name, answer) = head.split_once(' ').expect("a name and an answer");
    // A message without a body ends with an empty line.
    let message = message.trim_end_matches('\n');
    let end = if message.contains("\n\n") { "\n" } else { "\n\n" };
    let text = format!("{message}{end}").replace('\n', "\r\n");
    Torture { name: name.to_owned(), answer: answer.parse().ok(), text }
}

/// `{N:TEXT}`: N times TEXT.
fn repeated(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.split('{').enumerate() {
        let many = part.split_once('}').and_then(|(inner, rest)| {
            let (times, what) = inner.split_once(':')?;
            Some(what.repeat(times.parse().ok()?) + rest)
        });
        match many {
            Some(many) => out += &many,
            None if n == 0 => out += part,
            None => out += &format!("{{{part}"),
        }
    }
    out
}

/// `\xHH`: a byte.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                out.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => out.extend_from_slice(&[b"\\x", part.as_bytes()].concat()),
        }
    }
    out
}
