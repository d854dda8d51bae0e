//! A picture to draw on: three planes of I420, studio range.

use hearing_proto::scene::Area;

/// A picture in the making.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

/// Luma and chroma of one pixel, ITU-R BT.709, studio range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

/// How much of a colour each pixel of a rectangle takes, 0 to 255.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row.
    pub alpha: Vec<u8>,
}

/// Where a plane lies in the bytes, and by how many bits its coordinates are smaller than the picture's.
struct Plane {
    start: usize,
    width: usize,
    height: usize,
    shift: u32,
}

impl Canvas {
    /// A picture of one colour; `width` must be a multiple of 8, `height` even.
    #[must_use]
    pub fn new(width: u16, height: u16, color: Color) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        let mut canvas = Self { width, height, bytes: vec![0; width * height * 3 / 2] };
        canvas.fill(Area { x: 0, y: 0, width: width as u16, height: height as u16 }, color);
        canvas
    }

    /// The planes one after another, without padding.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Fills an area.
    pub fn fill(&mut self, area: Area, color: Color) {
        for (n, value) in [color.0, color.1, color.2].into_iter().enumerate() {
            self.rows(n, area, |row| row.fill(value));
        }
    }

    /// Lays a colour over an area; `alpha` 255 hides what is below.
    pub fn shade(&mut self, area: Area, color: Color, alpha: u8) {
        for (n, value) in [color.0, color.1, color.2].into_iter().enumerate() {
            self.rows(n, area, |row| row.iter_mut().for_each(|pixel| *pixel = blend(*pixel, value, alpha)));
        }
    }

    /// Puts one plane of a picture that has exactly the size of `area` into it; 0 is luma.
    pub fn put(&mut self, plane: usize, area: Area, pixels: &[u8]) {
        let width = usize::from(area.width) >> self.plane(plane).shift;
        let mut rows = pixels.chunks_exact(width.max(1));
        self.rows(plane, area, |row| {
            if let Some(source) = rows.next() {
                row.copy_from_slice(source);
            }
        });
    }

    /// Paints `color` through a mask whose upper left corner lies at even `x`, `y`; what lies outside is left away.
    pub fn paint(&mut self, mask: &Mask, x: u16, y: u16, color: Color) {
        self.stamp(mask, x, y, |_, _| color);
    }

    /// Paints a colour of its own for each pixel of a mask; the colour's place is given in the mask's pixels.
    pub fn stamp(&mut self, mask: &Mask, x: u16, y: u16, color: impl Fn(usize, usize) -> Color) {
        let (left, top) = (usize::from(x), usize::from(y));
        let (wide, high) =
            (mask.width.min(self.width.saturating_sub(left)), mask.height.min(self.height.saturating_sub(top)));
        for row in 0..high {
            for column in 0..wide {
                let alpha = mask.alpha[row * mask.width + column];
                if alpha > 0 {
                    let pixel = &mut self.bytes[(top + row) * self.width + left + column];
                    *pixel = blend(*pixel, color(column, row).0, alpha);
                }
            }
        }
        for plane in [self.plane(1), self.plane(2)] {
            for row in (0..high).step_by(2) {
                for column in (0..wide).step_by(2) {
                    let alpha = mask.mean(column, row);
                    let place = plane.start + (top + row) / 2 * plane.width + (left + column) / 2;
                    if let (1.., Some(pixel)) = (alpha, self.bytes.get_mut(place)) {
                        let Color(_, u, v) = color(column, row);
                        *pixel = blend(*pixel, if plane.start == self.width * self.height { u } else { v }, alpha);
                    }
                }
            }
        }
    }

    fn plane(&self, n: usize) -> Plane {
        let (luma, chroma) = (self.width * self.height, self.width * self.height / 4);
        match n {
            0 => Plane { start: 0, width: self.width, height: self.height, shift: 0 },
            n => Plane { start: luma + (n - 1) * chroma, width: self.width / 2, height: self.height / 2, shift: 1 },
        }
    }

    fn rows(&mut self, n: usize, area: Area, mut change: impl FnMut(&mut [u8])) {
        let plane = self.plane(n);
        let scaled = |side: u16| usize::from(side) >> plane.shift;
        let (left, right) = (scaled(area.x).min(plane.width), (scaled(area.x) + scaled(area.width)).min(plane.width));
        for row in scaled(area.y)..(scaled(area.y) + scaled(area.height)).min(plane.height) {
            let start = plane.start + row * plane.width;
            change(&mut self.bytes[start + left..start + right]);
        }
    }
}

impl Mask {
    /// The mean of the four pixels from an even place on; those outside count as nothing.
    fn mean(&self, column: usize, row: usize) -> u8 {
        let at = |x: usize, y: usize| {
            if x < self.width && y < self.height { u16::from(self.alpha[y * self.width + x]) } else { 0 }
        };
        let sum = at(column, row) + at(column + 1, row) + at(column, row + 1) + at(column + 1, row + 1);
        (sum / 4) as u8
    }
}

impl Color {
    /// The colour of red, green and blue.
    #[must_use]
    pub fn rgb(red: u8, green: u8, blue: u8) -> Self {
        let (r, g, b) = (f32::from(red) / 255.0, f32::from(green) / 255.0, f32::from(blue) / 255.0);
        let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let (u, v) = ((b - luma) / 1.8556, (r - luma) / 1.5748);
        Self((16.0 + 219.0 * luma) as u8, (128.0 + 224.0 * u) as u8, (128.0 + 224.0 * v) as u8)
    }
}

const fn blend(below: u8, above: u8, alpha: u8) -> u8 {
    let alpha = alpha as u32;
    ((below as u32 * (255 - alpha) + above as u32 * alpha + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: Color = Color(16, 128, 128);
    const RED: Color = Color(63, 102, 240);

    #[test]
    fn an_area_is_filled_in_all_planes_and_nothing_beside_it() {
        let mut canvas = Canvas::new(16, 8, BLACK);
        canvas.fill(Area { x: 4, y: 2, width: 8, height: 4 }, RED);
        let count =
            |range: std::ops::Range<usize>, value: u8| canvas.bytes()[range].iter().filter(|p| **p == value).count();
        assert_eq!((count(0..128, 63), count(128..160, 102), count(160..192, 240)), (32, 8, 8));
        assert_eq!(canvas.bytes()[2 * 16 + 4], 63);
    }

    #[test]
    fn a_mask_over_the_edge_is_cut_off_and_half_a_mask_is_half_a_colour() {
        let mut canvas = Canvas::new(16, 8, BLACK);
        let mask = Mask { width: 6, height: 6, alpha: vec![128; 36] };
        canvas.paint(&mask, 14, 6, RED);
        assert_eq!(canvas.bytes()[7 * 16 + 15], blend(16, 63, 128));
        assert_eq!(canvas.bytes().iter().filter(|p| **p != 16 && **p != 128).count(), 4 + 2);
    }
}
