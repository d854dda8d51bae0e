//! Makes the renditions that a hearing's router asks for: one child for each track and codec, started on demand, stopped a
//! while after nobody takes it any more. A child that dies or stands still costs its own rendition and is started anew.

mod leg;
mod maker;

use std::collections::HashMap;
use std::sync::Arc;

use hearing_config::{Codec, HearingId, TrackId};
use hearing_proto::child::{PictureTarget, SoundTarget, Target};
use metrics::counter;
use tokio::sync::watch;
use tracing::warn;

use super::Program;
use crate::router::{LegId, TrackInfo, WorkerHandle};
use maker::Maker;

/// The renditions of one hearing at this node. Dropping it ends them.
#[derive(Debug)]
pub struct Renditions {
    hearing: HearingId,
    worker: WorkerHandle,
    /// `None` when this node has no media child: who needs one stays without.
    program: Option<Arc<Program>>,
    made: HashMap<(TrackId, Codec), Made>,
}

/// One rendition's task.
#[derive(Debug)]
struct Made {
    wanted: watch::Sender<bool>,
    legs: watch::Receiver<LegId>,
    anew: watch::Sender<u32>,
    from: Codec,
    #[cfg(test)]
    child: Arc<super::life::Shared>,
}

impl Renditions {
    /// None yet.
    #[must_use]
    pub fn new(hearing: HearingId, worker: WorkerHandle, program: Option<Arc<Program>>) -> Self {
        Self { hearing, worker, program, made: HashMap::new() }
    }

    /// The router needs a track in `codec`, or does so no more.
    pub fn tell(&mut self, info: TrackInfo, codec: Codec, wanted: bool) {
        self.made.retain(|_, made| !made.wanted.is_closed());
        let key = (info.id, codec);
        match self.made.get(&key) {
            // What comes in another codec now needs another child.
            Some(made) if wanted && made.from != info.codec => drop(self.made.remove(&key)),
            Some(made) => {
                made.wanted.send_replace(wanted);
                return;
            }
            None => {}
        }
        if wanted {
            self.begin(info, codec);
        }
    }

    /// True when a leg of this name makes a rendition.
    #[must_use]
    pub fn is_leg(&self, leg: LegId) -> bool {
        self.made.values().any(|made| *made.legs.borrow() == leg)
    }

    /// The router lost a leg that nobody took off: another takes its place.
    pub fn hang_anew(&self, leg: LegId) {
        for made in self.made.values().filter(|made| *made.legs.borrow() == leg) {
            made.anew.send_modify(|times| *times += 1);
        }
    }

    fn begin(&mut self, info: TrackInfo, codec: Codec) {
        let Some(program) = &self.program else {
            counter!("hearing_renditions_refused_total").increment(1);
            warn!(hearing = %self.hearing, track = %info.id, ?codec, "no media child here: the track stays in its codec");
            return;
        };
        let (wanted, wanting) = watch::channel(true);
        let (anew, again) = watch::channel(0);
        let from = info.codec;
        let key = (info.id, codec);
        match Maker::start(program, self.hearing, self.worker.clone(), (info, codec)) {
            Ok((maker, legs)) => {
                let made = Made {
                    wanted,
                    legs,
                    anew,
                    from,
                    #[cfg(test)]
                    child: maker.child(),
                };
                tokio::spawn(maker.run(wanting, again));
                self.made.insert(key, made);
            }
            Err(error) => {
                counter!("hearing_renditions_refused_total").increment(1);
                warn!(hearing = %self.hearing, %error, "no rendition");
            }
        }
    }
}

/// How a rendition is coded. Pictures keep their size up to 720p.
fn target(codec: Codec) -> Target {
    let codec_of_child = super::convert::codec(codec);
    match codec {
        Codec::Opus | Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::Aac => {
            Target::Sound(SoundTarget { codec: codec_of_child, treat: false })
        }
        Codec::Vp8 | Codec::H264 | Codec::H265 => Target::Picture(PictureTarget {
            codec: codec_of_child,
            width: 1280,
            height: 720,
            kbps: 1_500,
            level: None,
            unit: None,
        }),
    }
}

#[cfg(test)]
mod tests;
