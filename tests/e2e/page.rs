//! What a participant does on the page reaches every other seat, over the trunk too.

use crate::harness::record::{Record, marks};
use crate::harness::sitting::Sitting;

#[test]
fn a_screen_that_is_shared_is_seen_at_another_seat_and_recorded_as_one() {
    let mut sitting = Sitting::of(&["judge", "counsel"]);
    sitting.open();
    browser(&mut sitting, "counsel").share(COUNSEL);
    browser(&mut sitting, "judge").wait("window.hearing.slots['counsel/screen'].videoWidth > 0");
    let seen = sitting.observe(SECONDS);
    let screen = &seen["judge"]["counsel/screen"];
    assert!(screen.frames >= SECONDS * 5, "the judge saw of the screen: {screen:?}");
    assert_eq!(screen.seat, i32::from(COUNSEL), "the judge saw another screen");
    Sitting::assert_meet(&seen["judge"], "judge", "counsel", SECONDS);
    sitting.court.hearing(&["close", &sitting.hearing]);
    let record = Record::of(&sitting.court.records(), &sitting.hearing);
    sitting.court.until("the record is closed", || record.sheet()["closed"].is_i64().then_some(()));
    assert!(record.tracks().contains(&"counsel-screen".to_owned()), "{:?}", record.tracks());
    let shown = record.files("counsel-screen").iter().flat_map(|file| marks(file)).flatten().collect::<Vec<_>>();
    assert!(shown.len() >= SECONDS as usize * 5, "{} pictures of the screen are recorded", shown.len());
    assert!(shown.iter().all(|mark| mark.seat == COUNSEL));
}

#[test]
fn everybody_sees_who_has_switched_a_microphone_or_camera_off() {
    let mut sitting = Sitting::of(&["judge", "counsel"]);
    browser(&mut sitting, "judge").wait("document.querySelector('[data-seat=counsel]') !== null");
    let shown =
        |what: &str| format!("document.querySelector('.tile[data-seat=counsel] [data-test={what}-off]') !== null");
    for (button, what, field) in [("mic", "mic", "microphone_off"), ("camera", "camera", "camera_off")] {
        browser(&mut sitting, "counsel").click(&format!("[data-test={button}]"));
        browser(&mut sitting, "judge").wait(&shown(what));
        assert_eq!(sitting.court.seat(&sitting.hearing, "counsel")[field], true, "the operator does not see it");
        browser(&mut sitting, "counsel").click(&format!("[data-test={button}]"));
        browser(&mut sitting, "judge").wait(&format!("!({})", shown(what)));
    }
}

fn browser<'a>(sitting: &'a mut Sitting, seat: &str) -> &'a mut crate::harness::browser::Browser {
    sitting.browsers.get_mut(seat).expect("they came")
}

const SECONDS: u32 = 4;
const COUNSEL: u8 = 2;
