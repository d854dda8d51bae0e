//! Whether a registered terminal is there (OPTIONS).

use std::time::Duration;

use super::{court, phone};

#[test]
fn a_registered_terminal_is_asked_whether_it_is_there_and_is_asked_again_after_its_answer() {
    let node = court("allowed", 1);
    let mut phone = phone(&node, 0);
    assert_eq!(phone.register(), 200);
    for _ in 0..2 {
        let question = phone.requested("OPTIONS", SOMETIME).expect("it is asked");
        assert!(question.start.contains(&phone.address().to_string()), "{}", question.start);
        phone.respond(&question, "200 OK", "");
    }
}

const SOMETIME: Duration = Duration::from_secs(40);
