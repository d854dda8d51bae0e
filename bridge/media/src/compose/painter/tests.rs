//! What a scene shows, pixel by pixel.

use hearing_proto::scene::{Layout, Tile};

use super::*;

/// A picture of one grey.
struct Grey(u8, Vec<u8>);

impl Grey {
    fn of(luma: u8) -> Self {
        Self(luma, vec![128; 320 * 180])
    }
}

impl Picture for Grey {
    fn size(&self) -> (u32, u32) {
        (320, 180)
    }

    fn plane(&self, n: u32) -> Option<(&[u8], u32)> {
        // Every plane is larger than needed: rows of 320 bytes.
        if n == 0 { Some((LUMA[usize::from(self.0 > 100)].as_slice(), 320)) } else { Some((&self.1, 320)) }
    }
}

static LUMA: [[u8; 320 * 180]; 2] = [[60; 320 * 180], [200; 320 * 180]];
const WIDTH: usize = 640;

fn words(zh: &str) -> Words {
    Words { zh: zh.to_owned(), en: "Seat".to_owned() }
}

fn scene(names: &[&str]) -> Scene {
    let tile = |(n, name): (usize, &&str)| Tile { name: words(name), streams: vec![n as u16] };
    let tiles = names.iter().enumerate().map(tile).collect();
    let heading = "(2026)内0291刑初123号".to_owned();
    Scene { width: 640, height: 360, fps: 25, layout: Layout::Equal, heading, utc_offset: 28_800, emblem: None, tiles }
}

fn painter(scene: Scene) -> Painter<Grey> {
    Painter::new(scene, Face::load().unwrap()).unwrap()
}

fn luma(bytes: &[u8], area: Area) -> Vec<u8> {
    let rows = usize::from(area.y)..usize::from(area.y + area.height);
    rows.flat_map(|row| bytes[row * WIDTH + usize::from(area.x)..][..usize::from(area.width)].to_vec()).collect()
}

/// The lower sixth of a tile, where its name is.
fn foot(place: Area) -> Area {
    let high = even(place.height / 6);
    Area { y: place.y + place.height - high, height: high, ..place }
}

#[test]
fn each_tile_shows_its_own_picture_and_bears_its_name() {
    let draw = |names: &[&str]| {
        let mut painter = painter(scene(names));
        painter.show(0, 0, Grey::of(60));
        painter.show(1, 0, Grey::of(200));
        (painter.draw(0).to_vec(), painter.places.clone())
    };
    let (named, places) = draw(&["审判长", "公诉人"]);
    let (blank, _) = draw(&["", "公诉人"]);
    for (place, grey) in places.iter().zip([60, 200]) {
        let middle = Area { y: place.y + place.height / 2 - 4, height: 8, ..place.fit(320, 180) };
        assert!(luma(&named, middle).iter().all(|pixel| *pixel == grey), "{place:?}");
    }
    let bright = |bytes: &[u8], n: usize| luma(bytes, foot(places[n])).iter().filter(|pixel| **pixel > 130).count();
    assert!(bright(&named, 0) > bright(&blank, 0) + 40, "{} {}", bright(&named, 0), bright(&blank, 0));
    assert_eq!(luma(&named, foot(places[1])), luma(&blank, foot(places[1])), "the other tile's name is the same");
}

#[test]
fn a_tile_whose_picture_stays_away_for_more_than_a_second_says_so_until_it_is_back() {
    let mut painter = painter(scene(&["审判长", "公诉人"]));
    let place = painter.places[0];
    let middle = Area { y: even(place.y + place.height / 2 - 24), height: 48, ..place };
    painter.show(0, 0, Grey::of(200));
    let live = luma(painter.draw(1_000_000), middle);
    let cut = luma(painter.draw(1_040_000), middle);
    assert!(live.iter().filter(|pixel| **pixel == 200).count() > live.len() / 2);
    assert!(cut.iter().all(|pixel| *pixel < 190), "its last picture does not stay");
    assert!(cut.iter().filter(|pixel| **pixel > 120).count() > 50, "words say what is wrong");
    painter.show(0, 2_000_000, Grey::of(200));
    assert_eq!(luma(painter.draw(2_000_000), middle), live);
}

#[test]
fn a_notice_hides_every_tile_and_goes_again() {
    let mut painter = painter(scene(&["审判长", "公诉人"]));
    painter.show(1, 0, Grey::of(200));
    let before = painter.draw(0).to_vec();
    painter.cue(40_000, Cue::Notice(Some(words("不公开质证"))));
    let hidden = painter.draw(40_000).to_vec();
    let stage = painter.scene.stage();
    assert!(luma(&hidden, stage).iter().filter(|pixel| **pixel == 200).count() < 50);
    assert!(luma(&hidden, stage).iter().filter(|pixel| **pixel > 180).count() > 200, "the notice can be read");
    painter.cue(80_000, Cue::Notice(None));
    assert_eq!(painter.draw(80_000), before);
}

#[test]
fn the_clock_shows_wall_time_and_runs() {
    let mut painter = painter(scene(&["审判长"]));
    let header = painter.scene.header();
    let right = Area { x: even(header.width / 3 * 2), width: even(header.width / 3), ..header };
    let none = luma(painter.draw(0), right);
    painter.cue(0, Cue::Clock(1_790_000_000_000_000));
    let (first, same) = (luma(painter.draw(0), right), luma(painter.draw(960_000), right));
    let next = luma(painter.draw(1_000_000), right);
    assert!(none != first && first == same && same != next);
}

#[test]
fn who_speaks_has_a_frame_and_in_its_layout_stands_large() {
    let mut painter = painter(Scene { layout: Layout::Speaker, ..scene(&["审判长", "公诉人", "辩护人"]) });
    painter.draw(0);
    painter.cue(0, Cue::Speaker(Some(2)));
    let place = painter.places[2];
    let picture = painter.draw(0);
    assert!(place.width > 400);
    assert_eq!(picture[usize::from(place.y) * WIDTH + usize::from(place.x) - 1], SPEAKS.0);
    painter.cue(0, Cue::Speaker(None));
    assert_eq!(painter.places[2], place, "the last one stays large");
    assert_ne!(painter.draw(0)[usize::from(place.y) * WIDTH + usize::from(place.x) - 1], SPEAKS.0);
}

#[test]
fn an_emblem_stands_before_the_heading_and_one_that_is_no_picture_is_refused() {
    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 8, 8);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header().unwrap().write_image_data(&[255, 0, 0, 255].repeat(64)).unwrap();
    let plain = painter(scene(&["审判长"])).draw(0).to_vec();
    let mut with = painter(Scene { emblem: Some(png.into()), ..scene(&["审判长"]) });
    let header = with.scene.header();
    assert_ne!(luma(&plain, header), luma(with.draw(0), header));
    let broken = Scene { emblem: Some(b"no picture".to_vec().into()), ..scene(&["审判长"]) };
    assert!(Painter::<Grey>::new(broken, Face::load().unwrap()).is_err());
}
