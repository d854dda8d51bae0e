//! What is read of terminals and said to them.

use super::*;

const ROOM: &str = "v=0\r\no=- 1 1 IN IP4 10.2.0.30\r\ns=-\r\nc=IN IP4 10.2.0.30\r\nt=0 0\r\n\
    m=audio 30000 RTP/AVP 8 96\r\na=rtpmap:96 opus/48000/2\r\n\
    m=video 30002 RTP/AVP 97 98\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 profile-level-id=42e01f\r\n\
    a=rtpmap:98 H264/90000\r\na=fmtp:98 profile-level-id=42e01f;packetization-mode=1\r\n\
    m=application 30004 TCP/BFCP *\r\n\
    m=video 30006 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=content:slides\r\n";

fn answered(text: &str) -> String {
    let lines = read(text.as_bytes()).unwrap();
    let own = |chosen: Chosen| {
        let own = Own { used: chosen.used, port: 40_000, crypto: Vec::new() };
        (chosen, own)
    };
    let chosen: Vec<_> = choose(&lines, false).into_iter().map(own).collect();
    answer("10.2.0.5".parse().unwrap(), (1, 1), &lines, &chosen)
}

#[test]
fn every_line_is_answered_in_order_the_best_codec_is_taken_and_the_floor_is_refused() {
    let answer = answered(ROOM);
    let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    let expected = [
        "m=audio 40000 RTP/AVP 96",
        "m=video 40000 RTP/AVP 98",
        "m=application 0 TCP/BFCP *",
        "m=video 40000 RTP/AVP 97",
    ];
    assert_eq!(lines, expected);
    assert!(answer.contains("a=content:slides\r\na=recvonly"), "{answer}");
}

#[test]
fn whoever_holds_is_sent_nothing_in_both_ways_of_holding() {
    for held in
        [ROOM.replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n"), ROOM.replace("c=IN IP4 10.2.0.30", "c=IN IP4 0.0.0.0")]
    {
        assert!(read(held.as_bytes()).unwrap().iter().all(|line| !line.receives), "{held}");
    }
    assert!(answered(&ROOM.replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n")).contains("a=recvonly"));
}

#[test]
fn what_comes_in_the_clear_is_refused_where_keys_are_required() {
    assert_eq!(choose(&read(ROOM.as_bytes()).unwrap(), true), []);
    let secure = ROOM.replace("RTP/AVP", "RTP/SAVP");
    assert_eq!(choose(&read(secure.as_bytes()).unwrap(), false), [], "SAVP without a key is nothing");
}

#[test]
fn our_offer_is_one_that_we_could_answer() {
    let own = [Use::Sound, Use::Picture].map(|used| Own { used, port: 30_000, crypto: Crypto::offer() });
    let lines = read(offer("10.2.0.5".parse().unwrap(), (1, 1), &own).as_bytes()).unwrap();
    let chosen = choose(&lines, true);
    assert_eq!(
        chosen.iter().map(|c| (c.used, c.format.codec)).collect::<Vec<_>>(),
        [(Use::Sound, Codec::Opus), (Use::Picture, Codec::H264)]
    );
    assert!(chosen[1].format.fragments);
}

#[test]
fn a_terminal_that_holds_and_asks_for_an_offer_is_offered_the_same_call_in_both_directions() {
    let held = ROOM.replace("t=0 0\r\n", "t=0 0\r\na=inactive\r\n");
    let lines = read(held.as_bytes()).unwrap();
    let own = |chosen: Chosen| {
        let own = Own { used: chosen.used, port: 40_000, crypto: Vec::new() };
        (chosen, own)
    };
    let chosen: Vec<_> = choose(&lines, false).into_iter().map(own).collect();
    let offer = standing("10.2.0.5".parse().unwrap(), (1, 7), &lines, &chosen);
    assert_eq!(media(&offer), media(&answered(ROOM)), "line by line what was agreed on");
    let ways: Vec<&str> = offer.lines().filter(|l| ["a=sendrecv", "a=recvonly", "a=inactive"].contains(l)).collect();
    assert_eq!(ways, ["a=sendrecv", "a=sendrecv", "a=recvonly"], "slides come from the terminal alone");
    assert!(offer.contains("o=hearing 1 7 "), "a new version");
}

/// As room systems of three makers offer, shortened to what matters: many codecs, H.323-like profiles, BFCP, slides, far-end camera
/// control, ICE and DTLS beside SDES.
const SYSTEMS: [&str; 3] = [
    "v=0\r\no=GroupSeries 1 0 IN IP4 10.1.1.2\r\ns=-\r\nc=IN IP4 10.1.1.2\r\nb=AS:1920\r\nt=0 0\r\n\
     m=audio 49154 RTP/AVP 115 102 9 15 0 8 18 119\r\na=rtpmap:115 G7221/32000\r\na=fmtp:115 bitrate=48000\r\n\
     a=rtpmap:102 G7221/16000\r\na=fmtp:102 bitrate=32000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:15 G728/8000\r\n\
     a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n\
     a=rtpmap:119 telephone-event/8000\r\na=fmtp:119 0-15\r\na=sendrecv\r\n\
     m=video 49156 RTP/AVP 109 110 96 34\r\nb=TIAS:1728000\r\na=rtpmap:109 H264/90000\r\n\
     a=fmtp:109 profile-level-id=42800d; max-mbps=245000; max-fs=8192; sar-supported=13; packetization-mode=0\r\n\
     a=rtpmap:110 H264/90000\r\na=fmtp:110 profile-level-id=64000d; packetization-mode=1; max-fs=8192\r\n\
     a=rtpmap:96 H263-1998/90000\r\na=fmtp:96 CIF4=2;CIF=1\r\na=rtpmap:34 H263/90000\r\na=sendrecv\r\na=rtcp-fb:* ccm fir tmmbr\r\n\
     m=application 49158 RTP/AVP 100\r\na=rtpmap:100 H224/4800\r\na=sendrecv\r\n\
     m=video 49160 RTP/AVP 109\r\na=rtpmap:109 H264/90000\r\na=fmtp:109 profile-level-id=42800d; max-fs=8192\r\na=content:slides\r\na=label:1\r\n\
     m=application 49162 UDP/BFCP *\r\na=floorctrl:c-s\r\na=floorid:1 mstrm:1\r\na=confid:1\r\na=userid:2\r\na=setup:actpass\r\na=connection:new\r\n",
    "v=0\r\no=tandberg 7 1 IN IP4 10.1.1.3\r\ns=-\r\nc=IN IP4 10.1.1.3\r\nb=AS:4000\r\nt=0 0\r\n\
     m=audio 2326 RTP/SAVP 107 8 0 101\r\na=rtpmap:107 MP4A-LATM/90000\r\na=fmtp:107 profile-level-id=25;object=23;bitrate=128000\r\n\
     a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
     a=crypto:1 AES_CM_256_HMAC_SHA1_80 inline:xqrKHmyFb1lbyyMEOMeZR1tiUYRYWdkYxRGBzLJNbIpSQvRyVgqLLkX3yqPsXA==|2^48\r\n\
     a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^48\r\n\
     a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^48 UNENCRYPTED_SRTCP\r\na=sendrecv\r\n\
     m=video 2328 RTP/SAVP 97 126\r\nb=TIAS:4000000\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=0;profile-level-id=428016;max-br=2500\r\n\
     a=rtpmap:126 H264/90000\r\na=fmtp:126 packetization-mode=1;profile-level-id=428016;max-br=2500\r\na=rtcp-fb:* nack pli\r\na=content:main\r\n\
     a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^48\r\n\
     m=application 5070 TCP/BFCP *\r\na=floorctrl:c-s\r\na=setup:passive\r\na=connection:new\r\n\
     m=video 0 RTP/SAVP 97\r\na=rtpmap:97 H264/90000\r\na=content:slides\r\n",
    "v=0\no=Huawei 1 1 IN IP4 10.1.1.4\ns=TE\nc=IN IP4 10.1.1.4\nt=0 0\n\
     m=audio 10002 RTP/AVP 8 9 97\na=rtpmap:97 telephone-event/8000\na=ptime:20\n\
     m=video 10004 RTP/AVP 106\na=rtpmap:106 H264/90000\na=fmtp:106 profile-level-id=42E01E;packetization-mode=0\n\
     m=video 10006 RTP/AVP 106 98\na=rtpmap:106 H264/90000\na=rtpmap:98 H265/90000\na=content:slides\n\
     m=application 10008 RTP/AVP 100\na=rtpmap:100 H224/4800\nm=message 0 TCP/MSRP *\n",
];

fn media(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("m=")).collect()
}

#[test]
fn room_systems_are_answered_line_by_line_with_what_is_known_and_the_rest_is_refused() {
    let expected: [&[&str]; 3] = [
        &[
            "m=audio 40000 RTP/AVP 9 119",
            "m=video 40000 RTP/AVP 110",
            "m=application 0 RTP/AVP 100",
            "m=video 40000 RTP/AVP 109",
            "m=application 0 UDP/BFCP *",
        ],
        &[
            "m=audio 40000 RTP/SAVP 8 101",
            "m=video 40000 RTP/SAVP 126",
            "m=application 0 TCP/BFCP *",
            "m=video 0 RTP/SAVP 97",
        ],
        &[
            "m=audio 40000 RTP/AVP 9 97",
            "m=video 40000 RTP/AVP 106",
            "m=video 40000 RTP/AVP 106",
            "m=application 0 RTP/AVP 100",
            "m=message 0 TCP/MSRP *",
        ],
    ];
    for (system, expected) in SYSTEMS.iter().zip(expected) {
        let answer = answered(system);
        assert_eq!(media(&answer), expected, "{system}");
        assert_eq!(media(&answer).len(), media(system).len());
    }
}

#[test]
fn what_a_decoder_takes_and_how_much_is_read_of_the_line_that_was_chosen() {
    let told = |system: &str| {
        let lines = read(system.as_bytes()).unwrap();
        let picture = choose(&lines, false).into_iter().find(|chosen| chosen.used == Use::Picture).unwrap();
        let (pixels, kbps) = super::super::decoder::limits(&picture.format.parameters);
        (pixels, kbps, lines[picture.at].kbps, picture.format.fragments)
    };
    assert_eq!(told(SYSTEMS[0]), (8_192 * 256, 768, 1_728, true));
    assert_eq!(told(SYSTEMS[1]), (1_620 * 256, 4_000, 4_000, true));
    assert_eq!(told(SYSTEMS[2]), (1_620 * 256, 10_000, 0, false));
}

#[test]
fn a_key_frame_is_asked_for_as_the_system_says_that_it_understands() {
    let told = |system: &str| {
        let lines = read(system.as_bytes()).unwrap();
        lines.iter().find(|line| line.media == "video").unwrap().asked
    };
    assert_eq!(SYSTEMS.map(told), [Asked::Fir, Asked::Pli, Asked::Info]);
    let both = SYSTEMS[0].replace("a=rtcp-fb:* ccm fir tmmbr", "a=rtcp-fb:110 ccm fir\r\na=rtcp-fb:110 nack pli");
    let other = SYSTEMS[0].replace("ccm fir tmmbr", "trr-int 100");
    assert_eq!([&*both, &*other].map(told), [Asked::Pli, Asked::Info]);
}

#[test]
fn of_several_keys_the_first_that_can_be_used_is_taken_and_answered_with_its_tag() {
    let lines = read(SYSTEMS[1].as_bytes()).unwrap();
    let answer = Crypto::answer(lines[0].crypto.as_ref().unwrap()).value();
    assert!(answer.starts_with("2 AES_CM_128_HMAC_SHA1_80 inline:"), "{answer}");
}

#[test]
fn g722_is_offered_behind_opus_and_taken_before_g711_with_a_clock_of_8_khz() {
    let own = [Own { used: Use::Sound, port: 30_000, crypto: Vec::new() }];
    let ours = offer("10.2.0.5".parse().unwrap(), (1, 1), &own);
    assert!(ours.contains("m=audio 30000 RTP/AVP 96 9 8 0 100 101\r\n") && ours.contains("a=rtpmap:9 G722/8000\r\n"));
    // In the order of a terminal that likes G.711 best, and G.722 without a map.
    for formats in ["0 8 9 101", "9 0 101", "0 9 8 101"] {
        let theirs = ours.replace("96 9 8 0 100 101", formats).replace("a=rtpmap:9 G722/8000\r\n", "");
        let chosen = choose(&read(theirs.as_bytes()).unwrap(), false).remove(0);
        assert_eq!((chosen.format.codec, chosen.format.number, chosen.events), (Codec::G722, 9, Some((101, 8_000))));
    }
    assert!(answered(&ROOM.replace("8 96", "8 9")).contains("m=audio 40000 RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n"));
}

#[test]
fn pressed_keys_are_offered_and_answered_with_the_clock_of_the_sound() {
    let own = [Own { used: Use::Sound, port: 30_000, crypto: Vec::new() }];
    let ours = offer("10.2.0.5".parse().unwrap(), (1, 1), &own);
    assert!(ours.contains("a=rtpmap:101 telephone-event/8000") && ours.contains("a=rtpmap:100 telephone-event/48000"));
    let lines = read(ours.as_bytes()).unwrap();
    assert_eq!(choose(&lines, false)[0].events, Some((100, 48_000)), "Opus has a clock of 48 kHz");
    let silent = ROOM
        .replace("RTP/AVP 8 96", "RTP/AVP 8")
        .replace("a=rtpmap:96", "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:96");
    assert_eq!(
        choose(&read(silent.as_bytes()).unwrap(), false)[0].events,
        None,
        "a number that the line does not offer"
    );
}
