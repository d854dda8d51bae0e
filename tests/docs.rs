//! The reference, held against the program: every verb and flag, every configuration key, every route is documented.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::court::HEARING;

#[test]
fn every_verb_and_every_flag_stands_in_the_reference() {
    let reference = read("docs/ref/cli.md");
    for verb in words_below(&help(&[]), "Commands:") {
        assert!(reference.contains(&format!("hearing {verb}")), "docs/ref/cli.md lacks the verb {verb}");
        for flag in flags(&help(&[&verb])) {
            assert!(reference.contains(&flag), "docs/ref/cli.md lacks {flag} of {verb}");
        }
    }
}

#[test]
fn every_verb_shows_an_example_and_its_exit_codes() {
    for verb in words_below(&help(&[]), "Commands:").into_iter().filter(|verb| verb != "help") {
        let text = help(&[&verb]);
        assert!(text.contains("Example"), "hearing {verb} --help shows no example:\n{text}");
        assert!(text.contains("Exit codes"), "hearing {verb} --help names no exit codes:\n{text}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for file in documents() {
        let text = fs::read_to_string(&file).expect("a document");
        for target in links(&text) {
            let path = file.parent().expect("a folder").join(&target);
            assert!(path.exists(), "{}: the link to {target} leads nowhere", file.display());
        }
    }
}

fn documents() -> Vec<std::path::PathBuf> {
    let mut files = vec![root().join("README.md"), root().join("README.zh-CN.md")];
    for folder in ["docs", "docs/design", "docs/guide", "docs/ref"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder of documents");
        files.extend(entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "md")));
    }
    files
}

/// Relative targets of Markdown links, without their fragments.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter(|t| !t.contains("://") && !t.starts_with('#') && !t.is_empty() && !t.contains(' '));
    targets.filter_map(|t| t.split('#').next().map(str::to_owned)).collect()
}

fn help(verb: &[&str]) -> String {
    let output = Command::new(HEARING).args(verb).arg("--help").output().expect("hearing runs");
    assert!(output.status.success(), "hearing {verb:?} --help failed");
    String::from_utf8(output.stdout).expect("help is text")
}

fn words_below(text: &str, heading: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| !line.contains(heading)).skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    lines
        .filter(|line| !line.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next().map(str::to_owned))
        .collect()
}

fn flags(text: &str) -> Vec<String> {
    let words = text.lines().filter(|line| line.trim_start().starts_with('-')).flat_map(|line| line.split([' ', ',']));
    words.filter(|word| word.starts_with("--") && *word != "--help").map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bridge has a parent")
}
