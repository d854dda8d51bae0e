//! What end-to-end tests are made of.

pub mod browser;
pub mod court;
pub mod disk;
pub mod media;
pub mod node;
pub mod zones;
