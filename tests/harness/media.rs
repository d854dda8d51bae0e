//! Pictures and sound for real browsers' fake devices: the test card with a counter, and the seat's tone.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use hearing_proto::testcard::tone::{SAMPLE_RATE, Tone, frequency, tones};
use hearing_proto::testcard::{self, Mark, Size};

/// The files that a browser's fake camera and microphone play, in a loop.
pub(crate) struct Card {
    /// Uncompressed pictures, `y4m`.
    pub(crate) video: PathBuf,
    /// Uncompressed sound, `wav`.
    pub(crate) audio: PathBuf,
}

impl Card {
    /// Draws the card of `seat` into `directory`.
    pub(crate) fn draw(directory: &Path, seat: u8) -> Self {
        let card =
            Self { video: directory.join(format!("seat{seat}.y4m")), audio: directory.join(format!("seat{seat}.wav")) };
        write_video(&card.video, seat).expect("the card's pictures are written");
        write_audio(&card.audio, seat).expect("the card's sound is written");
        card
    }
}

impl Card {
    /// The same card with a voice in place of the tone: two seconds of syllables, two of silence, again and again.
    pub(crate) fn speaking(directory: &Path, seat: u8) -> Self {
        let card = Self::draw(directory, seat);
        write_wav(&card.audio, &voice()).expect("the card's voice is written");
        card
    }
}

/// Pulses of a throat at 120 Hz through three formants, four syllables a second; then nothing.
fn voice() -> Vec<i16> {
    let rate = SAMPLE_RATE as f32;
    let formants = [(700.0_f32, 130.0_f32), (1_220.0, 160.0), (2_600.0, 250.0)];
    let loud =
        |frequency: f32| formants.iter().map(|(at, wide)| (-((frequency - at) / wide).powi(2)).exp()).sum::<f32>();
    let harmonics: Vec<(f32, f32)> = (1..34).map(|n| n as f32 * 120.0).map(|f| (f, 0.15 + loud(f))).collect();
    let speech = (0..SAMPLE_RATE * 2).map(|n| {
        let at = n as f32 / rate;
        let syllable = (at * 4.0 * std::f32::consts::PI).sin().abs();
        let throat: f32 = harmonics.iter().map(|(f, level)| level * (at * f * std::f32::consts::TAU).sin()).sum();
        (throat * syllable * 1_800.0).clamp(-32_000.0, 32_000.0) as i16
    });
    speech.chain(std::iter::repeat_n(0, SAMPLE_RATE as usize * 2)).collect()
}

/// The seats whose tones sound in at least half of a second's samples (48 kHz).
pub(crate) fn seats_in(second: &[i16]) -> Vec<u8> {
    let heard: Vec<_> = second.chunks_exact(SAMPLE_RATE as usize / 10).map(tones).collect();
    (0..64).filter(|seat| heard.iter().filter(|tenth| tenth.contains(seat)).count() >= 5).collect()
}

/// True when `heard` (Hz) is the tone of `seat`.
pub(crate) fn is_tone_of(seat: u8, heard: f32) -> bool {
    (heard - frequency(seat) as f32).abs() < 30.0
}

fn write_video(path: &Path, seat: u8) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let size = Size::new(640, 360).expect("an even size");
    writeln!(file, "YUV4MPEG2 W{} H{} F{FPS}:1 Ip A1:1 C420", size.width(), size.height())?;
    for counter in 0..FRAMES {
        file.write_all(b"FRAME\n")?;
        file.write_all(&testcard::draw(size, Mark { counter, seat }))?;
    }
    file.flush()
}

fn write_audio(path: &Path, seat: u8) -> std::io::Result<()> {
    let mut samples = vec![0; SAMPLE_RATE as usize * 4];
    Tone::starting(seat, 0).fill(&mut samples);
    write_wav(path, &samples)
}

fn write_wav(path: &Path, samples: &[i16]) -> std::io::Result<()> {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let length = u32::try_from(bytes.len()).expect("four seconds fit");
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"RIFF")?;
    file.write_all(&(36 + length).to_le_bytes())?;
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0")?;
    file.write_all(&SAMPLE_RATE.to_le_bytes())?;
    file.write_all(&(SAMPLE_RATE * 2).to_le_bytes())?;
    file.write_all(b"\x02\0\x10\0data")?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&bytes)?;
    file.flush()
}

const FPS: u16 = 15;
const FRAMES: u16 = 150;
