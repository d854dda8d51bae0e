//! A SIP terminal of another maker than baresip: linphone, which shows a clip, lets it be heard, and plays into a file.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::media::seats_in;
use super::netns;
use super::node::until;
use super::rooms::{ACCESS, Room};

/// A terminal that runs; killed when it is dropped.
pub(crate) struct Linphone {
    child: Child,
    directory: TempDir,
    pipe: PathBuf,
    /// It takes one connection at a time, and notices late that another one has ended.
    commands: UnixStream,
}

impl Linphone {
    /// Starts it in a room of its own; it answers by itself, with keys. It trusts the authority whose certificate is in `root`.
    pub(crate) fn run(room: &Room, root: &Path) -> Self {
        let directory = tempfile::Builder::new().prefix("hearing-linphone-").tempdir().expect("a temporary directory");
        for folder in [".local/share/linphone", ".config/linphone"] {
            fs::create_dir_all(directory.path().join(folder)).expect("a folder");
        }
        let name = format!("{}.pipe", directory.path().file_name().expect("it has a name").display());
        fs::write(directory.path().join("config"), config(root)).expect("a configuration");
        fs::write(directory.path().join(".asoundrc"), loudspeaker(&directory)).expect("a loudspeaker");
        // Without a way out it takes its network to be down.
        netns::ip(&["-n", &room.namespace, "route", "add", "default", "dev", ACCESS]);
        let child = netns::command(&room.namespace, "linphone-daemon")
            .arg("--config")
            .arg(directory.path().join("config"))
            .arg("--log")
            .arg(directory.path().join("log"))
            .arg("--pipe")
            .arg(&name)
            .args(["--auto-answer", "-C", "-D"])
            .env("HOME", directory.path())
            .stdin(Stdio::null())
            .stdout(File::create(directory.path().join("said")).expect("a log"))
            .spawn()
            .expect("linphone-cli is installed by scripts/setup");
        let pipe = Path::new("/tmp").join(name);
        let commands = until("linphone listens", || UnixStream::connect(&pipe).ok());
        commands.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
        let linphone = Self { child, directory, pipe, commands };
        linphone.order("media-encryption srtp");
        linphone
    }

    /// Registers over TLS, as `user` of the node at this address with port.
    pub(crate) fn register(&self, user: &str, password: &str, node: &str) {
        self.order(&format!("register sip:{user}@{node} sip:{node};transport=tls {password}"));
        let registered = || self.command("register-status ALL").contains("LinphoneRegistrationOk").then_some(());
        until("linphone is registered", registered);
    }

    /// Shows a clip (Matroska, H.264 and Opus) in its call, and lets it be heard.
    pub(crate) fn show(&self, clip: &Path) {
        until("linphone has a call", || self.command("call-status").contains("StreamsRunning").then_some(()));
        self.order(&format!("incall-player-start {}", clip.display()));
    }

    /// Holds its call.
    pub(crate) fn hold(&self) {
        self.order("call-pause");
    }

    /// Goes on with the call that it holds, which is its first.
    pub(crate) fn resume(&self) {
        self.order("call-resume 1");
    }

    /// Hangs up.
    pub(crate) fn hang_up(&self) {
        self.order("terminate");
    }

    fn order(&self, command: &str) {
        let answer = self.command(command);
        assert!(answer.contains("Status: Ok"), "{command}: {answer}");
    }

    /// Gives it a command; what it answers, in one piece as long as that is short.
    fn command(&self, command: &str) -> String {
        // In one piece: of what comes in two it makes two commands.
        (&self.commands).write_all(format!("{command}\n").as_bytes()).expect("linphone listens");
        let mut answer = [0; 4_096];
        let length = (&self.commands).read(&mut answer).expect("linphone answers");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    /// The seats whose tones sound in at least half of the last second that it played.
    pub(crate) fn hears(&self) -> Vec<u8> {
        let sound = fs::read(self.directory.path().join("heard")).unwrap_or_default();
        let samples: Vec<i16> = sound.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        seats_in(&samples[samples.len().saturating_sub(RATE)..])
    }

    /// What it has noted so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.path().join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for Linphone {
    #[expect(clippy::print_stderr, reason = "a test that failed shows what its terminals said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // One that ended already needs no killing, and has taken its pipe away.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.pipe);
    }
}

/// Its library of TLS knows no addresses in certificates: the chain is verified, the name is not.
fn config(root: &Path) -> String {
    format!(
        "[sip]\nsip_port=0\nsip_tcp_port=0\nsip_tls_port=5061\nroot_ca={}\nverify_server_certs=1\nverify_server_cn=0\n\
         [rtp]\navpf=1\naudio_rtp_port=7078\nvideo_rtp_port=9078\n\
         [video]\nenabled=1\ncapture=1\ndisplay=1\ndisplaytype=MSVoidSink\nautomatically_initiate=1\nautomatically_accept=1\n\
         device=StaticImage: Static picture\n[sound]\nechocancellation=0\n",
        root.display()
    )
}

fn loudspeaker(directory: &TempDir) -> String {
    let file = directory.path().join("heard");
    format!(
        "pcm.!default {{ type asym playback.pcm {{ type file slave.pcm \"null\" file \"{}\" format \"raw\" }} }}\n",
        file.display()
    )
}

/// Samples of what it plays, a second.
const RATE: usize = 48_000;
