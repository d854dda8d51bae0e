//! Every example parses, means what its header says, and gives no warning.

use std::path::{Path, PathBuf};

use hearing_config::{Config, Kind, Role, Zone};

#[test]
fn every_example_parses_without_a_warning() {
    let mut seen = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let file = entry.unwrap().path();
        let config = Config::load(&file).unwrap();
        assert_eq!(config.warnings(), [], "{}", file.display());
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn the_courtroom_has_the_criminal_and_the_civil_template() {
    let config = Config::load(&examples().join("courtroom.toml")).unwrap();
    let seats = |template: &str| -> Vec<(String, String, Role, String)> {
        let seats = &config.template(template).unwrap().seats;
        seats.iter().map(|s| (s.name.clone(), s.title.clone(), s.role, s.zone.to_string())).collect()
    };
    let seat = |name: &str, title: &str, role, zone: &str| (name.into(), title.into(), role, zone.into());
    let criminal = seats("criminal");
    assert!(criminal.contains(&seat("judge", "审判长", Role::Judge, "tripartite")));
    assert!(criminal.contains(&seat("guard", "法警", Role::Guard, "tripartite")));
    assert!(criminal.contains(&seat("prosecutor", "公诉人", Role::Prosecutor, "gov")));
    assert!(criminal.contains(&seat("witness", "证人", Role::Witness, "internet")));
    let civil = seats("civil");
    assert!(civil.contains(&seat("plaintiff", "原告", Role::Party, "internet")));
    assert!(civil.contains(&seat("defendant", "被告", Role::Party, "internet")));
}

#[test]
fn the_edges_let_in_what_the_court_lets_out() {
    let load = |name: &str| Config::load(&examples().join(name)).unwrap();
    let court = load("courtroom.toml");
    for edge in ["gov-edge.toml", "internet-edge.toml"].map(load) {
        assert_eq!(edge.crossings, court.crossings);
        assert_eq!(edge.trunks.peers[0].zone, court.node.zone);
        let theirs = court.trunks.to(&edge.node.zone).unwrap();
        assert_eq!(theirs.peer, edge.node.id);
        assert_eq!(theirs.web.as_deref(), Some(edge.web.url.as_str()));
    }
}

#[test]
fn every_seat_of_the_examples_gets_a_link_and_reaches_the_record() {
    let config = Config::load(&examples().join("demo.toml")).unwrap();
    let home: Zone = "tripartite".parse().unwrap();
    for seat in &config.template("criminal").unwrap().seats {
        assert!(config.page(&seat.zone).is_some(), "{}", seat.name);
        let passes = |kind: Kind| {
            config
                .crossings
                .iter()
                .any(|c| c.from == seat.zone && c.to == home && c.roles.contains(&seat.role) && c.kinds.contains(&kind))
        };
        assert!(seat.zone == home || passes(Kind::Audio) && passes(Kind::Video), "{}", seat.name);
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}
