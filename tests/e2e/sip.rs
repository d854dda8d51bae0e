//! Calls that go wrong: refusals by the right code, calls that are given up, and terminals that fall silent. Whatever comes, the node
//! goes on and no dialog is left.

mod alive;
mod delayed;
mod digest;
mod refresh;
mod slides;
mod torture;
mod trial;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::node::{Node, Site, until};
use crate::harness::phone::Phone;

#[test]
fn calls_are_refused_by_the_code_that_says_why() {
    let node = court("allowed", 2);
    let hearing = start(&node);
    let mut known = phone(&node, 0);
    let mut stranger = Phone::new(node.site.room(), at(&node), "nobody", "nothing");
    let (_media, sdp) = known.media(PLAIN);
    assert_eq!(stranger.call("hearing", &sdp).0, 403, "whom nobody knows");
    await_seat(&mut known);
    let (_video, foreign) = known.media(FOREIGN);
    assert_eq!(known.call("hearing", &foreign).0, 488, "GSM alone");
    let (status, mut talk) = known.call("hearing", &sdp);
    assert_eq!(status, 200);
    until("it is connected", || (node.presence(&hearing, "seat0") == "connected").then_some(()));
    left_with(&node, 1);
    let mut twin = phone(&node, 0);
    assert_eq!(twin.call("hearing", &sdp).0, 486, "its seat is taken");
    assert_eq!(known.bye(&mut talk), 200);
    left_with(&node, 0);
    let mut guesser = Phone::new(node.site.room(), at(&node), &user(1), "guess");
    assert_eq!([(); 5].map(|()| guesser.call("hearing", &sdp).0), [401; 5], "a wrong password");
    assert_eq!(guesser.call("hearing", &sdp).0, 403, "five wrong passwords");
}

#[test]
fn media_in_the_clear_is_refused_where_keys_are_required_and_taken_with_them() {
    let node = court("required", 1);
    start(&node);
    let mut phone = phone(&node, 0);
    let (_media, plain) = phone.media(PLAIN);
    await_seat(&mut phone);
    assert_eq!(phone.call("hearing", &plain).0, 488);
    let keyed = plain.replace("RTP/AVP", "RTP/SAVP") + CRYPTO;
    let (status, mut talk) = phone.call("hearing", &keyed);
    assert_eq!(status, 200);
    assert!(talk.answer.contains("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:"), "{}", talk.answer);
    assert_eq!(phone.bye(&mut talk), 200);
    left_with(&node, 0);
}

#[test]
fn a_terminal_dials_the_code_of_its_hearing_and_is_told_what_is_wrong_with_any_other() {
    let node = court("allowed", 2);
    let first = node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "rooms"]);
    let other = node.hearing(&["start", "--case", "(2022)内0291刑初124号", "--template", "other"]);
    let code = |started: &serde_json::Value| started["code"].as_str().expect("a code").to_owned();
    let id = first["id"].as_str().expect("an id");
    assert_eq!(node.hearing(&["show", id])["code"], first["code"]);
    let (mut own, mut twin) = (phone(&node, 0), phone(&node, 0));
    let (_media, sdp) = own.media(PLAIN);
    await_seat(&mut own);
    // Its last digit is another: no hearing has that code, or one that has nothing to do with this test.
    assert_eq!(own.call("99", &sdp).0, 404);
    until("it is told that that hearing has no seat for it", || (own.call(&code(&other), &sdp).0 == 403).then_some(()));
    let (status, mut talk) = own.call(&code(&first), &sdp);
    assert_eq!(status, 200);
    until("it is connected", || (node.presence(id, "seat0") == "connected").then_some(()));
    assert_eq!(twin.call(&code(&first), &sdp).0, 486);
    assert_eq!(own.bye(&mut talk), 200);
    node.hearing(&["close", id]);
    until("its code leads nowhere", || [403, 404].contains(&own.call(&code(&first), &sdp).0).then_some(()));
    left_with(&node, 0);
}

#[test]
fn a_call_that_is_given_up_at_either_end_while_it_rings_leaves_nothing() {
    let node = court("allowed", 1);
    let mut phone = phone(&node, 0);
    assert_eq!(phone.register(), 200);
    let hearing = start(&node);
    let invite = phone.requested("INVITE", LATER).expect("it is rung");
    phone.respond(&invite, "180 Ringing", "");
    node.hearing(&["close", &hearing]);
    let cancel = phone.requested("CANCEL", LATER).expect("it is rung no more");
    assert_eq!(cancel.header("call-id"), invite.header("call-id"));
    phone.respond(&cancel, "200 OK", "");
    phone.respond(&invite, "487 Request Terminated", "");
    phone.requested("ACK", LATER).expect("the refusal is acknowledged");
    left_with(&node, 0);
    let second = start(&node);
    let invite = phone.requested("INVITE", LATER).expect("it is rung again");
    phone.respond(&invite, "486 Busy Here", "");
    let (_media, sdp) = phone.media(PLAIN);
    for _ in 0..10 {
        let mut talk = phone.talk("hearing");
        let proof = challenged(&mut phone, &mut talk, &sdp);
        phone.tell(&mut talk, "INVITE", &proof, &sdp);
        phone.tell(&mut talk, "CANCEL", "", "");
        let answer = phone.answered(&mut talk).status();
        if answer == Some(200) {
            // The node was quicker than the CANCEL, which changes nothing then.
            until("it is hung up", || [200, 481].contains(&phone.bye(&mut talk)).then_some(()));
        }
    }
    node.hearing(&["close", &second]);
    left_with(&node, 0);
}

#[test]
fn what_is_said_at_one_terminal_is_heard_at_the_other_a_moment_later() {
    let node = court("allowed", 2);
    let hearing = start(&node);
    let mut phones = [phone(&node, 0), phone(&node, 1)];
    phones.iter_mut().for_each(await_seat);
    let [(mouth, first), (ear, second)] = [phones[0].media(PLAIN), phones[1].media(PLAIN)];
    let said = phones[0].call("hearing", &first).1;
    let heard = phones[1].call("hearing", &second).1;
    let (mut mouth, mut idle) = (Speaker::to(&node, &said.answer, mouth), Speaker::to(&node, &heard.answer, ear));
    until("both are connected", || {
        mouth.say();
        idle.say();
        let connected = |seat: &str| node.presence(&hearing, seat) == "connected";
        (connected("seat0") && connected("seat1")).then_some(())
    });
    idle.socket.set_read_timeout(Some(Duration::from_millis(1))).expect("a time-out");
    // The first bursts are lost while the mix begins.
    let delays: Vec<_> = (0..12).filter_map(|_| delay(&mut mouth, &mut idle)).collect();
    assert!(delays.len() >= 8, "{delays:?}");
    let mut sorted = delays.clone();
    sorted.sort();
    eprintln!("from a terminal's packet to the other's: median {:?}, all {delays:?}", sorted[sorted.len() / 2]);
}

/// How long a burst of 40 ms takes from one terminal's socket to the other's.
fn delay(mouth: &mut Speaker, ear: &mut Speaker) -> Option<Duration> {
    let (mut burst, mut heard) = (None, None);
    for packet in 0..50 {
        if packet == 10 {
            burst = Some(Instant::now());
        }
        let due = Instant::now() + Duration::from_millis(20);
        mouth.say_as(if (10..12).contains(&packet) { LOUD } else { QUIET });
        ear.say();
        while Instant::now() < due {
            let loud = ear.hears_loud();
            heard = heard.or(burst.filter(|_| loud).map(|burst| burst.elapsed()));
        }
    }
    heard
}

/// G.711 in packets of 20 ms, and keys.
struct Speaker {
    socket: UdpSocket,
    to: SocketAddr,
    sequence: u16,
    time: u32,
}

impl Speaker {
    fn to(node: &Node, answer: &str, socket: UdpSocket) -> Self {
        let port = answer.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a port");
        let to = SocketAddr::new(node.site.address.into(), port.parse().expect("a port"));
        Self { socket, to, sequence: 0, time: 0 }
    }

    fn say(&mut self) {
        self.say_as(QUIET);
    }

    fn say_as(&mut self, samples: [u8; 2]) {
        self.time += 160;
        self.send(8, self.time, &samples.repeat(80));
    }

    /// Takes the next datagram, if one comes within a millisecond: true when it holds a loud sound.
    fn hears_loud(&self) -> bool {
        let mut buffer = [0; 2_048];
        let length = self.socket.recv(&mut buffer).unwrap_or(0);
        // A-law with its even bits as they are: the segment is the loudness.
        let loud = buffer[..length].iter().skip(12).filter(|byte| (**byte ^ 0x55) & 0x7f >= 0x50).count();
        loud > 40
    }

    /// The same event three times, as terminals do.
    fn press(&mut self, key: u8) {
        self.time += 160;
        (0..3).for_each(|_| self.send(101, self.time, &[key, 0x80, 3, 0x20]));
    }

    fn send(&mut self, kind: u8, time: u32, payload: &[u8]) {
        self.sequence += 1;
        let head = [&[0x80, kind][..], &self.sequence.to_be_bytes(), &time.to_be_bytes(), &[0, 0, 0, 7]].concat();
        self.socket.send_to(&[&head, payload].concat(), self.to).expect("a line leads to the node");
    }
}

/// The headers that prove who calls, after a call that was asked for them.
fn challenged(phone: &mut Phone, talk: &mut crate::harness::phone::Talk, sdp: &str) -> String {
    phone.tell(talk, "INVITE", "", sdp);
    let answer = phone.answered(talk);
    assert_eq!(answer.status(), Some(401), "{answer:?}");
    phone.credentials(talk, "INVITE", &answer)
}

/// The node answers OPTIONS.
fn alive(phone: &mut Phone) {
    let mut talk = phone.talk("");
    phone.tell(&mut talk, "OPTIONS", "", "");
    assert_eq!(phone.answered(&mut talk).status(), Some(200));
}

/// Waits until the node has so many dialogs.
fn left_with(node: &Node, dialogs: u32) {
    until("the dialogs are as many as the calls", || {
        (node.metric("hearing_sip_dialogs") == Some(f64::from(dialogs))).then_some(())
    });
}

/// Waits until a seat is open for whoever calls, which it is a moment after the order to start.
fn await_seat(phone: &mut Phone) {
    until("its seat is open", || (phone.call("hearing", &phone.media(FOREIGN).1).0 == 488).then_some(()));
}

fn start(node: &Node) -> String {
    start_of(node)["id"].as_str().expect("an id").to_owned()
}

/// A hearing of the template `rooms`, as its start was told.
fn start_of(node: &Node) -> Value {
    node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "rooms"])
}

/// A node with a template `rooms` of so many seats, each for a terminal of its own, and one of a terminal that never comes.
fn court(srtp: &str, seats: usize) -> Node {
    court_with(&format!("srtp = \"{srtp}\"\n"), seats)
}

/// The same with more in its `[sip]`.
fn court_with(more: &str, seats: usize) -> Node {
    let mut site = Site::with_rooms();
    let address = site.address;
    let users: Vec<_> = (0..seats).map(user).collect();
    let devices: String = users.iter().map(|user| device(&site, user)).collect();
    let rooms: String = users.iter().enumerate().map(|(n, user)| seat(n, user)).collect();
    let (never, other) = (device(&site, "never"), seat(0, "never"));
    site.rest = format!(
        "{}\n[sip]\nudp = \"{address}:{SIP}\"\ntcp = \"{address}:{SIP}\"\n{more}rtp = [30000, 30199]\n{devices}{never}\
         \n[[template]]\nname = \"rooms\"\ntitle = \"远程提讯\"\ntitle_en = \"Rooms\"\n{rooms}\
         \n[[template]]\nname = \"other\"\ntitle = \"另案\"\ntitle_en = \"Other\"\n{other}",
        site.rest
    );
    site.run()
}

fn device(site: &Site, user: &str) -> String {
    fs::write(site.path(&format!("{user}.secret")), secret(user)).expect("a secret");
    format!("[[sip.device]]\nuser = \"{user}\"\nsecret = \"{user}.secret\"\n")
}

fn seat(n: usize, user: &str) -> String {
    let (role, required) = if n == 0 { ("judge", "\"audio\"") } else { ("guard", "") };
    format!(
        "[[template.seat]]\nname = \"seat{n}\"\ntitle = \"法庭\"\ntitle_en = \"Room\"\nrole = \"{role}\"\nzone = \"tripartite\"\n\
         required = [{required}]\nendpoint = {{ sip = \"sip:{user}@court\" }}\n"
    )
}

fn phone(node: &Node, n: usize) -> Phone {
    Phone::new(node.site.room(), at(node), &user(n), &secret(&user(n)))
}

fn user(n: usize) -> String {
    format!("room{n}")
}

fn secret(user: &str) -> String {
    format!("secret-of-{user}")
}

fn at(node: &Node) -> SocketAddr {
    SocketAddr::new(node.site.address.into(), SIP)
}

const SIP: u16 = 5060;
/// G.711 in the clear.
const PLAIN: &str = "RTP/AVP 8 0";
/// GSM, which nobody takes.
const FOREIGN: &str = "RTP/AVP 3";
/// Samples of G.711 A-law.
const QUIET: [u8; 2] = [0xd5; 2];
const LOUD: [u8; 2] = [0xba, 0x3a];
const CRYPTO: &str = "a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n";
/// For what must not come at all.
const SOON: Duration = Duration::from_millis(300);
const LATER: Duration = Duration::from_secs(25);
