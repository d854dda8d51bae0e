//! Mixes what is opened, live: one thread takes and decodes what comes, another takes 20 ms of each every 20 ms.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hearing_proto::child::{
    Codec, Coded, FromChild, Input, Mix, Part, SOUND, STREAM_LIMIT, SoundTarget, Target, ToChild,
};

use super::pace::{Pace, wall_clock};
use super::transcode::treated;
use super::{Counters, Error};
use crate::chain::Chain;
use crate::codec::{SOUND_CAPS, Task};
use crate::compose::mix::limit;
use crate::decoder::{Decoded, Decoder};
use crate::encoder::{SoundEncoder, TREATMENT};
use crate::link::{Receiver, Sender};
use crate::sound::jitter::Jitter;
use crate::sound::meter::{Envelope, Meter};

pub(super) struct Mixer {
    /// `None` where inputs are only measured.
    encoder: Option<SoundEncoder>,
    inputs: Arc<Mutex<Inputs>>,
    counters: Counters,
}

type Inputs = BTreeMap<u16, Source>;

/// One input.
struct Source {
    decoder: Decoder,
    treatment: Option<Chain>,
    jitter: Jitter,
    meter: Meter,
    envelope: Envelope,
    mixed: bool,
    /// Sound came since it was measured last.
    heard: bool,
}

/// What a mixer has to have loaded besides decoders: any input may be treated.
pub(super) const fn task(to: SoundTarget) -> Task {
    Task::EncodeLive(Target::Sound(SoundTarget { codec: to.codec, treat: true }))
}

impl Mixer {
    pub(super) fn build(what: Mix) -> Result<Self, Error> {
        let encoder = what.to.map(|to| SoundEncoder::new(to.codec)).transpose()?;
        Ok(Self { encoder, inputs: Arc::default(), counters: Counters::default() })
    }

    pub(super) fn run(self, mut receiver: Receiver, sender: &Sender) {
        let stop = Arc::new(AtomicBool::new(false));
        let (inputs, counters) = (self.inputs.clone(), self.counters.clone());
        let work = thread::spawn({
            let (stop, sender) = (stop.clone(), sender.clone());
            move || self.mix(&stop, &sender)
        });
        loop {
            match receiver.receive() {
                Ok(Some(ToChild::Frame(frame))) => take(&mut locked(&inputs), frame, &counters),
                Ok(Some(ToChild::Open(input))) => open(&inputs, input, sender),
                Ok(Some(ToChild::Close { stream })) => drop(locked(&inputs).remove(&stream)),
                Ok(Some(
                    ToChild::KeyFrame { .. } | ToChild::Start { .. } | ToChild::Cue { .. } | ToChild::Until { .. },
                )) => {}
                Ok(Some(ToChild::Stop) | None) | Err(_) => break,
            }
        }
        stop.store(true, Ordering::Relaxed);
        if work.join().is_ok() {
            sender.send(&FromChild::Done);
        }
    }

    fn mix(mut self, stop: &AtomicBool, sender: &Sender) {
        let mut pace = Pace::new(Instant::now(), STEP);
        let mut far = Envelope::default();
        // Opus puts its packets 6.5 ms earlier than their sound: the first one shall have a place as well.
        sender.send(&FromChild::Started { at: wall_clock() - MICROS });
        while !stop.load(Ordering::Relaxed) {
            let (step, skipped) = pace.wait();
            (0..skipped).for_each(|_| self.counters.frame_lost());
            let sum = sum(&mut locked(&self.inputs));
            far.add(&sum);
            let coded = self.encoder.as_mut().map(|encoder| encoder.push((i64::from(step) + 1) * MICROS, &sum));
            for (pts, packet) in coded.into_iter().flatten() {
                self.counters.frame_out();
                sender.send(&FromChild::Frame(Coded { stream: SOUND, pts, key: true, bytes: packet }));
            }
            // Whoever watches a mixer takes its silence for a standstill: one that lets nothing out says that it lives.
            if self.encoder.is_none() && step % 10 == 9 {
                sender.send(&self.counters.stats());
            }
            if step % 50 == 49 {
                sender.send(&self.counters.stats());
                for said in measured(&mut locked(&self.inputs), &far) {
                    sender.send(&said);
                }
            }
        }
    }
}

impl Source {
    fn build(input: Input) -> Result<Self, crate::codec::Error> {
        let treatment = (input.part == Part::Treated).then(|| Chain::new(TREATMENT, SOUND_CAPS)).transpose()?;
        let (jitter, meter, envelope) = (Jitter::default(), Meter::default(), Envelope::default());
        let mixed = input.part != Part::Measured;
        Ok(Self { decoder: Decoder::new(input.stream.codec)?, treatment, jitter, meter, envelope, mixed, heard: false })
    }
}

fn open(inputs: &Mutex<Inputs>, input: Input, sender: &Sender) {
    let stream = input.stream.id;
    let refused = |reason| FromChild::Failed { stream: Some(stream), reason };
    if is_picture_or_crowd(input.stream.codec, locked(inputs).len()) {
        sender.send(&refused("a mixer takes sound, and not of that many".to_owned()));
        return;
    }
    match Source::build(input) {
        Ok(source) => drop(locked(inputs).insert(stream, source)),
        Err(error) => {
            sender.send(&refused(error.to_string()));
        }
    }
}

const fn is_picture_or_crowd(codec: Codec, present: usize) -> bool {
    codec.is_picture() || present >= STREAM_LIMIT
}

fn take(inputs: &mut Inputs, frame: Coded, counters: &Counters) {
    counters.frame_in();
    let Some(source) = inputs.get_mut(&frame.stream) else { return counters.frame_lost() };
    let concealed = source.decoder.conceal(frame.pts);
    let decoded = source.decoder.decode(frame.pts, frame.bytes);
    if decoded.is_empty() {
        counters.frame_lost();
    }
    for (pts, decoded) in concealed.into_iter().chain(decoded) {
        let Decoded::Sound(samples) = decoded else { continue };
        // As it comes, not as it is played: a voice that is treated may have been cut off before.
        source.meter.add(&samples);
        source.heard = true;
        for (pts, samples) in treated(source.treatment.as_ref(), pts, samples) {
            source.jitter.push(pts, &samples);
        }
    }
}

fn sum(inputs: &mut Inputs) -> Vec<i16> {
    let mut sum = [0_i32; SAMPLES];
    for source in inputs.values_mut() {
        let samples = source.jitter.take(SAMPLES);
        source.envelope.add(&samples);
        if source.mixed {
            sum.iter_mut().zip(&samples).for_each(|(sum, sample)| *sum += i32::from(*sample));
        }
    }
    sum.into_iter().map(limit).collect()
}

fn measured(inputs: &mut Inputs, far: &Envelope) -> Vec<FromChild> {
    let mut said = Vec::new();
    for (stream, source) in inputs.iter_mut().filter(|(_, source)| source.heard) {
        source.heard = false;
        // What is mixed is in the mix: only somebody who hears it and is not in it can send it back.
        let echo = if source.mixed { 0 } else { source.envelope.echo_of(far) };
        if let Some(loudness) = source.meter.take(echo) {
            said.push(FromChild::Loudness { stream: *stream, loudness });
        }
    }
    said
}

fn locked(inputs: &Mutex<Inputs>) -> MutexGuard<'_, Inputs> {
    inputs.lock().unwrap_or_else(PoisonError::into_inner)
}

const STEP: Duration = Duration::from_millis(20);
const MICROS: i64 = 20_000;
const SAMPLES: usize = 960;
