//! Connections that are fast, slow, silent and full of rubbish.

use std::net::{IpAddr, Ipv4Addr, TcpListener};

use super::super::visitors::Visitors;
use super::*;

/// A worker's end and a client's.
fn pair(streams: &mut Streams, poll: &mio::Poll, now: Instant) -> (std::net::TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (stream, remote) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let visit = Visitors::default().enter(now, IpAddr::from(Ipv4Addr::LOCALHOST)).unwrap();
    streams.add(poll.registry(), now, Accepted { stream, remote, visit });
    (client, remote)
}

fn streams() -> (Streams, mio::Poll, Instant) {
    (Streams::new(Token(2)), mio::Poll::new().unwrap(), Instant::now())
}

/// Reads what the poll reports until `count` frames came.
fn receive(streams: &mut Streams, poll: &mut mio::Poll, now: Instant, count: usize) -> Vec<Vec<u8>> {
    let (mut got, mut events) = (Vec::new(), mio::Events::with_capacity(8));
    while got.len() < count && !streams.is_empty() {
        while streams.receive(now, |_, frame| {
            got.push(frame.to_vec());
            true
        }) {}
        if got.len() < count && !streams.is_empty() {
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "nothing came");
            events
                .iter()
                .for_each(|event| streams.handle_event(event.token(), event.is_readable(), event.is_writable()));
        }
    }
    got
}

#[test]
fn frames_go_both_ways_over_a_connection() {
    let (mut streams, mut poll, now) = streams();
    let (mut client, remote) = pair(&mut streams, &poll, now);
    client.write_all(&[0, 3, 1, 2, 3, 0, 1]).unwrap();
    client.write_all(&[9]).unwrap();
    assert_eq!(receive(&mut streams, &mut poll, now, 2), [vec![1, 2, 3], vec![9]]);
    assert!(streams.send(remote, &Bytes::from_static(b"abcde"), Some(2)));
    streams.flush(now);
    let mut answer = [0; 11];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\0\x02ab\0\x02cd\0\x01e");
    assert!(!streams.send("192.0.2.1:9".parse().unwrap(), &Bytes::from_static(b"x"), None));
}

#[test]
fn a_client_that_never_reads_costs_a_bounded_queue_and_sound_outlives_pictures() {
    let (mut streams, poll, now) = streams();
    let (_client, remote) = pair(&mut streams, &poll, now);
    let (picture, sound) = (Bytes::from(vec![0; 11_000]), Bytes::from(vec![0; 100]));
    for _ in 0..2_000 {
        streams.send(remote, &picture, Some(1_100));
        streams.flush(now);
    }
    let place = streams.places[&remote];
    let waiting = |streams: &Streams| streams.slots[place].as_ref().unwrap().out.bytes.len();
    assert!(waiting(&streams) <= LIMIT * 2, "{}", waiting(&streams));
    assert!(streams.counters().overflowed > 10_000, "{:?}", streams.counters());
    let before = streams.counters().overflowed;
    streams.send(remote, &sound, None);
    assert_eq!(streams.counters().overflowed, before);
    streams.handle_timeout(now + STALL);
    assert_eq!((streams.counters().stalled, streams.len()), (1, 0));
}

#[test]
fn a_picture_is_dropped_until_half_of_the_queue_is_free_again() {
    let mut out = Outbound::default();
    assert!(out.push(&vec![0; LIMIT - 10], 1_000));
    assert!(!out.push(&[0; 1_000], 1_000));
    out.done(LIMIT / 4);
    assert!(!out.push(&[0; 1_000], 1_000));
    out.done(LIMIT / 2);
    assert!(out.push(&[0; 1_000], 1_000));
}

#[test]
fn what_is_no_frame_ends_its_connection_and_is_counted() {
    let (mut streams, mut poll, now) = streams();
    let (mut client, _) = pair(&mut streams, &poll, now);
    client.write_all(&[0xff; 64]).unwrap();
    assert!(receive(&mut streams, &mut poll, now, 1).is_empty());
    assert_eq!((streams.counters().malformed, streams.len()), (1, 0));
}

#[test]
fn a_connection_from_which_nothing_useful_comes_is_closed() {
    let (mut streams, poll, now) = streams();
    let (_client, _) = pair(&mut streams, &poll, now);
    streams.handle_timeout(now + SILENCE - Duration::from_millis(1));
    assert_eq!(streams.len(), 1);
    streams.handle_timeout(now + SILENCE);
    assert_eq!((streams.counters().silent, streams.len()), (1, 0));
}
