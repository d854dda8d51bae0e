//! Floods and clients that misbehave are bounded, counted, and felt by nobody else.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::browser::{Browser, Seen};
use crate::harness::firewall;
use crate::harness::media::Card;
use crate::harness::sitting::{Sitting, number};
use crate::harness::zones::{INTERNET, Zones};

#[test]
fn floods_at_the_front_door_are_bounded_and_counted_and_the_hearing_does_not_feel_them() {
    let mut sitting = Sitting::of(&["judge", "counsel"]);
    sitting.open();
    let client = sitting.court.zones.client(INTERNET);
    firewall::ip(&["-n", &client, "addr", "add", &format!("{ATTACKER}/24"), "dev", "access"]);
    let calm = watched(&mut sitting, || until_passed(FLOOD));
    let flooded = watched(&mut sitting, || flood(&client));
    report(&calm, &flooded);
    for (viewer, other) in PAIR {
        Sitting::assert_meet(&flooded[viewer], viewer, other, FLOOD.as_secs() as u32);
        let (gap, before) =
            (flooded[viewer][&format!("{other}/video")].gap, calm[viewer][&format!("{other}/video")].gap);
        assert!(gap < before + 500.0, "{viewer} missed {other} for {gap} ms, {before} ms without the flood");
    }
    let metrics = metrics(&sitting);
    for reason in ["too_fast", "greeting_unknown", "greeting_timeout", "media_unknown"] {
        let name = format!("hearing_door_refused_total{{reason=\"{reason}\"}}");
        assert!(metrics.contains(&name), "{name} is not counted:\n{metrics}");
    }
    assert!(sitting.court.seat(&sitting.hearing, "counsel")["presence"] == "connected");
}

#[test]
fn a_client_that_stops_reading_is_cut_off_and_the_others_do_not_feel_it() {
    let mut sitting = Sitting::of(&["judge", "clerk"]);
    let client = sitting.court.zones.client(INTERNET);
    firewall::only_tcp_443(&client);
    let card = Card::draw(&sitting.court.path(""), number("counsel"));
    sitting.seat_in("counsel", Browser::chromium(&client, &card));
    sitting.open();
    let stopped = Stopped::now(&client);
    sitting.court.wait_for(&sitting.hearing, "counsel", "admitted");
    let missed = stopped.since.elapsed();
    assert!(missed < Duration::from_secs(5), "counsel was missed after {missed:?}");
    let seen = {
        let mut others =
            [("judge", "clerk"), ("clerk", "judge")].map(|(viewer, other)| (viewer, other, HashMap::new()));
        for (viewer, _, seen) in &mut others {
            *seen = sitting.browser(viewer).observe(4);
        }
        others
    };
    drop(stopped);
    for (viewer, other, seen) in seen {
        Sitting::assert_meet(&seen, viewer, other, 4);
    }
    sitting.court.wait_for(&sitting.hearing, "counsel", "connected");
}

/// What judge and counsel see of each other while something goes on.
fn watched(sitting: &mut Sitting, act: impl FnOnce()) -> HashMap<&'static str, HashMap<String, Seen>> {
    for (viewer, other) in PAIR {
        sitting.browser(viewer).begin();
        sitting.browser(viewer).wait_for_pictures(&format!("{other}/video"), 15);
    }
    act();
    PAIR.iter().map(|(viewer, _)| (*viewer, sitting.browser(viewer).end())).collect()
}

/// For a while: silent connections, hellos that end in the middle, rubbish in frames, checks for sessions that are not there, and
/// connections without end. At most 6,000 of them, from one address.
fn flood(namespace: &str) {
    let namespace = namespace.to_owned();
    let attacker = std::thread::spawn(move || {
        Zones::enter(&namespace);
        let (until, mut open) = (Instant::now() + FLOOD, Vec::new());
        for n in 0..6_000_usize {
            if Instant::now() >= until {
                break;
            }
            let Some(mut stream) = connect() else { continue };
            // The node may have closed it by now, which is what is tested.
            let _ = stream.write_all(RUBBISH[n % RUBBISH.len()]);
            open.push(stream);
            // The first ones stay, until the node has had enough of them.
            if open.len() > 400 {
                open.drain(100..300);
            }
        }
        while Instant::now() < until {
            let _ = connect().map(|mut stream| stream.read(&mut [0; 16]));
        }
    });
    attacker.join().expect("the attacker ends");
}

fn connect() -> Option<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).ok()?;
    let (own, node): (SocketAddr, SocketAddr) =
        (format!("{ATTACKER}:0").parse().ok()?, format!("{}:443", INTERNET.address).parse().ok()?);
    socket.bind(&own.into()).ok()?;
    socket.connect_timeout(&node.into(), Duration::from_millis(500)).ok()?;
    socket.set_read_timeout(Some(Duration::from_millis(100))).ok()?;
    Some(socket.into())
}

fn until_passed(span: Duration) {
    let (began, never) = (Instant::now(), std::sync::Mutex::new(()));
    let guard = never.lock().expect("nobody else has it");
    let _ = std::sync::Condvar::new().wait_timeout_while(guard, span, |()| began.elapsed() < span);
}

/// Sends a signal to every process of a namespace.
/// The processes of a network, stopped until this is dropped: a browser that stays stopped can't be put away.
struct Stopped<'a> {
    namespace: &'a str,
    since: Instant,
}

impl<'a> Stopped<'a> {
    fn now(namespace: &'a str) -> Self {
        signal(namespace, "STOP");
        Self { namespace, since: Instant::now() }
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        signal(self.namespace, "CONT");
    }
}

fn signal(namespace: &str, name: &str) {
    let pids = Command::new("ip").args(["netns", "pids", namespace]).output().expect("iproute2 is installed");
    for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
        // A helper process of the browser may have ended meanwhile.
        let _ = Command::new("kill").args([&format!("-{name}"), pid]).status();
    }
}

fn metrics(sitting: &Sitting) -> String {
    let node = sitting.court.zones.node(INTERNET);
    let output =
        Zones::command(&node, "curl").args(["--silent", "http://127.0.0.1:9090/metrics"]).output().expect("curl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

type Watched = HashMap<&'static str, HashMap<String, Seen>>;

/// What was measured, for docs/performance.md: shown by `--success-output immediate`.
#[expect(clippy::print_stderr, reason = "the figures of a run are read by whoever runs it")]
fn report(calm: &Watched, flooded: &Watched) {
    for (viewer, other) in PAIR {
        let of = |seen: &Watched| {
            let picture = &seen[viewer][&format!("{other}/video")];
            format!("{} pictures, longest gap {} ms", picture.frames, picture.gap.round())
        };
        eprintln!("{viewer} of {other}: calm {}; flooded {}", of(calm), of(flooded));
    }
}

const PAIR: [(&str, &str); 2] = [("judge", "counsel"), ("counsel", "judge")];
const ATTACKER: &str = "203.0.113.66";
const FLOOD: Duration = Duration::from_secs(10);
/// Nothing at all; a hello that ends in the middle; frames of rubbish; a check for nobody; plain HTTP.
const RUBBISH: [&[u8]; 5] = [
    b"",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x00\x20\x00\x01\x00\x0c\x21\x12\xa4\x42abcdefghijkl\x00\x06\x00\x08abcd:efg",
    b"GET / HTTP/1.1\r\n\r\n",
];
