//! A hearing across three zones, with real browsers in networks that are joined only by the trunks' links.

mod demo;
mod three_zones;
