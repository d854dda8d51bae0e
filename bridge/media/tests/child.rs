//! Real children: the sandbox seen from inside, and media through it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};

use hearing_media::probe::Probe;
use hearing_proto::child::*;
use hearing_proto::testcard::COUNTERS;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hearing-media");
const NOBODY: u32 = 65_534;

struct Kid {
    process: Child,
    socket: UnixStream,
    decoder: Decoder,
}

impl Kid {
    fn start(job: Job) -> Self {
        let mut kid = Self::spawn(Command::new(PROGRAM));
        kid.send(&ToChild::Start { version: VERSION, job });
        assert_eq!(kid.next(), Some(FromChild::Ready { version: VERSION }));
        kid
    }

    fn spawn(mut command: Command) -> Self {
        let (socket, theirs) = UnixStream::pair().expect("a socket pair");
        let process = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).spawn().expect("the child starts");
        Self { process, socket, decoder: Decoder::new() }
    }

    fn send(&mut self, message: &ToChild) {
        let bytes = encode(message).expect("the message fits");
        self.socket.write_all(&bytes).expect("the child listens");
    }

    fn frame(&mut self, stream: u16, frame: &Coded) {
        self.send(&ToChild::Frame(Coded { stream, ..frame.clone() }));
    }

    fn next(&mut self) -> Option<FromChild> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = self.decoder.message().expect("the child speaks the wire") {
                return Some(message);
            }
            match self.socket.read(&mut buffer).unwrap_or(0) {
                0 => return None,
                length => self.decoder.push(&buffer[..length]),
            }
        }
    }

    fn all(&mut self) -> Vec<FromChild> {
        self.send(&ToChild::Stop);
        let mut all = Vec::new();
        while let Some(message) = self.next() {
            all.push(message);
        }
        assert_eq!(all.pop(), Some(FromChild::Done));
        all
    }
}

impl Drop for Kid {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn generated(codec: Codec, seat: u8, pictures: usize) -> Vec<Coded> {
    let picture = Some(PictureShape { codec, width: 640, height: 360, fps: 30, kbps: 500 });
    let mut kid = Kid::start(Job::Generate(Generate { seat, picture, sound: Some(Codec::Opus) }));
    let (mut frames, mut seen) = (Vec::new(), 0);
    while seen < pictures {
        if let FromChild::Frame(frame) = kid.next().expect("the child lives") {
            seen += usize::from(frame.stream == PICTURE);
            frames.push(frame);
        }
    }
    frames
}

fn ended(mut command: Command) -> ExitStatus {
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("the child runs")
}

fn refused(status: ExitStatus) -> bool {
    const SIGSYS: i32 = 31;
    status.code() == Some(0) || status.signal() == Some(SIGSYS)
}

fn refusal(mut kid: Kid) -> String {
    match kid.next() {
        Some(FromChild::Failed { stream: None, reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn from_inside_no_file_network_process_or_code_can_be_reached() {
    for probe in Probe::ALL {
        let mut command = Command::new(PROGRAM);
        command.args(["--probe", probe.name()]);
        assert!(refused(ended(command)), "{probe:?}");
    }
}

#[test]
fn the_sandbox_stands_without_root_as_well() {
    // The build may lie below a home directory that only its owner may enter.
    let open_to_all = Permissions::from_mode(0o755);
    let directory = tempfile::Builder::new().permissions(open_to_all).tempdir().expect("a temporary directory");
    let program = directory.path().join("hearing-media");
    fs::copy(PROGRAM, &program).expect("the child is copied");
    for probe in Probe::ALL {
        let mut command = Command::new(&program);
        command.args(["--probe", probe.name()]);
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        assert!(refused(ended(command)), "{probe:?}");
    }
}

#[test]
fn a_child_without_its_own_network_says_so_and_does_not_start() {
    let mut command = Command::new("unshare");
    command.args(["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_net_namespaces; exec \"$0\"", PROGRAM]);
    assert!(refusal(Kid::spawn(command)).starts_with("sandbox step namespaces failed"));
}

#[test]
fn a_child_that_stays_root_says_so_and_does_not_start() {
    let mut command = Command::new("unshare");
    command.args(["-Ur", PROGRAM]);
    assert!(refusal(Kid::spawn(command)).starts_with("sandbox step identity failed"));
}

#[test]
fn a_node_of_another_version_is_refused() {
    let mut kid = Kid::spawn(Command::new(PROGRAM));
    kid.send(&ToChild::Start { version: VERSION + 1, job: Job::Observe(Vec::new()) });
    assert!(refusal(kid).contains("version"));
}

#[test]
fn a_child_dies_with_the_process_that_started_it() {
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0; \"$0\" <&3 & wait", PROGRAM]);
    let mut kid = Kid::spawn(command);
    kid.send(&ToChild::Start { version: VERSION, job: Job::Observe(Vec::new()) });
    assert_eq!(kid.next(), Some(FromChild::Ready { version: VERSION }));
    kid.process.kill().unwrap();
    assert_eq!(kid.next(), None, "the link ends only when the last process that holds it is gone");
}

#[test]
fn counters_seats_and_tones_survive_coding_and_decoding_inside() {
    for (codec, seat) in [(Codec::Vp8, 7), (Codec::H264, 42)] {
        let frames = generated(codec, seat, 45);
        let mut kid = Kid::start(Job::Observe(vec![Stream { id: 5, codec }, Stream { id: 6, codec: Codec::Opus }]));
        for frame in &frames {
            kid.frame(if frame.stream == PICTURE { 5 } else { 6 }, frame);
        }
        let all = kid.all();
        let counters: Vec<u16> = all
            .iter()
            .filter_map(|m| {
                if let FromChild::Seen { stream: 5, counter, seat: s, .. } = m {
                    (*s == seat).then_some(*counter)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(counters.len(), 45);
        assert!(counters.windows(2).all(|two| two[1] == (two[0] + 1) % COUNTERS), "{counters:?}");
        let tones: BTreeSet<Vec<u8>> = all
            .iter()
            .filter_map(|m| if let FromChild::Heard { stream: 6, seats, .. } = m { Some(seats.clone()) } else { None })
            .collect();
        assert_eq!(tones, BTreeSet::from([vec![seat]]));
        let gaps: Vec<i64> = all
            .iter()
            .filter_map(|m| if let FromChild::Gap { stream: 6, pts } = m { Some(*pts) } else { None })
            .collect();
        let second = all.iter().find_map(|m| {
            if let FromChild::Seen { counter, pts, .. } = m {
                (counter % 30 == 0 && *pts > 200_000).then_some(*pts)
            } else {
                None
            }
        });
        let second = second.expect("a full second lies in one and a half");
        assert!(
            gaps.iter().any(|gap| (0..12_000).contains(&(gap - second))),
            "{gaps:?} {second}: Opus itself delays by 6.5 ms"
        );
    }
}

#[test]
fn a_tone_in_a_codec_of_terminals_is_made_and_heard_inside_at_its_time() {
    for codec in [Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::Aac] {
        let mut maker = Kid::start(Job::Generate(Generate { seat: 7, picture: None, sound: Some(codec) }));
        let (mut began, mut frames) = (0, Vec::new());
        while frames.len() < 90 {
            match maker.next().expect("the child lives") {
                FromChild::Started { at } => began = at,
                FromChild::Frame(frame) => frames.push(frame),
                _ => {}
            }
        }
        for job in [Job::Observe, Job::Survey] {
            let mut kid = Kid::start(job(vec![Stream { id: 6, codec }]));
            frames.iter().for_each(|frame| kid.frame(6, frame));
            let all = kid.all();
            let heard = all.iter().filter(|m| matches!(m, FromChild::Heard { stream: 6, seats, .. } if *seats == [7]));
            assert!(heard.count() >= 12, "{codec:?} {all:?}");
            let gap =
                all.iter().find_map(|m| if let FromChild::Gap { stream: 6, pts } = m { Some(*pts) } else { None });
            let late = (began + gap.expect("a full second lies in it")).rem_euclid(1_000_000);
            // AAC puts a frame of silence before its sound.
            assert!(late < 12_000 || codec == Codec::Aac && late < 30_000, "{codec:?}: {late} us late");
        }
    }
}

#[test]
fn pictures_come_out_raw_and_as_stills() {
    let frames = generated(Codec::Vp8, 3, 3);
    let streams = vec![Stream { id: PICTURE, codec: Codec::Vp8 }];
    let mut decode = Kid::start(Job::Decode(streams.clone()));
    let mut snapshot = Kid::start(Job::Snapshot(streams));
    for frame in frames.iter().filter(|frame| frame.stream == PICTURE) {
        decode.frame(PICTURE, frame);
        snapshot.frame(PICTURE, frame);
    }
    let raw = decode.all().into_iter().find_map(|m| {
        if let FromChild::Picture { width, height, i420, .. } = m { Some((width, height, i420.len())) } else { None }
    });
    assert_eq!(raw, Some((640, 360, 640 * 360 * 3 / 2)));
    let stills: Vec<_> = snapshot
        .all()
        .into_iter()
        .filter_map(|m| if let FromChild::Snapshot { jpeg, .. } = m { Some(jpeg) } else { None })
        .collect();
    assert_eq!(stills.len(), 1, "only key frames become stills");
    assert_eq!(stills[0][..3], [0xff, 0xd8, 0xff]);
}

#[test]
fn a_key_frame_comes_when_asked_for() {
    let picture = Some(PictureShape { codec: Codec::Vp8, width: 640, height: 360, fps: 30, kbps: 500 });
    let mut kid = Kid::start(Job::Generate(Generate { seat: 1, picture, sound: None }));
    let mut keys = Vec::new();
    for index in 0..30 {
        let frame = loop {
            if let FromChild::Frame(frame) = kid.next().unwrap() {
                break frame;
            }
        };
        if frame.key {
            keys.push(index);
        }
        if index == 10 {
            kid.send(&ToChild::KeyFrame { stream: PICTURE });
        }
    }
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!((11..16).contains(&keys[1]), "{keys:?}");
}

#[test]
fn damaged_frames_neither_end_nor_stop_the_child() {
    for codec in [Codec::Vp8, Codec::H264] {
        let frames = generated(codec, 9, 20);
        let mut kid =
            Kid::start(Job::Observe(vec![Stream { id: PICTURE, codec }, Stream { id: SOUND, codec: Codec::Opus }]));
        for (index, frame) in frames.iter().enumerate() {
            let mut bytes = frame.bytes.to_vec();
            for (place, byte) in bytes.iter_mut().enumerate() {
                *byte ^= (place * 31 + index * 7) as u8;
            }
            kid.frame(frame.stream, &Coded { bytes: bytes.into(), ..frame.clone() });
        }
        let later = |frame: &Coded| Coded { pts: frame.pts + 10_000_000, ..frame.clone() };
        for frame in &frames {
            kid.frame(frame.stream, &later(frame));
        }
        let good = kid
            .all()
            .iter()
            .filter(|m| matches!(m, FromChild::Seen { seat: 9, pts, .. } if *pts >= 10_000_000))
            .count();
        assert_eq!(good, 20, "{codec:?}");
    }
}
