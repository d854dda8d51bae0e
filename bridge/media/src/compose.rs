//! Drawing a scene and mixing its sound: no GStreamer but for decoded pictures, no clock, no file but the font.

pub mod canvas;
pub mod mix;
pub mod painter;
pub mod scale;
pub mod text;
