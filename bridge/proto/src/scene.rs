//! The scene that a media child draws: which tiles there are, what they are called, where they stand. The same scene serves a
//! finished record and a live picture for terminals that take only one.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A picture made of the seats' pictures. What changes while it is drawn comes as a [`Cue`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// Pixels in a row; a multiple of 8, 320 to 3840.
    pub width: u16,
    /// Rows; even, 180 to 2160.
    pub height: u16,
    /// Frames a second, 1 to 60.
    pub fps: u8,
    /// How the tiles stand.
    pub layout: Layout,
    /// What stands above the tiles, such as the case number.
    pub heading: String,
    /// The clock's distance from UTC in seconds.
    pub utc_offset: i32,
    /// A PNG that stands before the heading, such as the national emblem.
    pub emblem: Option<Bytes>,
    /// The tiles, the most important first; at most [`TILE_LIMIT`].
    pub tiles: Vec<Tile>,
}

/// How tiles stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// All alike.
    Equal,
    /// Who speaks stands large, the others in a column beside.
    Speaker,
    /// The first tile and who speaks stand side by side, the others in a row below.
    Bench,
    /// An exhibit that is shown stands large, else who speaks; the others in a column beside.
    Exhibit,
}

/// One tile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// What is written on it.
    pub name: Words,
    /// The picture streams that it shows, whichever has the newest picture; none for a seat that is only heard.
    pub streams: Vec<u16>,
}

/// The same words in Chinese and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// 中文.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Something in a scene changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cue {
    /// The clock shows this wall time, microseconds since 1970, and runs on from it. Pictures from before are stale.
    Clock(i64),
    /// This tile speaks; `None`: nobody. The last one that spoke stays large.
    Speaker(Option<u16>),
    /// This tile shows an exhibit now; `None`: none does. Only [`Layout::Exhibit`] cares.
    Exhibit(Option<u16>),
    /// A notice stands in place of the tiles; `None`: no longer.
    Notice(Option<Words>),
}

/// A rectangle of a picture, in pixels; all sides are even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// From the left edge.
    pub x: u16,
    /// From the upper edge.
    pub y: u16,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

impl Scene {
    /// True when its numbers are within their limits.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let even = self.width.is_multiple_of(8) && self.height.is_multiple_of(2);
        let fits = (320..=3840).contains(&self.width) && (180..=2160).contains(&self.height);
        even && fits && (1..=60).contains(&self.fps) && (1..=TILE_LIMIT).contains(&self.tiles.len())
    }

    /// The strip above the tiles.
    #[must_use]
    pub const fn header(&self) -> Area {
        Area { x: 0, y: 0, width: self.width, height: even(self.height / 15) }
    }

    /// What is below the header.
    #[must_use]
    pub const fn stage(&self) -> Area {
        let y = self.header().height;
        Area { x: 0, y, width: self.width, height: self.height - y }
    }

    /// Where each tile stands while the tile `large` stands large.
    #[must_use]
    pub fn places(&self, large: u16) -> Vec<Area> {
        let (stage, count) = (self.stage(), self.tiles.len() as u16);
        if self.layout == Layout::Equal || count < 2 {
            return grid(stage, count);
        }
        let large = large.min(count - 1);
        if self.layout == Layout::Bench {
            return bench(stage, count, large);
        }
        let side = Area { x: even(stage.width / 4 * 3), width: even(stage.width / 4), ..stage };
        let rows = (count - 1).max(3);
        let row = even(side.height / rows);
        let mut below = (0..count - 1).map(|n| Area { y: side.y + row * n, height: row, ..side });
        let main = Area { width: side.x, ..stage };
        (0..count).map(|tile| if tile == large { main } else { below.next().unwrap_or(side) }).map(inset).collect()
    }
}

impl Area {
    /// The largest area of the shape `width` to `height` in the middle of this one.
    #[must_use]
    pub const fn fit(self, width: u32, height: u32) -> Self {
        let (own_width, own_height) = (self.width as u32, self.height as u32);
        let (wide, high) = match (width, height) {
            (0, _) | (_, 0) => (own_width, own_height),
            _ if own_width * height <= own_height * width => (own_width, own_width * height / width),
            _ => (own_height * width / height, own_height),
        };
        let (wide, high) = (even(wide as u16), even(high as u16));
        let x = self.x + even((self.width - wide) / 2);
        Self { x, y: self.y + even((self.height - high) / 2), width: wide, height: high }
    }
}

/// As many columns as rows, or one more.
fn grid(stage: Area, count: u16) -> Vec<Area> {
    let columns = (1..).find(|n| n * n >= count).unwrap_or(1);
    let rows = count.div_ceil(columns);
    let (width, height) = (even(stage.width / columns), even(stage.height / rows));
    let place = |n: u16| {
        // The last row stands in the middle.
        let in_row = if n / columns + 1 == rows { count - (rows - 1) * columns } else { columns };
        let left = even((stage.width - width * in_row) / 2);
        Area { x: stage.x + left + n % columns * width, y: stage.y + n / columns * height, width, height }
    };
    (0..count).map(place).map(inset).collect()
}

/// The first tile left, `large` right of it, the others in a row below.
fn bench(stage: Area, count: u16, large: u16) -> Vec<Area> {
    let large = large.max(1);
    let (half, high) = (even(stage.width / 2), if count > 2 { even(stage.height / 3 * 2) } else { stage.height });
    let width = even(stage.width / (count - 2).max(4));
    let row = Area { y: stage.y + high, height: stage.height - high, width, ..stage };
    let left = even((stage.width - width * (count - 2)) / 2);
    let mut below = (0..).map(|n| Area { x: stage.x + left + width * n, ..row });
    let place = |tile: u16| match tile {
        0 => Area { width: half, height: high, ..stage },
        tile if tile == large => Area { x: stage.x + half, width: half, height: high, ..stage },
        _ => below.next().unwrap_or(row),
    };
    (0..count).map(place).map(inset).collect()
}

const fn inset(area: Area) -> Area {
    Area { x: area.x + GAP, y: area.y + GAP, width: area.width - 2 * GAP, height: area.height - 2 * GAP }
}

const fn even(n: u16) -> u16 {
    n & !1
}

/// The most tiles of a scene.
pub const TILE_LIMIT: usize = 36;
/// Pixels that stay free around a tile.
const GAP: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scene(width: u16, height: u16, layout: Layout, tiles: usize) -> Scene {
        let tile = || Tile { name: Words { zh: "审判长".to_owned(), en: "Judge".to_owned() }, streams: vec![0] };
        let tiles = (0..tiles).map(|_| tile()).collect();
        Scene { width, height, fps: 25, layout, heading: String::new(), utc_offset: 0, emblem: None, tiles }
    }

    fn layouts() -> impl Strategy<Value = Layout> {
        prop::sample::select(vec![Layout::Equal, Layout::Speaker, Layout::Bench, Layout::Exhibit])
    }

    fn apart(a: Area, b: Area) -> bool {
        a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y
    }

    proptest! {
        #[test]
        fn tiles_lie_within_the_stage_apart_from_each_other_on_even_pixels(
            width in 40_u16..480, height in 90_u16..1080, tiles in 1_usize..=TILE_LIMIT, speaks in any::<u16>(), layout in layouts(),
        ) {
            let scene = scene(width * 8, height * 2, layout, tiles);
            prop_assert!(scene.is_sound());
            let (stage, places) = (scene.stage(), scene.places(speaks));
            prop_assert_eq!(places.len(), tiles);
            for (n, area) in places.iter().enumerate() {
                prop_assert!(area.x + area.width <= stage.width && area.y >= stage.y && area.y + area.height <= scene.height);
                prop_assert!([area.x, area.y, area.width, area.height].iter().all(|side| side.is_multiple_of(2)));
                prop_assert!(places[..n].iter().all(|other| apart(*other, *area)));
            }
        }

        #[test]
        fn a_fitted_picture_keeps_its_shape_inside(width in 2_u32..4000, height in 2_u32..4000) {
            let area = Area { x: 10, y: 20, width: 636, height: 330 };
            let fit = area.fit(width, height);
            prop_assert!(fit.x >= area.x && fit.x + fit.width <= area.x + area.width);
            prop_assert!(fit.y >= area.y && fit.y + fit.height <= area.y + area.height);
            prop_assert!(fit.width >= area.width - 2 || fit.height >= area.height - 2);
        }
    }

    #[test]
    fn who_speaks_stands_large() {
        let places = scene(1280, 720, Layout::Speaker, 4).places(2);
        assert!(places.iter().enumerate().all(|(n, area)| (area.width > 900) == (n == 2)), "{places:?}");
    }

    #[test]
    fn judge_and_speaker_stand_side_by_side_above_the_others() {
        let places = scene(1280, 720, Layout::Bench, 5).places(3);
        assert_eq!((places[0].y, places[0].width), (places[3].y, places[3].width));
        assert!(places.iter().enumerate().all(|(n, area)| (area.y == places[0].y) == (n == 0 || n == 3)), "{places:?}");
    }
}
