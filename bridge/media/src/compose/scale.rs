//! Pictures made smaller or larger, plane by plane.

use fast_image_resize as fir;
use fir::images::{TypedImage, TypedImageRef};
use fir::pixels::U8;

use super::painter::Picture;

/// Keeps what it computed for one size for the next picture of that size.
#[derive(Debug, Default)]
pub struct Scaler(fir::Resizer);

impl Scaler {
    /// Plane `n` of a picture, without padding, as it is when the whole picture is `wide` times `high` pixels, both even.
    pub fn plane(&mut self, picture: &impl Picture, n: u32, wide: u32, high: u32) -> Option<Vec<u8>> {
        let (width, height) = picture.size();
        let shift = u32::from(n > 0);
        let (pixels, stride) = picture.plane(n)?;
        let (own_wide, own_high) = (width.div_ceil(1 << shift), height.div_ceil(1 << shift));
        let whole = pixels.get(..(stride * own_high) as usize)?;
        let source = TypedImageRef::<U8>::from_buffer(stride, own_high, whole).ok()?;
        let mut scaled = vec![0; ((wide >> shift) * (high >> shift)) as usize];
        let mut target = TypedImage::<U8>::from_buffer(wide >> shift, high >> shift, &mut scaled).ok()?;
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear))
            .crop(0.0, 0.0, f64::from(own_wide), f64::from(own_high));
        self.0.resize_typed(&source, &mut target, &options).ok()?;
        Some(scaled)
    }

    /// All planes, one after another.
    pub fn planes(&mut self, picture: &impl Picture, wide: u32, high: u32) -> Option<Vec<u8>> {
        let planes = (0..3).map(|n| self.plane(picture, n, wide, high)).collect::<Option<Vec<_>>>()?;
        Some(planes.concat())
    }
}

/// The largest size of a picture's shape that is within another: a multiple of 8 wide, so that rows need no padding, and even
/// in height; at least 8 by 2.
#[must_use]
pub fn within((width, height): (u32, u32), (wide, high): (u32, u32)) -> (u32, u32) {
    let by_width = width * high.max(1) > wide * height.max(1);
    let (w, h) = if by_width { (wide, wide * height / width.max(1)) } else { (width * high / height.max(1), high) };
    ((w & !7).max(8), (h & !1).max(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_keeps_its_shape_within_its_bounds() {
        assert_eq!(within((1920, 1080), (1280, 720)), (1280, 720));
        assert_eq!(within((640, 480), (352, 288)), (352, 264));
        assert_eq!(within((480, 640), (352, 288)), (216, 288));
        assert_eq!(within((3840, 2), (16, 16)), (16, 2));
    }
}
