//! Calls without an offer (RFC 3261, section 13.2.1), as gateways and conference units make them: the node offers, and the answer
//! comes with the acknowledgement.

use super::{CRYPTO, LATER, PLAIN, SOON, Speaker, await_seat, challenged, court, left_with, phone, start};
use crate::harness::node::{Node, until};
use crate::harness::phone::{Message, Phone, Talk};

#[test]
fn a_call_without_an_offer_is_offered_everything_and_goes_on_as_its_acknowledgements_say() {
    let node = court("allowed", 1);
    let hearing = start(&node);
    let mut phone = phone(&node, 0);
    let (media, sdp) = phone.media(PLAIN);
    await_seat(&mut phone);
    let (answer, mut talk) = without_offer(&mut phone, &sdp);
    assert_eq!(answer.status(), Some(200));
    let offered: Vec<_> = talk.answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert!(offered.len() == 2 && offered[0].ends_with(" RTP/AVP 96 9 8 0 100 101"), "{offered:?}");
    let mut speaker = Speaker::to(&node, &talk.answer, media);
    until("it is heard", || {
        speaker.say();
        (tracks(&node, &hearing) == 1).then_some(())
    });
    // It holds as it answers, is offered the same call anew although it holds, and goes on as it answers again.
    let holds = format!("{sdp}a=inactive\r\n{NO_PICTURE}");
    for (reply, expected) in [(holds, 0), (sdp + NO_PICTURE, 1)] {
        talk.reply = reply;
        phone.tell(&mut talk, "INVITE", "", "");
        assert_eq!(phone.answered(&mut talk).status(), Some(200));
        assert!(talk.answer.contains("RTP/AVP 8\r\n") && !talk.answer.contains("a=inactive"), "{}", talk.answer);
        until("it does as the answer says", || {
            speaker.say();
            (tracks(&node, &hearing) == expected).then_some(())
        });
    }
    assert_eq!(phone.bye(&mut talk), 200);
    left_with(&node, 0);
}

#[test]
fn whoever_does_not_answer_an_offer_is_hung_up_and_told_why_and_counted() {
    let node = court("allowed", 1);
    start(&node);
    let mut phone = phone(&node, 0);
    let (_media, sdp) = phone.media(PLAIN);
    await_seat(&mut phone);
    for (counted, reply) in [(1.0, String::new()), (2.0, phone.media("RTP/AVP 3").1), (3.0, "nonsense".to_owned())] {
        until("the seat is open again", || {
            let (answer, _) = without_offer(&mut phone, &reply);
            (answer.status() == Some(200)).then_some(())
        });
        told_why(&phone);
        assert_eq!(node.metric("hearing_sip_answers_bad_total"), Some(counted), "{reply}");
    }
    // The same of a call that stood already.
    let mut talk = until("it is taken", || {
        let (answer, talk) = without_offer(&mut phone, &(sdp.clone() + NO_PICTURE));
        (answer.status() == Some(200)).then_some(talk)
    });
    talk.reply.clear();
    phone.tell(&mut talk, "INVITE", "", "");
    assert_eq!(phone.answered(&mut talk).status(), Some(200));
    told_why(&phone);
    assert_eq!(node.metric("hearing_sip_answers_bad_total"), Some(4.0));
    left_with(&node, 0);
}

#[test]
fn a_call_without_an_offer_is_offered_keys_where_they_are_required_and_nothing_else_will_do() {
    let node = court("required", 1);
    let hearing = start(&node);
    let mut phone = phone(&node, 0);
    let (_media, plain) = phone.media(PLAIN);
    await_seat(&mut phone);
    let (answer, talk) = without_offer(&mut phone, &plain);
    assert!(answer.status() == Some(200) && talk.answer.contains("a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:"));
    told_why(&phone);
    let keyed = plain.replace("RTP/AVP", "RTP/SAVP") + &CRYPTO.replace("crypto:4", "crypto:2");
    let mut talk = until("the seat is open again", || {
        let (answer, talk) = without_offer(&mut phone, &keyed);
        (answer.status() == Some(200)).then_some(talk)
    });
    until("it is connected", || (node.presence(&hearing, "seat0") == "connected").then_some(()));
    assert_eq!(phone.requested("BYE", SOON).map(|bye| bye.start), None, "keys are a good answer");
    assert_eq!(phone.bye(&mut talk), 200);
    left_with(&node, 0);
}

#[test]
fn a_request_that_overtakes_the_acknowledgement_waits_for_it_and_is_told_to_come_again_when_there_is_none() {
    let node = court("allowed", 1);
    start(&node);
    let mut phone = phone(&node, 0);
    let (_media, sdp) = phone.media(PLAIN);
    await_seat(&mut phone);
    let mut talk = phone.talk("hearing");
    let proof = challenged(&mut phone, &mut talk, &sdp);
    phone.tell(&mut talk, "INVITE", &proof, &sdp);
    let mut agreed = phone.answered_silently(&mut talk);
    assert_eq!(agreed.status(), Some(200));
    let first = talk.clone();
    phone.tell(&mut talk, "INVITE", "", &sdp);
    phone.tell(&mut first.clone(), "ACK", "", "");
    agreed = phone.answered(&mut talk);
    assert_eq!(agreed.status(), Some(200), "the ACK came a moment later");
    assert_eq!(phone.bye(&mut talk), 200);
    left_with(&node, 0);
    await_seat(&mut phone);
    let mut talk = phone.talk("hearing");
    let proof = challenged(&mut phone, &mut talk, &sdp);
    phone.tell(&mut talk, "INVITE", &proof, &sdp);
    assert_eq!(phone.answered_silently(&mut talk).status(), Some(200));
    phone.tell(&mut talk, "INVITE", "", &sdp);
    assert_eq!(phone.answered_silently(&mut talk).status(), Some(491), "no ACK came");
    assert_eq!(phone.bye(&mut talk), 200);
    left_with(&node, 0);
}

/// Calls and offers nothing; `reply` goes into the acknowledgement.
fn without_offer(phone: &mut Phone, reply: &str) -> (Message, Talk) {
    let mut talk = phone.talk("hearing");
    talk.reply = reply.to_owned();
    let answer = phone.ask(&mut talk, "INVITE", "", "");
    (answer, talk)
}

/// It is hung up for its answer.
fn told_why(phone: &Phone) {
    let bye = phone.requested("BYE", LATER).expect("it is hung up");
    assert!(bye.header("reason").starts_with("SIP ;cause=488"), "{bye:?}");
    phone.respond(&bye, "200 OK", "");
}

fn tracks(node: &Node, hearing: &str) -> usize {
    let shown = node.hearing(&["show", hearing]);
    let live = shown["live"].as_array().and_then(|live| live.first()).cloned().unwrap_or_default();
    live["tracks"].as_array().map_or(0, Vec::len)
}

const NO_PICTURE: &str = "m=video 0 RTP/AVP 97\r\n";
