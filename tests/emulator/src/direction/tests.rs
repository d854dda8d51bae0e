//! The line as it was ordered, in virtual time.

use proptest::prelude::*;

use super::*;
use crate::Loss;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn quality(text: &str) -> Quality {
    text.parse().unwrap()
}

/// Sends `count` packets of `bytes` bytes, one every `every`, and gives which arrived, and how long after they were sent.
fn run(line: &mut Direction<u64>, count: u64, bytes: usize, every: Duration) -> Vec<(u64, Duration)> {
    let start = Instant::now();
    let sent = |n: u64| start + every.saturating_mul(n as u32);
    let mut arrived = Vec::new();
    for n in 0..count {
        drain(line, sent(n), |packet, at| arrived.push((packet, at - sent(packet))));
        line.push(sent(n), bytes, n);
    }
    drain(line, sent(count) + MS(60_000), |packet, at| arrived.push((packet, at - sent(packet))));
    arrived
}

fn drain(line: &mut Direction<u64>, until: Instant, mut each: impl FnMut(u64, Instant)) {
    while let Some(at) = line.poll_timeout().filter(|at| *at <= until) {
        each(line.poll(at).unwrap(), at);
    }
}

#[test]
fn a_perfect_line_delivers_everything_at_once() {
    let arrived = run(&mut Direction::new(Quality::default(), 1), 100, 1_200, MS(1));
    assert_eq!(arrived, (0..100).map(|n| (n, Duration::ZERO)).collect::<Vec<_>>());
}

#[test]
fn every_packet_takes_the_delay_and_at_most_the_jitter_longer_in_order() {
    let mut line = Direction::new(quality("delay=20ms,jitter=5ms"), 1);
    let arrived = run(&mut line, 2_000, 1_200, MS(1));
    assert!(arrived.iter().map(|(n, _)| *n).eq(0..2_000));
    assert!(arrived.iter().all(|(_, took)| (MS(20)..=MS(25)).contains(took)));
    assert!(arrived.iter().any(|(_, took)| *took > MS(24)) && arrived.iter().any(|(_, took)| *took < MS(21)));
}

#[test]
fn packets_are_lost_by_chance_as_often_as_ordered() {
    let mut line = Direction::new(quality("loss=5%"), 7);
    let arrived = run(&mut line, 20_000, 1_200, MS(1));
    assert!((18_800..19_200).contains(&arrived.len()), "{}", arrived.len());
    assert_eq!(line.counts().lost + line.counts().delivered, 20_000);
}

#[test]
fn bursts_have_the_ordered_share_and_length() {
    let mut line = Direction::new(quality("burst=10%/5"), 3);
    let arrived: Vec<u64> = run(&mut line, 100_000, 1_200, MS(1)).into_iter().map(|(n, _)| n).collect();
    let lost = 100_000 - arrived.len();
    assert!((8_500..11_500).contains(&lost), "{lost}");
    let bursts = arrived.windows(2).filter(|pair| pair[1] > pair[0] + 1).count();
    let length = lost as f64 / bursts as f64;
    assert!((4.0..6.0).contains(&length), "{length}");
}

#[test]
fn a_packet_that_is_held_back_is_overtaken() {
    let mut line = Direction::new(quality("delay=10ms,reorder=10%,held=30ms"), 1);
    let arrived: Vec<u64> = run(&mut line, 1_000, 1_200, MS(5)).into_iter().map(|(n, _)| n).collect();
    let overtaken = arrived.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert_eq!(arrived.len(), 1_000);
    assert!((60..140).contains(&overtaken), "{overtaken}");
    assert!(line.counts().reordered as usize >= overtaken);
}

#[test]
fn the_rate_spaces_packets_and_a_full_queue_drops_the_last_ones() {
    // 10 kB a second: a packet of 1,000 bytes takes 100 ms, and three may wait.
    let mut line = Direction::new(quality("rate=80k,queue=3k"), 1);
    let arrived = run(&mut line, 10, 1_000, Duration::ZERO);
    assert_eq!(arrived, [(0, MS(100)), (1, MS(200)), (2, MS(300))]);
    assert_eq!(line.counts().overflowed, 7);
}

#[test]
fn a_line_that_is_asked_for_no_more_than_its_rate_has_no_queue() {
    let mut line = Direction::new(quality("rate=80k,queue=2k"), 1);
    let arrived = run(&mut line, 50, 1_000, MS(100));
    assert!(arrived.iter().all(|(_, took)| *took == MS(100)) && arrived.len() == 50);
}

#[test]
fn a_cut_takes_what_is_on_its_way_and_nothing_stale_comes_after_the_repair() {
    let (mut line, now) = (Direction::new(quality("delay=50ms"), 1), Instant::now());
    line.push(now, 100, 1);
    line.set(quality("delay=50ms,cut"));
    line.push(now + MS(10), 100, 2);
    line.set(quality("delay=50ms"));
    line.push(now + MS(20), 100, 3);
    let mut arrived = Vec::new();
    drain(&mut line, now + MS(1_000), |packet, at| arrived.push((packet, at)));
    assert_eq!(arrived, [(3, now + MS(70))]);
    assert_eq!(line.counts().cut, 2);
}

proptest! {
    #[test]
    fn every_packet_has_one_fate_and_a_seed_repeats_itself(
        seed: u64, loss in 0.0..0.5f64, reorder in 0.0..0.3f64, rate in 1_000.0..1e6f64, queue in 0..20_000usize,
    ) {
        let quality = Quality {
            delay: MS(20), jitter: MS(10), loss: Loss::Random(loss), reorder, held: MS(25), rate: Some(rate), queue: Some(queue), cut: false,
        };
        let mut line = Direction::new(quality, seed);
        let arrived = run(&mut line, 300, 1_000, MS(3));
        let counts = line.counts();
        prop_assert_eq!(counts.offered, counts.delivered + counts.lost + counts.overflowed + counts.cut);
        prop_assert_eq!(arrived.len() as u64, counts.delivered);
        let again: Vec<u64> = run(&mut Direction::new(quality, seed), 300, 1_000, MS(3)).into_iter().map(|(n, _)| n).collect();
        prop_assert!(arrived.into_iter().map(|(n, _)| n).eq(again));
    }
}
