//! Is the media child there, does its sandbox stand, and has it its codecs?

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::Finding;

/// Runs `hearing-media --selftest`, which stands next to this program.
pub(super) async fn child() -> Finding {
    match std::env::current_exe() {
        Ok(program) => ask(&program.with_file_name("hearing-media"), PATIENCE).await,
        Err(error) => Finding::fail(MEDIA, format!("this program can't be found: {error}"), "install it as a file"),
    }
}

async fn ask(program: &Path, patience: Duration) -> Finding {
    let name = program.display();
    let run = Command::new(program).arg("--selftest").stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(patience, run).await {
        Err(_) => {
            Finding::fail(MEDIA, format!("{name} does not end its self-test"), "see whether the machine is overloaded")
        }
        Ok(Err(error)) => Finding::fail(MEDIA, format!("{name}: {error}"), "install hearing-media next to hearing"),
        Ok(Ok(output)) => judge(&name.to_string(), output.status.success(), &output.stdout),
    }
}

fn judge(name: &str, success: bool, said: &[u8]) -> Finding {
    let report: Value = serde_json::from_slice(said).unwrap_or_default();
    let list = |key: &str| -> String {
        let items = report[key].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    if success && report["ok"] == true {
        return Finding::ok(MEDIA, format!("{name}: {}", list("codecs")));
    }
    let faults = match list("faults") {
        none if none.is_empty() => "its self-test failed without a report".to_owned(),
        faults => faults,
    };
    Finding::fail(
        MEDIA,
        format!("{name}: {faults}"),
        "install the GStreamer plug-ins (scripts/setup), on a kernel with Landlock and seccomp",
    )
}

const MEDIA: &str = "媒体进程 media child";
/// A first start reads every plug-in.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[tokio::test]
    async fn a_child_that_is_not_there_is_told() {
        let finding = ask(Path::new("/nowhere/hearing-media"), PATIENCE).await;
        assert!(finding.state == State::Fail && finding.remedy.unwrap().contains("next to hearing"));
    }

    #[test]
    fn what_its_self_test_finds_is_passed_on() {
        let fine = judge("m", true, br#"{"ok":true,"codecs":["opus","vp8"],"faults":[]}"#);
        assert_eq!((fine.state, fine.text.as_str()), (State::Ok, "m: opus, vp8"));
        let missing = judge("m", false, br#"{"ok":false,"codecs":[],"faults":["no vp8dec"]}"#);
        assert_eq!((missing.state, missing.text.as_str()), (State::Fail, "m: no vp8dec"));
        assert_eq!(judge("m", false, b"").state, State::Fail);
    }
}
