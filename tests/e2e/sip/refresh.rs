//! Session timers (RFC 4028): who refreshes a call, and how; a terminal that falls silent is hung up all the same.

use std::time::{Duration, Instant};

use super::{LATER, PLAIN, Speaker, await_seat, court, left_with, phone, start};
use crate::harness::node::until;
use crate::harness::phone::{Message, Phone, Talk};

#[test]
fn calls_are_refreshed_by_update_or_re_invite_keys_are_counted_and_a_terminal_that_falls_silent_is_hung_up() {
    let node = court("allowed", 2);
    let hearing = start(&node);
    let mut phones = [phone(&node, 0), phone(&node, 1)];
    phones.iter_mut().for_each(await_seat);
    let [(media, sdp), (other, plain)] = [phones[0].media("RTP/AVP 8 101"), phones[1].media(PLAIN)];
    let sdp = sdp + "a=rtpmap:101 telephone-event/8000\r\n";
    let [knows, knows_not] = ["UPDATE", "INFO"].map(|method| format!("{TIMER}Allow: INVITE, ACK, BYE, {method}\r\n"));
    let talk = agreed(&mut phones[0], &knows, &sdp);
    let mut plainly = agreed(&mut phones[1], &knows_not, &plain);
    assert!(talk.answer.contains("a=rtpmap:101 telephone-event/8000"), "{}", talk.answer);
    let mut speakers = [Speaker::to(&node, &talk.answer, media), Speaker::to(&node, &plainly.answer, other)];
    until("they are connected", || {
        speakers.iter_mut().for_each(Speaker::say);
        ["seat0", "seat1"].iter().all(|seat| node.presence(&hearing, seat) == "connected").then_some(())
    });
    // The second one refreshes by itself first, as it may, and is answered with what stands.
    phones[1].tell(&mut plainly, "INVITE", TIMER, &plain);
    let answer = phones[1].answered(&mut plainly);
    assert_eq!((answer.status(), answer.header("session-expires").as_str()), (Some(200), "90;refresher=uas"));
    let began = Instant::now();
    for key in [1, 2, 3] {
        speakers[0].press(key);
    }
    until("its keys are counted", || {
        speakers.iter_mut().for_each(Speaker::say);
        (node.metric("hearing_sip_keys_total") == Some(3.0)).then_some(())
    });
    let [update, invite] = asked(&phones, &mut speakers, began);
    phones[0].respond(&update, "200 OK", "");
    for refresh in [&update, &invite] {
        assert_eq!(refresh.header("session-expires"), "90;refresher=uac");
    }
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(&invite.body), lines(&plainly.answer), "it says again what was agreed on");
    phones[1].respond(&invite, "200 OK", &plain);
    phones[1].requested("ACK", LATER).expect("its answer is acknowledged");
    assert_eq!(phones[1].bye(&mut plainly), 200);
    let silent = Instant::now();
    let goodbye = phones[0].requested("BYE", LATER).expect("it is hung up");
    phones[0].respond(&goodbye, "200 OK", "");
    assert!((13..=20).contains(&silent.elapsed().as_secs()), "{:?}", silent.elapsed());
    left_with(&node, 0);
}

#[test]
fn a_call_with_a_timer_that_is_too_short_is_asked_for_a_longer_one() {
    let node = court("allowed", 1);
    start(&node);
    let mut phone = phone(&node, 0);
    let (_media, sdp) = phone.media(PLAIN);
    await_seat(&mut phone);
    let mut talk = phone.talk("hearing");
    let answer = phone.ask(&mut talk, "INVITE", "Supported: timer\r\nSession-Expires: 30\r\n", &sdp);
    assert_eq!((answer.status(), answer.header("min-se").as_str()), (Some(422), "90"));
    left_with(&node, 0);
}

/// A call that the node is to refresh.
fn agreed(phone: &mut Phone, headers: &str, sdp: &str) -> Talk {
    let mut talk = phone.talk("hearing");
    let answer = phone.ask(&mut talk, "INVITE", headers, sdp);
    assert_eq!((answer.status(), answer.header("session-expires").as_str()), (Some(200), "90;refresher=uas"));
    talk
}

/// The refreshes that come, of the first by UPDATE and of the second by INVITE, at half of the time that was agreed on.
fn asked(phones: &[Phone; 2], speakers: &mut [Speaker; 2], began: Instant) -> [Message; 2] {
    let (mut update, mut invite) = (None, None);
    while update.is_none() || invite.is_none() {
        speakers.iter_mut().for_each(Speaker::say);
        let moment = Duration::from_millis(10);
        update = update.or_else(|| phones[0].requested("UPDATE", moment));
        invite = invite.or_else(|| phones[1].requested("INVITE", moment));
        assert!(began.elapsed() < Duration::from_secs(60), "nobody refreshes the calls");
    }
    assert!((40..=50).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    [update, invite].map(|refresh| refresh.expect("both came"))
}

const TIMER: &str = "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n";
