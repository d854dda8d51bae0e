//! What people read: lines, tables whose columns stand straight with Chinese in them, QR codes.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use ratatui::text::Span;
use serde_json::{Value, json};

use super::client;

/// Prints lines. A reader that has gone away is no failure.
pub(super) fn lines(lines: &[impl AsRef<str>]) -> io::Result<()> {
    let mut text = String::new();
    for line in lines {
        text.push_str(line.as_ref());
        text.push('\n');
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints one JSON value on one line.
pub(super) fn json(value: &Value) -> io::Result<()> {
    lines(&[value.to_string()])
}

/// Tells what went wrong: for people on the standard error, with `--json` for programs on the standard output as well.
pub(super) fn failure(error: &anyhow::Error, as_json: bool) {
    // Without a reader there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{error:#}");
    if as_json {
        let problem = match error.downcast_ref::<client::Error>() {
            Some(client::Error::Refused(problem)) => json!(problem),
            Some(client::Error::Unreachable { .. }) => told("unreachable", error),
            Some(client::Error::Garbled { .. }) => told("garbled", error),
            None => told("failed", error),
        };
        let _ = json(&problem);
    }
}

fn told(code: &str, error: &anyhow::Error) -> Value {
    json!({ "code": code, "message": format!("{error:#}"), "message_zh": format!("{error:#}") })
}

/// A table; each column as wide as its widest cell, two spaces between.
pub(super) fn table(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&header).chain(rows).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|n| all.iter().map(|row| row.get(n).map_or(0, |cell| width(cell))).max().unwrap_or(0))
        .collect();
    all.iter().map(|row| straight(row, &widths)).collect()
}

/// Columns that `text` takes in a terminal: two for most Chinese characters.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A hearing that was just started: its seats, and unless they are not wanted the QR codes of their links.
pub(super) fn started(started: &Value, as_json: bool, qr: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(json(started)?);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let seats = started["seats"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |seat: &Value| {
        let title = format!("{} {}", text(&seat["title"]), text(&seat["title_en"]));
        vec![text(&seat["name"]), title, text(&seat["zone"]), text(&seat["endpoint"]), text(&seat["link"])]
    };
    let rows: Vec<_> = seats.iter().map(row).collect();
    let code = if seats.iter().any(|seat| text(&seat["endpoint"]).starts_with("sip:")) {
        dial(&text(&started["code"]))
    } else {
        String::new()
    };
    lines(&[format!("庭审 hearing {}  {}{code}", text(&started["id"]), text(&started["case"]))])?;
    lines(&table(&["席位 seat", "名称 title", "网络 zone", "终端 endpoint", "链接 link"], &rows))?;
    for seat in seats.iter().filter(|seat| qr && seat["link"].is_string()) {
        let code = qr_code(seat["link"].as_str().unwrap_or_default())?;
        lines(&[format!("\n{} {} ({})", text(&seat["title"]), text(&seat["title_en"]), text(&seat["name"])), code])?;
    }
    Ok(())
}

/// What a terminal dials to reach a hearing.
pub(super) fn dial(code: &str) -> String {
    format!("  终端拨号 terminals dial {code}")
}

/// What a rehearsal found.
pub(super) fn rehearsal(report: &Value, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return Ok(json(report)?);
    }
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let seats: Vec<_> = list("seats")
        .iter()
        .map(|s| cells(s, &["name", "role", "zone", "endpoint", "joined_ms", "first_frame_ms"]))
        .collect();
    lines(&table(
        &["席位 seat", "角色 role", "网络 zone", "终端 endpoint", "入庭 joined ms", "首帧 first frame ms"],
        &seats,
    ))?;
    let pairs: Vec<_> = list("pairs")
        .iter()
        .map(|p| cells(p, &["from", "to", "frames", "lost", "tone", "latency_ms_p50", "latency_ms_p99"]))
        .collect();
    lines(&[""])?;
    lines(&table(&["从 from", "到 to", "帧 frames", "丢失 lost", "声音 tone", "p50 ms", "p99 ms"], &pairs))?;
    let crossings: Vec<_> =
        list("crossings").iter().map(|c| cells(c, &["from", "to", "kind", "role", "verdict"])).collect();
    lines(&[""])?;
    lines(&table(&["从 from", "到 to", "内容 kind", "角色 role", "裁决 verdict"], &crossings))?;
    let record = &report["record"];
    let verdict =
        if report["ok"] == true { "自检通过 the rehearsal passed" } else { "自检未通过 the rehearsal FAILED" };
    lines(&[
        String::new(),
        format!(
            "录音录像 record: {} ({} tracks, {} frames missing, lip sync {} ms)",
            cell(&record["path"]),
            cell(&record["tracks"]),
            cell(&record["frames_missing"]),
            cell(&record["lipsync_ms"])
        ),
        format!("{verdict}; {} ms", cell(&report["start_ms"])),
    ])?;
    for fault in list("faults") {
        lines(&[format!("  - {}", cell(&fault))])?;
    }
    Ok(())
}

fn cells(of: &Value, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| cell(&of[*name])).collect()
}

/// A JSON value as a person writes it; `-` when there is none.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            number.as_f64().filter(|f| f.fract() != 0.0).map_or(number.to_string(), |f| format!("{f:.1}"))
        }
        Value::Bool(yes) => if *yes { "是 yes" } else { "否 no" }.to_owned(),
        Value::Array(list) => list.len().to_string(),
        Value::Object(_) => value.to_string(),
    }
}

fn straight(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width_wanted) in row.iter().zip(widths) {
        let room = width_wanted.saturating_sub(width(cell)) + 2;
        // Writing to a string can't fail.
        let _ = write!(line, "{cell}{:room$}", "");
    }
    line.truncate(line.trim_end().len());
    line
}

/// Light on dark, as terminals are.
fn qr_code(link: &str) -> anyhow::Result<String> {
    let code = QrCode::new(link)?;
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_straight_with_chinese_in_them() {
        let rows = vec![vec!["审判长".to_owned(), "a".to_owned()], vec!["x".to_owned(), "b".to_owned()]];
        let lines = table(&["名称", "n"], &rows);
        let at = |line: &str, c: char| width(line.split(c).next().unwrap());
        assert_eq!((at(&lines[1], 'a'), at(&lines[2], 'b'), at(&lines[0], 'n')), (8, 8, 8));
    }

    #[test]
    fn a_qr_code_fits_a_terminal() {
        let link =
            format!("https://hearing.court.example.cn/h/0193d6a8-5c1e-7f00-8000-000000000000#t={}", "A".repeat(43));
        let code = qr_code(&link).unwrap();
        assert!(code.lines().count() <= 31 && code.lines().all(|line| width(line) <= 61), "{code}");
    }
}
