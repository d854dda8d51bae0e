//! A hearing across three zones, with real browsers in networks that are joined only by the trunks' links, and single
//! nodes that are given bad input.

mod cameras;
mod demo;
mod devices;
mod hall;
mod hostile;
mod links;
mod load;
mod matrix;
mod networks;
mod operator;
mod page;
mod playback;
mod record;
mod rehearsal;
mod relay;
mod restart;
mod sip;
mod terminals;
mod thin_line;
mod three_zones;
mod verify;
mod voice;
mod witness;
