//! A witness who was not called waits apart (法释〔2021〕12号, article 26): not one packet comes to them.

use crate::harness::browser::Browser;
use crate::harness::sitting::Sitting;

#[test]
fn a_witness_receives_not_one_packet_before_being_called_and_everything_after() {
    let mut sitting = Sitting::of(&["judge", "witness"]);
    sitting.open();
    let seen = sitting.observe(SECONDS);
    assert!(seen["judge"]["witness/video"].frames == 0, "the judge saw the witness, who was not called");
    assert_eq!(received(witness(&mut sitting)), 0, "packets came to the witness, who was not called");
    sitting.court.hearing(&["call", &sitting.hearing, "witness"]);
    for (viewer, other) in [("judge", "witness"), ("witness", "judge")] {
        let browser = sitting.browsers.get_mut(viewer).expect("they came");
        browser.wait(&format!("window.hearing.slots['{other}/video'].videoWidth > 0"));
    }
    let seen = sitting.observe(SECONDS);
    Sitting::assert_meet(&seen["judge"], "judge", "witness", SECONDS);
    Sitting::assert_meet(&seen["witness"], "witness", "judge", SECONDS);
    assert!(received(witness(&mut sitting)) > 0);
}

fn witness(sitting: &mut Sitting) -> &mut Browser {
    sitting.browsers.get_mut("witness").expect("the witness came")
}

/// RTP packets that a page has received, all slots together; its transport is up, so that it could have received some.
fn received(browser: &mut Browser) -> u64 {
    let stats = browser.evaluate(
        "window.hearing.pc.getStats().then((all) => { \
           const received = [...all.values()].filter((s) => s.type === 'inbound-rtp').reduce((n, s) => n + s.packetsReceived, 0); \
           return { received, state: window.hearing.pc.connectionState }; })",
    );
    assert_eq!(stats["state"], "connected", "{stats}");
    stats["received"].as_u64().expect("a count")
}

const SECONDS: u32 = 4;
