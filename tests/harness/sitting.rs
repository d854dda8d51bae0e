//! A small hearing with real browsers on its seats: judge and clerk at home, counsel and a witness in the internet.

use std::collections::HashMap;

use super::browser::{Browser, Seen};
use super::court::Court;
use super::media::{Card, is_tone_of};
use super::zones::{INTERNET, TRIPARTITE, Zone};

/// A court with one hearing, and who came to it.
pub(crate) struct Sitting {
    /// The browsers by seat; they end before the networks do.
    pub(crate) browsers: HashMap<&'static str, Browser>,
    /// The nodes.
    pub(crate) court: Court,
    /// The hearing.
    pub(crate) hearing: String,
}

impl Sitting {
    /// Everybody named in `seats` has come, was let in and is connected; the hearing is not open yet.
    pub(crate) fn of(seats: &[&'static str]) -> Self {
        let court = Court::with_templates(SMALL);
        let (hearing, link) = court.convene("small");
        let mut sitting = Self { browsers: HashMap::new(), court, hearing };
        for seat in seats {
            sitting.seat(seat, &link(seat));
        }
        sitting
    }

    /// Opens it as soon as every required track arrives.
    pub(crate) fn open(&self) {
        self.court.until("the hearing is open", || {
            self.court.try_hearing(&["open", &self.hearing]).status.success().then_some(())
        });
    }

    /// The hearing's phase; `None` while the home does not answer.
    pub(crate) fn phase(&self) -> Option<String> {
        let output = self.court.try_hearing(&["show", &self.hearing]);
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(shown["view"]["phase"].as_str()?.to_owned())
    }

    /// Waits until every browser's media is connected.
    pub(crate) fn wait_for_media(&self) {
        for seat in self.browsers.keys() {
            self.court.wait_for(&self.hearing, seat, "connected");
        }
    }

    /// Has all of them look and listen at the same time; the answer is by viewer.
    pub(crate) fn observe(&mut self, seconds: u32) -> HashMap<&'static str, HashMap<String, Seen>> {
        std::thread::scope(|scope| {
            let watchers: Vec<_> = self
                .browsers
                .iter_mut()
                .map(|(seat, browser)| scope.spawn(|| (*seat, browser.observe(seconds))))
                .collect();
            watchers.into_iter().map(|watcher| watcher.join().expect("the page can be observed")).collect()
        })
    }

    /// Expects that `viewer` saw and heard `other` for `seconds`.
    pub(crate) fn assert_meet(seen: &HashMap<String, Seen>, viewer: &str, other: &str, seconds: u32) {
        let picture = &seen[&format!("{other}/video")];
        assert!(picture.frames >= seconds * 5, "{viewer} saw {} frames of {other}", picture.frames);
        assert_eq!(picture.seat, i32::from(number(other)), "{viewer} saw a wrong face on the seat of {other}");
        let tone = seen[&format!("{other}/audio")].tone;
        assert!(is_tone_of(number(other), tone), "{viewer} heard {tone} Hz from {other}");
    }

    fn seat(&mut self, seat: &'static str, link: &str) {
        let card = Card::draw(&self.court.path(""), number(seat));
        let mut browser = Browser::chromium(&self.court.zones.client(zone(seat)), &card);
        browser.join(link);
        self.browsers.insert(seat, browser);
        // Judge and clerk are let in as they come.
        if number(seat) > 1 {
            self.court.wait_for(&self.hearing, seat, "waiting");
            self.court.hearing(&["admit", &self.hearing, seat, "--identity", "known"]);
        }
        self.court.wait_for(&self.hearing, seat, "connected");
    }
}

fn number(seat: &str) -> u8 {
    let at = SEATS.iter().position(|(name, _)| *name == seat).unwrap_or_else(|| panic!("no seat {seat}"));
    u8::try_from(at).expect("there are four")
}

fn zone(seat: &str) -> Zone {
    SEATS[usize::from(number(seat))].1
}

const SEATS: [(&str, Zone); 4] =
    [("judge", TRIPARTITE), ("clerk", TRIPARTITE), ("counsel", INTERNET), ("witness", INTERNET)];
const SMALL: &str = r#"
[[template]]
name = "small"
title = "小案"
title_en = "Small"

[[template.seat]]
name = "judge"
title = "审判员"
title_en = "Judge"
role = "judge"
zone = "tripartite"

[[template.seat]]
name = "clerk"
title = "书记员"
title_en = "Clerk"
role = "clerk"
zone = "tripartite"
required = []

[[template.seat]]
name = "counsel"
title = "辩护人"
title_en = "Counsel"
role = "counsel"
zone = "internet"
required = []

[[template.seat]]
name = "witness"
title = "证人"
title_en = "Witness"
role = "witness"
zone = "internet"
required = []
"#;
