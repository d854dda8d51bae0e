//! `hearing terminal`: the room terminals and devices of this node's zone.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Subcommand, value_parser};
use hearing_config::value::InvalidValue;
use hearing_config::{DeviceId, EndpointKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::print::{self, cell};
use super::reach::Reach;

/// 会议室终端与国标设备 Room terminals and GB/T 28181 devices of this node's zone
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing terminal list
  hearing terminal list --json | jq -r '.[] | select(.address == null) | .user'
  hearing terminal test room3
  hearing terminal test sip:room3@10.2.0.30 --seconds 10
  hearing terminal test rtsp://viewer:PASSWORD@10.30.0.20/stream1
  hearing terminal channels
  hearing terminal ptz 34020000001320000001 left --speed 30
  hearing terminal ptz 34020000001320000001 preset-go --preset 3

退出码 Exit codes: 0 正常 ok; 1 终端不合格，节点或设备拒绝 the terminal is not fine, or the node or the device refuses, and says why; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// 列出终端及其注册状态 Lists the terminals that the node knows, and where they are registered
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// 试呼终端：互传测试画面和声音；或查看摄像机 Calls a terminal outside any hearing and exchanges a test picture and a tone, or looks at a camera
    Test {
        /// 终端用户名或地址 A user of [[sip.device]], or an address such as sip:room3@10.2.0.30 or that of a camera, rtsp://; - reads it from standard input
        #[arg(value_name = "NAME")]
        name: String,
        /// 时长（秒） For how long media is exchanged, in seconds, 1 to 60
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
        seconds: u32,
        #[command(flatten)]
        reach: Reach,
    },
    /// 列出国标设备的通道 Lists what GB/T 28181 devices have: their catalogs
    Channels {
        /// 设备编号 One device alone, by its 20 digits
        #[arg(value_name = "ID", value_parser = device)]
        id: Option<DeviceId>,
        #[command(flatten)]
        reach: Reach,
    },
    /// 云台控制 Turns a camera, zooms, and goes to its presets; it moves until it is told to stop
    Ptz(Ptz),
}

#[derive(Debug, clap::Args)]
pub(super) struct Ptz {
    /// 设备或通道编号 The device or channel, 20 digits
    #[arg(value_name = "ID", value_parser = device)]
    id: DeviceId,
    /// 指令 What it is to do
    #[arg(value_name = "ORDER", value_parser = PossibleValuesParser::new(ORDERS))]
    order: String,
    /// 速度 How fast, of its fastest, percent
    #[arg(long, value_name = "1-100", default_value_t = 50, value_parser = value_parser!(u8).range(1..=100))]
    speed: u8,
    /// 预置位 Which preset; preset-go, preset-set and preset-delete need one
    #[arg(long, value_name = "1-255", value_parser = value_parser!(u8).range(1..=255),
        required_if_eq_any([("order", "preset-go"), ("order", "preset-set"), ("order", "preset-delete")]))]
    preset: Option<u8>,
    #[command(flatten)]
    reach: Reach,
}

impl Args {
    pub(super) const fn json(&self) -> bool {
        match &self.verb {
            Verb::List { reach } | Verb::Test { reach, .. } | Verb::Channels { reach, .. } => reach.json,
            Verb::Ptz(ptz) => ptz.reach.json,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Device {
    kind: EndpointKind,
    user: String,
    address: Option<String>,
    seconds: u64,
    #[serde(default)]
    answers: Option<bool>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    channels: Vec<Channel>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    id: String,
    name: String,
    on: bool,
    turns: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.verb {
        Verb::List { reach } => list(&reach).await,
        Verb::Test { name, seconds, reach } => test(&reach, &name, seconds).await,
        Verb::Channels { id, reach } => channels(id.as_ref().map(DeviceId::as_str), &reach).await,
        Verb::Ptz(order) => ptz(order).await,
    }
}

/// Places a trial call and tells what it found.
async fn test(reach: &Reach, name: &str, seconds: u32) -> anyhow::Result<ExitCode> {
    let mut typed = String::new();
    let name = if name == "-" {
        std::io::stdin().read_line(&mut typed)?;
        typed.trim()
    } else {
        name
    };
    let wish = json!({ "terminal": name, "seconds": seconds });
    let trial: Value = reach.client()?.post("/admin/terminals/test", &wish).await?;
    if reach.json {
        print::json(&trial)?;
    } else {
        print::lines(&told(name, &trial))?;
    }
    Ok(if trial["ok"] == true { ExitCode::SUCCESS } else { ExitCode::from(super::NO) })
}

fn told(name: &str, trial: &Value) -> Vec<String> {
    let (sound, picture) = (&trial["sound"], &trial["picture"]);
    let mut lines = vec![format!(
        "{}  接通 answered in {} ms, 往返 round trip {} ms",
        shown(name),
        cell(&trial["answered_ms"]),
        cell(&trial["round_trip_ms"])
    )];
    let rows = [("声音 sound", sound), ("画面 picture", picture)].map(|(what, way)| {
        let fields =
            ["codec", "encrypted", "sent", "lost_there_percent", "jitter_there_ms", "received", "lost", "jitter_ms"];
        let mut row = vec![what.to_owned()];
        row.extend(fields.map(|field| cell(&way[field])));
        row
    });
    lines.extend(print::table(
        &[
            "",
            "编码 codec",
            "加密 encrypted",
            "发出 sent",
            "对方丢失 lost there %",
            "对方抖动 jitter there ms",
            "收到 received",
            "丢失 lost",
            "抖动 jitter ms",
        ],
        &rows,
    ));
    let size = match (&trial["size"][0], &trial["size"][1]) {
        (Value::Null, _) | (_, Value::Null) => String::new(),
        (width, height) => format!(" ({width}x{height})"),
    };
    lines.push(format!(
        "解码画面 pictures decoded {}{size}, 声音电平 level -{} dB",
        cell(&trial["pictures"]),
        cell(&trial["level_db"])
    ));
    let faults = trial["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.extend(faults.iter().map(|fault| format!("  - {} {}", cell(&fault["zh"]), cell(&fault["en"]))));
    let verdict =
        if trial["ok"] == true { "终端正常 the terminal is fine" } else { "终端异常 the terminal is NOT fine" };
    lines.push(verdict.to_owned());
    lines
}

/// An address without its user and password.
fn shown(name: &str) -> String {
    match (name.split_once("://"), name.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => name.to_owned(),
    }
}

async fn list(reach: &Reach) -> anyhow::Result<ExitCode> {
    let answer: Value = reach.client()?.get("/admin/terminals").await?;
    if reach.json {
        print::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |device: Device| {
        let left = if device.address.is_some() { device.seconds.to_string() } else { String::new() };
        let silent = if device.answers == Some(false) { "（无应答 no answer）" } else { "" };
        let address = device.address.map_or_else(|| "未注册 not registered".to_owned(), |at| at + silent);
        vec![device.kind.to_string(), device.user, address, left, device.name]
    };
    let rows: Vec<_> = serde_json::from_value::<Vec<Device>>(answer)?.into_iter().map(row).collect();
    let heads = ["协议 protocol", "终端 terminal", "地址 address", "剩余秒数 seconds left", "名称 name"];
    print::lines(&print::table(&heads, &rows))?;
    Ok(ExitCode::SUCCESS)
}

async fn channels(id: Option<&str>, reach: &Reach) -> anyhow::Result<ExitCode> {
    let answer: Vec<Value> = reach.client()?.get("/admin/terminals").await?;
    let meant = |device: &&Value| device["kind"] == "gb28181" && id.is_none_or(|id| device["user"] == id);
    let devices: Vec<&Value> = answer.iter().filter(meant).collect();
    if reach.json {
        let all = devices.iter().map(|device| json!({ "device": device["user"], "channels": device["channels"] }));
        print::json(&json!(all.collect::<Vec<_>>()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let word = |is: bool| if is { "是 yes" } else { "否 no" }.to_owned();
    let mut rows = Vec::new();
    for device in devices {
        let device: Device = serde_json::from_value(device.clone())?;
        let row = |c: Channel| vec![device.user.clone(), c.id, c.name, word(c.on), word(c.turns)];
        rows.extend(device.channels.into_iter().map(row));
    }
    let heads = ["设备 device", "通道 channel", "名称 name", "可用 usable", "云台 turns"];
    print::lines(&print::table(&heads, &rows))?;
    Ok(ExitCode::SUCCESS)
}

async fn ptz(ptz: Ptz) -> anyhow::Result<ExitCode> {
    let Ptz { id, order, speed, preset, reach } = ptz;
    let wish = json!({ "order": order, "speed": speed, "preset": preset });
    let answer: Value = reach.client()?.tell(&format!("/admin/terminals/{}/ptz", id.as_str()), &wish).await?;
    if reach.json {
        print::json(&answer)?;
    } else {
        print::lines(&["已执行 done".to_owned()])?;
    }
    Ok(ExitCode::SUCCESS)
}

fn device(text: &str) -> Result<DeviceId, InvalidValue> {
    text.to_owned().try_into()
}

const ORDERS: [&str; 10] =
    ["up", "down", "left", "right", "zoom-in", "zoom-out", "stop", "preset-go", "preset-set", "preset-delete"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_user_and_password() {
        assert_eq!(shown("rtsp://viewer:p%40ss@10.0.0.9/cam"), "rtsp://10.0.0.9/cam");
        assert_eq!(shown("rtsp://10.0.0.9/cam"), "rtsp://10.0.0.9/cam");
        assert_eq!(shown("sip:room3@10.2.0.30"), "sip:room3@10.2.0.30");
    }
}
