//! What holds the house's rules by machine: arrows between crates, module docs, file length, variables and paths that docs name.
//!
//! Never about style that rustfmt and clippy hold already.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One idea a file; longer ones are split.
const MAX_LINES: usize = 450;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").to_owned()
}

fn files(under: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![under.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != "node_modules" && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<PathBuf> {
    ["crates", "migrations", "tests"].iter().flat_map(|folder| files(&root().join(folder), ".rs")).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Packages that may import everything: what tests and measures the product, and is no part of it.
const AROUND_THE_PRODUCT: [&str; 3] = ["testkit", "bench", "it"];

/// Who may import whom; a crate that is missing here may import nothing of ours.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("domain", &[][..]),
        ("migrations", &[]),
        ("sandbox", &[]),
        ("net", &["domain"]),
        ("wire", &["domain"]),
        ("mail", &["net", "domain"]),
        ("oauth", &["net", "domain"]),
        ("store", &["domain", "migrations"]),
        ("app", &["domain", "net", "mail", "oauth", "store"]),
        ("worker", &["app", "domain"]),
        ("api", &["app", "wire", "domain"]),
        ("server", &["api", "worker", "app", "mail", "oauth", "store", "net", "domain", "sandbox"]),
    ])
}

/// What `cargo metadata` says; nothing is fetched.
pub(crate) fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn packages() -> Vec<Value> {
    metadata(&["--no-deps"])["packages"].as_array().expect("packages").clone()
}

#[test]
fn arrows_between_crates_point_one_way() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let allowed = allowed();
    let mut wrong = Vec::new();
    for package in &packages {
        let name = package["name"].as_str().expect("a name");
        let is_product = !AROUND_THE_PRODUCT.contains(&name);
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            let normal = dependency["kind"].is_null();
            if on == "bench" || on == "it" {
                wrong.push(format!("{name} depends on {on}, on which nothing may"));
            }
            if !is_product {
                continue;
            }
            if on == "testkit" && normal {
                wrong.push(format!("{name} depends on testkit outside its tests"));
            }
            if normal && ours.contains(on) && !allowed.get(name).is_some_and(|list| list.contains(&on)) {
                wrong.push(format!("{name} may not import {on}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn libraries_stay_in_the_one_crate_that_knows_them() {
    let known: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("async-imap", &["mail"][..]),
        ("lettre", &["mail"]),
        ("mail-parser", &["mail"]),
        ("mail-builder", &["mail"]),
        ("oauth2", &["oauth"]),
        ("jsonwebtoken", &["oauth"]),
        ("sea-orm", &["store", "migrations"]),
        ("sea-orm-migration", &["store", "migrations"]),
        ("sqlx", &["store"]),
        ("apalis", &["worker"]),
        ("apalis-core", &["worker"]),
        ("redis", &["worker"]),
        ("poem", &["api", "wire", "sandbox", "server"]),
        ("poem-openapi", &["api", "wire"]),
        ("anyhow", &["server"]),
        ("reqwest", &["net", "server"]),
    ]);
    let mut wrong = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().expect("a name").to_owned();
        if AROUND_THE_PRODUCT.contains(&name.as_str()) {
            continue;
        }
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            if dependency["kind"].is_null() && known.get(on).is_some_and(|list| !list.contains(&name.as_str())) {
                wrong.push(format!("{name} may not import {on}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_opens_with_what_it_is_for_and_stays_short() {
    let mut wrong = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).expect("readable");
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not open with //!", shown(&path)));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{} has {lines} lines, more than {MAX_LINES}", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_source_has_a_todo_a_stub_or_an_unexplained_allow() {
    // Written in two parts so that this file does not find itself.
    let banned = [
        ["todo", "!("].concat(),
        ["unimplemented", "!("].concat(),
        ["#[", "allow("].concat(),
        ["#![", "allow("].concat(),
        ["TO", "DO:"].concat(),
        ["FIX", "ME"].concat(),
    ];
    let mut wrong = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).expect("readable");
        for (number, line) in text.lines().enumerate() {
            if banned.iter().any(|word| line.contains(word.as_str())) {
                wrong.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The variables that `.env.example` names, commented or not.
pub(crate) fn names_in_the_example() -> BTreeSet<String> {
    let example = std::fs::read_to_string(root().join(".env.example")).expect(".env.example");
    example
        .lines()
        .map(|line| line.trim_start_matches(['#', ' ']))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .collect()
}

#[test]
fn every_variable_the_program_reads_stands_in_the_example_and_the_other_way_round() {
    let mut in_config = BTreeSet::new();
    for path in files(&root().join("crates/server/src/config"), ".rs") {
        let text = std::fs::read_to_string(path).expect("readable");
        // In a struct of its own line by line, or whole on one line.
        let named = text.split("name: \"").skip(1).filter_map(|rest| rest.split_once('"'));
        in_config.extend(named.map(|(name, _)| name.to_owned()).filter(|name| !name.contains(char::is_lowercase)));
    }
    assert!(in_config.len() > 5, "the table of variables in crates/server/src/config was not found");
    assert_eq!(in_config, names_in_the_example());
}

#[test]
fn every_path_that_the_docs_name_exists() {
    let mut wrong = Vec::new();
    let mut docs = files(&root().join("docs"), ".md");
    docs.push(root().join("README.md"));
    for doc in docs {
        let text = std::fs::read_to_string(&doc).expect("readable");
        for word in text.split('`').skip(1).step_by(2) {
            let first = word.split('/').next().unwrap_or_default();
            let looks_like_ours =
                ["crates", "migrations", "tests", "docs", "docker", "openapi", "scripts", ".ci"].contains(&first);
            let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if looks_like_ours && plain && word.contains('/') && !root().join(word.trim_end_matches('/')).exists() {
                wrong.push(format!("{} names {word}", shown(&doc)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim_start_matches("$(");
    line.starts_with("#[test]") || line.starts_with("#[tokio::test")
}

/// The functions of a file that have a test's attribute, and the entries of its macros that make such functions.
fn tests_in(text: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    // Whether one of the attributes above the next function is a test's.
    let mut attributed = false;
    // The macro being defined, those whose functions are tests, and the one being used.
    let (mut defined, mut makers, mut used) = (None, BTreeSet::new(), None);
    for line in text.lines() {
        if line.starts_with('}') {
            (defined, used) = (None, None);
        }
        if let Some(rest) = line.strip_prefix("macro_rules! ") {
            defined = rest.split_whitespace().next();
        } else if let Some((name, "{")) = line.split_once("! ") {
            used = makers.contains(name).then_some(name);
            continue;
        }
        let line = line.trim_start();
        if used.is_some() {
            let name: String = line.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            tests.insert(name);
        } else if is_test_attribute(line) {
            attributed = true;
            makers.extend(defined);
        } else if let Some((_, rest)) =
            line.split_once("fn ").filter(|(before, _)| ["", "async ", "pub "].contains(before))
        {
            if attributed {
                tests.insert(rest.split(['(', '<']).next().unwrap_or_default().to_owned());
            }
            attributed = false;
        }
    }
    tests
}

#[test]
fn a_function_counts_as_a_test_only_with_a_tests_attribute() {
    let text = "macro_rules! told {\n    ($($name:ident)*) => {$(\n        #[tokio::test]\n        async fn $name() {}\n    )*};\n}\n\n\
                macro_rules! other {\n    ($($name:ident)*) => {$( fn $name() {} )*};\n}\n\n\
                told! {\n    by_a_macro: Wrong => \"x\";\n}\n\nother! {\n    by_another_macro\n}\n\n\
                #[test]\nfn plain() {}\n\n#[tokio::test(flavor = \"multi_thread\")]\n#[ignore]\nasync fn told_later() {}\n\n\
                fn helper() {}\n\nproptest! {\n    #[test]\n    fn with_any_bytes(bytes in any()) {}\n}\n";
    let found = tests_in(text);
    let names: Vec<&str> = found.iter().map(String::as_str).filter(|name| !name.starts_with('$')).collect();
    assert_eq!(names, ["by_a_macro", "plain", "told_later", "with_any_bytes"]);
}

/// `file::test` in the list of promises: the file and a test of that name in it.
fn is_a_test(named: &str, tests: &[(String, BTreeSet<String>)]) -> bool {
    let (file, test) = named.split_once("::").unwrap_or(("", named));
    tests
        .iter()
        .filter(|(path, _)| {
            file.is_empty() || path.ends_with(&format!("/{file}.rs")) || path.contains(&format!("/{file}/"))
        })
        .any(|(_, tests)| tests.contains(test))
}

fn all_tests() -> Vec<(String, BTreeSet<String>)> {
    sources()
        .into_iter()
        .map(|path| (shown(&path), tests_in(&std::fs::read_to_string(&path).expect("readable"))))
        .collect()
}

/// What is quoted and long enough to be a test's name.
fn named_in(text: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c);
    text.split('`').skip(1).step_by(2).filter(|word| word.len() > 20 && word.chars().all(is_name)).collect()
}

#[test]
fn every_promise_names_tests_that_exist() {
    let tests = all_tests();
    let text = std::fs::read_to_string(root().join("docs/PROMISES.md")).expect("docs/PROMISES.md");
    let mut wrong = Vec::new();
    let mut promises = 0;
    for promise in text.split("\n- **").skip(1) {
        promises += 1;
        let promise = promise.split("\n\n").next().unwrap_or_default();
        let number = promise.split("**").next().unwrap_or_default();
        let named = named_in(promise);
        if named.is_empty() && !promise.contains("*(ahead)*") {
            wrong.push(format!("{number} names no test"));
        }
        wrong.extend(
            named.iter().filter(|name| !is_a_test(name, &tests)).map(|name| format!("{number}: there is no {name}")),
        );
    }
    assert!(promises > 30, "only {promises} promises were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_failure_that_the_docs_list_names_tests_that_exist() {
    let tests = all_tests();
    let text = std::fs::read_to_string(root().join("docs/FAILURES.md")).expect("docs/FAILURES.md");
    let mut wrong = Vec::new();
    let mut failures = 0;
    // A table's head ends with "shown by"; the line under it begins with `|---`.
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.ends_with("| shown by |")) {
        failures += 1;
        let what = row.split('|').nth(1).unwrap_or_default().trim();
        let shown_by = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
        let named = named_in(shown_by);
        if named.is_empty() {
            wrong.push(format!("{what}: names no test"));
        }
        wrong.extend(
            named.iter().filter(|name| !is_a_test(name, &tests)).map(|name| format!("{what}: there is no {name}")),
        );
    }
    assert!(failures > 30, "only {failures} failures were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_message_that_the_operators_table_explains_is_said_somewhere() {
    let text = std::fs::read_to_string(root().join("docs/OPERATIONS.md")).expect("docs/OPERATIONS.md");
    let table = text.split("| message | meaning |").nth(1).expect("the table of messages");
    let messages: Vec<&str> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('`').nth(1).unwrap_or(line))
        .collect();
    assert!(messages.len() > 5, "{messages:?}");
    let said: Vec<String> = sources()
        .into_iter()
        .filter(|path| shown(path).starts_with("crates/") && !shown(path).contains("test"))
        .map(|path| std::fs::read_to_string(path).expect("readable"))
        .collect();
    let silent: Vec<&&str> =
        messages.iter().filter(|message| !said.iter().any(|text| text.contains(&format!("\"{message}")))).collect();
    assert!(silent.is_empty(), "nothing says {silent:#?}");
}

#[test]
fn nothing_points_outside_the_repository() {
    let outside = ["..", "/shared"].concat();
    let plan = ["/work", "/"].concat();
    let mut wrong = Vec::new();
    let others = ["docs", "docker", "scripts"].iter().flat_map(|folder| files(&root().join(folder), ""));
    for path in sources().into_iter().chain(others).chain([root().join("README.md"), root().join(".env.example")]) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if text.contains(&outside) || text.contains(&plan) {
            wrong.push(shown(&path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
