//! `hearing pki`: an authority in a directory, best on a machine that is connected to nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use hearing_config::{NodeId, Zone};
use serde_json::{Value, json};

use super::print;
use crate::net::pki::{Host, Issued, Pki, Wish};
use crate::net::tls::Identity;

/// 证书：建立机构、签发、吊销、列出 Makes an authority, issues and revokes certificates
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing pki init --name \"某某法院 hearing\"
  hearing pki issue --zone tripartite --node court --host court.tripartite.example --host 10.30.0.5
  hearing pki revoke gov/gov-edge
  hearing pki list --json

退出码 Exit codes: 0 正常 ok; 1 未能完成 it can't be done, and why; 2 用法错误 usage")]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// 机构所在目录 The authority's directory
    #[arg(long, value_name = "DIR", default_value = "pki", global = true)]
    dir: PathBuf,
    /// 输出 JSON Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// 建立机构 Makes root.pem, root.key and an empty revoked.crl; never overwrites
    #[command(
        after_help = "例 Example: hearing pki init --dir /media/usb/pki --name \"某某法院 hearing\"\n退出码 Exit codes: 0 正常 ok; 1 未能完成 it can't be done, and why; 2 用法错误 usage"
    )]
    Init {
        /// 机构名称 The authority's name
        #[arg(long, value_name = "NAME", default_value = "hearing")]
        name: String,
    },
    /// 签发证书 Issues a certificate: NODE.pem and NODE.key
    #[command(
        after_help = "例 Example: hearing pki issue --zone gov --node gov-edge --host hearing.gov.example --out ./gov-edge\n退出码 Exit codes: 0 正常 ok; 1 未能完成 it can't be done, and why; 2 用法错误 usage"
    )]
    Issue {
        /// 网络 The node's zone, its node.zone
        #[arg(long, value_name = "ZONE")]
        zone: Zone,
        /// 节点 The node's id, its node.id
        #[arg(long, value_name = "NODE")]
        node: NodeId,
        /// 页面的域名或地址 A name or address of its page; may be given several times
        #[arg(long, value_name = "HOST")]
        host: Vec<String>,
        /// 有效天数 How many days it is valid
        #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        /// 输出目录 Where to write it [default: the authority's directory]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// 吊销证书 Revokes certificates and signs a new revoked.crl; copy that to every node
    #[command(
        after_help = "例 Example: hearing pki revoke gov/gov-edge\n退出码 Exit codes: 0 正常 ok; 1 未能完成 it can't be done, and why; 2 用法错误 usage"
    )]
    Revoke {
        /// 证书 A serial number, or ZONE/NODE for every certificate of a node
        #[arg(value_name = "WHICH")]
        which: String,
    },
    /// 列出证书 Lists every certificate that was issued
    #[command(
        after_help = "例 Example: hearing pki list --json | jq '.[] | select(.state == \"valid\")'\n退出码 Exit codes: 0 正常 ok; 1 未能完成 it can't be done, and why; 2 用法错误 usage"
    )]
    List,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { verb, dir, json } = args;
    let now = jiff::Timestamp::now();
    match verb {
        Verb::Init { name } => {
            Pki::init_at(&dir, &name, now)?;
            let made = ["root.pem", "root.key", "revoked.crl"].map(|name| dir.join(name).display().to_string());
            tell(
                json,
                &json!({ "made": made }),
                &format!("已建立 made: {}；root.key 请妥善保管 keep root.key safe", made.join(", ")),
            )?;
        }
        Verb::Issue { zone, node, host, days, out } => {
            let hosts = host.iter().map(|text| Host::parse(text)).collect();
            let wish = Wish { identity: Identity { zone, node }, hosts, days };
            issue(&Pki::open(&dir)?, &wish, out.as_deref().unwrap_or(&dir), now, json)?;
        }
        Verb::Revoke { which } => {
            let revoked = Pki::open(&dir)?.revoke_at(&which, now)?;
            show(&revoked, now, json)?;
            if !json {
                print::lines(&[format!(
                    "请将此列表复制到各节点 copy this list to every node: {}",
                    dir.join("revoked.crl").display()
                )])?;
            }
        }
        Verb::List => show(&Pki::open(&dir)?.list()?, now, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn issue(pki: &Pki, wish: &Wish, out: &Path, now: jiff::Timestamp, json: bool) -> anyhow::Result<()> {
    let issued = pki.issue_at(wish, out, now)?;
    let node = &wish.identity.node;
    let (certificate, key) = (out.join(format!("{node}.pem")), out.join(format!("{node}.key")));
    let mut value = value(&issued, now);
    value["certificate"] = json!(certificate);
    value["key"] = json!(key);
    let text = format!(
        "已签发 issued to {}: {}, {}；有效至 valid until {}",
        issued.identity,
        certificate.display(),
        key.display(),
        issued.to
    );
    tell(json, &value, &text)
}

fn show(list: &[Issued], now: jiff::Timestamp, json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(print::json(&list.iter().map(|issued| value(issued, now)).collect())?);
    }
    let row = |issued: &Issued| {
        let hosts: Vec<_> = issued.hosts.iter().map(ToString::to_string).collect();
        let state = match state(issued, now) {
            "revoked" => "已吊销 revoked",
            "expired" => "已过期 expired",
            _ => "有效 valid",
        };
        vec![issued.identity.to_string(), state.to_owned(), issued.to.to_string(), issued.serial_hex(), hosts.join(" ")]
    };
    let rows: Vec<_> = list.iter().map(row).collect();
    let header = ["节点 node", "状态 state", "有效至 until", "序列号 serial", "页面 hosts"];
    Ok(print::lines(&print::table(&header, &rows))?)
}

fn value(issued: &Issued, now: jiff::Timestamp) -> Value {
    json!({
        "zone": issued.identity.zone,
        "node": issued.identity.node,
        "serial": issued.serial_hex(),
        "from": issued.from.to_string(),
        "to": issued.to.to_string(),
        "hosts": issued.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "state": state(issued, now),
    })
}

fn state(issued: &Issued, now: jiff::Timestamp) -> &'static str {
    match issued.revoked {
        Some(_) => "revoked",
        None if issued.to < now => "expired",
        None => "valid",
    }
}

fn tell(json: bool, value: &Value, text: &str) -> anyhow::Result<()> {
    Ok(if json { print::json(value) } else { print::lines(&[text]) }?)
}
