//! GB/T 28181-2016 and -2022, what a platform says to devices and hears from them, and the device's side of it: MANSCDP messages
//! (annex A), orders to move a camera, and the lines that the standard adds to session descriptions (annex G of 2022, F of 2016).

mod catalog;
pub mod device;
mod message;
mod ptz;
mod request;
pub mod sdp;
mod xml;

pub use catalog::{Catalog, Filled};
pub use message::{Alarm, Code, Item, Message, NotACode, Page, Refused, parse};
pub use ptz::{Move, PresetOrder, Ptz};
pub use request::{Control, Query, broadcast, control, query};
pub use xml::Malformed;
