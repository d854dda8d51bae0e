//! `hearing terminal`: the room terminals and devices of this node's zone.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Subcommand, value_parser};
use hearing_config::value::InvalidValue;
use hearing_config::{DeviceId, EndpointKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::print;
use super::reach::Reach;

/// 会议室终端与国标设备 Room terminals and GB/T 28181 devices of this node's zone
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing terminal list
  hearing terminal list --json | jq -r '.[] | select(.address == null) | .user'
  hearing terminal channels
  hearing terminal ptz 34020000001320000001 left --speed 30
  hearing terminal ptz 34020000001320000001 preset-go --preset 3

退出码 Exit codes: 0 正常 ok; 1 节点或设备拒绝 the node or the device refuses, and says why; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
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
            Verb::List { reach } | Verb::Channels { reach, .. } => reach.json,
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
        Verb::Channels { id, reach } => channels(id.as_ref().map(DeviceId::as_str), &reach).await,
        Verb::Ptz(order) => ptz(order).await,
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
        let address = device.address.unwrap_or_else(|| "未注册 not registered".to_owned());
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
