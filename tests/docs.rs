//! The reference, held against the program: every verb and flag, every configuration key, every route is documented.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::architecture;
use crate::harness::court::HEARING;

#[test]
fn every_verb_and_every_flag_stands_in_the_reference() {
    let reference = read("docs/ref/cli.md");
    for verb in verbs(&[]) {
        assert_told(&reference, &verb, &help(&[&verb]));
        for below in verbs(&[&verb]) {
            assert_told(&reference, &format!("{verb} {below}"), &help(&[&verb, &below]));
        }
    }
}

#[test]
fn every_verb_shows_an_example_and_its_exit_codes() {
    for verb in verbs(&[]) {
        let text = help(&[&verb]);
        assert!(text.contains("Example"), "hearing {verb} --help shows no example:\n{text}");
        assert!(text.contains("Exit codes"), "hearing {verb} --help names no exit codes:\n{text}");
    }
}

#[test]
fn every_key_of_the_configuration_stands_in_its_section_of_the_reference() {
    let (source, reference) = (read("config/src/raw.rs"), read("docs/ref/config.md"));
    for (section, kind) in fields(&source, "Raw") {
        let headed = |part: &&str| {
            let heading = part.lines().next().unwrap_or_default();
            heading.contains(&format!("`[{section}]`")) || heading.contains(&format!("`[[{section}]]`"))
        };
        let text =
            reference.split("\n## ").find(headed).unwrap_or_else(|| panic!("docs/ref/config.md lacks [{section}]"));
        for key in keys(&source, &kind) {
            assert!(code_words(text).any(|word| word == key), "docs/ref/config.md lacks {key} of [{section}]");
        }
    }
}

#[test]
fn the_reference_names_every_metric_and_no_other() {
    let sources = ["config/src", "signaling/src", "bridge/src", "bridge/proto/src", "bridge/media/src"];
    let texts =
        architecture::sources(&sources).into_iter().map(|file| fs::read_to_string(file).expect("a source file"));
    let counted: BTreeSet<String> = texts.flat_map(|text| metrics(&text)).collect();
    let reference = read("docs/ref/metrics.md");
    let told: BTreeSet<String> =
        code_words(&reference).filter(|word| word.starts_with("hearing_")).map(str::to_owned).collect();
    assert_eq!(counted.difference(&told).collect::<Vec<_>>(), [""; 0], "docs/ref/metrics.md lacks these");
    assert_eq!(
        told.difference(&counted).collect::<Vec<_>>(),
        [""; 0],
        "docs/ref/metrics.md has these, and nothing counts them"
    );
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

/// What is counted under a name of its own: every such text that stands for itself in the code.
fn metrics(source: &str) -> Vec<String> {
    let name = |text: &&str| {
        text.starts_with("hearing_") && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    source.split('"').filter(name).filter(|text| !CODES.contains(text)).map(str::to_owned).collect()
}

/// The keys of a table, those of the tables in it included.
fn keys(source: &str, table: &str) -> Vec<String> {
    let below = fields(source, table).into_iter();
    below.flat_map(|(key, kind)| [vec![key], keys(source, &kind)].concat()).collect()
}

/// The fields of a struct, each with the innermost type that it holds; none when there is no such struct.
fn fields(source: &str, name: &str) -> Vec<(String, String)> {
    let lines = source.lines().skip_while(|line| *line != format!("pub(crate) struct {name} {{")).skip(1);
    let fields = lines.take_while(|line| *line != "}").filter_map(|line| line.trim().strip_prefix("pub(crate) "));
    let innermost = |kind: &str| kind.rsplit('<').next().unwrap_or(kind).trim_end_matches(['>', ',']).to_owned();
    fields.filter_map(|field| field.split_once(": ")).map(|(key, kind)| (key.to_owned(), innermost(kind))).collect()
}

/// The words of everything that is set as code.
fn code_words(text: &str) -> impl Iterator<Item = &str> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.flat_map(|span| span.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
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

/// The verbs below a verb, but for the one that clap adds.
fn verbs(above: &[&str]) -> Vec<String> {
    let text = help(above);
    let lines = text.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let lines = lines.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let words = lines.filter_map(|line| line.split_whitespace().next());
    words.filter(|word| *word != "help").map(str::to_owned).collect()
}

fn assert_told(reference: &str, verb: &str, help: &str) {
    assert!(reference.contains(&format!("hearing {verb}")), "docs/ref/cli.md lacks the verb {verb}");
    for flag in flags(help) {
        assert!(reference.contains(&flag), "docs/ref/cli.md lacks {flag} of {verb}");
    }
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

/// Error codes that look like metrics.
const CODES: [&str; 2] = ["hearing_closed", "hearing_failed"];
