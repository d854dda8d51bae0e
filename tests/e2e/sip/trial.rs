//! Trial calls to a terminal that takes NAL units in packets of their own alone (packetization-mode 0), which sends back what it gets.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{LATER, court, left_with, phone};

#[test]
fn a_terminal_without_fragments_is_tried_with_units_that_fit_into_packets_and_is_fine() {
    let node = court("allowed", 1);
    let mut phone = phone(&node, 0);
    assert_eq!(phone.register(), 200);
    let ((sound, sdp), (picture, _)) = (phone.media("RTP/AVP 8"), phone.media(""));
    let port = picture.local_addr().expect("an address").port();
    let sdp = format!(
        "{sdp}m=video {port} RTP/AVP 98\r\na=rtpmap:98 H264/90000\r\n\
         a=fmtp:98 profile-level-id=42e01f;packetization-mode=0\r\n"
    );
    let over = AtomicBool::new(false);
    let (trial, largest) = std::thread::scope(|scope| {
        let trial = scope.spawn(|| node.hearing(&["terminal", "test", "room0", "--seconds", "4"]));
        let invite = phone.requested("INVITE", LATER).expect("it is rung");
        assert!(invite.body.contains("a=fmtp:98 profile-level-id=42e01f;packetization-mode=0"), "{}", invite.body);
        phone.respond(&invite, "200 OK", &sdp);
        let over = &over;
        let echoes =
            [(&sound, false), (&picture, true)].map(|(socket, nal)| scope.spawn(move || echo(socket, nal, over)));
        let goodbye = phone.requested("BYE", LATER).expect("it is hung up when the time is over");
        phone.respond(&goodbye, "200 OK", "");
        over.store(true, Ordering::Relaxed);
        let largest = echoes.map(|echo| echo.join().expect("what comes can be sent back"));
        (trial.join().expect("it is tried"), largest)
    });
    assert_eq!((&trial["ok"], &trial["picture"]["codec"]), (&true.into(), &"h264".into()), "{trial}");
    assert!(trial["pictures"].as_u64() > Some(50) && trial["picture"]["sent"].as_u64() > Some(80), "{trial}");
    assert!((100..=1_200).contains(&largest[1]), "{largest:?}");
    left_with(&node, 0);
}

/// Sends back what comes; the size of the largest packet, each of which holds one whole unit where `nal` says so (RFC 6184, section
/// 6.2).
fn echo(socket: &UdpSocket, nal: bool, over: &AtomicBool) -> usize {
    let (mut buffer, mut largest) = ([0; 2_048], 0);
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let kind = buffer[12] & 0x1f;
        assert!(!nal || (1..24).contains(&kind), "a packet of type {kind}");
        largest = largest.max(length);
        // The node may have hung up already.
        let _ = socket.send_to(&buffer[..length], from);
    }
    largest
}
