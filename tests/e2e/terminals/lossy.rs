//! A terminal behind a line that loses packets. It sends nothing again, so what it shows stands still until its next key frame.

use hearing_proto::testcard::tone::frequency;

use super::{SIP, SOUND, USERS, court};
use crate::harness::baresip::{self, Account, Baresip};
use crate::harness::browser::Browser;
use crate::harness::firewall;
use crate::harness::media::Card;
use crate::harness::node::until;

#[test]
fn a_terminal_whose_line_loses_a_fiftieth_stands_still_for_moments_only() {
    let node = court("allowed");
    let account = Account {
        user: USERS[0].0,
        password: USERS[0].1,
        node: &format!("{}:{SIP}", node.site.address),
        transport: "udp",
        sound: SOUND,
        more: "",
        tone: frequency(0),
        register: 60,
    };
    let terminal = Baresip::showing(node.site.room(), &account, &baresip::clip(&node.site.path(""), 0));
    until("the terminal is registered", || terminal.log().contains("200 OK").then_some(()));
    let started = node.hearing(&["start", "--case", "(2022)内0291刑初123号", "--template", "mixed"]);
    let hearing = started["id"].as_str().expect("an id");
    let card = Card::draw(&node.site.path(""), 2);
    let mut browser = Browser::chromium(&node.site.room().namespace, &card);
    browser.join(started["seats"][2]["link"].as_str().expect("a link"));
    until("counsel waits", || (node.presence(hearing, "counsel") == "waiting").then_some(()));
    node.hearing(&["admit", hearing, "counsel", "--identity", "known"]);
    for seat in ["judge", "counsel"] {
        until("they are connected", || (node.presence(hearing, seat) == "connected").then_some(()));
    }
    let whole = browser.observe(SECONDS)["judge/video"].frames;
    firewall::loses(node.site.namespace(), 20);
    let seen = browser.observe(SECONDS)["judge/video"].frames;
    // It was a quarter while nobody asked for a key frame but the browser, which waits for seconds.
    assert!(seen * 2 > whole, "{seen} pictures, {whole} when nothing was lost");
}

const SECONDS: u32 = 15;
