//! Real coded media from ffmpeg, cut into packets as endpoints hand them over.

use std::io::Cursor;
use std::process::{Command, Stdio};

use bytes::Bytes;
use hearing_config::{Codec, Timestamp};
use hearing_proto::matroska::{Item, Reader};
use hearing_proto::ps::Adts;

use crate::router::{Frame, Layer, Packet};

/// One coded frame; H.264 as NAL units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coded {
    pub(super) units: Vec<Vec<u8>>,
    pub(super) key: bool,
}

/// A clip: frames at an even pace.
#[derive(Debug, Clone)]
pub(super) struct Clip {
    pub(super) codec: Codec,
    pub(super) frames: Vec<Coded>,
    /// Microseconds from frame to frame.
    pub(super) step: i64,
}

fn ffmpeg(arguments: &str) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin"]).args(arguments.split_whitespace()).arg("pipe:1");
    let output = command.stderr(Stdio::inherit()).output().expect("ffmpeg is installed");
    assert!(output.status.success(), "ffmpeg {arguments}");
    output.stdout
}

/// A moving picture, 30 frames a second, a key frame each second.
pub(super) fn vp8(size: &str, seconds: u32) -> Clip {
    let ivf = ffmpeg(&format!(
        "-f lavfi -i testsrc2=size={size}:rate=30 -t {seconds} -c:v libvpx -deadline realtime -cpu-used 8 -b:v 600k -g 30 -f ivf"
    ));
    let mut frames = Vec::new();
    let mut rest = &ivf[32..];
    while let Some((header, tail)) = rest.split_first_chunk::<12>() {
        let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let (data, tail) = tail.split_at(length);
        frames.push(Coded { units: vec![data.to_vec()], key: data[0] & 1 == 0 });
        rest = tail;
    }
    Clip { codec: Codec::Vp8, frames, step: 33_333 }
}

/// The same in H.264, parameter sets before each key frame, several slices a frame.
pub(super) fn h264(size: &str, seconds: u32) -> Clip {
    let stream = ffmpeg(&format!(
        "-f lavfi -i testsrc2=size={size}:rate=30 -t {seconds} -pix_fmt yuv420p -c:v libx264 -preset ultrafast -tune zerolatency \
         -profile:v baseline -b:v 800k -g 30 -x264-params aud=1:repeat-headers=1:slices=2 -f h264"
    ));
    let mut frames: Vec<Coded> = Vec::new();
    for unit in annex_b(&stream) {
        match unit[0] & 0x1f {
            9 => frames.push(Coded { units: Vec::new(), key: false }),
            kind => {
                let frame = frames.last_mut().unwrap();
                frame.key |= kind == 5;
                frame.units.push(unit.to_vec());
            }
        }
    }
    Clip { codec: Codec::H264, frames, step: 33_333 }
}

/// The same in H.265, parameter sets before each key frame.
pub(super) fn h265(size: &str, seconds: u32) -> Clip {
    let stream = ffmpeg(&format!(
        "-f lavfi -i testsrc2=size={size}:rate=30 -t {seconds} -pix_fmt yuv420p -c:v libx265 -preset ultrafast -tune zerolatency \
         -b:v 600k -x265-params aud=1:repeat-headers=1:keyint=30:log-level=none -f hevc"
    ));
    let mut frames: Vec<Coded> = Vec::new();
    for unit in annex_b(&stream) {
        match unit[0] >> 1 & 0x3f {
            35 => frames.push(Coded { units: Vec::new(), key: false }),
            kind => {
                let frame = frames.last_mut().unwrap();
                frame.key |= (16..=21).contains(&kind);
                frame.units.push(unit.to_vec());
            }
        }
    }
    Clip { codec: Codec::H265, frames, step: 33_333 }
}

fn annex_b(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> = (0..stream.len() - 3).filter(|at| stream[*at..].starts_with(&[0, 0, 1])).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let unit = |(start, end): (&usize, usize)| {
        let unit = &stream[start + 3..end];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        &unit[..unit.len() - zeros]
    };
    starts.iter().zip(ends).map(unit).collect()
}

/// A tone, 20 ms a frame.
pub(super) fn opus(seconds: u32) -> Clip {
    let webm =
        ffmpeg(&format!("-f lavfi -i sine=frequency=440:sample_rate=48000 -t {seconds} -c:a libopus -b:a 32k -f webm"));
    let mut reader = Reader::new(Cursor::new(webm), 0);
    let mut frames = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Block(block) = item {
            frames.push(Coded { units: vec![block.data], key: true });
        }
    }
    Clip { codec: Codec::Opus, frames, step: 20_000 }
}

/// The same tone in G.711 A-law.
pub(super) fn pcma(seconds: u32) -> Clip {
    g711(Codec::Pcma, "alaw", seconds)
}

/// The same tone in G.711 mu-law.
pub(super) fn pcmu(seconds: u32) -> Clip {
    g711(Codec::Pcmu, "mulaw", seconds)
}

fn g711(codec: Codec, law: &str, seconds: u32) -> Clip {
    let samples =
        ffmpeg(&format!("-f lavfi -i sine=frequency=440:sample_rate=8000 -t {seconds} -c:a pcm_{law} -f {law}"));
    let frames = samples.chunks(160).map(|chunk| Coded { units: vec![chunk.to_vec()], key: true });
    Clip { codec, frames: frames.collect(), step: 20_000 }
}

/// The same tone in G.722.
pub(super) fn g722(seconds: u32) -> Clip {
    let samples = ffmpeg(&format!("-f lavfi -i sine=frequency=440:sample_rate=16000 -t {seconds} -c:a g722 -f g722"));
    let frames = samples.chunks(160).map(|chunk| Coded { units: vec![chunk.to_vec()], key: true });
    Clip { codec: Codec::G722, frames: frames.collect(), step: 20_000 }
}

/// The same tone in AAC of two channels.
pub(super) fn aac(seconds: u32) -> Clip {
    let stream =
        ffmpeg(&format!("-f lavfi -i sine=frequency=440:sample_rate=48000 -t {seconds} -c:a aac -ac 2 -f adts"));
    let (mut frames, mut rest) = (Vec::new(), &stream[..]);
    while let Some(adts) = Adts::read(rest) {
        let (frame, tail) = rest.split_at(adts.len);
        frames.push(Coded { units: vec![frame.to_vec()], key: true });
        rest = tail;
    }
    Clip { codec: Codec::Aac, frames, step: 21_333 }
}

impl Coded {
    /// The frame as a Matroska block holds it.
    pub(super) fn block(&self, codec: Codec) -> Vec<u8> {
        if codec == Codec::Aac {
            return self.units.concat().split_off(7);
        }
        if !matches!(codec, Codec::H264 | Codec::H265) {
            return self.units.concat();
        }
        self.units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes()[..], unit].concat()).collect()
    }
}

/// Numbers packets as an endpoint does.
#[derive(Debug, Clone, Default)]
pub(super) struct Packetizer {
    pub(super) next: u64,
}

impl Packetizer {
    pub(super) fn frame(&mut self, codec: Codec, coded: &Coded, captured: Timestamp) -> Frame {
        let payloads = match codec {
            Codec::H264 => h264_payloads(&coded.units),
            Codec::H265 => h265_payloads(&coded.units),
            _ => coded.units.concat().chunks(LIMIT).map(<[u8]>::to_vec).collect(),
        };
        let last = payloads.len() - 1;
        let ticks = i128::from(captured.0) * i128::from(codec.clock_rate()) / 1_000_000;
        let media_time = ticks as i64;
        let packets = payloads.into_iter().enumerate().map(|(n, payload)| {
            self.next += 1;
            Packet {
                index: self.next,
                layer: Layer(0),
                media_time,
                captured,
                frame_start: n == 0,
                frame_end: n == last,
                key: coded.key,
                generation: 0,
                temporal: Default::default(),
                level: None,
                payload: Bytes::from(payload),
            }
        });
        Frame { packets: packets.collect() }
    }
}

/// Parameter sets aggregated, large units in fragments, others alone.
fn h264_payloads(units: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let small: Vec<_> = units.iter().filter(|unit| matches!(unit[0] & 0x1f, 7 | 8)).collect();
    if !small.is_empty() {
        let sized = small.iter().flat_map(|unit| [&(unit.len() as u16).to_be_bytes()[..], unit].concat());
        payloads.push([0x78].into_iter().chain(sized).collect());
    }
    for unit in units.iter().filter(|unit| !matches!(unit[0] & 0x1f, 7 | 8)) {
        if unit.len() <= LIMIT {
            payloads.push(unit.clone());
            continue;
        }
        let pieces: Vec<_> = unit[1..].chunks(LIMIT - 2).collect();
        for (n, piece) in pieces.iter().enumerate() {
            let first = if n == 0 { 0x80 } else { 0 };
            let last = if n + 1 == pieces.len() { 0x40 } else { 0 };
            payloads.push([&[unit[0] & 0xe0 | 28, first | last | unit[0] & 0x1f][..], piece].concat());
        }
    }
    payloads
}

/// Parameter sets aggregated, large units in fragments, others alone (RFC 7798).
fn h265_payloads(units: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let is_set = |unit: &&Vec<u8>| matches!(unit[0] >> 1 & 0x3f, 32..=34);
    if units.iter().any(|unit| is_set(&unit)) {
        let sized = units.iter().filter(is_set).flat_map(|u| [&(u.len() as u16).to_be_bytes()[..], u].concat());
        payloads.push([48 << 1, 1].into_iter().chain(sized).collect());
    }
    for unit in units.iter().filter(|unit| !is_set(unit)) {
        if unit.len() <= LIMIT {
            payloads.push(unit.clone());
            continue;
        }
        let pieces: Vec<_> = unit[2..].chunks(LIMIT - 3).collect();
        for (n, piece) in pieces.iter().enumerate() {
            let first = if n == 0 { 0x80 } else { 0 };
            let last = if n + 1 == pieces.len() { 0x40 } else { 0 };
            payloads
                .push([&[unit[0] & 0x81 | 49 << 1, unit[1], first | last | unit[0] >> 1 & 0x3f][..], piece].concat());
        }
    }
    payloads
}

const LIMIT: usize = 1_200;
