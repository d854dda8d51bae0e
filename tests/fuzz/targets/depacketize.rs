//! RTP payloads that are made into frames, in every format and framing.
#![no_main]

use hearing_proto::depacketize::{Format, Framing, frame, framing, h264, h265, vp8};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // A length of one byte before each payload.
    let (mut payloads, mut rest) = (Vec::new(), data);
    while let Some((length, after)) = rest.split_first() {
        let (payload, after) = after.split_at(usize::from(*length).min(after.len()));
        payloads.push(payload);
        rest = after;
    }
    let sounds = [Format::Opus, Format::Pcma, Format::Pcmu, Format::G722, Format::Aac];
    for format in sounds.into_iter().chain([Format::Vp8, Format::H264, Format::H265]) {
        for how in [Framing::LengthPrefixed, Framing::AnnexB] {
            let _ = frame(format, how, payloads.iter().copied());
        }
    }
    vp8::key_frame_size(data);
    let prefixed = framing::length_prefixed(data);
    framing::annex_b(&prefixed);
    framing::annex_b(data);
    for bytes in [data, &prefixed] {
        if let Some(found) = h264::Parameters::find(bytes) {
            let ((width, height), _) = (found.size(), found.configuration());
            assert!(width > 0 && height > 0 && !found.first_sets().0.is_empty());
        }
        if let Some(found) = h265::Parameters::find(bytes) {
            let ((width, height), _) = (found.size(), found.configuration());
            assert!(width > 0 && height > 0);
        }
    }
});
