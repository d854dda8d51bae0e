//! Composing: a record of several seats at 720p becomes a film; ours, and a bare GStreamer pipeline that does the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use hearing_bridge::pipeline::Program;
use hearing_bridge::playback;
use hearing_bridge::record::export::Keep;
use hearing_bridge::record::{Meta, Order, Seat, Sheet, What, catalog};
use hearing_config::{HearingId, Role, SeatId, Timestamp};

use super::Bench;
use crate::table::Row;

/// Four and six seats: times real time by the clock, and CPU seconds for a second of film; each round ours, then the limit.
pub(super) fn measure(bench: &mut Bench) -> Result<Vec<Row>> {
    let seconds = bench.time.as_secs().max(10);
    let program = Program::at(bench.hearing.with_file_name("hearing-media"))?;
    let rows = [4, 6].map(|seats| film(&program, seats, seconds, bench.rounds));
    Ok(rows.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

fn film(program: &Program, seats: u8, seconds: u64, rounds: usize) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let hearing = HearingId::random();
    let clips = (0..seats).map(|seat| clip(directory.path(), seat, seconds)).collect::<Result<Vec<_>>>()?;
    write_record(&directory.path().join(hearing.to_string()), hearing, &clips, seconds)?;
    let record = catalog::find(directory.path(), hearing)?;
    let (keep, to) = (Keep::of(&record.sheet, false), directory.path().join("composed.mp4"));
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mine = || Ok(playback::compose(program, &record, &keep, None, &to, &|_| ()).map(drop)?);
        ours.push(timed(seconds, mine)?);
        limit.push(timed(seconds, || launch(&clips, &directory.path().join("bare.mp4")))?);
    }
    let row = |name: &str, unit, what: fn(&Cost) -> f64| {
        let least: Vec<f64> = limit.iter().map(what).collect();
        Row::of(&format!("{name}-{seats}"), unit, &ours, &[], what).limited(&least)
    };
    Ok(vec![row("compose", "x real time", |cost| cost.speed), row("compose-cpu", "CPU s/s", |cost| cost.cpu)])
}

/// What a second of film took.
pub(super) struct Cost {
    pub(super) speed: f64,
    pub(super) cpu: f64,
}

/// One seat's picture (VP8, 1280x720, 30 frames a second, about 1.5 Mb/s) and sound (Opus).
pub(super) fn clip(directory: &Path, seat: u8, seconds: u64) -> Result<[PathBuf; 2]> {
    let (picture, sound) = (directory.join(format!("{seat}-video.mkv")), directory.join(format!("{seat}-audio.mkv")));
    let source = format!("testsrc2=size=1280x720:rate=30,noise=alls=6:allf=t,hue=h={}", u32::from(seat) * 50);
    let tone = format!("sine=frequency={}:sample_rate=48000", 300 + 100 * u32::from(seat));
    let vp8 = [
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
        "-cpu-used",
        "12",
        "-b:v",
        "1500k",
        "-g",
        "120",
        "-pix_fmt",
        "yuv420p",
    ];
    ffmpeg(&source, &vp8, seconds, &picture)?;
    ffmpeg(&tone, &["-c:a", "libopus", "-b:a", "32k", "-ac", "1"], seconds, &sound)?;
    Ok([picture, sound])
}

fn ffmpeg(source: &str, coded: &[&str], seconds: u64, to: &Path) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-t", &seconds.to_string()]);
    let status = command
        .args(coded)
        .args(["-f", "matroska"])
        .arg(to)
        .status()
        .context("ffmpeg is installed by scripts/setup")?;
    ensure!(status.success(), "ffmpeg could not make {}", to.display());
    Ok(())
}

/// A record as a node writes it, closed.
fn write_record(folder: &Path, hearing: HearingId, clips: &[[PathBuf; 2]], seconds: u64) -> Result<()> {
    let seat = |id: u8| Seat {
        id: SeatId(id),
        name: format!("seat{id}"),
        title: "公诉人".to_owned(),
        title_en: "Prosecutor".to_owned(),
        role: Role::Prosecutor,
        zone: "gov".parse().expect("a zone"),
    };
    for (n, [picture, sound]) in clips.iter().enumerate() {
        for (kind, clip) in [("video", picture), ("audio", sound)] {
            let track = folder.join(format!("seat{n}-{kind}"));
            fs::create_dir_all(&track)?;
            fs::copy(clip, track.join("0001.mkv"))?;
        }
    }
    let epoch = Timestamp(1_790_000_000_000_000);
    let end = epoch.plus(seconds as i64 * 1_000_000);
    let order = |at, what| Order { at, what, reason: None };
    let seats = (0..clips.len() as u8).map(seat).collect();
    let sheet = Sheet {
        format: "hearing-record/1".to_owned(),
        hearing,
        node: "bench".parse().map_err(|_| anyhow::anyhow!("a node id"))?,
        meta: Meta { case: "(2026)内0291刑初123号".to_owned(), template: "bench".to_owned(), seats },
        epoch: Some(epoch),
        opened: Some(epoch),
        orders: vec![order(epoch, What::Run), order(end, What::Off)],
        closed: Some(end),
    };
    Ok(fs::write(folder.join("hearing.json"), serde_json::to_vec(&sheet)?)?)
}

/// The same by `gst-launch-1.0`: decode, scale and place, mix, code alike.
fn launch(clips: &[[PathBuf; 2]], to: &Path) -> Result<()> {
    let columns = (1..).find(|n| n * n >= clips.len()).unwrap_or(1);
    let (width, height) = (1280 / columns, 672 / clips.len().div_ceil(columns));
    let mut text = "compositor name=c background=black".to_owned();
    for n in 0..clips.len() {
        let (x, y) = (n % columns * width, 48 + n / columns * height);
        text += &format!(" sink_{n}::xpos={x} sink_{n}::ypos={y} sink_{n}::width={width} sink_{n}::height={height}");
    }
    text += " ! video/x-raw,format=I420,width=1280,height=720,framerate=25/1 ! x264enc pass=qual quantizer=23 \
        speed-preset=superfast threads=2 bframes=0 key-int-max=50 vbv-buf-capacity=0 ! h264parse ! queue ! m. \
        audiomixer name=a ! audio/x-raw,rate=48000,channels=1 ! audioconvert ! avenc_aac bitrate=96000 ! queue ! m. mp4mux name=m ! filesink name=f";
    for [picture, sound] in clips {
        text += &format!(" filesrc location={} ! matroskademux ! vp8dec ! queue ! c.", picture.display());
        text += &format!(" filesrc location={} ! matroskademux ! opusdec ! audioconvert ! queue ! a.", sound.display());
    }
    text = text.replace("filesink name=f", &format!("filesink location={}", to.display()));
    let mut command = Command::new("gst-launch-1.0");
    let status = command.arg("-q").args(text.split_whitespace()).stdout(Stdio::null()).status();
    ensure!(status.context("gst-launch-1.0 is installed by scripts/setup")?.success(), "gst-launch-1.0 failed");
    Ok(())
}

/// What `seconds` of film take, this process and the children that it waited for.
pub(super) fn timed(seconds: u64, work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let (began, before) = (Instant::now(), cpu()?);
    work()?;
    let length = seconds as f64;
    Ok(Cost { speed: length / began.elapsed().as_secs_f64(), cpu: (cpu()? - before) / length })
}

/// proc(5): utime, stime, cutime, cstime, in hundredths of a second.
fn cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: f64 = fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}
