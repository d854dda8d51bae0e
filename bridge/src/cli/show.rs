//! `hearing show`: one hearing as it is now.

use std::process::ExitCode;

use hearing_config::{EndpointKind, HearingId};
use hearing_signaling::hearing::{HearingView, LiveSeat, RecordState, RecordView, SeatQuality, SeatSound, SeatView};
use serde::Deserialize;
use serde_json::Value;

use super::client::Client;
use super::reach::Reach;
use super::{print, words};

/// 显示庭审 Shows one hearing as it is now
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing show 0193d6a8-5c1e-7f00-8000-000000000000
  hearing show ID --json | jq .view.phase

退出码 Exit codes: 0 正常 ok; 1 没有此庭审 there is no such hearing; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
pub(super) struct Args {
    /// 庭审编号 The hearing
    #[arg(value_name = "ID")]
    id: HearingId,
    #[command(flatten)]
    pub(super) reach: Reach,
}

/// A hearing as the operator sees it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Board {
    pub(super) view: HearingView,
    pub(super) live: Vec<LiveSeat>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let answer = fetch(&args.reach.client()?, args.id).await?;
    if args.reach.json {
        print::json(&answer)?;
    } else {
        print::lines(&serde_json::from_value::<Board>(answer)?.lines())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The board of a hearing, as the node sends it.
pub(super) async fn fetch(client: &Client, id: HearingId) -> Result<Value, super::client::Error> {
    client.get(&format!("/admin/hearings/{id}")).await
}

impl Board {
    /// The state of the hearing and of its record.
    pub(super) fn heading(&self) -> Vec<String> {
        let (view, record) = (&self.view, &self.view.record);
        let opened = view.opened_at.map_or(String::new(), |at| format!("  开庭 opened {at}"));
        let fault = record.fault.as_ref().map_or(String::new(), |fault| format!("  {fault}"));
        let sip = view.seats.iter().any(|seat| seat.endpoint == EndpointKind::Sip);
        let code = if sip { print::dial(&view.id.code()) } else { String::new() };
        vec![
            format!("{}  {}  ({}){code}", view.case, view.template, view.id),
            format!("状态 state: {}{opened}", words::phase(view.phase)),
            format!("录音录像 record: {}, {} 路 tracks{fault}", words::record(record.state), record.tracks.len()),
            proof(record),
        ]
    }

    /// One row for each seat, as [`COLUMNS`] names them.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        self.view.seats.iter().map(|seat| self.row(seat)).collect()
    }

    /// The whole board as plain text.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.heading();
        lines.push(String::new());
        lines.extend(print::table(&COLUMNS, &self.rows()));
        lines
    }

    fn row(&self, seat: &SeatView) -> Vec<String> {
        let live = self.live.iter().find(|live| live.seat == seat.id);
        let mut presence = words::presence(seat).to_owned();
        if seat.apart {
            presence.push_str(" (候传 apart)");
        }
        let kinds = |list: &[hearing_config::Kind]| list.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join("+");
        let quality = |show: &dyn Fn(&SeatQuality) -> String| live.map_or(String::new(), |live| show(&live.quality));
        vec![
            seat.name.clone(),
            seat.title.clone(),
            seat.zone.to_string(),
            presence,
            voice(seat, live).to_owned(),
            if seat.camera_off { "关 off" } else { "" }.to_owned(),
            quality(&|q| format!("{}/{}", q.up_kbps, q.down_kbps)),
            quality(&|q| format!("{:.1}/{:.1}", q.loss_up * 100.0, q.loss_down * 100.0)),
            quality(&|q| if q.rtt_ms == 0 { String::new() } else { q.rtt_ms.to_string() }),
            live.map_or(String::new(), |live| sound(&live.quality)),
            live.map_or(String::new(), |live| kinds(&live.recorded)),
        ]
    }
}

/// How the room of a terminal sounds, and what is wrong with it.
fn sound(quality: &SeatQuality) -> String {
    let mut words = Vec::new();
    match quality.sound {
        Some(sound) if sound.is_silent() => words.push("无声 silent".to_owned()),
        Some(sound) => words.push(format!("-{} dB", sound.mean)),
        None => {}
    }
    let wrong = |found: bool, what: &str| found.then(|| what.to_owned());
    words.extend(wrong(quality.sound.is_some_and(SeatSound::is_clipped), "削波 clipped"));
    words.extend(wrong(quality.sound.is_some_and(SeatSound::is_echo), "回声 echo"));
    words.extend((quality.restarts > 0).then(|| format!("重启 restarts {}", quality.restarts)));
    words.join(" ")
}

/// What the others hear of a seat, or why nothing: the court's mute comes before the person's own.
fn voice(seat: &SeatView, live: Option<&LiveSeat>) -> &'static str {
    match live {
        _ if seat.muted => "法庭静音 muted",
        _ if seat.microphone_off => "自行静音 mic off",
        Some(live) if live.speaking => "发言 speaking",
        Some(_) | None => "",
    }
}

/// What proves the record: its integrity value once it is sealed, before that who has cosigned it.
fn proof(record: &RecordView) -> String {
    let warning = record.warning.as_ref().map_or(String::new(), |warning| format!("  {warning}"));
    let witness = match (&record.proof.witness, record.state) {
        (_, RecordState::Off) => String::new(),
        (Some(zone), _) => format!("见证 cosigned by {zone}"),
        (None, _) => "未见证 uncosigned".to_owned(),
    };
    match &record.proof.integrity {
        Some(value) => format!("完整性校验值 integrity value: {value}  {witness}"),
        None => format!("{witness}{warning}"),
    }
}

/// The columns of a board; two figures are from the seat and to it.
pub(super) const COLUMNS: [&str; 11] = [
    "席位 seat",
    "名称 title",
    "网络 zone",
    "在席 presence",
    "发言 voice",
    "摄像头 camera",
    "码率 kbit/s",
    "丢包 loss %",
    "往返 ms",
    "声音 sound",
    "录制 recorded",
];
