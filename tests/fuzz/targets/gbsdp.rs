//! Session descriptions of devices, and what is made of them.
#![no_main]

use hearing_proto::gb28181::sdp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let Some(media) = sdp::read(&text) else { return assert_eq!(sdp::read_offer(&text), None) };
    // Of an offer and an answer only who connects may differ, where neither says it.
    let offered = sdp::read_offer(&text).expect("it names its media");
    assert_eq!(sdp::Media { transport: media.transport, ..offered }, media);
    // Whatever is read of an offer of ours that it is put behind is what the offer says.
    let platform = "34020000002000000001".parse().expect("twenty digits");
    let play = sdp::Play {
        platform,
        address: [10, 0, 0, 1].into(),
        port: media.port,
        ssrc: media.ssrc.unwrap_or(7),
        transport: media.transport,
    };
    let read = sdp::read(&play.offer()).expect("an offer names its media");
    assert_eq!((read.port, read.ssrc, read.transport), (play.port, Some(play.ssrc), play.transport));
});
