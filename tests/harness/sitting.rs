//! A small hearing with real browsers on its seats: judge and clerk at home, counsel and a witness in the internet.

use std::collections::HashMap;
use std::time::{Duration, Instant};

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
    link: Box<dyn Fn(&str) -> String>,
}

impl Sitting {
    /// Everybody named in `seats` has come, was let in and is connected; the hearing is not open yet.
    pub(crate) fn of(seats: &[&'static str]) -> Self {
        let mut sitting = Self::convene(Court::with_templates(SMALL));
        seats.iter().for_each(|seat| sitting.seat(seat));
        sitting
    }

    /// Nobody has come yet.
    pub(crate) fn convene(court: Court) -> Self {
        let (hearing, link) = court.convene("small");
        Self { browsers: HashMap::new(), court, hearing, link: Box::new(link) }
    }

    /// A court whose hearings are small.
    pub(crate) fn court(media: &str) -> Court {
        Court::with_media(media, SMALL)
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

    /// The link of a seat.
    pub(crate) fn link(&self, seat: &str) -> String {
        (self.link)(seat)
    }

    /// Somebody comes to a seat in Chromium, is let in and connected.
    pub(crate) fn seat(&mut self, seat: &'static str) {
        let card = Card::draw(&self.court.path(""), number(seat));
        let browser = Browser::chromium(&self.court.zones.client(zone(seat)), &card);
        self.seat_in(seat, browser);
    }

    /// Somebody comes to a seat in `browser`, is let in and connected; the answer is how long it took from being let in.
    pub(crate) fn seat_in(&mut self, seat: &'static str, mut browser: Browser) -> Duration {
        browser.join(&self.link(seat));
        self.browsers.insert(seat, browser);
        // Judge and clerk are let in as they come.
        if number(seat) > 1 {
            self.court.wait_for(&self.hearing, seat, "waiting");
            self.court.hearing(&["admit", &self.hearing, seat, "--identity", "known"]);
        }
        let admitted = Instant::now();
        self.court.wait_for(&self.hearing, seat, "connected");
        admitted.elapsed()
    }

    /// The browser on a seat.
    pub(crate) fn browser(&mut self, seat: &str) -> &mut Browser {
        self.browsers.get_mut(seat).unwrap_or_else(|| panic!("{seat} has not come"))
    }
}

/// The number of a seat, as it is drawn into its pictures.
pub(crate) fn number(seat: &str) -> u8 {
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
