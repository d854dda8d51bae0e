//! Hostile networks and networks that change: who sits behind them stays in the hearing, on the same seat.

use std::time::{Duration, Instant};

use crate::harness::browser::{Browser, Seen};
use crate::harness::firewall;
use crate::harness::media::Card;
use crate::harness::netns;
use crate::harness::sitting::{Sitting, number};
use crate::harness::zones::INTERNET;

#[test]
fn a_browser_whose_firewall_passes_only_tcp_443_joins_within_three_seconds() {
    let mut sitting = Sitting::of(&["judge"]);
    let client = sitting.court.zones.client(INTERNET);
    firewall::only_tcp_443(&client);
    let card = Card::draw(&sitting.court.path(""), number("counsel"));
    let took = sitting.seat_in("counsel", Browser::chromium(&client, &card));
    assert!(took < JOINED, "counsel was connected {took:?} after being let in");
    assert_eq!(path_of(&mut sitting, "counsel"), "tcp 203.0.113.1:443");
    meet(&mut sitting);
    report("Chromium, only TCP 443", &[("joined", took)]);
}

#[test]
fn firefox_behind_a_firewall_that_passes_only_tcp_443_joins_too() {
    let mut sitting = Sitting::of(&["judge"]);
    let client = sitting.court.zones.client(INTERNET);
    firewall::only_tcp_443(&client);
    let took = sitting.seat_in("counsel", Browser::firefox_in(&client));
    assert!(took < JOINED, "counsel was connected {took:?} after being let in");
    sitting.browser("counsel").wait("window.hearing.slots['judge/video'].videoWidth > 0");
    let seen = sitting.observe(SECONDS);
    let picture = &seen["counsel"]["judge/video"];
    assert!(picture.frames >= SECONDS * 5, "Firefox saw {} frames of the judge", picture.frames);
    // Firefox draws its own picture and plays its own tone.
    assert!(seen["judge"]["counsel/audio"].tone > 100.0, "the judge did not hear Firefox's tone");
    report("Firefox, only TCP 443", &[("joined", took)]);
}

#[test]
fn udp_that_is_blocked_in_mid_hearing_gives_way_to_tcp_within_five_seconds() {
    let mut sitting = in_session();
    let client = sitting.court.zones.client(INTERNET);
    assert!(path_of(&mut sitting, "counsel").starts_with("udp"));
    let gaps = gaps(&mut sitting, || firewall::no_udp(&client));
    assert_eq!(path_of(&mut sitting, "counsel"), "tcp 203.0.113.1:443");
    assert_kept(&mut sitting);
    gaps.assert_below("UDP blocked in mid-hearing", Duration::from_secs(5));
}

#[test]
fn udp_that_is_blocked_both_ways_in_mid_hearing_gives_way_to_tcp_within_five_seconds() {
    let mut sitting = in_session();
    let client = sitting.court.zones.client(INTERNET);
    assert!(path_of(&mut sitting, "counsel").starts_with("udp"));
    let gaps = gaps(&mut sitting, || firewall::no_udp_either_way(&client));
    assert_eq!(path_of(&mut sitting, "counsel"), "tcp 203.0.113.1:443");
    assert_kept(&mut sitting);
    gaps.assert_below("UDP blocked both ways in mid-hearing", Duration::from_secs(5));
}

#[test]
fn a_browser_whose_firewall_passes_nothing_but_port_443_has_its_media_over_udp_there() {
    let mut sitting = Sitting::convene(Sitting::court("bind = \"203.0.113.1:443\""));
    sitting.seat("judge");
    let client = sitting.court.zones.client(INTERNET);
    firewall::only_443(&client);
    let card = Card::draw(&sitting.court.path(""), number("counsel"));
    let took = sitting.seat_in("counsel", Browser::chromium(&client, &card));
    assert!(took < JOINED, "counsel was connected {took:?} after being let in");
    assert_eq!(path_of(&mut sitting, "counsel"), "udp 203.0.113.1:443");
    meet(&mut sitting);
    report("Chromium, only TCP and UDP 443", &[("joined", took)]);
}

#[test]
fn a_translator_of_addresses_that_forgets_costs_a_second() {
    let mut sitting = Sitting::of(&["judge"]);
    let client = sitting.court.zones.client(INTERNET);
    firewall::translated(&client, INTERNET.client, 41_000);
    sitting.seat("counsel");
    sitting.open();
    let gaps = gaps(&mut sitting, || firewall::translated(&client, INTERNET.client, 43_000));
    assert_kept(&mut sitting);
    gaps.assert_below("NAT gives a new port", Duration::from_secs(1));
}

#[test]
fn a_phone_that_leaves_the_wifi_for_the_cellular_network_is_back_within_three_seconds() {
    let mut sitting = in_session();
    let (client, node) = (sitting.court.zones.client(INTERNET), sitting.court.zones.node(INTERNET));
    let gaps = gaps(&mut sitting, || go_cellular(&client, &node));
    assert_kept(&mut sitting);
    gaps.assert_below("Wi-Fi to cellular", Duration::from_secs(3));
}

#[test]
fn one_who_was_gone_for_half_a_minute_comes_back_to_the_same_seat_and_has_missed_no_event() {
    let mut sitting = in_session();
    let client = sitting.court.zones.client(INTERNET);
    sitting.browser("counsel").evaluate("window.first = window.hearing.pc, true");
    firewall::nothing(&client);
    let cut = Instant::now();
    sitting.court.until("counsel is missed", || (presence(&sitting) == "admitted").then_some(()));
    let missed = cut.elapsed();
    assert!(missed < Duration::from_secs(5), "counsel was missed after {missed:?}");
    sitting.browser("counsel").wait("/网络有变化|连接中断/.test(document.body.innerText)");
    sitting.court.hearing(&["mute", &sitting.hearing, "counsel"]);
    sitting.court.hearing(&["unmute", &sitting.hearing, "counsel"]);
    while cut.elapsed() < Duration::from_secs(30) {
        assert_eq!(sitting.phase().as_deref(), Some("in-session"));
    }
    firewall::rules(&client, "");
    let back = Instant::now();
    sitting.court.wait_for(&sitting.hearing, "counsel", "connected");
    let took = back.elapsed();
    assert!(took < Duration::from_secs(5), "counsel was back after {took:?}");
    let seq = sitting.court.hearing(&["show", &sitting.hearing])["view"]["seq"].as_u64().expect("a sequence number");
    sitting.browser("counsel").wait(&format!("window.hearing.seq >= {seq} && window.hearing.line === 'up'"));
    meet(&mut sitting);
    report("gone for 30 s", &[("missed after", missed), ("back after", took)]);
}

/// Judge and counsel are there, and the hearing is open.
fn in_session() -> Sitting {
    let mut sitting = Sitting::of(&["judge", "counsel"]);
    sitting.open();
    meet(&mut sitting);
    sitting
}

fn presence(sitting: &Sitting) -> String {
    sitting.court.seat(&sitting.hearing, "counsel")["presence"].as_str().expect("a presence").to_owned()
}

/// Judge and counsel see and hear each other.
fn meet(sitting: &mut Sitting) {
    for (viewer, other) in PAIR {
        sitting.browser(viewer).wait(&format!("window.hearing.slots['{other}/video'].videoWidth > 0"));
    }
    let seen = sitting.observe(SECONDS);
    for (viewer, other) in PAIR {
        Sitting::assert_meet(&seen[viewer], viewer, other, SECONDS);
    }
}

/// The hearing goes on, its record too, and nobody lost a seat.
fn assert_kept(sitting: &mut Sitting) {
    meet(sitting);
    assert_eq!(sitting.phase().as_deref(), Some("in-session"));
    let shown = sitting.court.hearing(&["show", &sitting.hearing]);
    assert_eq!(shown["view"]["record"]["state"], "running", "{}", shown["view"]["record"]);
    assert_eq!(sitting.browser("counsel").evaluate("window.hearing.you"), "counsel");
}

/// How the chosen path of a seat goes: `protocol address:port` of the node.
fn path_of(sitting: &mut Sitting, seat: &str) -> String {
    let path = sitting.browser(seat).evaluate(
        "(async () => { const all = [...(await window.hearing.pc.getStats()).values()]; \
         const chosen = all.find((s) => s.type === 'transport').selectedCandidatePairId; \
         const pair = all.find((s) => s.id === chosen); \
         const end = all.find((s) => s.id === pair.remoteCandidateId); \
         return `${end.protocol} ${end.address}:${end.port}` })()",
    );
    path.as_str().expect("the browser tells its path").to_owned()
}

/// The longest times without a new picture and without sound, at both ends, while `change` happens.
struct Gaps([(&'static str, Duration); 4]);

impl Gaps {
    fn assert_below(&self, network: &str, limit: Duration) {
        report(network, &self.0);
        for (what, gap) in self.0 {
            assert!(gap <= limit, "{network}: {what} was missing for {gap:?}");
        }
    }
}

/// Both watch each other; when pictures flow `change` happens, and they watch until pictures have flowed again for a while.
fn gaps(sitting: &mut Sitting, change: impl FnOnce()) -> Gaps {
    for (viewer, other) in PAIR {
        sitting.browser(viewer).begin();
        sitting.browser(viewer).wait_for_pictures(&format!("{other}/video"), 30);
    }
    change();
    sitting.browser("counsel").wait_for_pictures("judge/video", 60);
    sitting.browser("judge").wait_for_pictures("counsel/video", 90);
    sitting.browser("counsel").wait_for_pictures("judge/video", 30);
    let seen = PAIR.map(|(viewer, other)| (sitting.browser(viewer).end(), other));
    let gap = |(seen, other): &(std::collections::HashMap<String, Seen>, &str), kind: &str| {
        Duration::from_secs_f32(seen[&format!("{other}/{kind}")].gap / 1_000.0)
    };
    Gaps([
        ("judge: picture of counsel", gap(&seen[0], "video")),
        ("judge: sound of counsel", gap(&seen[0], "audio")),
        ("counsel: picture of judge", gap(&seen[1], "video")),
        ("counsel: sound of judge", gap(&seen[1], "audio")),
    ])
}

/// The first network is gone, another one with another address is there.
fn go_cellular(client: &str, node: &str) {
    netns::line([(node, "cell", &["198.51.100.1/24"]), (client, "cell", &["198.51.100.2/24"])]);
    netns::ip(&["-n", client, "addr", "flush", "dev", "access"]);
    netns::ip(&["-n", client, "link", "set", "access", "down"]);
    netns::ip(&["-n", client, "route", "add", "default", "via", "198.51.100.1"]);
}

/// What was measured, for docs/performance.md: shown by `--success-output immediate`.
#[expect(clippy::print_stderr, reason = "the figures of a run are read by whoever runs it")]
fn report(network: &str, figures: &[(&str, Duration)]) {
    let figures: Vec<_> = figures.iter().map(|(what, took)| format!("{what} {} ms", took.as_millis())).collect();
    eprintln!("{network}: {}", figures.join(", "));
}

const PAIR: [(&str, &str); 2] = [("judge", "counsel"), ("counsel", "judge")];
const SECONDS: u32 = 4;
const JOINED: Duration = Duration::from_secs(3);
