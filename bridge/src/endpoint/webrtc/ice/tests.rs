//! Checks, answers and paths.

use proptest::prelude::*;

use super::*;
use crate::router::Transport;

struct Flag(AttrType);

impl Setter for Flag {
    fn add_to(&self, message: &mut Message) -> rtc_shared::error::Result<()> {
        RawAttribute { typ: self.0, length: 0, value: Vec::new() }.add_to(message)
    }
}

/// A check as a browser sends it.
pub(in crate::endpoint::webrtc) fn check(username: &str, pwd: &str, nominate: bool) -> Vec<u8> {
    let provider = rtc_srtp::crypto::default_provider().unwrap();
    let mut setters: Vec<Box<dyn Setter>> = vec![
        Box::new(BINDING_REQUEST),
        Box::new(TransactionId::new()),
        Box::new(TextAttribute::new(ATTR_USERNAME, username.to_owned())),
    ];
    if nominate {
        setters.push(Box::new(Flag(ATTR_USE_CANDIDATE)));
    }
    let mut message = Message::new();
    message.build(&setters).unwrap();
    MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), provider.crypto())
        .add_to(&mut message)
        .unwrap();
    FINGERPRINT.add_to(&mut message).unwrap();
    message.raw
}

pub(in crate::endpoint::webrtc) fn path(port: u16) -> Path {
    Path { remote: ([192, 0, 2, 1], port).into(), transport: Transport::Udp }
}

fn remote(ufrag: &str) -> Credentials {
    Credentials { ufrag: ufrag.to_owned(), pwd: "c".repeat(24) }
}

fn ice() -> Ice {
    let local = Credentials { ufrag: "server".to_owned(), pwd: "s".repeat(24) };
    Ice::new(local, remote("client"), rtc_srtp::crypto::default_provider().unwrap())
}

#[test]
fn a_valid_check_is_answered_with_the_address_it_came_from() {
    let mut ice = ice();
    let reply = ice.handle(path(7), &check("server:client", &"s".repeat(24), false)).unwrap().unwrap();
    let mut response = Message::new();
    response.write(&reply.response).unwrap();
    assert_eq!(response.typ, BINDING_SUCCESS);
    let mut mapped = XorMappedAddress::default();
    rtc_stun::message::Getter::get_from(&mut mapped, &response).unwrap();
    assert_eq!((mapped.ip, mapped.port), (path(7).remote.ip(), 7));
    FINGERPRINT.check(&response).unwrap();
    let provider = rtc_srtp::crypto::default_provider().unwrap();
    MessageIntegrity::check(&mut response, "s".repeat(24).as_bytes(), provider.crypto()).unwrap();
    assert!(reply.new);
}

#[test]
fn wrong_integrity_is_dropped() {
    let mut ice = ice();
    let forged = check("server:client", &"x".repeat(24), true);
    assert_eq!(ice.handle(path(7), &forged).unwrap_err(), "stun_integrity");
    assert_eq!(ice.selected(), None);
}

#[test]
fn a_foreign_username_is_dropped() {
    let foreign = check("server:other", &"s".repeat(24), true);
    assert_eq!(ice().handle(path(7), &foreign).unwrap_err(), "stun_username");
}

#[test]
fn the_latest_nomination_wins_and_plain_checks_do_not_move_it() {
    let mut ice = ice();
    let (plain, nominating) =
        (check("server:client", &"s".repeat(24), false), check("server:client", &"s".repeat(24), true));
    ice.handle(path(1), &plain).unwrap();
    assert_eq!(ice.selected(), Some(path(1)));
    ice.handle(path(2), &nominating).unwrap();
    ice.handle(path(1), &plain).unwrap();
    assert_eq!(ice.selected(), Some(path(2)));
    ice.handle(path(3), &nominating).unwrap();
    assert_eq!(ice.selected(), Some(path(3)));
}

#[test]
fn after_a_restart_the_old_path_holds_until_the_client_nominates_with_the_new_credentials() {
    let mut ice = ice();
    let old = |nominate| check("server:client", &"s".repeat(24), nominate);
    let new = |nominate| check("again:client2", &"n".repeat(24), nominate);
    ice.handle(path(1), &old(true)).unwrap();
    ice.restart(Credentials { ufrag: "again".to_owned(), pwd: "n".repeat(24) }, remote("client2"));
    assert_eq!(ice.selected(), Some(path(1)));
    ice.handle(path(1), &old(false)).unwrap();
    ice.handle(path(2), &new(false)).unwrap();
    assert_eq!(ice.selected(), Some(path(2)), "before a nomination the last checked path is the best guess");
    ice.handle(path(3), &new(true)).unwrap();
    assert_eq!(ice.selected(), Some(path(3)));
    assert_eq!(ice.handle(path(1), &old(true)).unwrap_err(), "stun_username");
    assert_eq!(ice.selected(), Some(path(3)));
}

/// The answer of one who has this password.
pub(in crate::endpoint::webrtc) fn answer_to(probe: &[u8], pwd: &str) -> Vec<u8> {
    let mut request = Message::new();
    request.write(probe).unwrap();
    let provider = rtc_srtp::crypto::default_provider().unwrap();
    let mut response = Message::new();
    response.build(&[Box::new(BINDING_SUCCESS), Box::new(request.transaction_id)]).unwrap();
    MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), provider.crypto())
        .add_to(&mut response)
        .unwrap();
    FINGERPRINT.add_to(&mut response).unwrap();
    response.raw
}

#[test]
fn a_path_on_which_the_client_answers_our_check_is_taken_and_no_other() {
    let (mut ice, now) = (ice(), Instant::now());
    ice.handle(path(1), &check("server:client", &"s".repeat(24), true)).unwrap();
    assert_eq!(ice.probe(now, path(1)), None, "a known path needs no check");
    let probe = ice.probe(now, path(2)).unwrap();
    assert_eq!(ice.probe(now, path(2)), None, "not one for every packet");
    let (good, bad) = (answer_to(&probe, &"c".repeat(24)), answer_to(&probe, &"x".repeat(24)));
    assert_eq!(ice.handle(path(3), &good).unwrap_err(), "stun_unexpected");
    assert_eq!(ice.handle(path(2), &bad).unwrap_err(), "stun_integrity");
    assert_eq!(ice.selected(), Some(path(1)));
    assert!(ice.handle(path(2), &good).unwrap().is_none());
    assert_eq!((ice.selected(), ice.knows(path(2))), (Some(path(2)), true));
    assert_eq!(ice.handle(path(2), &good).unwrap_err(), "stun_unexpected", "an answer counts once");
}

#[test]
fn restarts_without_end_keep_two_generations() {
    let mut ice = ice();
    for n in 0..100 {
        ice.restart(Credentials { ufrag: format!("u{n}"), pwd: "n".repeat(24) }, remote("client"));
    }
    assert_eq!(ice.generations.len(), 2);
    ice.handle(path(1), &check("u99:client", &"n".repeat(24), true)).unwrap();
    assert_eq!(ice.generations.len(), 1);
}

#[test]
fn a_nomination_outside_the_integrity_is_not_believed() {
    let mut ice = ice();
    ice.handle(path(1), &check("server:client", &"s".repeat(24), true)).unwrap();
    let mut message = Message::new();
    message.write(&check("server:client", &"s".repeat(24), false)).unwrap();
    message.attributes.0.retain(|attribute| attribute.typ != ATTR_FINGERPRINT);
    let attributes = message.attributes.clone();
    let mut appended = Message { typ: message.typ, transaction_id: message.transaction_id, ..Message::new() };
    appended.write_header();
    for attribute in &attributes.0 {
        appended.add(attribute.typ, &attribute.value);
    }
    Flag(ATTR_USE_CANDIDATE).add_to(&mut appended).unwrap();
    FINGERPRINT.add_to(&mut appended).unwrap();
    let _ = ice.handle(path(2), &appended.raw);
    assert_eq!(ice.selected(), Some(path(1)));
}

#[test]
fn paths_are_bounded_and_the_selected_one_is_kept() {
    let mut ice = ice();
    ice.handle(path(1), &check("server:client", &"s".repeat(24), true)).unwrap();
    for port in 2..100 {
        ice.handle(path(port), &check("server:client", &"s".repeat(24), false)).unwrap();
    }
    assert!(ice.knows(path(1)));
    assert_eq!(ice.paths.len(), PATHS);
}

proptest! {
    #[test]
    fn whatever_comes_is_handled_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), cookie: bool) {
        if cookie && bytes.len() >= 20 {
            let len = (bytes.len() - 20) as u16;
            bytes[..2].copy_from_slice(&[0, 1]);
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[4..8].copy_from_slice(&0x2112_a442_u32.to_be_bytes());
        }
            let _ = ice().handle(path(1), &bytes);
    }

    #[test]
    fn a_damaged_check_is_handled_without_panic(at in 0_usize..88, value: u8) {
        let mut bytes = check("server:client", &"s".repeat(24), true);
        let at = at % bytes.len();
        bytes[at] = value;
            let _ = ice().handle(path(1), &bytes);
    }
}
