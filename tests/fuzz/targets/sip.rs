//! What a SIP terminal offers, its keys and its first datagram, and how it proves who it is.
#![no_main]

use std::time::Instant;

use hearing_bridge::endpoint::sip::dry_answer;
use hearing_bridge::net::rtp;
use hearing_bridge::net::sip::digest::Verifier;
use hearing_config::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (offer, datagram) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    if let Some(answer) = dry_answer(offer, datagram) {
        let lines = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
        assert!(lines(&answer) <= 16, "as many m-lines as were offered, which are bounded");
        assert!(dry_answer(answer.as_bytes(), datagram).is_some(), "our own answer could be an offer: {answer}");
    }
    let _ = (rtp::Header::read(datagram), rtp::read_rtcp(datagram));
    let secret = |user: &str| Some(user.to_owned());
    let proof = String::from_utf8_lossy(offer);
    let _ = Verifier::new("court").verify((Instant::now(), Timestamp(0)), "INVITE", Some(&proof), secret);
});
