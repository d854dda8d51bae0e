//! What both ends of a call agreed on, and the streams that come of it.

use std::collections::HashMap;
use std::time::Instant;

use tokio::sync::mpsc;

use super::decoder;
use super::held::Held;
use super::ports::Pair;
use super::sdes::Srtp;
use super::sdp::{Chosen, Line, Own, Use};
use super::stream::{Arrived, Stream};
use super::timer::Timer;
use crate::router::Takes;

/// What both ends agreed on.
pub(super) type Taken = (Vec<Line>, Vec<(Chosen, Own)>, HashMap<Use, Pair>);

/// A call that was answered.
pub(super) struct Setup {
    pub(super) held: Held,
    pub(super) lines: Vec<Line>,
    pub(super) chosen: Vec<(Chosen, Own)>,
    pub(super) pairs: HashMap<Use, Pair>,
    /// Of our session description.
    pub(super) id: u64,
    /// What ends the call unless it is refreshed.
    pub(super) timer: Option<Timer>,
    /// The terminal knows UPDATE (RFC 3311).
    pub(super) updates: bool,
}

/// The m-lines that were agreed on, at work.
pub(super) fn streams(
    (chosen, lines): (&[(Chosen, Own)], &[Line]),
    mut pairs: HashMap<Use, Pair>,
    arrivals: &mpsc::Sender<Arrived>,
) -> Vec<Stream> {
    let now = Instant::now();
    let stream = |(chosen, own): &(Chosen, Own)| {
        let line = &lines[chosen.at];
        let srtp = match own.crypto.first().zip(line.crypto.as_ref()) {
            Some((ours, theirs)) => Some(Srtp::new(ours, theirs)?),
            None => None,
        };
        Stream::new((chosen, line), pairs.remove(&chosen.used)?, srtp, arrivals, now)
    };
    chosen.iter().filter_map(stream).collect()
}

/// What the terminal takes.
pub(super) fn takes(streams: &[Stream], lines: &[Line]) -> Takes {
    let codecs = |used: Use| {
        let of = streams.iter().filter(|stream| stream.used == used);
        of.map(|stream| stream.format.codec).collect::<Vec<_>>()
    };
    let picture = streams.iter().find(|stream| stream.used == Use::Picture);
    let (pixels, most) = picture.map_or((0, 0), |stream| decoder::limits(&stream.format.parameters));
    let told = picture.and_then(|stream| lines.get(stream.at)).map_or(0, |line| line.kbps);
    Takes {
        sound: codecs(Use::Sound),
        picture: codecs(Use::Picture),
        single_unit: picture.is_some_and(|stream| !stream.format.fragments),
        pixels,
        kbps: [most, told].into_iter().filter(|kbps| *kbps > 0).min().unwrap_or(0),
    }
}
