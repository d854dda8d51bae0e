//! A real SIP terminal: baresip, with a tone for a microphone, a coloured picture or a clip for a camera, and files for a
//! loudspeaker and a screen.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::media::{Card, seats_in};
use super::netns;
use super::node::until;
use super::record::ffmpeg;
use super::rooms::Room;

/// How a terminal is set up.
pub(crate) struct Account<'a> {
    /// Its user.
    pub(crate) user: &'a str,
    /// Its password.
    pub(crate) password: &'a str,
    /// The node's address with port.
    pub(crate) node: &'a str,
    /// `udp`, `tcp` or `tls`.
    pub(crate) transport: &'a str,
    /// The codecs of its sound, in its own words.
    pub(crate) sound: &'a str,
    /// More parameters of the account, such as `;mediaenc=srtp-mand`.
    pub(crate) more: &'a str,
    /// The tone that it sends, Hz.
    pub(crate) tone: u32,
    /// For how many seconds it registers; 0: not at all.
    pub(crate) register: u32,
}

/// A terminal that runs; killed when it is dropped.
pub(crate) struct Baresip {
    child: Child,
    directory: TempDir,
    room: Room,
}

impl Baresip {
    /// Starts it in a room of its own; it registers by itself and answers by itself. Its camera shows one colour at 640x360.
    pub(crate) fn run(room: Room, account: &Account<'_>) -> Self {
        Self::start(room, account, None)
    }

    /// The same, and its camera shows a clip: 320x180, MPEG-4 part 2, without sound (baresip crashes on others).
    pub(crate) fn showing(room: Room, account: &Account<'_>, clip: &Path) -> Self {
        Self::start(room, account, Some(clip))
    }

    fn start(room: Room, account: &Account<'_>, clip: Option<&Path>) -> Self {
        let directory = tempfile::Builder::new().prefix("hearing-baresip-").tempdir().expect("a temporary directory");
        let text = config(&directory, room.address, account.tone, clip);
        fs::write(directory.path().join("config"), text).expect("a configuration");
        let Account { user, password, node, transport, sound, more, register, .. } = account;
        let line = format!(
            "<sip:{user}@{node};transport={transport}>;auth_user={user};auth_pass={password};regint={register};answermode=auto;\
             audio_codecs={sound}{more}\n"
        );
        fs::write(directory.path().join("accounts"), line).expect("an account");
        let log = File::create(directory.path().join("log")).expect("a log");
        let child = netns::command(&room.namespace, "baresip")
            .arg("-f")
            .arg(directory.path())
            .arg("-v")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log is open"))
            .stderr(log)
            .spawn()
            .expect("baresip is installed by scripts/setup");
        Self { child, directory, room }
    }

    /// Gives it a command, such as `dial`.
    pub(crate) fn command(&self, command: &str, parameters: &str) -> Value {
        let mut stream = until("baresip listens", || self.connect());
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        let order = json!({ "command": command, "params": parameters, "token": "t" }).to_string();
        stream.write_all(format!("{}:{order},", order.len()).as_bytes()).expect("baresip listens");
        loop {
            let answer = netstring(&mut stream);
            if answer["response"] == true {
                return answer;
            }
        }
    }

    fn connect(&self) -> Option<TcpStream> {
        netns::within(&self.room.namespace, || TcpStream::connect((Ipv4Addr::LOCALHOST, CONTROL)).ok())
    }

    /// What is on its screen now: brightness by rows, as (pixels, width, height).
    pub(crate) fn screen(&self) -> (Vec<u8>, usize, usize) {
        let file = self.directory.path().join("screen.png");
        // None from before.
        let _ = fs::remove_file(&file);
        self.command("snapshot_recv", &file.to_string_lossy());
        until("the screen is saved", || {
            png_size(&file)
                .map(|(width, height)| (ffmpeg(&file, &["-pix_fmt", "gray", "-f", "rawvideo"]), width, height))
        })
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// How loud a tone is in the last second that it played, against everything else in it: 0.0 to 1.0.
    pub(crate) fn heard(&self, hz: u32) -> f64 {
        let last: Vec<f64> = self.last_second().into_iter().map(f64::from).collect();
        if last.len() < RATE {
            return 0.0;
        }
        let step = std::f64::consts::TAU * f64::from(hz) / RATE as f64;
        let (cosine, sine) = last.iter().enumerate().fold((0.0, 0.0), |(c, s), (n, x)| {
            let (sin, cos) = (step * n as f64).sin_cos();
            (c + x * cos, s + x * sin)
        });
        let all: f64 = last.iter().map(|x| x * x).sum();
        2.0 * (cosine * cosine + sine * sine) / (RATE as f64 * all.max(1.0))
    }

    /// The seats whose tones sound in at least half of the last second that it played.
    pub(crate) fn hears(&self) -> Vec<u8> {
        seats_in(&self.last_second())
    }

    /// The last second that it played, 48 kHz; less when it has not played so much.
    fn last_second(&self) -> Vec<i16> {
        let wave = self.speaker().and_then(|file| fs::read(file).ok()).unwrap_or_default();
        let Some((head, sound)) = wave.split_at_checked(44) else { return Vec::new() };
        // As many channels and samples a second as its codec has: 2 and 48,000 of Opus, 1 and 16,000 of G.722.
        let (channels, rate) = (usize::from(head[22]), usize::from(u16::from_le_bytes([head[24], head[25]])));
        let (frames, again) = (sound.chunks_exact(channels * 2), RATE / rate);
        let skipped = frames.len().saturating_sub(rate);
        let samples = frames.skip(skipped).map(|frame| i16::from_le_bytes([frame[0], frame[1]]));
        samples.flat_map(|sample| std::iter::repeat_n(sample, again)).collect()
    }

    /// The mean power of what it has played in its last call, 0.0 when it was silent.
    pub(crate) fn loudness(&self) -> f64 {
        let wave = self.speaker().and_then(|file| fs::read(file).ok()).unwrap_or_default();
        let samples =
            wave.get(44..).unwrap_or_default().chunks_exact(2).map(|s| f64::from(i16::from_le_bytes([s[0], s[1]])));
        let powers: Vec<f64> = samples.map(|sample| sample * sample).collect();
        powers.iter().sum::<f64>() / powers.len().max(1) as f64
    }

    /// Has it keep the next picture that it decodes.
    pub(crate) fn keep_picture(&self) {
        self.command("snapshot_recv", &self.directory.path().join("first.png").display().to_string());
    }

    /// The picture that it was told to keep, once it has decoded one.
    pub(crate) fn picture(&self) -> Option<PathBuf> {
        let files = fs::read_dir(self.directory.path()).expect("its directory").flatten().map(|entry| entry.path());
        files.into_iter().find(|file| file.extension().is_some_and(|end| end == "png"))
    }

    /// What it decoded in its last call.
    fn speaker(&self) -> Option<PathBuf> {
        let files = fs::read_dir(self.directory.path()).expect("its directory").flatten().map(|entry| entry.path());
        files.filter(|file| file.to_string_lossy().ends_with("-dec.wav")).max()
    }
}

impl Drop for Baresip {
    #[expect(clippy::print_stderr, reason = "a test that failed shows what its terminals said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // One that ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two minutes of the test card in a form that baresip's camera takes.
pub(crate) fn clip(directory: &Path, number: u8) -> PathBuf {
    let (card, clip) = (Card::draw(directory, number), directory.join(format!("seat{number}.mp4")));
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-stream_loop", "11", "-i"])
        .arg(&card.video)
        .args(["-vf", "scale=320:180", "-c:v", "mpeg4", "-q:v", "3", "-g", "15"])
        .arg(&clip)
        .status()
        .expect("ffmpeg is installed by scripts/setup");
    assert!(status.success());
    clip
}

fn config(directory: &TempDir, address: Ipv4Addr, tone: u32, clip: Option<&Path>) -> String {
    let root = directory.path().display();
    let camera = clip.map_or("fakevideo,nil".to_owned(), |clip| format!("avformat,{}", clip.display()));
    let size = if clip.is_some() { "320x180" } else { "640x360" };
    let modules =
        ["opus", "g711", "g722", "aufile", "ausine", "avcodec", "avformat", "fakevideo", "srtp", "sndfile", "snapshot"];
    let modules: String = modules.iter().map(|module| format!("module {module}.so\n")).collect();
    format!(
        "poll_method epoll\nsip_listen {address}:5060\nnet_interface {address}\ncall_max_calls 4\n\
         audio_player aufile,/dev/null\nsnd_path {root}\naudio_source ausine,{tone}\naudio_alert aufile,/dev/null\n\
         ausrc_srate {RATE}\nauplay_srate {RATE}\nausrc_channels 2\nauplay_channels 2\naudio_txmode thread\n\
         video_source {camera}\nvideo_display fakevideo,nil\nvideo_size {size}\nvideo_bitrate 500000\nvideo_fps 25.00\n\
         rtp_ports 10000-10040\nrtp_stats yes\nrtcp_mux no\njitter_buffer_delay 5-10\n\
         module_path /usr/lib/baresip/modules\n{modules}\
         module_tmp uuid.so\nmodule_tmp account.so\nmodule_app contact.so\nmodule_app debug_cmd.so\nmodule_app menu.so\n\
         module_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{CONTROL}\n\
         avcodec_h264enc libx264\navcodec_h264dec h264\nopus_bitrate 28000\n"
    )
}

/// The size of a whole PNG; `None` while it is being written.
fn png_size(file: &Path) -> Option<(usize, usize)> {
    let bytes = fs::read(file).ok().filter(|bytes| bytes.ends_with(b"IEND\xae\x42\x60\x82"))?;
    let side =
        |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes).and_then(|n| n.try_into().ok());
    Some((side(16)?, side(20)?))
}

fn netstring(stream: &mut TcpStream) -> Value {
    let (mut length, mut byte) = (0_usize, [0]);
    loop {
        stream.read_exact(&mut byte).expect("baresip answers");
        if byte[0] == b':' {
            break;
        }
        length = length * 10 + usize::from(byte[0] - b'0');
    }
    let mut body = vec![0; length + 1];
    stream.read_exact(&mut body).expect("baresip answers");
    serde_json::from_slice(&body[..length]).expect("baresip answers JSON")
}

/// What terminals take unless a test is about something else.
pub(crate) const SOUND: &str = "opus/48000/2,PCMA/8000/1";
const RATE: usize = 48_000;
const CONTROL: u16 = 4444;
