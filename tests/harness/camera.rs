//! A camera that is not ours: GStreamer's RTSP server, which plays a clip of the test card.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hearing_proto::testcard::tone::{SAMPLE_RATE, Tone};
use hearing_proto::testcard::{self, Mark, Size};

use super::netns;

/// What a camera plays, and how.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Its own address.
    pub(crate) address: Ipv4Addr,
    /// `h264` or `h265`.
    pub(crate) picture: &'static str,
    /// `pcma`, `opus`, or `aac`, which is sampled at 44.1 kHz.
    pub(crate) sound: &'static str,
    /// `open`, `basic` or `digest`.
    pub(crate) access: &'static str,
    /// `tcp` or `udp`; anything else is refused with 461.
    pub(crate) lower: &'static str,
}

/// A camera that runs; it is cut off when dropped.
pub(crate) struct Camera(Child);

impl Camera {
    /// Starts it in `namespace`; it is reachable when this returns.
    pub(crate) fn start(namespace: &str, setup: &Setup, clip: &Path) -> Self {
        let mut child = netns::command(namespace, PYTHON)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/clients/camera.py"))
            .arg(setup.address.to_string())
            .arg(clip)
            .args([setup.picture, setup.sound, setup.access, setup.lower])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed by scripts/setup");
        let mut line = String::new();
        let output = child.stdout.take().expect("stdout is piped");
        BufReader::new(output).read_line(&mut line).expect("the camera says that it is up");
        assert_eq!(line, "up\n", "python3-gi and gir1.2-gst-rtsp-server-1.0 are installed by scripts/setup");
        Self(child)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // Cut off as by a power cut: no goodbye.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Setup {
    /// The address as a template names it; the password has an `@` in it.
    pub(crate) fn url(&self) -> String {
        let user = if self.access == "open" { "" } else { "admin:c%40urt1@" };
        format!("rtsp://{user}{}:8554/cam", self.address)
    }

    /// The test card of `seat` with its tone, for `seconds`, coded as the camera sends it.
    pub(crate) fn clip(&self, directory: &Path, seat: u8, seconds: u16) -> PathBuf {
        let (sound, clip) = (directory.join("camera.s16"), directory.join("camera.mkv"));
        let mut samples = vec![0; SAMPLE_RATE as usize * usize::from(seconds)];
        Tone::starting(seat, 0).fill(&mut samples);
        fs::write(&sound, samples.iter().flat_map(|s: &i16| s.to_le_bytes()).collect::<Vec<_>>()).expect("the tone");
        let size = Size::new(320, 180).expect("an even size");
        let mut encoder = self.encoder(&sound, &clip);
        let mut pictures = encoder.stdin.take().expect("stdin is piped");
        for counter in 0..seconds * FPS {
            pictures.write_all(&testcard::draw(size, Mark { counter, seat })).expect("ffmpeg reads pictures");
        }
        drop(pictures);
        assert!(encoder.wait().expect("ffmpeg ends").success());
        clip
    }

    fn encoder(&self, sound: &Path, clip: &Path) -> Child {
        let coder = if self.picture == "h265" { "libx265" } else { "libx264" };
        let (ear, rate) = match self.sound {
            "opus" => ("libopus", "48000"),
            "aac" => ("aac", "44100"),
            _ => ("pcm_alaw", "8000"),
        };
        Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x180"])
            .args(["-r", &FPS.to_string(), "-i", "pipe:0", "-f", "s16le", "-ar", &SAMPLE_RATE.to_string(), "-ac", "1"])
            .arg("-i")
            .arg(sound)
            .args([
                "-c:v",
                coder,
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
                "-g",
                &FPS.to_string(),
                "-b:v",
                "1500k",
            ])
            .args(["-c:a", ear, "-ar", rate, "-ac", "1"])
            .arg(clip)
            .stdin(Stdio::piped())
            .spawn()
            .expect("ffmpeg is installed by scripts/setup")
    }
}

const PYTHON: &str = "/usr/bin/python3";
/// Pictures a second.
pub(crate) const FPS: u16 = 15;
