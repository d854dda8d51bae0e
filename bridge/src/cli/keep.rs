//! `hearing record hold`, `release`, `delete` and `restore`: how records are kept.

use std::fs;
use std::path::{Path, PathBuf};

use hearing_config::HearingId;
use serde_json::{Value, json};

use super::print;
use super::reach::Reach;
use crate::record::keep::{Recipients, Store, identities, restore};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// 保全：解除前任何人不得删除 Holds a record: nobody may delete it until it is released
    #[command(after_help = "例 Example: hearing record hold ID --by 张三 --reason 二审")]
    Hold(Act),
    /// 解除保全 Ends a hold
    #[command(after_help = "例 Example: hearing record release ID --by 张三 --reason 二审结束")]
    Release(Act),
    /// 删除满期且未保全的录像 Deletes a record that is closed, due and not held, and its copy
    #[command(after_help = "例 Example: hearing record delete ID --by 张三 --reason 保存期满")]
    Delete(Act),
    /// 从备份恢复 Puts a record together from its copy; needs no node
    #[command(
        after_help = "例 Example: hearing record restore ID --from /mnt/backup --to /srv/restored --identity clerk.key"
    )]
    Restore(Restore),
}

#[derive(Debug, clap::Args)]
pub(super) struct Act {
    /// 庭审编号 The hearing
    #[arg(value_name = "ID")]
    id: HearingId,
    /// 何人 Who does it
    #[arg(long, value_name = "NAME")]
    by: String,
    /// 何因 Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// 庭审编号 The hearing
    #[arg(value_name = "ID")]
    id: HearingId,
    /// 备份目录 The second store's directory
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// 目标文件夹 The folder; it must not exist
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// 私钥文件 The private key of one of the recipients, as age-keygen writes it
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// 输出 JSON Prints JSON
    #[arg(long)]
    json: bool,
}

impl Verb {
    pub(super) const fn json(&self) -> bool {
        match self {
            Self::Hold(act) | Self::Release(act) | Self::Delete(act) => act.reach.json,
            Self::Restore(args) => args.json,
        }
    }
}

pub(super) async fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Hold(act) => order("hold", "已保全 held", act).await,
        Verb::Release(act) => order("release", "已解除保全 released", act).await,
        Verb::Delete(act) => order("delete", "已删除 deleted", act).await,
        Verb::Restore(args) => put_together(args).await,
    }
}

async fn order(verb: &str, done: &str, act: Act) -> anyhow::Result<()> {
    let Act { id, by, reason, reach } = act;
    let body = json!({ "by": by, "reason": reason });
    let answer: Value = reach.client()?.post(&format!("/admin/records/{id}/{verb}"), &body).await?;
    if reach.json {
        print::json(&answer)?;
    } else {
        print::lines(&[format!("{done}: {id}")])?;
    }
    Ok(())
}

async fn put_together(args: Restore) -> anyhow::Result<()> {
    let Restore { id, from, to, identity, json } = args;
    anyhow::ensure!(from.is_dir(), "{}: there is no such folder", from.display());
    let keys = identity.as_deref().map(keys).transpose()?.unwrap_or_default();
    let store = Store::directory(&from, Recipients::default())?;
    let restored = restore(&store, id, &to, &keys).await?;
    if json {
        return Ok(print::json(&json!({ "folder": to, "files": restored.files, "bytes": restored.bytes }))?);
    }
    let line = format!("已恢复 restored: {} ({} 个文件 files, {} bytes)", to.display(), restored.files, restored.bytes);
    Ok(print::lines(&[line])?)
}

fn keys(file: &Path) -> anyhow::Result<Vec<age::x25519::Identity>> {
    let text = fs::read_to_string(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    Ok(identities(&text)?)
}
