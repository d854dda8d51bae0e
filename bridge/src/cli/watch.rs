//! `hearing watch`: the live board of a hearing.

use std::io::{IsTerminal as _, stdout};
use std::process::ExitCode;
use std::time::Duration;

use hearing_config::HearingId;
use hearing_signaling::hearing::RecordState;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Table};

use super::client::{Client, Error};
use super::reach::Reach;
use super::show::{self, Board, COLUMNS};
use super::{print, show::fetch};

/// 实时看板：谁在席、谁在发言、是否录制 Watches a hearing: who is there, heard and recorded
#[derive(Debug, clap::Args)]
#[command(after_help = "\
例 Examples:
  hearing watch ID                 实时看板，按 q 退出 the live board; q leaves it
  hearing watch ID --once          打印一次 one table
  hearing watch ID --json          每半秒一行 JSON one JSON object every half second

退出码 Exit codes: 0 正常 ok; 1 没有此庭审 there is no such hearing; 2 用法错误 usage; 3 节点无应答 the node is not reachable")]
pub(super) struct Args {
    /// 庭审编号 The hearing
    #[arg(value_name = "ID")]
    id: HearingId,
    /// 只打印一次 Print it once and leave; so does output that is no terminal, unless with --json
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.reach.client()?;
    let first = fetch(&client, args.id).await?;
    match (args.reach.json, args.once || !stdout().is_terminal()) {
        (true, _) if args.once => print::json(&first)?,
        (true, _) => stream(&client, args.id).await?,
        (false, true) => print::lines(&serde_json::from_value::<Board>(first)?.lines())?,
        (false, false) => live(&client, args.id, serde_json::from_value(first)?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn stream(client: &Client, id: HearingId) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(REFRESH);
    loop {
        ticks.tick().await;
        print::json(&show::fetch(client, id).await?)?;
    }
}

/// Draws until a key ends it. A node that does not answer is told on the board, which stays.
async fn live(client: &Client, id: HearingId, mut board: Board) -> anyhow::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let mut fault = None;
    let outcome = loop {
        if let Err(error) = terminal.draw(|frame| draw(frame, &board, fault.as_deref())) {
            break Err(error.into());
        }
        match tokio::task::spawn_blocking(asked_to_leave).await? {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(error.into()),
        }
        match fetch(client, id).await.map(serde_json::from_value) {
            Ok(Ok(fresh)) => (board, fault) = (fresh, None),
            Ok(Err(error)) => fault = Some(error.to_string()),
            Err(Error::Refused(problem)) => fault = Some(format!("{} {}", problem.message_zh, problem.message)),
            Err(error) => fault = Some(error.to_string()),
        }
    };
    ratatui::try_restore()?;
    outcome
}

/// Waits for one refresh, or for a key that ends it.
fn asked_to_leave() -> std::io::Result<bool> {
    if !event::poll(REFRESH)? {
        return Ok(false);
    }
    Ok(match event::read()? {
        Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) => match code {
            KeyCode::Char('q') | KeyCode::Esc => true,
            KeyCode::Char('c') => modifiers.contains(KeyModifiers::CONTROL),
            _ => false,
        },
        _ => false,
    })
}

fn draw(frame: &mut Frame<'_>, board: &Board, fault: Option<&str>) {
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(6), Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
    let heading: Vec<Line<'_>> = board.heading().into_iter().map(Line::from).collect();
    let block = Block::bordered().border_style(record_style(board.view.record.state));
    frame.render_widget(Paragraph::new(heading).block(block), top);

    let rows = board.rows();
    let widths = (0..COLUMNS.len()).map(|n| {
        let widest = rows.iter().map(|row| print::width(&row[n])).chain([print::width(COLUMNS[n])]).max();
        Constraint::Length(widest.unwrap_or_default() as u16)
    });
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let table = Table::new(
        board.rows().into_iter().zip(&board.view.seats).map(|(row, seat)| Row::new(row).style(seat_style(board, seat))),
        widths,
    )
    .header(Row::new(COLUMNS).style(bold))
    .column_spacing(2);
    frame.render_widget(table, middle);

    let foot = match fault {
        Some(fault) => Line::styled(fault.replace('\n', " "), Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)),
        None => Line::from("q 退出 leaves"),
    };
    frame.render_widget(foot, bottom);
}

/// The frame of the heading tells the state of the record from across the room.
fn record_style(state: RecordState) -> Style {
    Style::new().fg(match state {
        RecordState::Off | RecordState::Ended => Color::Gray,
        RecordState::Running => Color::Green,
        RecordState::Paused => Color::Yellow,
        RecordState::Faulty => Color::Red,
    })
}

fn seat_style(board: &Board, seat: &hearing_signaling::hearing::SeatView) -> Style {
    use hearing_signaling::hearing::Presence;
    let speaks = board.live.iter().any(|live| live.seat == seat.id && live.speaking);
    match seat.presence {
        Presence::Absent | Presence::Removed => Style::new().fg(Color::DarkGray),
        Presence::Waiting => Style::new().fg(Color::Yellow),
        Presence::Admitted => Style::new(),
        Presence::Connected if speaks => Style::new().fg(Color::Green).add_modifier(Modifier::BOLD),
        Presence::Connected => Style::new().fg(Color::Green),
    }
}

const REFRESH: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_board_shows_state_record_seats_and_figures() {
        let text = drawn(&board(), None);
        for piece in [
            "(2022)内0291刑初123号",
            "庭审中 in session",
            "录制中 running",
            "counsel",
            "辩护人",
            "internet",
            "在线 connected",
            "发言 speaking",
            "900/2400",
            "1.5/0.0",
            "43",
            "-12 dB 削波 clipped 回声 echo 重启 restarts 2",
            "audio+video",
            "自行静音 mic off",
            "关 off",
        ] {
            assert!(text.contains(piece), "{piece} is not in:\n{text}");
        }
    }

    #[test]
    fn a_fault_is_told_while_the_board_stays() {
        let text = drawn(&board(), Some("gone"));
        assert!(text.contains("gone") && text.contains("counsel"), "{text}");
    }

    #[test]
    fn a_node_that_sends_what_the_admin_api_promises_is_understood() {
        assert_eq!(board().lines().len(), 4 + 1 + 1 + 2);
    }

    fn drawn(board: &Board, fault: Option<&str>) -> String {
        let mut terminal = Terminal::new(TestBackend::new(220, 14)).unwrap();
        terminal.draw(|frame| draw(frame, board, fault)).unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content.chunks(220).map(|row| {
            // The cell behind a wide character is empty.
            let mut line = String::new();
            let mut skip = 0;
            for cell in row {
                if skip == 0 {
                    line.push_str(cell.symbol());
                    skip = print::width(cell.symbol()).saturating_sub(1);
                } else {
                    skip -= 1;
                }
            }
            line
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn board() -> Board {
        let seat = |id: u8, name: &str, title: &str, role: &str, presence: &str| {
            json!({"id": id, "name": name, "title": title, "title_en": name, "role": role, "zone": "internet", "presence": presence,
                   "identity": null, "muted": false, "apart": false, "hand": false, "microphone_off": presence == "absent",
                   "camera_off": presence == "absent", "required": ["audio"]})
        };
        let quality = json!({"up_kbps": 900, "down_kbps": 2400, "loss_up": 0.015, "loss_down": 0.0, "rtt_ms": 43,
                             "sound": {"peak": 0, "mean": 12, "clipped": 30, "echo": 71}, "restarts": 2});
        serde_json::from_value(json!({
            "view": {"id": "0193d6a8-5c1e-7f00-8000-000000000000", "case": "(2022)内0291刑初123号", "template": "criminal",
                     "phase": "in-session", "opened_at": 1_790_000_000_000_000_i64,
                     "seats": [seat(0, "judge", "审判长", "judge", "absent"), seat(1, "counsel", "辩护人", "counsel", "connected")],
                     "record": {"state": "running", "tracks": ["counsel/audio"], "fault": null}, "floor": null, "seq": 9},
            "live": [{"seat": 1, "speaking": true, "quality": quality, "tracks": ["audio", "video"], "recorded": ["audio", "video"]}]
        }))
        .unwrap()
    }
}
