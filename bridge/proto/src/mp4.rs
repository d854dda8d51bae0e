//! An MP4 of one H.264 picture and one AAC sound, as any player plays it: media first, then the index. What was written is
//! only patched in one place, when it ends.

use mp4_atom::{
    Audio, Avc1, Avcc, Co64, Codec, Dinf, Dref, DrefEntry, Edts, Elst, ElstEntry, Encode as _, FourCC, Ftyp, Hdlr,
    Mdhd, Mdia, Minf, Moov, Mp4a, Mvhd, Smhd, Stbl, Stsc, StscEntry, Stsd, Stss, Stsz, StszSamples, Stts, SttsEntry,
    Tkhd, Trak, Url, Visual, Vmhd, esds,
};

use crate::depacketize::framing;
use crate::depacketize::h264::Parameters;

/// Writes a film; append what its methods give to the file, then patch what [`Film::finish`] says.
#[derive(Debug)]
pub struct Film {
    fps: u8,
    parameters: Option<Parameters>,
    picture: Table,
    sound: Table,
    /// Numbers of the key frames, from 1.
    keys: Vec<u32>,
    at: u64,
    /// The track whose chunk is the last one.
    last: Option<Kind>,
    begun: bool,
}

/// How a film ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Bytes to append.
    pub tail: Vec<u8>,
    /// Then bytes to put in place, at this offset.
    pub patch: (u64, [u8; 8]),
}

/// Why a film can't be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The first picture has no parameter sets.
    #[error("the film begins with a picture that names no parameter sets")]
    NoParameters,
    /// A frame or the film is larger than the format holds.
    #[error("a frame of {0} bytes does not fit into a film")]
    TooLarge(usize),
    /// An atom can't be coded.
    #[error("the film's index can't be written: {0}")]
    Atom(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    Sound,
}

/// Where a track's samples are.
#[derive(Debug, Default)]
struct Table {
    sizes: Vec<u32>,
    chunks: Vec<u64>,
    /// Samples of each chunk.
    counts: Vec<u32>,
}

impl Film {
    /// An empty film of `fps` frames a second.
    #[must_use]
    pub fn new(fps: u8) -> Self {
        let (picture, sound) = (Table::default(), Table::default());
        Self { fps, parameters: None, picture, sound, keys: Vec::new(), at: 0, last: None, begun: false }
    }

    /// The next picture, a byte stream (Annex B) of one access unit.
    ///
    /// # Errors
    /// [`Error::NoParameters`] for a first picture that can't be decoded, [`Error::TooLarge`].
    pub fn picture(&mut self, key: bool, annex_b: &[u8]) -> Result<Vec<u8>, Error> {
        let data = framing::length_prefixed(annex_b);
        if self.parameters.is_none() {
            self.parameters = Some(Parameters::find(&data).ok_or(Error::NoParameters)?);
        }
        let bytes = self.sample(Kind::Picture, &data)?;
        if key {
            self.keys.push(u32::try_from(self.picture.sizes.len()).unwrap_or(u32::MAX));
        }
        Ok(bytes)
    }

    /// The next 1,024 samples of sound, a raw AAC frame of one channel at 48 kHz.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn sound(&mut self, aac: &[u8]) -> Result<Vec<u8>, Error> {
        self.sample(Kind::Sound, aac)
    }

    /// Pictures so far.
    #[must_use]
    pub fn pictures(&self) -> u64 {
        self.picture.sizes.len() as u64
    }

    /// Ends the film: its index.
    ///
    /// # Errors
    /// [`Error::NoParameters`] when it has no picture, [`Error::Atom`].
    pub fn finish(self) -> Result<Finished, Error> {
        let parameters = self.parameters.as_ref().ok_or(Error::NoParameters)?;
        let pictures = self.picture.sizes.len() as u64;
        let duration = pictures * MOVIE / u64::from(self.fps);
        let mut moov = Moov { mvhd: mvhd(duration), ..Moov::default() };
        moov.trak.push(self.picture_track(parameters, duration)?);
        if !self.sound.sizes.is_empty() {
            moov.trak.push(self.sound_track(duration));
        }
        let mut tail = Vec::new();
        moov.encode(&mut tail).map_err(|error| Error::Atom(error.to_string()))?;
        Ok(Finished { tail, patch: (self.mdat() + 8, (self.at - self.mdat()).to_be_bytes()) })
    }

    fn sample(&mut self, kind: Kind, data: &[u8]) -> Result<Vec<u8>, Error> {
        let size = u32::try_from(data.len()).map_err(|_| Error::TooLarge(data.len()))?;
        let mut out = Vec::with_capacity(data.len());
        if !self.begun {
            out = head()?;
            self.at = out.len() as u64;
            self.begun = true;
        }
        let table = if kind == Kind::Picture { &mut self.picture } else { &mut self.sound };
        if self.last != Some(kind) {
            table.chunks.push(self.at);
            table.counts.push(0);
            self.last = Some(kind);
        }
        table.sizes.push(size);
        if let Some(count) = table.counts.last_mut() {
            *count += 1;
        }
        self.at += u64::from(size);
        out.extend_from_slice(data);
        Ok(out)
    }

    /// Where the media atom begins.
    const fn mdat(&self) -> u64 {
        FTYP_BYTES
    }

    fn picture_track(&self, parameters: &Parameters, duration: u64) -> Result<Trak, Error> {
        let (width, height) = parameters.size();
        let (sps, pps) = parameters.first_sets();
        let avcc = Avcc::new(sps, pps).map_err(|error| Error::Atom(error.to_string()))?;
        let visual = Visual { data_reference_index: 1, width, height, ..Visual::default() };
        let entry = Codec::from(Avc1 { visual, avcc, ..Avc1::default() });
        let scale = u32::from(self.fps) * TICKS;
        let mut stbl = self.picture.stbl(entry, TICKS);
        stbl.stss = Some(Stss { entries: self.keys.clone() });
        let minf = Minf { vmhd: Some(Vmhd::default()), dinf: dinf(), stbl, ..Minf::default() };
        let ticks = self.picture.sizes.len() as u64 * u64::from(TICKS);
        let tkhd = Tkhd { width: width.into(), height: height.into(), ..tkhd(1, duration) };
        Ok(Trak { tkhd, mdia: mdia(b"vide", "picture", scale, ticks, minf), ..Trak::default() })
    }

    fn sound_track(&self, duration: u64) -> Trak {
        let audio = Audio { data_reference_index: 1, channel_count: 1, sample_size: 16, sample_rate: 48_000.into() };
        let stbl = self.sound.stbl(Codec::from(Mp4a { audio, esds: esds(), btrt: None, taic: None }), AAC_FRAME);
        let minf = Minf { smhd: Some(Smhd::default()), dinf: dinf(), stbl, ..Minf::default() };
        let ticks = self.sound.sizes.len() as u64 * u64::from(AAC_FRAME);
        // The encoder's first frame holds nothing but its run-up.
        let entry = ElstEntry { segment_duration: duration, media_time: Some(AAC_FRAME.into()), media_rate: 1.into() };
        let edts = Some(Edts { elst: Some(Elst { entries: vec![entry] }) });
        let tkhd = Tkhd { volume: 1.into(), ..tkhd(2, duration) };
        Trak { tkhd, edts, mdia: mdia(b"soun", "sound", 48_000, ticks, minf), ..Trak::default() }
    }
}

impl Table {
    fn stbl(&self, entry: Codec, delta: u32) -> Stbl {
        let count = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
        let mut runs: Vec<StscEntry> = Vec::new();
        for (chunk, samples) in (1_u32..).zip(&self.counts) {
            if runs.last().is_none_or(|run| run.samples_per_chunk != *samples) {
                runs.push(StscEntry { first_chunk: chunk, samples_per_chunk: *samples, sample_description_index: 1 });
            }
        }
        Stbl {
            stsd: Stsd { codecs: vec![entry] },
            stts: Stts { entries: vec![SttsEntry { sample_count: count, sample_delta: delta }] },
            stsc: Stsc { entries: runs },
            stsz: Stsz { samples: StszSamples::Different { sizes: self.sizes.clone() } },
            co64: Some(Co64 { entries: self.chunks.clone() }),
            ..Stbl::default()
        }
    }
}

/// `ftyp`, and the head of an `mdat` whose size comes last.
fn head() -> Result<Vec<u8>, Error> {
    let brand = |name: &[u8; 4]| FourCC::new(name);
    let compatible_brands = vec![brand(b"isom"), brand(b"iso2"), brand(b"avc1"), brand(b"mp41")];
    let mut out = Vec::new();
    let ftyp = Ftyp { major_brand: brand(b"isom"), minor_version: 512, compatible_brands };
    ftyp.encode(&mut out).map_err(|error| Error::Atom(error.to_string()))?;
    debug_assert_eq!(out.len() as u64, FTYP_BYTES);
    out.extend([0, 0, 0, 1, b'm', b'd', b'a', b't']);
    out.extend([0; 8]);
    Ok(out)
}

fn mvhd(duration: u64) -> Mvhd {
    let (rate, volume) = (1.into(), 1.into());
    Mvhd { timescale: MOVIE as u32, duration, rate, volume, next_track_id: 3, ..Mvhd::default() }
}

fn tkhd(track_id: u32, duration: u64) -> Tkhd {
    Tkhd { track_id, duration, enabled: true, in_movie: true, ..Tkhd::default() }
}

fn mdia(handler: &[u8; 4], name: &str, timescale: u32, duration: u64, minf: Minf) -> Mdia {
    let mdhd = Mdhd { timescale, duration, language: "und".to_owned(), ..Mdhd::default() };
    Mdia { mdhd, hdlr: Hdlr { handler: FourCC::new(handler), name: name.to_owned() }, minf }
}

fn dinf() -> Dinf {
    Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } }
}

/// AAC low complexity, 48 kHz, one channel (ISO/IEC 14496-3, section 1.6).
fn esds() -> esds::Esds {
    let specific =
        esds::DecoderSpecific { profile: 2, freq_index: 3, chan_conf: 1, ..esds::DecoderSpecific::default() };
    let dec_config = esds::DecoderConfig {
        object_type_indication: 0x40,
        stream_type: 5,
        dec_specific: Some(specific),
        ..esds::DecoderConfig::default()
    };
    esds::Esds { es_desc: esds::EsDescriptor { es_id: 2, dec_config, ..esds::EsDescriptor::default() } }
}

const FTYP_BYTES: u64 = 32;
/// Ticks of the film's clock a second.
const MOVIE: u64 = 1_000;
/// Ticks of a picture.
const TICKS: u32 = 512;
/// Samples of an AAC frame.
const AAC_FRAME: u32 = 1_024;
