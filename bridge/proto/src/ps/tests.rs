//! What a demultiplexer makes of streams that are good, begun in the middle, wrongly labelled, torn and made up.

use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

/// A unit: what it is, when it is shown, and its bytes.
type Told = (Codec, u64, Vec<u8>);

fn picture(n: u8, key: bool, len: usize) -> Vec<u8> {
    let mut unit = if key {
        vec![0, 0, 0, 1, 0x67, 0x42, 7, 0, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65]
    } else {
        vec![0, 0, 0, 1, 0x41]
    };
    unit.extend((0..len).map(|at| (at as u8).wrapping_mul(7) | 1 | n));
    unit
}

/// `count` pictures of 40 ms, a key frame every ten, each with a piece of sound after it; and what went in.
fn stream(muxer: Muxer, count: u64) -> (Vec<Vec<u8>>, Vec<Told>) {
    let (mut packs, mut told) = (Vec::new(), Vec::new());
    for n in 0..count {
        let (key, pts) = (n % 10 == 0, n * 3_600);
        let frame = picture(n as u8, key, if key { 140_000 } else { 900 });
        packs.push(muxer.picture(pts, key, &frame));
        told.push((Codec::H264, pts, frame));
        let sound = vec![0xd5 ^ n as u8; 320];
        packs.push(muxer.sound(pts, &sound));
        told.push((Codec::Pcma, pts, sound));
    }
    (packs, told)
}

fn drain(demuxer: &mut Demuxer) -> Vec<Told> {
    std::iter::from_fn(|| demuxer.poll()).map(|unit| (unit.codec, unit.pts.unwrap(), unit.data)).collect()
}

fn good() -> Muxer {
    Muxer::new(Codec::H264, Some(Codec::Pcma))
}

#[test]
fn pictures_and_sound_come_out_as_they_went_in() {
    let (packs, told) = stream(good(), 20);
    let mut demuxer = Demuxer::default();
    let mut got = Vec::new();
    for pack in packs {
        demuxer.push(&pack);
        demuxer.end_of_frame();
        got.extend(drain(&mut demuxer));
    }
    assert!(got == told);
    assert_eq!(demuxer.counts(), Counts { units: 40, ..Counts::default() });
}

#[test]
fn a_picture_comes_out_when_the_next_begins_where_no_marker_ends_it() {
    let (packs, told) = stream(good(), 3);
    let mut demuxer = Demuxer::default();
    demuxer.push(&packs.concat());
    let pictures = |all: Vec<Told>| all.into_iter().filter(|(c, ..)| c.is_picture()).collect::<Vec<_>>();
    assert!(pictures(drain(&mut demuxer)) == pictures(told)[..2]);
}

#[test]
fn whoever_joins_in_the_middle_gets_what_comes_after_the_next_key_frame() {
    let (packs, told) = stream(good(), 20);
    let all = packs.concat();
    let mut demuxer = Demuxer::default();
    demuxer.push(&all[70_001..]);
    demuxer.end_of_frame();
    let got = drain(&mut demuxer);
    assert!(told[20..].iter().all(|unit| got.contains(unit)));
    let counts = demuxer.counts();
    assert!(counts.skipped > 60_000 && counts.unknown > 0, "{counts:?}");
}

#[test]
fn the_bytes_are_trusted_over_the_map() {
    let muxer = Muxer::new(Codec::H265, Some(Codec::Pcma));
    let mut demuxer = Demuxer::default();
    demuxer.push(&muxer.picture(0, true, &picture(0, true, 50)));
    let aac = [&[0xff, 0xf1, 0x4c, 0x40, 0x02, 0x7f, 0xfc][..], &[7; 12]].concat();
    demuxer.push(&muxer.sound(0, &aac));
    demuxer.end_of_frame();
    let codecs: Vec<_> = drain(&mut demuxer).into_iter().map(|(codec, ..)| codec).collect();
    assert_eq!(codecs, [Codec::Aac, Codec::H264]);
}

#[test]
fn sound_is_a_law_where_a_stream_has_no_map() {
    let mut demuxer = Demuxer::default();
    let muxer = good();
    demuxer.push(&muxer.sound(0, &[1; 320]));
    demuxer.push(&muxer.picture(0, false, &picture(0, true, 50)));
    demuxer.push(&muxer.sound(0, &[2; 320]));
    let got = drain(&mut demuxer);
    assert_eq!(got, [(Codec::Pcma, 0, vec![2; 320])]);
    assert_eq!(demuxer.counts().unknown, 1);
}

#[test]
fn aac_frames_are_told_apart_and_go_on_in_the_next_packet() {
    let frame = |byte: u8| [&[0xff, 0xf1, 0x4c, 0x40, 0x02, 0x7f, 0xfc][..], &[byte; 12]].concat();
    let all = [frame(1), frame(2), frame(3)].concat();
    let muxer = Muxer::new(Codec::H264, Some(Codec::Aac));
    let mut demuxer = Demuxer::default();
    demuxer.push(&muxer.picture(0, true, &picture(0, true, 50)));
    demuxer.push(&muxer.sound(0, &all[..30]));
    demuxer.push(&muxer.sound(9_000, &all[30..]));
    let got = drain(&mut demuxer);
    assert_eq!(got, [(Codec::Aac, 0, frame(1)), (Codec::Aac, 1_920, frame(2)), (Codec::Aac, 9_000, frame(3))]);
}

#[test]
fn what_a_loss_has_torn_is_thrown_away_and_told() {
    let (packs, told) = stream(good(), 11);
    let mut demuxer = Demuxer::default();
    demuxer.push(&packs[0][..100_000]);
    demuxer.lose();
    demuxer.push(&packs[0][101_400..]);
    demuxer.end_of_frame();
    packs[1..].iter().for_each(|pack| demuxer.push(pack));
    demuxer.end_of_frame();
    let first = demuxer.poll().unwrap();
    assert!(first.after_loss && first.codec == Codec::Pcma);
    let second = demuxer.poll().unwrap();
    assert!(!second.after_loss);
    assert!(drain(&mut demuxer).contains(&told[20]));
    assert_eq!(demuxer.counts().losses, 1);
}

#[test]
fn a_marker_that_lies_is_believed_once() {
    let muxer = good();
    let mut demuxer = Demuxer::default();
    let mut count = 0;
    for n in 0..4_u64 {
        let pack = muxer.picture(n * 3_600, n == 0, &picture(n as u8, n == 0, 140_000));
        // Every packet of the elementary stream is said to end the picture.
        let second = pack.windows(4).rposition(|w| w == [0, 0, 1, 0xe0]).unwrap();
        for piece in [&pack[..second], &pack[second..]] {
            demuxer.push(piece);
            demuxer.end_of_frame();
        }
        count += drain(&mut demuxer).len();
    }
    assert_eq!((count, demuxer.counts().false_ends), (4, 1));
}

#[test]
fn a_picture_without_a_length_lasts_until_the_next_packet_or_the_marker() {
    let muxer = good();
    let mut demuxer = Demuxer::default();
    for n in 0..3_u64 {
        let mut pack = muxer.picture(n * 3_600, n == 0, &picture(n as u8, n == 0, 4_000));
        let at = pack.windows(4).position(|w| w == [0, 0, 1, 0xe0]).unwrap();
        pack[at + 4..at + 6].fill(0);
        pack.chunks(300).for_each(|piece| demuxer.push(piece));
    }
    demuxer.end_of_frame();
    let got = drain(&mut demuxer);
    assert!(got.iter().map(|(_, _, data)| data.clone()).eq((0..3).map(|n| picture(n, n == 0, 4_000))));
}

/// ffprobe and GStreamer both read what our multiplexer makes of a real clip, and count as many pictures.
#[test]
fn a_picture_without_a_length_ends_wherever_the_network_cuts_what_comes_after_it() {
    let (key, next) = (picture(0, true, 50), picture(1, false, 50));
    let open = |pts: u64, frame: &[u8]| {
        let mut packet = good().picture(pts, false, frame);
        // Behind the pack header of 14 bytes.
        packet[18..20].copy_from_slice(&[0, 0]);
        packet
    };
    let stream = [open(0, &key), open(3_600, &next), open(7_200, &next)].concat();
    let whole = [(Codec::H264, 0, key), (Codec::H264, 3_600, next)];
    for cut in 1..9 {
        let mut demuxer = Demuxer::default();
        stream.chunks(cut).for_each(|piece| demuxer.push(piece));
        // The third goes on until something follows it.
        assert_eq!(drain(&mut demuxer)[..1], whole[..1], "cut into pieces of {cut}");
        assert_eq!(demuxer.counts().malformed, 0, "cut into pieces of {cut}");
    }
}

#[test]
fn others_read_what_the_muxer_makes() {
    for (encoder, codec, name) in [("libx264", Codec::H264, "h264"), ("libx265", Codec::H265, "hevc")] {
        let clip = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(clip.path(), real(encoder, codec)).unwrap();
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-f", "mpeg", "-count_packets", "-select_streams", "v", "-of", "csv=p=0"])
            .args(["-show_entries", "stream=codec_name,nb_read_packets"])
            .arg(clip.path())
            .output()
            .expect("ffprobe is installed by scripts/setup");
        assert!(String::from_utf8_lossy(&probe.stdout).starts_with(&format!("{name},50")), "{probe:?}");
        let parser = if codec == Codec::H264 { "h264parse" } else { "h265parse" };
        let demuxed = Command::new("gst-launch-1.0")
            .args([
                "-v",
                "filesrc",
                &format!("location={}", clip.path().display()),
                "!",
                "mpegpsdemux",
                "!",
                parser,
                "!",
                "identity",
                "silent=false",
                "!",
                "fakesink",
                "sync=false",
            ])
            .output()
            .expect("gst-launch-1.0 is installed by scripts/setup");
        let chains = String::from_utf8_lossy(&demuxed.stdout).matches("last-message = chain").count();
        assert_eq!(chains, 50, "{demuxed:?}");
    }
}

/// Two seconds of a real clip as a program stream.
fn real(encoder: &str, codec: Codec) -> Vec<u8> {
    let parameters = if codec == Codec::H264 { "-x264-params" } else { "-x265-params" };
    let format = if codec == Codec::H264 { "h264" } else { "hevc" };
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-t", "2"])
        .args(["-pix_fmt", "yuv420p", "-c:v", encoder, "-preset", "ultrafast", "-tune", "zerolatency"])
        .args([parameters, "aud=1:repeat-headers=1:keyint=25:slices=1:log-level=0", "-f", format, "pipe:1"])
        .stderr(Stdio::inherit())
        .output()
        .expect("ffmpeg is installed by scripts/setup");
    let delimiter: &[u8] = if codec == Codec::H264 { &[0, 0, 0, 1, 9] } else { &[0, 0, 0, 1, 0x46, 1] };
    let starts: Vec<_> =
        output.stdout.windows(delimiter.len()).enumerate().filter(|(_, w)| *w == delimiter).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([output.stdout.len()]);
    let muxer = Muxer::new(codec, None);
    let frames = starts.iter().zip(ends).map(|(start, end)| &output.stdout[*start..end]);
    frames.enumerate().flat_map(|(n, frame)| muxer.picture(90_000 + n as u64 * 3_600, n % 25 == 0, frame)).collect()
}

proptest! {
    #[test]
    fn it_matters_not_how_a_stream_is_split(cuts in prop::collection::vec(1_usize..3_000, 1..40)) {
        let (packs, _) = stream(good(), 12);
        let all = packs.concat();
        let (mut whole, mut split) = (Demuxer::default(), Demuxer::default());
        whole.push(&all);
        let (mut rest, mut cuts) = (&all[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, left) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            split.push(piece);
            rest = left;
        }
        prop_assert_eq!(whole.counts(), split.counts());
        prop_assert!(drain(&mut whole) == drain(&mut split));
    }

    #[test]
    fn whatever_comes_makes_nothing_panic(
        pieces in prop::collection::vec((prop::collection::vec(prop_oneof![Just(0_u8), Just(1), 0xb8..=0xf0_u8, any::<u8>()], 0..400), 0_u8..4), 0..20),
    ) {
        let mut demuxer = Demuxer::default();
        for (bytes, then) in &pieces {
            demuxer.push(bytes);
            match then {
                0 => demuxer.lose(),
                1 => demuxer.end_of_frame(),
                _ => {}
            }
            while let Some(unit) = demuxer.poll() {
                prop_assert!(!unit.data.is_empty());
            }
        }
    }

    #[test]
    fn a_torn_stream_heals(at in 0_usize..140_000, len in 1_usize..5_000) {
        let (packs, told) = stream(good(), 31);
        let mut torn = packs.concat();
        torn.drain(at..at + len);
        let mut demuxer = Demuxer::default();
        demuxer.push(&torn);
        demuxer.end_of_frame();
        let got = drain(&mut demuxer);
        // A wrong length swallows less than a key frame; the third is whole in any case.
        prop_assert!(told[40..].iter().all(|unit| got.contains(unit)));
    }
}
