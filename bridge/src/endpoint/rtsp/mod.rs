//! Cameras that are pulled by RTSP (RFC 2326): a session per seat, the sources of its picture and sound.

mod aac;
mod session;
mod track;
mod trial;

pub(crate) use session::{Camera, Way};
