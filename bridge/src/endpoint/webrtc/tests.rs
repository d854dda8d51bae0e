//! Whole sessions against a client's end made of the same parts, over simulated datagrams in virtual time.

mod hall;
mod peer;
mod storms;

use std::time::Duration;

use hearing_config::{Kind, SeatId, TrackId};
use hearing_signaling::http::MediaRefusal;
use proptest::prelude::*;

use self::peer::{OTHER, Peer, sound};
use super::dtls::tests::Client;
use super::ice::tests::{answer_to, path};
use super::rtcp::{self, Report};
use super::rtp::Header;
use super::srtp::PROFILES;
use crate::router::{Control, Layer, Leg as _, Output, Path};

#[test]
fn a_client_connects_and_sound_goes_both_ways() {
    let mut peer = Peer::connected();
    assert!(peer.seen.contains(&Output::Bind(path(1))));
    peer.speak(path(1), 7);
    peer.speak(path(1), 8);
    assert_eq!(peer.heard().len(), 2);
    peer.may_hear();
    peer.session.handle_packet(peer.now, OTHER, &sound(1, 0));
    let (to, datagram) = peer.drain().pop().unwrap();
    let header = Header::read(&datagram).unwrap();
    let plain = peer.srtp.as_mut().unwrap().open(&datagram, &header).unwrap();
    assert_eq!((to, header.ssrc, &plain[header.len..]), (path(1), peer.ssrcs["slot"], &b"sound"[..]));
}

#[test]
fn media_follows_the_client_to_a_new_address_without_a_new_handshake() {
    let mut peer = Peer::connected();
    peer.check(path(2), true);
    peer.drain();
    assert!(peer.seen.contains(&Output::Bind(path(2))));
    peer.speak(path(2), 7);
    assert_eq!(peer.heard().len(), 1);
    peer.may_hear();
    peer.session.handle_packet(peer.now, OTHER, &sound(1, 0));
    assert_eq!(peer.drain().pop().unwrap().0, path(2));
}

#[test]
fn a_source_that_never_proved_itself_is_not_heard_from_an_unchecked_path() {
    let mut peer = Peer::connected();
    peer.speak(path(66), 7);
    assert!(peer.heard().is_empty());
    peer.speak(path(1), 8);
    assert_eq!(peer.heard().len(), 1);
}

#[test]
fn a_client_whose_port_changes_is_heard_at_once_asked_and_answered_to_only_after_it_answers() {
    let mut peer = Peer::connected();
    peer.may_hear();
    peer.speak(path(1), 7);
    peer.heard();
    peer.speak(path(5), 8);
    let sent = peer.drain();
    assert!(sent.iter().all(|(to, datagram)| *to == path(5) && datagram[0] == 0), "one check, nothing else");
    assert_eq!((sent.len(), peer.seen.contains(&Output::Bind(path(5))), peer.heard().len()), (1, true, 1));
    peer.session.handle_packet(peer.now, OTHER, &sound(1, 0));
    assert_eq!(peer.drain().pop().unwrap().0, path(1), "the new path has not answered");
    let answer = answer_to(&sent[0].1, CLIENT_PWD);
    peer.session.handle_datagram(peer.now, path(5), &answer);
    peer.session.handle_packet(peer.now, OTHER, &sound(2, 20));
    assert_eq!(peer.drain().pop().unwrap().0, path(5));
}

const CLIENT_PWD: &str = "0123456789012345678901";

#[test]
fn a_client_hello_before_the_first_check_is_made_good_by_its_repeat() {
    let mut peer = Peer::new();
    peer.client.begin(peer.now);
    let early = peer.client.poll().unwrap();
    peer.session.handle_datagram(peer.now, path(1), &early);
    assert!(peer.drain().is_empty());
    peer.check(path(1), false);
    peer.session.handle_datagram(peer.now, path(1), &early);
    peer.shake(path(1));
    assert!(peer.seen.contains(&Output::Connected));
}

/// Sound every 20 ms, as a browser sends it.
fn talk(peer: &mut Peer, from: Path, first: u16, count: u16) {
    for n in first..first + count {
        peer.pass(Duration::from_millis(20));
        peer.speak(from, n);
        peer.drain();
    }
}

#[test]
fn one_who_talks_and_falls_silent_shows_it_at_once_is_lost_within_5_s_and_comes_back() {
    let mut peer = Peer::connected();
    talk(&mut peer, path(1), 1, 150);
    let since = peer.now;
    let said = |peer: &Peer, wanted: fn(&Output) -> bool| peer.seen.iter().any(wanted);
    let lost: fn(&Output) -> bool = |output| matches!(output, Output::Lost(_));
    let silent: fn(&Output) -> bool =
        |output| matches!(output, Output::Quality(quality) if quality.loss_up == 1.0 && quality.loss_down == 1.0);
    assert!(!said(&peer, silent));
    peer.pass(Duration::from_millis(1_300));
    assert!(said(&peer, silent) && !said(&peer, lost));
    peer.pass(Duration::from_millis(3_600));
    assert!(said(&peer, lost) && peer.now < since + Duration::from_secs(5));
    peer.may_hear();
    peer.session.handle_packet(peer.now, OTHER, &sound(1, 0));
    assert!(peer.drain().is_empty(), "nothing is sent to one who is not heard");
    peer.pass(Duration::from_secs(25));
    peer.seen.clear();
    peer.check(path(2), true);
    assert!(peer.drain().len() == 1 && peer.seen.contains(&Output::Connected));
    peer.session.handle_packet(peer.now, OTHER, &sound(2, 960));
    assert_eq!(peer.drain().pop().unwrap().0, path(2));
}

#[test]
fn a_restart_of_ice_keeps_keys_tracks_and_sequence() {
    let mut peer = Peer::connected();
    talk(&mut peer, path(1), 1, 10);
    let offer = peer.offer.replace("a=ice-ufrag:them", "a=ice-ufrag:anew");
    let (answer, restart) = peer.restartable.restart(&peer.settings, &offer).unwrap();
    assert!(answer.sdp.contains(&format!("a=ice-ufrag:{}", restart.ufrag)) && restart.remote_ufrag == "anew");
    peer.session.handle_restart(peer.now, restart.clone());
    peer.speak(path(1), 20);
    assert_eq!(peer.heard().len(), 11, "the old path is heard until there is a new one");
    (peer.username, peer.pwd) = (format!("{}:anew", restart.ufrag), restart.pwd);
    peer.check(path(7), true);
    peer.drain();
    peer.speak(path(7), 21);
    peer.drain();
    let changed = |output: &Output| matches!(output, Output::Track(_) | Output::TrackEnd(_));
    assert!(!peer.seen.iter().any(changed), "no track ended or began anew");
    assert_eq!(peer.heard().len(), 1);
    peer.speak(path(1), 22);
    assert_eq!(peer.heard().len(), 1, "what was under way on the old path still counts");
}

#[test]
fn only_the_same_client_with_the_same_lines_may_restart() {
    let peer = Peer::connected();
    let foreign = peer.offer.replacen(&peer.client.fingerprint, &Client::new(&PROFILES).fingerprint, 2);
    let shorter = &peer.offer[..peer.offer.rfind("m=audio").unwrap()];
    for sdp in [&foreign[..], shorter] {
        let refused = peer.restartable.restart(&peer.settings, sdp).err().unwrap();
        assert_eq!(refused, MediaRefusal::CannotRestart);
    }
}

#[test]
fn silence_shows_in_the_quality_after_some_seconds_and_ends_the_session_after_40_s() {
    let mut peer = Peer::connected();
    peer.pass(Duration::from_secs(4));
    let worst = |peer: &Peer| {
        let loss = peer.seen.iter().filter_map(|output| match output {
            Output::Quality(quality) => Some(quality.loss_down),
            _ => None,
        });
        loss.fold(0.0, f32::max)
    };
    assert_eq!(worst(&peer), 0.0);
    peer.pass(Duration::from_secs(3));
    assert_eq!(worst(&peer), 1.0);
    peer.pass(Duration::from_millis(32_900));
    assert_eq!(peer.closed(), None);
    peer.pass(Duration::from_millis(200));
    assert!(peer.closed().unwrap().contains("silent"));
    assert_eq!(peer.session.poll_timeout(), None);
}

#[test]
fn checks_keep_a_session_for_hours() {
    let mut peer = Peer::connected();
    for _ in 0..1_000 {
        peer.pass(Duration::from_secs(10));
        peer.check(path(1), true);
        peer.drain();
    }
    assert_eq!(peer.closed(), None);
    assert!(peer.now > peer.start + Duration::from_secs(9_000));
}

#[test]
fn a_client_that_says_goodbye_has_left_on_purpose() {
    let mut peer = Peer::connected();
    let now = peer.now;
    peer.client.close(now);
    peer.shake(path(1));
    assert!(peer.seen.contains(&Output::Left));
    assert_eq!(peer.closed(), None);
}

#[test]
fn a_foreign_certificate_closes_the_session() {
    let other = Client::new(&PROFILES).fingerprint;
    let mut peer = Peer::with_fingerprint(Client::new(&PROFILES), &other);
    peer.check(path(1), true);
    peer.client.begin(peer.now);
    peer.shake(path(1));
    assert!(peer.closed().unwrap().contains("certificate"));
    assert!(!peer.seen.contains(&Output::Connected));
}

#[test]
fn forged_packets_do_not_disturb_the_session() {
    let mut peer = Peer::connected();
    for n in 0..90_u8 {
        let mut forged = vec![0x80, 111, 0, n, 0, 0, 0, 0, 0, 0, 0, 55];
        forged.extend_from_slice(&[n; 40]);
        peer.session.handle_datagram(peer.now, path(1), &forged);
        peer.session.handle_datagram(peer.now, path(9), &[0x80, 200, 0, 6, n, n, n, n]);
    }
    peer.speak(path(1), 500);
    assert_eq!(peer.heard().len(), 1);
}

#[test]
fn a_flood_from_a_foreign_address_is_cut_off_and_the_client_is_heard() {
    let mut peer = Peer::connected();
    (0..10_000).for_each(|_| peer.session.handle_datagram(peer.now, path(666), &[255; 50]));
    peer.speak(path(1), 9);
    assert_eq!(peer.heard().len(), 1);
}

#[test]
fn a_client_is_asked_for_a_key_frame_only_of_pictures() {
    let mut peer = Peer::connected();
    peer.speak(path(1), 9);
    let own = TrackId { seat: SeatId(1), kind: Kind::Audio };
    peer.session.handle_control(peer.now, Control::KeyFrame(own, Layer(0)));
    peer.drain();
    peer.session.handle_timeout(peer.now);
    let sent = peer.drain();
    let mut asked = 0;
    for (_, datagram) in sent {
        if let Ok(plain) = peer.srtp.as_mut().unwrap().open_rtcp(&datagram) {
            rtcp::read(&plain, |report| asked += usize::from(matches!(report, Report::KeyFrame { .. })));
        }
    }
    assert_eq!(asked, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_is_handled_without_panic(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..40)) {
        let mut peer = Peer::connected();
        for datagram in datagrams {
            peer.session.handle_datagram(peer.now, path(1), &datagram);
        }
        peer.drain();
        peer.pass(Duration::from_secs(1));
    }
}
