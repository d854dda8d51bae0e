//! Finds the test cards in a composed picture, wherever they may stand in it. Pure.

use std::collections::BTreeSet;

use hearing_proto::scene::{Area, Layout, Scene, Tile, Words};
use hearing_proto::testcard::{self, Luma, Mark};

/// Where cards may stand, for the size of picture that was last looked at.
#[derive(Default)]
pub(super) struct Tiles {
    size: (usize, usize),
    places: Vec<Area>,
}

impl Tiles {
    /// The cards in a picture, each once.
    pub(super) fn marks(&mut self, picture: Luma<'_>) -> BTreeSet<Mark> {
        let size = (picture.width, picture.height);
        if self.size != size {
            *self = Self { size, places: places(size) };
        }
        self.places.iter().filter_map(|place| testcard::read(part(picture, *place)?)).collect()
    }
}

fn part(picture: Luma<'_>, at: Area) -> Option<Luma<'_>> {
    let start = usize::from(at.y) * picture.stride + usize::from(at.x);
    let (width, height) = (usize::from(at.width), usize::from(at.height));
    Some(Luma { pixels: picture.pixels.get(start..)?, stride: picture.stride, width, height })
}

/// Nobody tells how tiles stand, how many there are and which stands large, so all of it is tried.
fn places((width, height): (usize, usize)) -> Vec<Area> {
    let (Ok(width), Ok(height)) = (u16::try_from(width), u16::try_from(height)) else { return Vec::new() };
    let scene = |layout, tiles: u16| Scene {
        width,
        height,
        fps: 1,
        layout,
        heading: String::new(),
        utc_offset: 0,
        emblem: None,
        tiles: (0..tiles).map(|_| nameless()).collect(),
    };
    let standing = |(layout, tiles): (Layout, u16)| {
        let scene = scene(layout, tiles);
        let any = if scene.is_sound() { 0..tiles } else { 0..0 };
        any.flat_map(|large| scene.places(large)).collect::<Vec<_>>()
    };
    let card = |area: Area| area.fit(CARD.0, CARD.1);
    let scenes = LAYOUTS.into_iter().flat_map(|layout| (1..=MOST_TILES).map(move |tiles| (layout, tiles)));
    let mut places: Vec<Area> = scenes.flat_map(standing).map(card).collect();
    places.sort_by_key(|area| (area.x, area.y, area.width, area.height));
    places.dedup();
    places
}

const fn nameless() -> Tile {
    Tile { name: Words { zh: String::new(), en: String::new() }, streams: Vec::new() }
}

/// A speaker stands where an exhibit does.
const LAYOUTS: [Layout; 3] = [Layout::Equal, Layout::Bench, Layout::Exhibit];
/// The shape of the cards that are looked for.
const CARD: (u32, u32) = (640, 360);
/// Tiles of more are too small for a card to be read in a picture of 1280x720.
const MOST_TILES: u16 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use hearing_proto::testcard::{Size, draw};

    const WIDE: usize = 1280;
    const HIGH: usize = 720;

    fn put(picture: &mut [u8], at: Area, mark: Mark) {
        let size = Size::new(at.width, at.height).unwrap();
        for (y, row) in draw(size, mark)[..size.width() * size.height()].chunks_exact(size.width()).enumerate() {
            let start = (usize::from(at.y) + y) * WIDE + usize::from(at.x);
            picture[start..start + row.len()].copy_from_slice(row);
        }
    }

    fn scene(layout: Layout, tiles: usize) -> Scene {
        let tiles = (0..tiles).map(|_| nameless()).collect();
        let (heading, emblem) = (String::new(), None);
        Scene { width: 1280, height: 720, fps: 25, layout, heading, utc_offset: 0, emblem, tiles }
    }

    #[test]
    fn every_card_of_a_composed_picture_is_found_in_every_layout_whoever_stands_large() {
        let mut tiles = Tiles::default();
        for layout in [Layout::Equal, Layout::Speaker, Layout::Bench, Layout::Exhibit] {
            for (count, large) in [(2, 1), (4, 3), (7, 1)] {
                let mut picture = vec![16; WIDE * HIGH];
                let marks: BTreeSet<_> =
                    (1..count as u8).map(|seat| Mark { counter: 700 + u16::from(seat), seat }).collect();
                for (mark, place) in marks.iter().zip(&scene(layout, count).places(large)) {
                    put(&mut picture, place.fit(640, 360), *mark);
                }
                let luma = Luma { pixels: &picture, stride: WIDE, width: WIDE, height: HIGH };
                assert_eq!(tiles.marks(luma), marks, "{layout:?} {count} {large}");
            }
        }
    }

    #[test]
    fn a_picture_of_no_sound_size_holds_nothing() {
        let mut tiles = Tiles::default();
        let picture = Luma { pixels: &[0; 100], stride: 10, width: 10, height: 10 };
        assert!(tiles.marks(picture).is_empty());
    }
}
