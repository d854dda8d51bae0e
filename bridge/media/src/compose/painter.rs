//! Draws a scene: told the time, the cues and the newest picture of each tile.

use fast_image_resize as fir;
use fir::images::{TypedImage, TypedImageRef};
use fir::pixels::U8x4;
use hearing_proto::scene::{Area, Cue, Layout, Scene, Words};
use jiff::tz::{Offset, TimeZone};

use super::canvas::{Canvas, Color, Mask};
use super::scale::Scaler;
use super::text::Face;

/// A decoded picture, however it is kept.
pub trait Picture {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);
    /// A plane of I420 (0 is luma) and how many bytes lie from row to row; `None` when it can't be read.
    fn plane(&self, n: u32) -> Option<(&[u8], u32)>;
}

/// A scene in the making. `P` is a decoded picture.
pub struct Painter<P> {
    scene: Scene,
    canvas: Canvas,
    face: Face,
    scaler: Scaler,
    tiles: Vec<TileState<P>>,
    places: Vec<Area>,
    /// The tile that stands large, and the one that speaks.
    large: u16,
    speaking: Option<u16>,
    exhibit: Option<u16>,
    notice: Option<Words>,
    /// At this place of the picture the wall clock showed this.
    clock: Option<(i64, i64)>,
    /// The second that the clock shows now.
    shown: Option<i64>,
    /// Everything has to be drawn anew.
    stale: bool,
}

struct TileState<P> {
    picture: Option<P>,
    /// When the newest picture came; `None`: none since the last jump of the clock.
    at: Option<i64>,
    ever: bool,
    /// The picture was not drawn yet.
    fresh: bool,
    /// What is drawn now.
    drawn: Option<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// Its picture stays away.
    Cut,
    /// It has had no picture yet.
    Absent,
    /// It never has one.
    SoundOnly,
}

impl<P: Picture> Painter<P> {
    /// A scene without pictures; the emblem is decoded here.
    ///
    /// # Errors
    /// What is wrong with the scene or its emblem.
    pub fn new(scene: Scene, face: Face) -> Result<Self, &'static str> {
        if !scene.is_sound() {
            return Err("no such scene");
        }
        let tiles = scene.tiles.iter().map(|_| TileState::default()).collect();
        let mut canvas = Canvas::new(scene.width, scene.height, GROUND);
        header(&scene, &face, &mut canvas)?;
        let (places, scaler) = (scene.places(0), Scaler::default());
        let (large, speaking, exhibit, notice, clock, shown, stale) = (0, None, None, None, None, None, true);
        Ok(Self { scene, canvas, face, scaler, tiles, places, large, speaking, exhibit, notice, clock, shown, stale })
    }

    /// Something changes from `at` on.
    pub fn cue(&mut self, at: i64, cue: Cue) {
        match cue {
            Cue::Clock(wall) => {
                self.clock = Some((at, wall));
                self.tiles.iter_mut().for_each(|tile| tile.at = None);
            }
            Cue::Speaker(speaking) => {
                let large = speaking.filter(|tile| usize::from(*tile) < self.tiles.len());
                let large = large.unwrap_or(self.large);
                self.stale |= speaking != self.speaking || large != self.large;
                (self.speaking, self.large) = (speaking, large);
                self.place();
            }
            Cue::Exhibit(exhibit) => {
                self.stale |= exhibit != self.exhibit;
                self.exhibit = exhibit;
                self.place();
            }
            Cue::Notice(notice) => {
                self.stale |= notice != self.notice;
                self.notice = notice;
            }
        }
    }

    fn place(&mut self) {
        let exhibit = self.exhibit.filter(|_| self.scene.layout == Layout::Exhibit);
        self.places = self.scene.places(exhibit.unwrap_or(self.large));
    }

    /// The newest picture of a tile, which belongs at `at`.
    pub fn show(&mut self, tile: usize, at: i64, picture: P) {
        if let Some(tile) = self.tiles.get_mut(tile) {
            *tile = TileState { picture: Some(picture), at: Some(at), ever: true, fresh: true, drawn: tile.drawn };
        }
    }

    /// The picture as it is at `at`.
    pub fn draw(&mut self, at: i64) -> &[u8] {
        self.draw_clock(at);
        if std::mem::take(&mut self.stale) {
            self.canvas.fill(self.scene.stage(), GROUND);
            self.tiles.iter_mut().for_each(|tile| tile.drawn = None);
            if let Some(words) = self.notice.clone() {
                self.words(self.scene.stage(), &words, WHITE, 14);
            } else if let Some(place) = self.speaking.and_then(|tile| self.places.get(usize::from(tile))) {
                let (x, y) = (place.x - 2, place.y - 2);
                self.canvas.fill(Area { x, y, width: place.width + 4, height: place.height + 4 }, SPEAKS);
            }
        }
        if self.notice.is_none() {
            (0..self.tiles.len()).for_each(|tile| self.draw_tile(tile, at));
        }
        self.canvas.bytes()
    }

    fn draw_tile(&mut self, n: usize, at: i64) {
        let (place, silent) = (self.places[n], self.scene.tiles[n].streams.is_empty());
        let tile = &mut self.tiles[n];
        let state = match tile.at {
            Some(last) if at - last <= PATIENCE => State::Live,
            _ if silent => State::SoundOnly,
            _ if tile.ever => State::Cut,
            _ => State::Absent,
        };
        let fresh = std::mem::take(&mut tile.fresh);
        if tile.drawn == Some(state) && (state != State::Live || !fresh) {
            return;
        }
        let before = tile.drawn.replace(state);
        match (state, tile.picture.take()) {
            (State::Live, Some(picture)) => {
                if before != Some(State::Live) {
                    self.canvas.fill(place, TILE);
                }
                self.draw_picture(place, &picture);
                self.tiles[n].picture = Some(picture);
            }
            (state, picture) => {
                self.tiles[n].picture = picture;
                self.canvas.fill(place, TILE);
                if let Some((zh, en)) = state.words() {
                    self.words(place, &Words { zh: zh.to_owned(), en: en.to_owned() }, DIM, 9);
                }
            }
        }
        self.draw_name(n);
    }

    fn draw_picture(&mut self, place: Area, picture: &P) {
        let (width, height) = picture.size();
        let area = place.fit(width, height);
        for n in 0..3_u32 {
            let scaled = self.scaler.plane(picture, n, area.width.into(), area.height.into());
            if let Some(scaled) = scaled {
                self.canvas.put(n as usize, area, &scaled);
            }
        }
    }

    /// The name of a tile on a bar at its foot.
    fn draw_name(&mut self, n: usize) {
        let (place, words) = (self.places[n], &self.scene.tiles[n].name);
        let high = ((self.scene.height / 20).min(place.height / 5) & !1).max(12);
        let bar = Area { x: place.x, y: place.y + place.height - high, width: place.width, height: high };
        self.canvas.shade(bar, BLACK, 150);
        let px = f32::from(high) * 0.6;
        let room = usize::from(place.width).saturating_sub(usize::from(high));
        let zh = self.face.line(&words.zh, px, room);
        let x = place.x + even(high / 2);
        let beside = x + even(zh.width as u16 + high / 3);
        let left = room.saturating_sub(zh.width + usize::from(high / 3));
        self.canvas.paint(&zh, x, middle(bar, &zh), WHITE);
        if left > usize::from(high) {
            let en = self.face.line(&words.en, px * 0.78, left);
            self.canvas.paint(&en, beside, middle(bar, &en), DIM);
        }
    }

    /// Two lines in the middle of an area; the first is a `part`th of the picture's height or smaller.
    fn words(&mut self, area: Area, words: &Words, color: Color, part: u16) {
        let px = (f32::from((area.height / part).min(area.width / 12)) * 0.75).max(9.0);
        let room = usize::from(area.width).saturating_sub(8);
        let lines = [self.face.line(&words.zh, px, room), self.face.line(&words.en, px * 0.7, room)];
        let high: usize = lines.iter().map(|line| line.height).sum();
        let mut y = usize::from(area.y) + usize::from(area.height).saturating_sub(high) / 2;
        for line in lines {
            let x = usize::from(area.x) + usize::from(area.width).saturating_sub(line.width) / 2;
            self.canvas.paint(&line, x as u16 & !1, y as u16 & !1, color);
            y += line.height;
        }
    }

    fn draw_clock(&mut self, at: i64) {
        let Some((since, wall)) = self.clock else { return };
        let second = (wall + at - since).div_euclid(1_000_000);
        if self.shown.replace(second) == Some(second) {
            return;
        }
        let Ok(time) = jiff::Timestamp::from_second(second) else { return };
        let Ok(offset) = Offset::from_seconds(self.scene.utc_offset) else { return };
        let text = time.to_zoned(TimeZone::fixed(offset)).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let header = self.scene.header();
        let line = self.face.line(&text, f32::from(header.height) * 0.42, usize::from(header.width / 3));
        // Room that does not change with the digits.
        let width = even(header.width / 3);
        let area = Area { x: header.width - width, width, ..header };
        self.canvas.fill(area, HEADER);
        let x = header.width.saturating_sub(line.width as u16 + header.height / 3) & !1;
        self.canvas.paint(&line, x, middle(header, &line), WHITE);
    }
}

impl<P> Default for TileState<P> {
    fn default() -> Self {
        Self { picture: None, at: None, ever: false, fresh: false, drawn: None }
    }
}

impl State {
    const fn words(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Live => None,
            Self::Cut => Some(("信号中断", "No signal")),
            Self::Absent => Some(("无画面", "No picture")),
            Self::SoundOnly => Some(("仅声音", "Sound only")),
        }
    }
}

/// Emblem and heading.
fn header(scene: &Scene, face: &Face, canvas: &mut Canvas) -> Result<(), &'static str> {
    let area = scene.header();
    canvas.fill(area, HEADER);
    let margin = even(area.height / 3);
    let mut x = margin;
    if let Some(png) = &scene.emblem {
        let high = even(area.height * 5 / 6);
        let (mask, colors) = emblem(png, u32::from(high)).ok_or("the emblem is no PNG picture that can be used")?;
        canvas.stamp(&mask, x, even((area.height - high) / 2), |column, row| colors[row * mask.width + column]);
        x += even(mask.width as u16 + margin);
    }
    let room = (scene.width / 3 * 2).saturating_sub(x);
    let line = face.line(&scene.heading, f32::from(area.height) * 0.46, room.into());
    canvas.paint(&line, x & !1, middle(area, &line), WHITE);
    Ok(())
}

/// A PNG in the height `high`: how opaque each pixel is, and its colour.
fn emblem(png: &[u8], high: u32) -> Option<(Mask, Vec<Color>)> {
    let mut decoder = png::Decoder::new_with_limits(std::io::Cursor::new(png), png::Limits { bytes: EMBLEM_LIMIT });
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().ok()?;
    let mut bytes = vec![0; reader.output_buffer_size().filter(|size| *size <= EMBLEM_LIMIT)?];
    let info = reader.next_frame(&mut bytes).ok()?;
    bytes.truncate(info.buffer_size());
    if info.color_type == png::ColorType::GrayscaleAlpha {
        bytes = bytes.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect();
    }
    let source = TypedImageRef::<U8x4>::from_buffer(info.width, info.height, &bytes).ok()?;
    let wide = (info.width * high / info.height.max(1)).clamp(2, 4 * high);
    let mut scaled = vec![0; (wide * high * 4) as usize];
    let mut target = TypedImage::<U8x4>::from_buffer(wide, high, &mut scaled).ok()?;
    fir::Resizer::new().resize_typed(&source, &mut target, None).ok()?;
    let pixels = scaled.chunks_exact(4);
    let (alpha, colors) = pixels.map(|p| (p[3], Color::rgb(p[0], p[1], p[2]))).unzip();
    Some((Mask { width: wide as usize, height: high as usize, alpha }, colors))
}

const fn even(n: u16) -> u16 {
    n & !1
}

/// Where a line stands so that it is in the middle of an area's height.
fn middle(area: Area, line: &Mask) -> u16 {
    area.y + ((usize::from(area.height).saturating_sub(line.height) / 2) as u16 & !1)
}

/// A picture that is older than this, in microseconds, is no signal.
const PATIENCE: i64 = 1_000_000;
/// Bytes that an emblem may have when it is decoded.
const EMBLEM_LIMIT: usize = 64 << 20;
const GROUND: Color = Color(24, 130, 126);
const TILE: Color = Color(40, 132, 125);
const HEADER: Color = Color(48, 146, 116);
const SPEAKS: Color = Color(150, 90, 70);
const BLACK: Color = Color(16, 128, 128);
const WHITE: Color = Color(235, 128, 128);
const DIM: Color = Color(180, 128, 128);

#[cfg(test)]
mod tests;
