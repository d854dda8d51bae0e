//! Who saw and heard whom, and the table that tells it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use hearing_proto::scene::{Layout, Scene, Tile, Words};
use hearing_proto::testcard::{self, Luma, Mark};

use super::{CAMERA, End};
use crate::harness::baresip::Baresip;
use crate::harness::browser::Seen;
use crate::harness::device::Device;
use crate::harness::media::is_tone_of;

/// What a terminal saw and heard: counters of every seat, and in how many looks its tone was there.
#[derive(Default)]
pub(super) struct Looks {
    looks: u32,
    counters: BTreeMap<u8, BTreeSet<u16>>,
    tones: BTreeMap<u8, u32>,
}

/// Looks at a terminal's screen and listens to its loudspeaker, again and again.
pub(super) fn look(terminal: &Baresip, ends: usize, span: Duration) -> Looks {
    let (mut looks, end) = (Looks::default(), Instant::now() + span);
    while Instant::now() < end {
        let (pixels, width, height) = terminal.screen();
        for Mark { seat, counter } in marks(&pixels, (width, height), ends) {
            looks.counters.entry(seat).or_default().insert(counter);
        }
        for seat in terminal.hears() {
            *looks.tones.entry(seat).or_default() += 1;
        }
        looks.looks += 1;
    }
    looks
}

/// Listens to what a device is told, again and again; it is shown nothing.
pub(super) fn listen(device: &Device, span: Duration) -> Looks {
    let (mut looks, mut told, end) = (Looks::default(), 0, Instant::now() + span);
    while Instant::now() < end {
        told = device.told(told);
        for seat in device.hears_seats() {
            *looks.tones.entry(seat).or_default() += 1;
        }
        looks.looks += 1;
    }
    looks
}

/// The cards in a composed picture, whoever stands large in it.
fn marks(pixels: &[u8], (width, height): (usize, usize), ends: usize) -> Vec<Mark> {
    let side = |side: usize| u16::try_from(side).expect("a screen");
    // Everybody else, and the place of an exhibit.
    let tile = || Tile { name: Words { zh: String::new(), en: String::new() }, streams: Vec::new() };
    let scene = Scene {
        width: side(width),
        height: side(height),
        fps: 25,
        layout: Layout::Exhibit,
        heading: String::new(),
        utc_offset: 0,
        emblem: None,
        tiles: (0..ends).map(|_| tile()).collect(),
    };
    let areas: BTreeSet<_> = (0..side(ends))
        .flat_map(|large| scene.places(large))
        .map(|area| area.fit(640, 360))
        .map(|area| (area.x, area.y, area.width, area.height))
        .collect();
    let card = |(x, y, wide, high): (u16, u16, u16, u16)| {
        let start = usize::from(y) * width + usize::from(x);
        testcard::read(Luma { pixels: pixels.get(start..)?, stride: width, width: wide.into(), height: high.into() })
    };
    areas.into_iter().filter_map(card).collect()
}

/// Who saw and heard whom: pictures, and the share of the time in which the tone was there.
pub(super) struct Table {
    ends: &'static [End],
    cells: BTreeMap<(&'static str, &'static str), Cell>,
}

struct Cell {
    /// Pictures with different counters, and how many there should be at least.
    pictures: (u32, u32),
    /// In how many of so many looks its tone was there.
    tone: (u32, u32),
}

impl Table {
    pub(super) const fn of(ends: &'static [End]) -> Self {
        Self { ends, cells: BTreeMap::new() }
    }

    fn others(&self, viewer: &str) -> impl Iterator<Item = End> + use<> {
        let viewer = viewer.to_owned();
        self.ends.iter().copied().filter(move |(other, _)| *other != viewer)
    }

    pub(super) fn browser(&mut self, viewer: &'static str, seconds: u32, seen: &HashMap<String, Seen>) {
        for (other, number) in self.others(viewer) {
            let (picture, sound) = (&seen[&format!("{other}/video")], &seen[&format!("{other}/audio")]);
            let right = picture.seat == i32::from(number);
            let cell = Cell {
                pictures: (if right { picture.frames } else { 0 }, seconds * 2),
                tone: (is_tone_of(number, sound.tone).into(), 1),
            };
            self.cells.insert((other, viewer), cell);
        }
    }

    pub(super) fn terminal(&mut self, viewer: &'static str, looks: &Looks) {
        for (other, number) in self.others(viewer) {
            let pictures = looks.counters.get(&number).map_or(0, BTreeSet::len) as u32;
            let heard = looks.tones.get(&number).copied().unwrap_or_default();
            // Nothing is sent again to a terminal: at 2 % loss every second picture on its screen is torn.
            let cell = Cell { pictures: (pictures, (looks.looks / 4).max(2)), tone: (heard, looks.looks) };
            self.cells.insert((other, viewer), cell);
        }
    }

    /// A device that is told the mix, and shown nothing.
    pub(super) fn listener(&mut self, viewer: &'static str, looks: &Looks) {
        for (other, number) in self.others(viewer) {
            let heard = looks.tones.get(&number).copied().unwrap_or_default();
            self.cells.insert((other, viewer), Cell { pictures: (0, 0), tone: (heard, looks.looks) });
        }
    }

    /// Rows send, columns receive; a camera receives nothing.
    #[expect(clippy::print_stderr, reason = "the table is what the test is for; docs/guide/terminals.md shows one")]
    pub(super) fn assert_all(&self) {
        let viewers: Vec<_> = self.ends.iter().map(|(seat, _)| *seat).filter(|seat| *seat != CAMERA.0).collect();
        let mut text = format!("{:<12}", "");
        for viewer in &viewers {
            let _ = write!(text, "{viewer:>26}");
        }
        for (sender, _) in self.ends {
            let _ = write!(text, "\n{sender:<12}");
            for viewer in &viewers {
                let cell = self.cells.get(&(*sender, *viewer));
                let words = cell.map_or("-".to_owned(), |cell| {
                    let (heard, looks) = cell.tone;
                    format!("{} pictures, tone {heard}/{looks}", cell.pictures.0)
                });
                let _ = write!(text, "{words:>26}");
            }
        }
        eprintln!("{text}");
        let well = |cell: &Cell| cell.tone.0 * 2 > cell.tone.1 && cell.pictures.0 >= cell.pictures.1;
        let broken: Vec<_> = self.cells.iter().filter(|(_, cell)| !well(cell)).map(|(pair, _)| pair).collect();
        assert!(broken.is_empty(), "from, to: {broken:?}\n{text}");
    }
}
