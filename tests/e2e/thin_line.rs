//! A participant behind a thin line: sound never stops, the judge stays in sight, and everything comes back with the line. And one
//! behind a line that loses much: what is said comes whole.

use std::process::Command;

use serde_json::Value;

use crate::harness::browser::Browser;
use crate::harness::firewall;
use crate::harness::media::is_tone_of;
use crate::harness::sitting::Sitting;
use crate::harness::zones::INTERNET;

#[test]
fn on_a_line_that_becomes_thin_sound_goes_on_and_the_judge_stays_in_sight() {
    let mut sitting = Sitting::of(&["judge", "clerk", "counsel"]);
    sitting.wait_for_media();
    let namespace = sitting.court.zones.node(INTERNET);
    let counsel = sitting.browsers.get_mut("counsel").expect("counsel came");
    let rich = rates(counsel, 12);
    assert!(rich["judge"] > 300.0, "before: {rich:?}");

    tc(
        &namespace,
        &["qdisc", "add", "dev", "access", "root", "tbf", "rate", "450kbit", "burst", "6kb", "latency", "300ms"],
    );
    rates(counsel, 6);
    let (before, seen, after) = (sound(counsel), counsel.observe(10), sound(counsel));
    assert!(seen["judge/video"].frames >= 20, "the judge's picture: {:?}", seen["judge/video"]);
    for (seat, number) in [("judge", 0), ("clerk", 1)] {
        let tone = seen[&format!("{seat}/audio")].tone;
        assert!(is_tone_of(number, tone), "heard {tone} Hz from the {seat}");
    }
    let (concealed, all) = (after.0 - before.0, after.1 - before.1);
    assert!(all > 0.0 && concealed / all < 0.05, "{concealed} of {all} samples of sound were made up");
    counsel.wait("/画面已|pictures/.test(document.querySelector('[data-test=quality]').innerText)");

    tc(&namespace, &["qdisc", "del", "dev", "access", "root"]);
    counsel.wait("!/画面已|pictures/.test(document.querySelector('[data-test=quality]').innerText)");
    let again = rates(counsel, 8);
    assert!(again["judge"] > 300.0 && again["clerk"] > 100.0, "after: {again:?}");
}

#[test]
fn what_is_said_over_a_line_that_loses_a_twelfth_is_heard_whole() {
    let mut sitting = Sitting::of(&["judge", "counsel"]);
    sitting.wait_for_media();
    firewall::loses(&sitting.court.zones.node(INTERNET), 80);
    let judge = sitting.browsers.get_mut("judge").expect("the judge came");
    judge.observe(2);
    let (before, seen, after) = (sound(judge), judge.observe(15), sound(judge));
    let tone = seen["counsel/audio"].tone;
    assert!(is_tone_of(2, tone), "heard {tone} Hz from counsel");
    let (concealed, all) = (after.0 - before.0, after.1 - before.1);
    assert!(all > 0.0 && concealed / all < 0.02, "{concealed} of {all} samples of sound were made up");
}

/// What came of every seat's picture within so many seconds, kbit/s.
fn rates(browser: &mut Browser, seconds: u32) -> std::collections::HashMap<String, f64> {
    let value = browser.evaluate(&format!(
        "(async () => {{
            const bytes = async () => {{
                const found = {{}};
                for (const one of (await window.hearing.pc.getStats()).values())
                    if (one.type === 'inbound-rtp' && one.kind === 'video') found[one.trackIdentifier] = one.bytesReceived;
                return found;
            }};
            const names = {{}};
            for (const [name, element] of Object.entries(window.hearing.slots))
                if (name.endsWith('/video') && element.srcObject) names[element.srcObject.getTracks()[0].id] = name.split('/')[0];
            const before = await bytes();
            await new Promise((resolve) => setTimeout(resolve, {seconds} * 1000));
            const after = await bytes();
            return Object.fromEntries(Object.entries(names).map(([id, name]) =>
                [name, ((after[id] ?? 0) - (before[id] ?? 0)) * 8 / 1000 / {seconds}]));
        }})()"
    ));
    serde_json::from_value(value).expect("rates by seat")
}

/// Samples of sound that were made up, and all of them.
fn sound(browser: &mut Browser) -> (f64, f64) {
    let value: Value = browser.evaluate(
        "(async () => {
            let [made, all] = [0, 0];
            for (const one of (await window.hearing.pc.getStats()).values())
                if (one.type === 'inbound-rtp' && one.kind === 'audio') {
                    made += (one.concealedSamples ?? 0) - (one.silentConcealedSamples ?? 0);
                    all += one.totalSamplesReceived ?? 0;
                }
            return [made, all];
        })()",
    );
    serde_json::from_value(value).expect("two numbers")
}

fn tc(namespace: &str, arguments: &[&str]) {
    let output = Command::new("ip").args(["netns", "exec", namespace, "tc"]).args(arguments).output();
    let output = output.expect("iproute2 is installed by scripts/setup");
    assert!(output.status.success(), "tc {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
