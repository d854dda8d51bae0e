//! What the writer writes, the reader reads, whole or cut off.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn blocks(bytes: &[u8]) -> (Option<Coding>, Vec<Block>, bool) {
    let mut reader = Reader::new(Cursor::new(bytes), 0);
    let (mut coding, mut blocks) = (None, Vec::new());
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Track(track) => coding = Some(track),
            Item::Block(block) => blocks.push(block),
        }
    }
    (coding, blocks, reader.is_whole())
}

fn block_ends(bytes: &[u8]) -> Vec<u64> {
    let mut reader = Reader::new(Cursor::new(bytes), 0);
    let mut ends = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let Item::Block(_) = item {
            ends.push(reader.offset());
        }
    }
    ends
}

fn codings() -> [Coding; 8] {
    [
        Coding::Opus,
        Coding::Pcma,
        Coding::Pcmu,
        Coding::Vp8 { width: 640, height: 360 },
        Coding::H264 { configuration: vec![1, 66, 0xc0, 31, 0xff, 0xe0, 0], width: 1280, height: 720 },
        Coding::H265 { configuration: vec![1; 23], width: 1920, height: 1080 },
        Coding::G722,
        Coding::Aac { config: [0x12, 0x10] },
    ]
}

/// 400 frames, 33 ms apart, every 30th a key frame, sizes around the limits of element sizes.
fn frames() -> Vec<(u64, bool, Vec<u8>)> {
    let size = |n: u64| [1, 126, 127, 128, 16_379, 16_383, 17_000][(n % 7) as usize];
    (0..400).map(|n| (3_000 + n * 33, n % 30 == 0, vec![n as u8; size(n)])).collect()
}

fn streamed(coding: &Coding) -> Vec<u8> {
    let mut writer = Writer::new(coding).unwrap();
    let mut file = writer.take();
    for (ms, key, data) in frames() {
        writer.frame(ms, key, &data).unwrap();
        file.extend(writer.take());
    }
    file
}

#[test]
fn what_is_written_is_read_back_with_its_coding_and_times() {
    for coding in codings() {
        let (read, blocks, whole) = blocks(&streamed(&coding));
        assert_eq!(read.as_ref(), Some(&coding));
        assert!(whole);
        let got: Vec<_> = blocks.into_iter().map(|block| (block.ms, block.key, block.data)).collect();
        let keyed = frames().into_iter().map(|(ms, key, data)| (ms, key || !coding.is_picture(), data));
        assert_eq!(got, keyed.collect::<Vec<_>>());
    }
}

#[test]
fn a_cluster_begins_where_the_writer_says() {
    let mut writer = Writer::new(&codings()[3]).unwrap();
    let mut placed = Vec::new();
    let mut file = Vec::new();
    for (ms, key, data) in frames() {
        placed.extend(writer.frame(ms, key, &data).unwrap().cluster);
        file.extend(writer.take());
    }
    assert_eq!(placed.len(), 14);
    let mut tail = Reader::new(Cursor::new(&file[placed[5] as usize..]), placed[5]);
    let Some(Item::Block(first)) = tail.next_item().unwrap() else { panic!("no block") };
    assert_eq!((first.ms, first.cluster), (3_000 + 150 * 33, placed[5]));
}

#[test]
fn times_that_do_not_grow_are_moved_behind_the_frame_before() {
    let mut writer = Writer::new(&Coding::Opus).unwrap();
    let placed: Vec<_> = [100, 100, 90, 120].map(|ms| writer.frame(ms, true, &[1]).unwrap().ms).to_vec();
    assert_eq!(placed, [100, 101, 102, 120]);
}

#[test]
fn a_finished_file_keeps_every_frame_and_tells_its_size() {
    let coding = &codings()[4];
    let mut out = Seekable::new(coding).unwrap();
    let mut file = Vec::new();
    for (ms, key, data) in frames() {
        out.frame(ms, key, &data).unwrap();
        file.extend(out.take());
    }
    let finished = out.finish().unwrap();
    file.extend(&finished.tail);
    for (at, bytes) in finished.patches {
        file[at as usize..at as usize + 8].copy_from_slice(&bytes);
    }
    let segment = file.windows(4).position(|id| id == [0x18, 0x53, 0x80, 0x67]).unwrap();
    let size = u64::from_be_bytes(file[segment + 4..segment + 12].try_into().unwrap()) & !(1 << 56);
    assert_eq!(segment + 12 + size as usize, file.len());
    let (read, blocks, whole) = blocks(&file);
    assert_eq!((read.as_ref(), blocks.len(), whole), (Some(coding), 400, true));
}

proptest! {
    #[test]
    fn every_whole_frame_before_a_cut_is_read(cut in 0_usize..2_000_000) {
        let file = streamed(&codings()[3]);
        let cut = cut % file.len();
        let (_, got, _) = blocks(&file[..cut]);
        prop_assert_eq!(got.len(), block_ends(&file).into_iter().filter(|end| *end <= cut as u64).count());
        let (_, all, _) = blocks(&file);
        prop_assert!(all.starts_with(&got));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), start in 0_usize..400) {
        let mut file = streamed(&codings()[0])[..600].to_vec();
        file.splice(start..start, bytes);
        let _ = blocks(&file);
    }
}
