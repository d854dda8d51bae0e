//! The verbs by which the operator acts on a hearing: each is one action of its home.

use std::process::ExitCode;

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use hearing_config::HearingId;
use hearing_signaling::hearing::{Action, Identity, PauseReason};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::print;
use super::reach::Reach;

/// What every one of these verbs ends with.
macro_rules! codes {
    () => {
        "退出码 Exit codes: 0 已执行 done; 1 节点拒绝 the node refuses, and says why; 2 用法错误 usage; 3 节点无应答 the node is not reachable"
    };
}
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// 准许入庭 Lets the one who waits on a seat in, with how the identity was checked
    #[command(after_help = concat!("例 Example: hearing admit ID counsel --identity checked-by-document\n", codes!()))]
    Admit(Admit),
    /// 暂不准入 Sends the one who waits on a seat away; the link stays usable
    #[command(after_help = concat!("例 Example: hearing refuse ID witness\n", codes!()))]
    Refuse(OnSeat),
    /// 请出法庭 Takes whoever sits on a seat out; the link is used up
    #[command(after_help = concat!("例 Example: hearing remove ID counsel\n", codes!()))]
    Remove(OnSeat),
    /// 静音 Lets nobody hear a seat until it is unmuted
    #[command(after_help = concat!("例 Example: hearing mute ID counsel\n", codes!()))]
    Mute(OnSeat),
    /// 解除静音 Ends a mute
    #[command(after_help = concat!("例 Example: hearing unmute ID counsel\n", codes!()))]
    Unmute(OnSeat),
    /// 传唤 Calls a waiting witness or expert into the hearing
    #[command(after_help = concat!("例 Example: hearing call ID witness\n", codes!()))]
    Call(OnSeat),
    /// 退庭候传 Sends a called witness or expert back to wait apart
    #[command(after_help = concat!("例 Example: hearing dismiss ID witness\n", codes!()))]
    Dismiss(OnSeat),
    /// 宣布开庭 Opens the session; the record begins
    #[command(after_help = concat!("例 Example: hearing open ID\n", codes!()))]
    Open(OnHearing),
    /// 休庭 Pauses the session and its record for one of the three reasons
    #[command(after_help = concat!("例 Example: hearing recess ID --reason closed-evidence\n", codes!()))]
    Recess(Recess),
    /// 继续开庭 Goes on after a recess
    #[command(after_help = concat!("例 Example: hearing resume ID\n", codes!()))]
    Resume(OnHearing),
    /// 打点或备注 Marks the present moment of the record, so that it is found again, or puts a remark into it
    #[command(after_help = concat!("例 Examples:\n  hearing mark ID --text \"质证开始\"\n  hearing mark ID --text \"被告人要求休息\" --note\n", codes!()))]
    Mark(Mark),
    /// 签字 From session to signing; still recorded
    #[command(after_help = concat!("例 Example: hearing sign ID\n", codes!()))]
    Sign(OnHearing),
    /// 闭庭 Ends the hearing and its record
    #[command(after_help = concat!("例 Example: hearing close ID\n", codes!()))]
    Close(OnHearing),
}

#[derive(Debug, clap::Args)]
pub(super) struct OnHearing {
    /// 庭审编号 The hearing
    #[arg(value_name = "ID")]
    id: HearingId,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, clap::Args)]
pub(super) struct OnSeat {
    #[command(flatten)]
    hearing: OnHearing,
    /// 席位 The seat's name, such as counsel
    #[arg(value_name = "SEAT")]
    seat: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Admit {
    #[command(flatten)]
    on: OnSeat,
    /// 身份核验方式 How the identity was checked: by document, known in person, vouched for by the custodial authority, or only declared
    #[arg(long, value_name = "HOW", value_parser = words::<Identity>(&IDENTITIES))]
    identity: Identity,
}

#[derive(Debug, clap::Args)]
pub(super) struct Recess {
    #[command(flatten)]
    on: OnHearing,
    /// 事由 Why; the rules know no other reason
    #[arg(long, value_name = "WHY", value_parser = words::<PauseReason>(&REASONS))]
    reason: PauseReason,
}

#[derive(Debug, clap::Args)]
pub(super) struct Mark {
    #[command(flatten)]
    on: OnHearing,
    /// 内容 What for, at most 200 characters
    #[arg(long, default_value = "")]
    text: String,
    /// 作为备注写入 A remark to the record instead of a mark
    #[arg(long, requires = "text")]
    note: bool,
}

impl Verb {
    pub(super) const fn json(&self) -> bool {
        self.hearing().reach.json
    }

    const fn hearing(&self) -> &OnHearing {
        match self {
            Self::Admit(admit) => &admit.on.hearing,
            Self::Refuse(on)
            | Self::Remove(on)
            | Self::Mute(on)
            | Self::Unmute(on)
            | Self::Call(on)
            | Self::Dismiss(on) => &on.hearing,
            Self::Recess(recess) => &recess.on,
            Self::Mark(mark) => &mark.on,
            Self::Open(on) | Self::Resume(on) | Self::Sign(on) | Self::Close(on) => on,
        }
    }

    fn action(&self) -> Action {
        let seat = |on: &OnSeat| on.seat.clone();
        match self {
            Self::Admit(admit) => Action::Admit { seat: seat(&admit.on), identity: admit.identity },
            Self::Refuse(on) => Action::Refuse { seat: seat(on) },
            Self::Remove(on) => Action::Remove { seat: seat(on) },
            Self::Mute(on) => Action::Mute { seat: seat(on) },
            Self::Unmute(on) => Action::Unmute { seat: seat(on) },
            Self::Call(on) => Action::Call { seat: seat(on) },
            Self::Dismiss(on) => Action::Dismiss { seat: seat(on) },
            Self::Open(_) => Action::Open,
            Self::Recess(recess) => Action::Recess { reason: recess.reason },
            Self::Resume(_) => Action::Resume,
            Self::Mark(mark) if mark.note => Action::Note { text: mark.text.clone() },
            Self::Mark(mark) => Action::Mark { text: mark.text.clone() },
            Self::Sign(_) => Action::Sign,
            Self::Close(_) => Action::Close,
        }
    }
}

pub(super) async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    let OnHearing { id, reach } = verb.hearing();
    let answer: Value = reach.client()?.tell(&format!("/admin/hearings/{id}/act"), &verb.action()).await?;
    if reach.json {
        print::json(&answer)?;
    } else {
        print::lines(&[format!("已执行 done (日志第 {} 条 journal entry {0})", answer["seq"])])?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Takes one of the words that serde reads as a `T`.
fn words<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    known: &'static [&str],
) -> impl clap::builder::TypedValueParser<Value = T> {
    PossibleValuesParser::new(known).try_map(|word| serde_json::from_value::<T>(json!(word)))
}

const IDENTITIES: [&str; 4] = ["checked-by-document", "known", "vouched-by-custody", "declared"];
const REASONS: [&str; 3] = ["recess", "closed-evidence", "mediation"];

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Only {
        #[command(subcommand)]
        verb: Verb,
    }

    fn action(words: &[&str]) -> Result<Action, clap::Error> {
        let all = [&["hearing", words[0], "0193d6a8-5c1e-7f00-8000-000000000000"], &words[1..]].concat();
        Only::try_parse_from(all).map(|only| only.verb.action())
    }

    #[test]
    fn every_way_to_check_an_identity_can_be_named() {
        for (word, identity) in IDENTITIES.iter().zip([
            Identity::CheckedByDocument,
            Identity::Known,
            Identity::VouchedByCustody,
            Identity::Declared,
        ]) {
            let expected = Action::Admit { seat: "counsel".into(), identity };
            assert_eq!(action(&["admit", "counsel", "--identity", word]).unwrap(), expected);
        }
    }

    #[test]
    fn a_mark_needs_no_text_and_a_note_does() {
        assert_eq!(action(&["mark"]).unwrap(), Action::Mark { text: String::new() });
        assert_eq!(action(&["mark", "--text", "x"]).unwrap(), Action::Mark { text: "x".into() });
        assert_eq!(action(&["mark", "--text", "x", "--note"]).unwrap(), Action::Note { text: "x".into() });
        assert!(action(&["mark", "--note"]).is_err());
    }

    #[test]
    fn a_recess_takes_one_of_three_reasons_and_no_other() {
        for (word, reason) in
            REASONS.iter().zip([PauseReason::Recess, PauseReason::ClosedEvidence, PauseReason::Mediation])
        {
            assert_eq!(action(&["recess", "--reason", word]).unwrap(), Action::Recess { reason });
        }
        assert!(action(&["recess", "--reason", "lunch"]).is_err());
        assert!(action(&["recess"]).is_err());
    }

    #[test]
    fn nobody_is_admitted_without_saying_how_the_identity_was_checked() {
        assert!(action(&["admit", "counsel"]).is_err());
    }

    #[test]
    fn the_other_verbs_do_what_they_are_called() {
        let seat = || "witness".to_owned();
        assert_eq!(action(&["call", "witness"]).unwrap(), Action::Call { seat: seat() });
        assert_eq!(action(&["dismiss", "witness"]).unwrap(), Action::Dismiss { seat: seat() });
        assert_eq!(action(&["mute", "witness"]).unwrap(), Action::Mute { seat: seat() });
        assert_eq!(action(&["unmute", "witness"]).unwrap(), Action::Unmute { seat: seat() });
        assert_eq!(action(&["open"]).unwrap(), Action::Open);
        assert_eq!(action(&["close"]).unwrap(), Action::Close);
    }
}
