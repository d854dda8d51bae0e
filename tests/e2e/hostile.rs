//! Floods and clients that misbehave are bounded, counted, and felt by nobody else.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::browser::{Browser, Seen};
use crate::harness::firewall;
use crate::harness::media::Card;
use crate::harness::netns;
use crate::harness::node::{ADMIN, Site, WEB};
use crate::harness::sitting::{Sitting, number};
use crate::harness::zones::INTERNET;

#[test]
fn floods_at_the_front_door_are_bounded_and_counted_and_the_hearing_does_not_feel_them() {
    let mut sitting = Sitting::of(&["judge", "counsel"]);
    sitting.open();
    let client = sitting.court.zones.client(INTERNET);
    netns::ip(&["-n", &client, "addr", "add", &format!("{ATTACKER}/24"), "dev", "access"]);
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
fn a_flood_of_half_open_connections_keeps_nobody_out_and_the_hearing_does_not_feel_it() {
    let mut sitting = Sitting::of(&["judge", "counsel"]);
    sitting.open();
    let (node, client) = (sitting.court.zones.node(INTERNET), sitting.court.zones.client(INTERNET));
    let calm = watched(&mut sitting, || until_passed(FLOOD));
    let mut answered = Vec::new();
    let flooded = watched(&mut sitting, || {
        let attacker = half_open(&client);
        while !attacker.is_finished() {
            answered.push(page_load(&client));
            // Whoever comes more than 32 times a second is taken for a flood himself.
            until_passed(Duration::from_millis(100));
        }
        assert!(attacker.join().expect("the attacker ends") > 50_000, "the flood was none");
    });
    report(&calm, &flooded);
    for (viewer, other) in PAIR {
        Sitting::assert_meet(&flooded[viewer], viewer, other, FLOOD.as_secs() as u32);
        let (gap, before) =
            (flooded[viewer][&format!("{other}/video")].gap, calm[viewer][&format!("{other}/video")].gap);
        assert!(gap < before + 500.0, "{viewer} missed {other} for {gap} ms, {before} ms without the flood");
    }
    let slowest = answered.iter().max().expect("pages were loaded");
    assert!(
        answered.len() >= 5 && *slowest < Duration::from_secs(2),
        "of {} pages one took {slowest:?}",
        answered.len()
    );
    assert!(kernel_count(&node, "SyncookiesSent") > 0, "the kernel counted no SYN cookies");
}

#[test]
fn bodies_that_come_a_byte_at_a_time_are_let_go_and_counted_and_other_requests_do_not_wait() {
    let node = Site::court().run();
    let (hearing, link) = node.convene();
    let request = format!(
        "POST /api/hearings/{hearing}/join HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n{{"
    );
    let mut slow: Vec<_> = (1..=SLOW).map(|n| crawl(n, node.site.address.into(), &request)).collect();
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    while slow.iter().any(|one| one.answer.is_none()) {
        assert!(began.elapsed() < Duration::from_secs(30), "some of them are still there");
        slow.iter_mut().for_each(Crawling::go_on);
        let asked = Instant::now();
        assert_eq!(node.join(&hearing, &link("judge"), 'a').status, 200);
        slowest = slowest.max(asked.elapsed());
        until_passed(Duration::from_millis(250));
    }
    assert!(slow.iter().all(|one| one.answer.as_deref().is_some_and(|answer| answer.starts_with("HTTP/1.1 408"))));
    assert!(slowest < Duration::from_millis(500), "a request beside them took {slowest:?}");
    let output =
        Command::new("curl").args(["--silent", &format!("http://{}:{ADMIN}/metrics", node.site.address)]).output();
    let metrics = String::from_utf8_lossy(&output.expect("curl").stdout).into_owned();
    assert!(metrics.contains(&format!("hearing_http_slow_requests_total {SLOW}")), "{metrics}");
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
        netns::enter(&namespace);
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

/// For a while: the first packets of connections that are never completed, from addresses that nobody has. How many.
fn half_open(namespace: &str) -> std::thread::JoinHandle<usize> {
    let namespace = namespace.to_owned();
    std::thread::spawn(move || {
        netns::enter(&namespace);
        let raw = socket2::Protocol::from(255);
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(raw)).expect("tests run as root");
        let node: SocketAddr = format!("{}:443", INTERNET.address).parse().expect("an address");
        let (began, mut sent) = (Instant::now(), 0_usize);
        while began.elapsed() < FLOOD {
            for _ in 0..200 {
                // A full queue of the device drops it, as a flood may.
                sent += usize::from(socket.send_to(&first_packet(sent as u32), &node.into()).is_ok());
            }
            until_passed(Duration::from_millis(10));
        }
        sent
    })
}

/// A TCP packet with nothing but SYN, from one of 150 addresses (RFC 791, RFC 9293).
fn first_packet(n: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    let (from, to) = ([203, 0, 113, 100 + (n % 150) as u8], [203, 0, 113, 1]);
    packet[..12].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0]);
    packet[12..16].copy_from_slice(&from);
    packet[16..20].copy_from_slice(&to);
    packet[20..22].copy_from_slice(&(1_024 + (n / 150) as u16 % 60_000).to_be_bytes());
    packet[22..24].copy_from_slice(&443_u16.to_be_bytes());
    packet[24..28].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
    packet[32..36].copy_from_slice(&[0x50, 2, 0xff, 0xff]);
    let sum = |bytes: &[u8]| bytes.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum::<u32>();
    // The pseudo header: both addresses, the protocol, the length.
    let total = sum(&packet[12..40]) + 6 + 20;
    let folded = (total & 0xffff) + (total >> 16);
    let check = !((folded & 0xffff) + (folded >> 16)) as u16;
    packet[36..38].copy_from_slice(&check.to_be_bytes());
    packet
}

/// How long the page takes to load for somebody else.
fn page_load(namespace: &str) -> Duration {
    let began = Instant::now();
    let url = format!("https://{}/", INTERNET.address);
    let output = netns::command(namespace, "curl")
        .args(["--silent", "--show-error", "--insecure", "--max-time", "5", &url])
        .output();
    let output = output.expect("curl is installed by scripts/setup");
    assert!(output.status.success(), "the page does not load: {}", String::from_utf8_lossy(&output.stderr));
    began.elapsed()
}

/// A counter of the kernel's TCP in a namespace.
fn kernel_count(namespace: &str, name: &str) -> u64 {
    let output = netns::command(namespace, "cat").arg("/proc/net/netstat").output().expect("cat");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:")).map(|line| line.split_whitespace().skip(1));
    let (names, values) = lines.next().zip(lines.next()).expect("names and values");
    let of = |(known, value): (&str, &str)| (known == name).then(|| value.parse().ok())?;
    names.zip(values).find_map(of).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// A request whose body comes a byte at a time.
struct Crawling {
    stream: TcpStream,
    answer: Option<String>,
}

/// From an address of its own, so that it is not the number of connections that ends it.
fn crawl(n: u8, node: std::net::IpAddr, request: &str) -> Crawling {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 77, n, 1], 0)).into()).expect("loopback has many addresses");
    socket.connect(&SocketAddr::from((node, WEB)).into()).expect("the node listens");
    let mut stream: TcpStream = socket.into();
    stream.write_all(request.as_bytes()).expect("the head goes at once");
    stream.set_nonblocking(true).expect("a socket");
    Crawling { stream, answer: None }
}

impl Crawling {
    fn go_on(&mut self) {
        let mut answer = [0; 64];
        if self.answer.is_none() {
            match self.stream.read(&mut answer) {
                Ok(length) => self.answer = Some(String::from_utf8_lossy(&answer[..length]).into_owned()),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}"),
            }
            // It may be closed by now.
            let _ = self.stream.write(b" ");
        }
    }
}

fn until_passed(span: Duration) {
    let (began, never) = (Instant::now(), std::sync::Mutex::new(()));
    let guard = never.lock().expect("nobody else has it");
    let _ = std::sync::Condvar::new().wait_timeout_while(guard, span, |()| began.elapsed() < span);
}

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

/// Sends a signal to every process of a namespace.
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
        netns::command(&node, "curl").args(["--silent", "http://127.0.0.1:9090/metrics"]).output().expect("curl");
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
/// Requests whose body never ends.
const SLOW: u8 = 200;
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
