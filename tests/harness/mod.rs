//! What end-to-end tests are made of.

pub mod browser;
pub mod court;
pub mod media;
pub mod zones;
