//! Real browsers on seats, and what they saw and heard.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::media::Card;
use super::netns;

/// One participant in a real browser; the browser ends when it is dropped.
pub(crate) struct Browser {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What a browser decoded in one of its slots.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Seen {
    /// Pictures with another counter than the one before.
    pub(crate) frames: u32,
    /// Pictures whose check bits were wrong.
    pub(crate) bad: u32,
    /// The first counter.
    pub(crate) first: u32,
    /// The last counter.
    pub(crate) last: u32,
    /// The seat drawn into the pictures; -1 when none was read.
    pub(crate) seat: i32,
    /// The loudest frequency, Hz; 0 when silent.
    pub(crate) tone: f32,
    /// The longest time without a new counter, or without sound, in milliseconds.
    pub(crate) gap: f32,
    /// Every counter, in the order of sight.
    pub(crate) counters: Vec<u16>,
}

impl Browser {
    /// Chromium in `namespace`, whose camera and microphone play `card`.
    pub(crate) fn chromium(namespace: &str, card: &Card) -> Self {
        Self::start("chromium", namespace, Some(card))
    }

    /// Chromium without camera and microphone, outside any namespace.
    pub(crate) fn viewer() -> Self {
        Self::start("chromium", "-", None)
    }

    /// Opens an address.
    pub(crate) fn open(&mut self, url: &str) {
        self.tell(&json!({ "command": "open", "url": url }));
    }

    /// Firefox with its own fake camera and microphone, outside any namespace.
    pub(crate) fn firefox() -> Self {
        Self::start("firefox", "-", None)
    }

    /// Firefox with its own fake camera and microphone in `namespace`, driver and all.
    pub(crate) fn firefox_in(namespace: &str) -> Self {
        Self::run(&mut netns::command(namespace, "node"), "firefox", "-", None)
    }

    /// Opens the page of a link and joins without a click.
    pub(crate) fn join(&mut self, link: &str) {
        let url = link.replacen("#", "?auto=1#", 1);
        self.tell(&json!({ "command": "open", "url": url }));
    }

    /// Waits until a JavaScript expression is true, at most 30 s, and gives its value.
    pub(crate) fn wait(&mut self, expression: &str) -> Value {
        self.tell(&json!({ "command": "wait", "expression": expression }))["value"].clone()
    }

    /// Looks and listens for a while; the answer is by `seat name/kind`.
    pub(crate) fn observe(&mut self, seconds: u32) -> HashMap<String, Seen> {
        let answer = self.tell(&json!({ "command": "observe", "seconds": seconds }));
        serde_json::from_value(answer["slots"].clone()).expect("the page reports its slots")
    }

    /// Begins to look and listen; [`Self::end`] gives what was seen.
    pub(crate) fn begin(&mut self) {
        self.tell(&json!({ "command": "begin" }));
    }

    /// Ends what [`Self::begin`] began; the answer is by `seat name/kind`.
    pub(crate) fn end(&mut self) -> HashMap<String, Seen> {
        let answer = self.tell(&json!({ "command": "end" }));
        serde_json::from_value(answer["slots"].clone()).expect("the page reports its slots")
    }

    /// Waits until a slot has shown `frames` more pictures than now.
    pub(crate) fn wait_for_pictures(&mut self, slot: &str, frames: u64) {
        let shown = format!("window.observed.seen['{slot}'].frames");
        let before = self.evaluate(&shown).as_u64().expect("the page counts pictures");
        self.wait(&format!("{shown} >= {}", before + frames));
    }

    /// Evaluates a JavaScript expression once; a promise is waited for.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        self.tell(&json!({ "command": "evaluate", "expression": expression }))["value"].clone()
    }

    /// Clicks what a selector finds.
    pub(crate) fn click(&mut self, selector: &str) {
        self.tell(&json!({ "command": "click", "selector": selector }));
    }

    /// Shares a tab that shows the test card of `seat`, by the page's button and the browser's own picker.
    pub(crate) fn share(&mut self, seat: u8) {
        self.tell(&json!({ "command": "share", "seat": seat }));
    }

    fn start(kind: &str, namespace: &str, card: Option<&Card>) -> Self {
        Self::run(&mut Command::new("node"), kind, namespace, card)
    }

    fn run(node: &mut Command, kind: &str, namespace: &str, card: Option<&Card>) -> Self {
        let file = |path: Option<&PathBuf>| path.map_or_else(|| PathBuf::from("-"), Clone::clone);
        let mut child = node
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/clients/seat.mjs"))
            .args([kind, namespace])
            .arg(file(card.map(|c| &c.video)))
            .arg(file(card.map(|c| &c.audio)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed by scripts/setup");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut browser = Self { child, commands, answers };
        browser.answer();
        browser
    }

    fn tell(&mut self, command: &Value) -> Value {
        let commands = self.commands.as_mut().expect("stdin is piped");
        writeln!(commands, "{command}").expect("the browser driver listens");
        let answer = self.answer();
        assert_eq!(answer["ok"], true, "{command}: {}", answer["error"]);
        answer
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the browser driver answers");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the browser driver ended: {line:?}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input makes the driver close its browser; one that is gone already has done so.
        drop(self.commands.take());
        let _ = self.child.wait();
    }
}
