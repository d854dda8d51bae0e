//! Templates and their seats.

use hearing_config::{Kind, Layout};

use super::{EDGE, SIP, edited, parse, refuses, seat, template};

#[test]
fn templates_and_seats_of_the_same_name_are_refused() {
    let one = template("trial", &[seat("judge", "gov", "")]);
    refuses(&format!("{EDGE}{one}{one}"), &["template[1].name: a template \"trial\" stands above already"]);
    let twice = template("trial", &[seat("judge", "gov", ""), seat("judge", "gov", "")]);
    refuses(&format!("{EDGE}{twice}"), &["template[0].seat[1].name: a seat \"judge\" stands above already"]);
}

#[test]
fn more_than_64_seats_are_refused() {
    let seats: Vec<String> = (0..65).map(|n| seat(&format!("seat{n}"), "gov", "")).collect();
    refuses(&format!("{EDGE}{}", template("full", &seats)), &["template[0].seat: has 65 seats", "1 to 64"]);
    assert!(parse(&format!("{EDGE}{}", template("full", &seats[..64]))).is_ok());
}

#[test]
fn a_template_that_requires_nothing_is_refused() {
    let text = template("trial", &[seat("judge", "gov", "required = []")]);
    refuses(
        &format!("{EDGE}{text}"),
        &["template[0].seat: no seat requires anything", "required = [\"audio\", \"video\"]"],
    );
}

#[test]
fn a_layout_belongs_to_a_sip_terminal_and_has_a_name_that_is_known() {
    let with = |more: &str| format!("{EDGE}{SIP}{}", template("trial", &[seat("judge", "gov", more)]));
    let layout = |more: &str| parse(&with(more)).unwrap().templates[0].seats[0].layout;
    let sip = "endpoint = { sip = \"sip:room3@10.2.0.30\" }";
    assert_eq!(layout(sip), Layout::Exhibit);
    assert_eq!(layout(&format!("{sip}\nlayout = \"judge-and-speaker\"")), Layout::JudgeAndSpeaker);
    refuses(&with("layout = \"equal\""), &["template[0].seat[0].layout:", "for SIP terminals only", "browser"]);
    refuses(&with(&format!("{sip}\nlayout = \"grid\"")), &["template[0].seat[0].layout:", "grid", "judge-and-speaker"]);
}

#[test]
fn a_seat_that_sends_nothing_can_t_be_required_and_needs_nothing_unless_a_camera_stands_there() {
    let judge = seat("judge", "gov", "");
    let with = |role: &str, more: &str| {
        let other = seat("other", "gov", more).replace("role = \"judge\"", &format!("role = \"{role}\""));
        format!("{EDGE}{}", template("trial", &[judge.clone(), other]))
    };
    let required = |text: &str| parse(text).unwrap().templates[0].seats[1].required.clone();
    for role in ["observer", "technician"] {
        refuses(&with(role, "required = [\"video\"]"), &["template[0].seat[1].required:", "sends nothing"]);
        assert_eq!(required(&with(role, "")), []);
    }
    let camera = "endpoint = { rtsp = \"rtsp://10.2.0.31/live\" }\nrequired = [\"video\"]";
    assert_eq!(required(&with("technician", camera)), [Kind::Video]);
}

#[test]
fn a_required_screen_is_refused() {
    let text = template("trial", &[seat("judge", "gov", "required = [\"audio\", \"screen\"]")]);
    refuses(&format!("{EDGE}{text}"), &["template[0].seat[0].required[1]:", "can't be required"]);
}

#[test]
fn a_seat_of_an_unknown_zone_is_refused() {
    let text = template("trial", &[seat("judge", "internet", "")]);
    refuses(&format!("{EDGE}{text}"), &["template[0].seat[0].zone: zone internet is neither", "[[trunk]]"]);
}

#[test]
fn a_seat_whose_zone_has_no_page_is_refused() {
    let text = template("trial", &[seat("judge", "tripartite", "")]);
    refuses(&format!("{EDGE}{text}"), &["trunk[0].web: is missing", "can get no link"]);
}

#[test]
fn a_seat_that_nobody_outside_can_hear_is_a_warning() {
    let seats = [seat("judge", "gov", ""), seat("clerk", "tripartite", "")];
    let web = edited("dial = \"10.30.0.5:7443\"", "dial = \"10.30.0.5:7443\"\nweb = \"https://court.example\"");
    let config = parse(&format!("{web}{}", template("trial", &seats))).unwrap();
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("template[0].seat[0].zone: no crossing lets a judge of zone gov"), "{warnings:?}");
}

#[test]
fn a_required_track_that_can_not_reach_the_record_is_a_warning() {
    let back = "\n[[crossing]]\nfrom = \"tripartite\"\nto = \"gov\"\nroles = [\"judge\"]\nkinds = [\"audio\"]\n";
    let web = edited("dial = \"10.30.0.5:7443\"", "dial = \"10.30.0.5:7443\"\nweb = \"https://court.example\"");
    let config = parse(&format!("{web}{back}{}", template("trial", &[seat("judge", "tripartite", "")]))).unwrap();
    let warnings = config.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].to_string().starts_with("template[0].seat[0].required: its video is required"), "{warnings:?}");
}
