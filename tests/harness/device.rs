//! GB/T 28181 devices that are not the node's: one in Python, whose program streams are its own, and one of the crate `gb28181-rs`.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use gb28181_rs::manscdp::{ChannelItem, PtzCommand};
use gb28181_rs::mock::MockFrameHub;
use gb28181_rs::server::DeviceControlHandler;
use gb28181_rs::{CatalogChannel, DeviceNotifier, Gb28181Config, Gb28181Server, ServerHandle};
use tokio::runtime::Runtime;

use super::camera::Setup;
use super::media::seats_in;
use super::netns;
use super::node::until;
use super::rooms::Room;

/// What a device shows: the test card and its tone, as byte streams.
pub(crate) struct Clip {
    picture: PathBuf,
    sound: PathBuf,
    codec: &'static str,
}

impl Clip {
    /// The test card of `seat` in `h264` or `h265` with its tone in `pcma` or `aac`, for so many seconds.
    pub(crate) fn make(directory: &Path, (codec, ear): (&'static str, &'static str), seat: u8, seconds: u16) -> Self {
        let setup = Setup { address: Ipv4Addr::LOCALHOST, picture: codec, sound: ear, access: "open", lower: "any" };
        let clip = setup.clip(directory, seat, seconds);
        let form = if ear == "aac" { "adts" } else { "alaw" };
        let (picture, sound) = (directory.join("clip.video"), directory.join(format!("clip.{form}")));
        let (marks, stream) = match codec {
            "h265" => ("hevc_mp4toannexb,hevc_metadata=aud=insert", "hevc"),
            _ => ("h264_mp4toannexb,h264_metadata=aud=insert", "h264"),
        };
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-i"])
            .arg(&clip)
            .args(["-map", "0:v", "-c", "copy", "-bsf:v", marks, "-f", stream])
            .arg(&picture)
            .args(["-map", "0:a", "-c", "copy", "-f", form])
            .arg(&sound)
            .status();
        assert!(run.expect("ffmpeg is installed by scripts/setup").success());
        Self { picture, sound, codec }
    }
}

/// How a device is set up.
pub(crate) struct Account<'a> {
    /// The platform.
    pub(crate) platform: (Ipv4Addr, u16),
    /// Its identity.
    pub(crate) id: &'a str,
    /// Its password.
    pub(crate) password: &'a str,
    /// How it frames its media over TCP: `4571` or `dollar`.
    pub(crate) framing: &'a str,
    /// How its signalling goes: `udp` or `tcp`.
    pub(crate) signalling: &'a str,
    /// How it is spoken to: by `broadcast`, which it fetches in datagrams, by `broadcast-active`, `-passive` or `-deaf` over a connection, or
    /// by an `invite`.
    pub(crate) talk: &'a str,
}

/// A device that runs; it is cut off when dropped.
pub(crate) struct Device {
    child: Child,
    log: PathBuf,
    heard: PathBuf,
}

impl Device {
    /// Starts it in a room; it registers by itself.
    pub(crate) fn run(room: &Room, directory: &Path, clip: &Clip, account: &Account<'_>) -> Self {
        let (log, heard) = (directory.join("device.log"), directory.join("device.heard"));
        let Account { platform, id, password, framing, signalling, talk } = account;
        let child = netns::command(&room.namespace, PYTHON)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/clients/device.py"))
            .args([room.address.to_string(), SIP.to_string(), platform.0.to_string(), platform.1.to_string()])
            .args([id, password, &clip.codec])
            .args([&clip.picture, &clip.sound, &heard])
            .args([framing, signalling, talk])
            .stdin(Stdio::piped())
            .stdout(File::create(&log).expect("a log"))
            .spawn()
            .expect("python3 is installed by scripts/setup");
        Self { child, log, heard }
    }

    /// Tells it to do something of its own.
    pub(crate) fn command(&mut self, command: &str) {
        let input = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(input, "{command}").expect("the device listens");
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said something.
    pub(crate) fn wait_for(&self, words: &str) {
        until(&format!("the device says {words:?}"), || self.log().contains(words).then_some(()));
    }

    /// Waits until it was told half a second more than `before` bytes; how many that is.
    pub(crate) fn told(&self, before: u64) -> u64 {
        let told = || fs::metadata(&self.heard).map_or(0, |file| file.len());
        until("the device is told something", || Some(told()).filter(|told| *told >= before + RATE as u64 / 2))
    }

    /// The seats whose tones sound in at least half of the last second that it was told.
    pub(crate) fn hears_seats(&self) -> Vec<u8> {
        let coded = fs::read(&self.heard).unwrap_or_default();
        let last = coded[coded.len().saturating_sub(RATE)..].iter().map(|code| linear(*code));
        let samples: Vec<i16> = last.flat_map(|sample| [i16::try_from(sample).unwrap_or(i16::MAX); 6]).collect();
        seats_in(&samples)
    }

    /// How loud a tone is in the last second that it was told: 0.0 to 1.0.
    pub(crate) fn hears(&self, hz: u32) -> f64 {
        share(&fs::read(&self.heard).unwrap_or_default(), hz)
    }
}

impl Drop for Device {
    #[expect(clippy::print_stderr, reason = "a test that failed shows what its device said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // Cut off as by a power cut: no goodbye.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A device of another maker: the crate `gb28181-rs`.
pub(crate) struct Foreign {
    handle: Option<ServerHandle>,
    runtime: Runtime,
    notifier: Arc<DeviceNotifier>,
    moved: Arc<Orders>,
    heard: Arc<Mutex<Vec<u8>>>,
}

/// What it was told to do.
#[derive(Default)]
struct Orders(Mutex<Vec<PtzCommand>>);

impl DeviceControlHandler for Orders {
    fn on_ptz(&self, order: &PtzCommand) {
        self.0.lock().expect("no order panicked").push(order.clone());
    }
}

impl Foreign {
    /// Starts it in a room; it registers by itself. `channel` stands in its catalog beside itself.
    pub(crate) fn run(
        room: &Room,
        platform: (Ipv4Addr, u16),
        (id, password): (&str, &str),
        channel: (&str, &str),
    ) -> Self {
        let runtime = there(&room.namespace);
        let extra = CatalogChannel {
            device_id: channel.0.to_owned(),
            name: channel.1.to_owned(),
            manufacturer: String::new(),
            model: String::new(),
            status: "ON".to_owned(),
            ptz_type: Some(1),
            photoelectric_imaging_type: None,
        };
        let config = Gb28181Config {
            platform_sip_address: platform.0.to_string(),
            platform_sip_port: platform.1,
            device_id: id.to_owned(),
            channel_id: id.to_owned(),
            sip_domain: id[..10].to_owned(),
            password: password.to_owned(),
            local_sip_port: SIP,
            register_interval_secs: 60,
            heartbeat_interval_secs: 1,
            device_name: Some("第一审判庭".to_owned()),
            protocol_version: Some("3.0".to_owned()),
            extra_channels: vec![extra],
            ..Gb28181Config::default()
        };
        let (moved, heard) = (Arc::new(Orders::default()), Arc::new(Mutex::new(Vec::new())));
        let ear = Arc::clone(&heard);
        let sink = move |payload: &[u8], _: u32| ear.lock().expect("no ear panicked").extend_from_slice(payload);
        let server = Gb28181Server::new(config, Arc::new(MockFrameHub::new()))
            .with_audio_sink(Arc::new(sink))
            .with_control_handler(Some(moved.clone()));
        let notifier = server.notifier();
        // On a thread of the runtime, and so in the room.
        let started = runtime.block_on(runtime.spawn(server.spawn())).expect("it does not panic");
        let handle = started.expect("the device starts");
        Self { handle: Some(handle), runtime, notifier, moved, heard }
    }

    /// The orders to move that have come so far.
    pub(crate) fn moved(&self) -> Vec<PtzCommand> {
        self.moved.0.lock().expect("no order panicked").clone()
    }

    /// How loud a tone is in the last second that it was told: 0.0 to 1.0.
    pub(crate) fn hears(&self, hz: u32) -> f64 {
        share(&self.heard.lock().expect("no ear panicked"), hz)
    }

    /// Tells the platform that it has another channel; false while the platform has not asked to be told.
    pub(crate) fn gains(&self, id: &str, name: &str) -> bool {
        let item = ChannelItem {
            device_id: id.to_owned(),
            name: name.to_owned(),
            manufacturer: String::new(),
            model: String::new(),
            owner: String::new(),
            civil_code: String::new(),
            address: String::new(),
            parental: 0,
            parent_id: String::new(),
            safety_way: 0,
            register_way: 1,
            secrecy: 0,
            status: "ON".to_owned(),
            ip_address: String::new(),
            port: 0,
            longitude: 0.0,
            latitude: 0.0,
            ptz_type: None,
            photoelectric_imaging_type: None,
        };
        self.notifier.send_catalog_change(&[item])
    }

    /// Says goodbye to the platform.
    pub(crate) fn leave(mut self) {
        let mut handle = self.handle.take().expect("it runs");
        self.runtime.block_on(handle.shutdown_with_deregister()).expect("it ends");
    }
}

/// A runtime whose threads are in `namespace`.
fn there(namespace: &str) -> Runtime {
    let namespace = namespace.to_owned();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().on_thread_start(move || netns::enter(&namespace)).build().expect("a runtime")
}

/// How much of the last second of A-law sound at 8 kHz is one tone.
fn share(coded: &[u8], hz: u32) -> f64 {
    let last = &coded[coded.len().saturating_sub(RATE)..];
    if last.len() < RATE {
        return 0.0;
    }
    let samples: Vec<f64> = last.iter().map(|code| f64::from(linear(*code))).collect();
    let step = std::f64::consts::TAU * f64::from(hz) / RATE as f64;
    let (cosine, sine) = samples.iter().enumerate().fold((0.0, 0.0), |(c, s), (n, x)| {
        let (sin, cos) = (step * n as f64).sin_cos();
        (c + x * cos, s + x * sin)
    });
    let all: f64 = samples.iter().map(|x| x * x).sum();
    2.0 * (cosine * cosine + sine * sine) / (RATE as f64 * all.max(1.0))
}

/// ITU-T G.711, table 1a.
fn linear(code: u8) -> i32 {
    let code = code ^ 0x55;
    let (segment, step) = (code >> 4 & 7, i32::from(code & 15) * 16 + 8);
    let value = if segment == 0 { step } else { (step + 256) << (segment - 1) };
    if code & 0x80 == 0 { -value } else { value }
}

const PYTHON: &str = "/usr/bin/python3";
const SIP: u16 = 5_060;
const RATE: usize = 8_000;
