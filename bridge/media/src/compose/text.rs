//! Lines of Chinese and Latin text as masks, from the font that the distribution brings.

use std::path::Path;

use ab_glyph::{Font as _, FontVec, Glyph, PxScale, ScaleFont as _, point};

use super::canvas::Mask;

/// A font in memory.
#[derive(Debug)]
pub struct Face(FontVec);

/// Why there is no font.
#[derive(Debug, thiserror::Error)]
#[error("no font with Chinese characters: {0} (is fonts-noto-cjk installed?)")]
pub struct Missing(String);

impl Face {
    /// Reads the whole font; nothing is read later. Call it before the sandbox is shut.
    ///
    /// # Errors
    /// The font isn't installed, or can't be read.
    pub fn load() -> Result<Self, Missing> {
        let found = FILES.iter().map(Path::new).find(|file| file.is_file());
        let file = found.ok_or_else(|| Missing(FILES.join(", ")))?;
        let bytes = std::fs::read(file).map_err(|error| Missing(error.to_string()))?;
        let face = FontVec::try_from_vec_and_index(bytes, SIMPLIFIED).map_err(|error| Missing(error.to_string()))?;
        Ok(Self(face))
    }

    /// One line whose characters are `px` pixels wide and high; what is longer than `limit` pixels ends in an ellipsis.
    #[must_use]
    pub fn line(&self, text: &str, px: f32, limit: usize) -> Mask {
        let mut text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        let (mut glyphs, mut width) = self.layout(&text, px);
        let mut cut = false;
        while width > limit as f32 && !text.is_empty() {
            if cut {
                text.pop();
            }
            text.pop();
            text.push('…');
            cut = true;
            (glyphs, width) = self.layout(&text, px);
            if text == "…" {
                break;
            }
        }
        let height = self.0.as_scaled(self.scale(px)).height().ceil() as usize;
        let mut mask = Mask { width: (width.ceil() as usize).min(limit), height, alpha: Vec::new() };
        mask.alpha = vec![0; mask.width * mask.height];
        for glyph in glyphs {
            self.draw(glyph, &mut mask);
        }
        mask
    }

    /// The library measures a font by its line height, people by its characters.
    fn scale(&self, px: f32) -> PxScale {
        let units = self.0.units_per_em().unwrap_or(1_000.0);
        PxScale::from(px * self.0.height_unscaled() / units)
    }

    fn layout(&self, text: &str, px: f32) -> (Vec<Glyph>, f32) {
        let scale = self.scale(px);
        let font = self.0.as_scaled(scale);
        let (mut x, mut glyphs) = (0.0, Vec::new());
        for character in text.chars() {
            let id = font.glyph_id(character);
            glyphs.push(id.with_scale_and_position(scale, point(x, font.ascent())));
            x += font.h_advance(id);
        }
        (glyphs, x)
    }

    fn draw(&self, glyph: Glyph, mask: &mut Mask) {
        // A blank has no outline.
        let Some(outline) = self.0.outline_glyph(glyph) else { return };
        let bounds = outline.px_bounds();
        outline.draw(|x, y, coverage| {
            let (x, y) = (bounds.min.x + x as f32, bounds.min.y + y as f32);
            if x >= 0.0 && y >= 0.0 && (x as usize) < mask.width && (y as usize) < mask.height {
                let alpha = &mut mask.alpha[y as usize * mask.width + x as usize];
                *alpha = (*alpha).max((coverage.min(1.0) * 255.0) as u8);
            }
        });
    }
}

/// Where distributions keep Noto Sans CJK.
const FILES: [&str; 4] = [
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/noto/NotoSansCJK-Regular.ttc",
];
/// The collection holds the Japanese, Korean, simplified and traditional forms, in this order.
const SIMPLIFIED: u32 = 2;
/// Longer texts are cut before they are measured.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_and_latin_characters_have_shapes_of_their_own() {
        let face = Face::load().unwrap();
        let marks = |text: &str| face.line(text, 32.0, 1000).alpha.iter().filter(|alpha| **alpha > 100).count();
        assert!(marks("审") > 150 && marks("判") > 150 && marks("J") > 40);
        assert_eq!(marks("  "), 0);
        assert_ne!(face.line("审", 32.0, 100), face.line("判", 32.0, 100));
    }

    #[test]
    fn a_line_that_is_too_long_ends_within_its_limit() {
        let face = Face::load().unwrap();
        let (all, cut) = (
            face.line("附带民事诉讼原告人法定代理人", 24.0, 1000),
            face.line("附带民事诉讼原告人法定代理人", 24.0, 120),
        );
        assert!(all.width > 300 && (60..=120).contains(&cut.width), "{} {}", all.width, cut.width);
        assert_eq!(face.line("\n\u{7}", 24.0, 100).width, 0);
    }
}
