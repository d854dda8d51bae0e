//! The test card: a frame number and a seat drawn so that they survive coding and scaling. Geometry: docs/ref/testcard.md.
//! Its sound is in [`tone`].

pub mod tone;

/// What a test card shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The frame's number by the wall clock: frames since 1970, modulo [`COUNTERS`].
    pub counter: u16,
    /// The seat that sends it, 0 to 63.
    pub seat: u8,
}

/// A picture's size in pixels: both even, 128 to 4,096 wide and 72 to 2,304 high.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    width: usize,
    height: usize,
}

/// The brightness of a picture, one byte a pixel, rows `stride` bytes apart.
#[derive(Debug, Clone, Copy)]
pub struct Luma<'a> {
    /// The rows; the last may be cut off after `width` bytes.
    pub pixels: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// `None` when a side is odd or out of range.
    #[must_use]
    pub fn new(width: u16, height: u16) -> Option<Self> {
        let fits = (128..=4096).contains(&width) && (72..=2304).contains(&height);
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        (fits && even).then(|| Self { width: width.into(), height: height.into() })
    }

    /// Pixels in a row.
    #[must_use]
    pub const fn width(self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(self) -> usize {
        self.height
    }

    /// Bytes of an I420 picture of this size, without padding.
    #[must_use]
    pub const fn i420_len(self) -> usize {
        self.width * self.height * 3 / 2
    }
}

/// Draws a test card as I420 without padding: two rows of 16 cells, and below them colour bars with a grain that changes with
/// every frame, so that it costs an encoder about as much as a face does.
#[must_use]
pub fn draw(size: Size, mark: Mark) -> Vec<u8> {
    let mut picture = vec![0; size.i420_len()];
    let (luma, chroma) = picture.split_at_mut(size.width * size.height);
    let (blue, red) = chroma.split_at_mut(size.width * size.height / 4);
    let bits = rows(mark);
    let mut grain = Grain::new(mark);
    for (y, row) in luma.chunks_exact_mut(size.width).enumerate() {
        match bits.get(y * ROWS / size.height) {
            Some(word) => draw_cells(row, *word),
            None => draw_bars(row, &mut grain),
        }
    }
    for (plane, colours) in [(blue, BAR_BLUE), (red, BAR_RED)] {
        for (y, row) in plane.chunks_exact_mut(size.width / 2).enumerate() {
            let cells = y * 2 * ROWS / size.height < bits.len();
            let width = row.len();
            for (x, pixel) in row.iter_mut().enumerate() {
                *pixel = if cells { GREY } else { colours[x * colours.len() / width] };
            }
        }
    }
    picture
}

/// Reads the mark of a test card; `None` when a cell is neither black nor white or the check bits fail.
#[must_use]
pub fn read(luma: Luma<'_>) -> Option<Mark> {
    let top = checked(read_cells(luma, 0)?, COUNTER_SALT)?;
    let below = checked(read_cells(luma, 1)?, SEAT_SALT)?;
    let (seat, inverse) = (below >> 6, below & 0x3f);
    let whole = top < COUNTERS && seat == !inverse & 0x3f;
    whole.then_some(Mark { counter: top, seat: u8::try_from(seat).ok()? })
}

/// The number of the frame that is drawn at, or first after, a time; `None` for times before 1970.
#[must_use]
pub fn frame_at(wall_us: i64, fps: u8) -> Option<u64> {
    let wall = u128::try_from(wall_us).ok()?;
    u64::try_from((wall * u128::from(fps)).div_ceil(1_000_000)).ok()
}

/// When a frame is drawn, in microseconds since 1970. `fps` must not be 0.
#[must_use]
pub fn time_of(frame: u64, fps: u8) -> i64 {
    i64::try_from(u128::from(frame) * 1_000_000 / u128::from(fps.max(1))).unwrap_or(i64::MAX)
}

/// What is drawn for a frame.
#[must_use]
pub fn counter_of(frame: u64) -> u16 {
    u16::try_from(frame % u64::from(COUNTERS)).unwrap_or(0)
}

/// The frame that a counter stands for: the one nearest to `wall_us`.
#[must_use]
pub fn frame_near(counter: u16, wall_us: i64, fps: u8) -> Option<u64> {
    let (here, period) = (frame_at(wall_us, fps)?, u64::from(COUNTERS));
    let behind = (here % period + period - u64::from(counter) % period) % period;
    if behind <= period / 2 { here.checked_sub(behind) } else { here.checked_add(period - behind) }
}

/// The two words of 16 bits that a card shows, most significant bit at the left.
fn rows(mark: Mark) -> [u16; 2] {
    let seat = u16::from(mark.seat & 0x3f);
    [with_check(mark.counter & 0xfff, COUNTER_SALT), with_check(seat << 6 | (!seat & 0x3f), SEAT_SALT)]
}

fn with_check(value: u16, salt: u16) -> u16 {
    value << 4 | check(value, salt)
}

fn checked(word: u16, salt: u16) -> Option<u16> {
    let value = word >> 4;
    (word & 0xf == check(value, salt)).then_some(value)
}

/// The exclusive or of the three nibbles of `value` and a salt, so that an all-black or all-white row is no word.
const fn check(value: u16, salt: u16) -> u16 {
    (value >> 8 ^ value >> 4 ^ value ^ salt) & 0xf
}

fn draw_cells(row: &mut [u8], word: u16) {
    let width = row.len();
    for (x, pixel) in row.iter_mut().enumerate() {
        let white = word >> (15 - x * CELLS / width) & 1 == 1;
        *pixel = if white { WHITE } else { BLACK };
    }
}

fn draw_bars(row: &mut [u8], grain: &mut Grain) {
    let width = row.len();
    for (x, pixel) in row.iter_mut().enumerate() {
        *pixel = BAR_LUMA[x * BAR_LUMA.len() / width].saturating_add(grain.at(x));
    }
}

fn read_cells(luma: Luma<'_>, row: usize) -> Option<u16> {
    let mut word = 0;
    for cell in 0..CELLS {
        let mean = mean(luma, cell, row)?;
        if mean.abs_diff(u64::from(GREY)) < DOUBT {
            return None;
        }
        word = word << 1 | u16::from(mean > u64::from(GREY));
    }
    Some(word)
}

/// The mean brightness of the middle third of a cell.
fn mean(luma: Luma<'_>, cell: usize, row: usize) -> Option<u64> {
    let third = |index: usize, of: usize, length: usize, part: usize| (index * 3 + part) * length / (of * 3);
    let (left, right) = (third(cell, CELLS, luma.width, 1), third(cell, CELLS, luma.width, 2));
    let (top, bottom) = (third(row, ROWS, luma.height, 1), third(row, ROWS, luma.height, 2));
    let (mut sum, mut count) = (0_u64, 0_u64);
    for y in top..bottom {
        let line = luma.pixels.get(y * luma.stride + left..y * luma.stride + right)?;
        sum += line.iter().map(|pixel| u64::from(*pixel)).sum::<u64>();
        count += line.len() as u64;
    }
    sum.checked_div(count)
}

/// Noise that moves with the frame's number; a 32-bit xorshift, one step for eight pixels.
struct Grain(u32);

impl Grain {
    fn new(mark: Mark) -> Self {
        Self(0x9e37_79b9 ^ (u32::from(mark.counter) << 8 | u32::from(mark.seat)))
    }

    fn at(&mut self, x: usize) -> u8 {
        if x.is_multiple_of(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 17;
            self.0 ^= self.0 << 5;
        }
        (self.0 >> 24) as u8 & 0x0f
    }
}

/// Cells in a row.
pub const CELLS: usize = 16;
/// The height of a row of cells is this part of the picture's.
pub const ROWS: usize = 9;
/// Numbers that the counter has. A multiple of every usual frame rate, so that a counter that is a multiple of its frame
/// rate always means a full second.
pub const COUNTERS: u16 = 3600;

const COUNTER_SALT: u16 = 0b1010;
const SEAT_SALT: u16 = 0b0101;
const BLACK: u8 = 16;
const WHITE: u8 = 235;
const GREY: u8 = 128;
/// A cell whose mean is nearer than this to grey is not read.
const DOUBT: u64 = 32;
/// Yellow, cyan, green, magenta, red and blue at three quarters (BT.601).
const BAR_LUMA: [u8; 6] = [162, 131, 112, 84, 65, 35];
const BAR_BLUE: [u8; 6] = [44, 156, 72, 184, 100, 212];
const BAR_RED: [u8; 6] = [142, 44, 58, 198, 212, 114];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn luma(picture: &[u8], size: Size) -> Luma<'_> {
        Luma { pixels: picture, stride: size.width(), width: size.width(), height: size.height() }
    }

    fn scaled(picture: &[u8], from: Size, to: Size) -> Vec<u8> {
        (0..to.height() * to.width())
            .map(|i| (i % to.width(), i / to.width()))
            .map(|(x, y)| picture[y * from.height() / to.height() * from.width() + x * from.width() / to.width()])
            .collect()
    }

    proptest! {
        #[test]
        fn every_mark_is_read_back_at_any_size(counter in 0_u16..3600, seat in 0_u8..64, w in 64_u16..640, h in 36_u16..360) {
            let size = Size::new(w * 2, h * 2).unwrap();
            let mark = Mark { counter, seat };
            prop_assert_eq!(read(luma(&draw(size, mark), size)), Some(mark));
        }

        #[test]
        fn noise_and_scaling_do_not_hide_the_mark(counter in 0_u16..3600, seat in 0_u8..64, noise in prop::collection::vec(0_u8..60, 997)) {
            let (from, to) = (Size::new(640, 360).unwrap(), Size::new(320, 180).unwrap());
            let mark = Mark { counter, seat };
            let mut small = scaled(&draw(from, mark), from, to);
            for (pixel, noise) in small.iter_mut().zip(noise.iter().cycle()) {
                *pixel = pixel.saturating_add(*noise).saturating_sub(30);
            }
            prop_assert_eq!(read(luma(&small, to)), Some(mark));
        }

        #[test]
        fn a_wrong_cell_is_noticed(counter in 0_u16..3600, seat in 0_u8..64, cell in 0_usize..16, row in 0_usize..2) {
            let size = Size::new(640, 360).unwrap();
            let mut picture = draw(size, Mark { counter, seat });
            for y in row * 40..row * 40 + 40 {
                for pixel in &mut picture[y * 640 + cell * 40..y * 640 + cell * 40 + 40] {
                    *pixel = 251 - *pixel;
                }
            }
            prop_assert_eq!(read(luma(&picture, size)), None);
        }

        #[test]
        fn any_bytes_are_read_without_panic(pixels in prop::collection::vec(any::<u8>(), 0..2000), stride in 0_usize..100, width in 0_usize..200, height in 0_usize..200) {
            let _ = read(Luma { pixels: &pixels, stride, width, height });
        }
    }

    #[test]
    fn pictures_of_one_brightness_show_nothing() {
        let size = Size::new(640, 360).unwrap();
        for brightness in [0, 16, 128, 235, 255] {
            assert_eq!(read(luma(&vec![brightness; 640 * 360], size)), None);
        }
    }

    proptest! {
        #[test]
        fn a_counter_is_the_frame_nearest_to_the_time(frame in 1_000_000_u64..1 << 40, fps in 1_u8..=60, off in -25_000_000_i64..25_000_000) {
            let wall = time_of(frame, fps) + off;
            prop_assert_eq!(frame_near(counter_of(frame), wall, fps), Some(frame));
            prop_assert_eq!(frame_at(time_of(frame, fps), fps), Some(frame));
        }
    }

    #[test]
    fn a_counter_that_is_a_multiple_of_the_frame_rate_means_a_full_second() {
        for fps in [5, 10, 12, 15, 20, 24, 25, 30, 50, 60_u8] {
            assert_eq!(COUNTERS % u16::from(fps), 0);
            assert_eq!(time_of(u64::from(fps) * 1_795_429_864, fps), 1_795_429_864_000_000);
        }
    }

    #[test]
    fn odd_and_extreme_sizes_are_refused() {
        for (w, h) in [(641, 360), (640, 361), (126, 72), (128, 70), (4098, 360)] {
            assert_eq!(Size::new(w, h), None);
        }
    }
}
