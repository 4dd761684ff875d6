//! What may be in the tree of dependencies: licences, bans and sources, as `deny.toml` lists them for cargo-deny, which not everybody has.
//!
//! Never a list of its own: what is allowed or banned stands in `deny.toml` alone.

use crate::tidy::{metadata, root};
use std::collections::{BTreeMap, BTreeSet};
use toml_edit::{DocumentMut, Item};

fn deny() -> DocumentMut {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    text.parse().expect("deny.toml is TOML")
}

/// The texts of a list, or the `name`s of the tables in it.
fn listed(list: &Item) -> BTreeSet<String> {
    let entries = list.as_array().expect("a list");
    let text = |entry: &toml_edit::Value| {
        let named = entry.as_inline_table().map_or(entry, |table| table.get("name").expect("a name"));
        named.as_str().expect("a text").to_owned()
    };
    entries.iter().map(text).collect()
}

/// Whether an SPDX expression (or crates.io's older `A/B`, which means OR) can be met with these licences.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, allowed)?;
    match words.next() {
        None => Ok(met),
        Some(word) => Err(format!("{word:?} is not expected")),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut met = all(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, allowed)?;
    }
    Ok(met)
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut met = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed)?;
    }
    Ok(met)
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    match words.next() {
        Some("(") => {
            let met = any(words, allowed)?;
            words.next_if_eq(&")").ok_or("a bracket is not closed")?;
            Ok(met)
        }
        Some("OR" | "AND" | "WITH" | ")") | None => Err("a licence is missing".to_owned()),
        Some(licence) => match words.next_if_eq(&"WITH") {
            // A licence with an exception is one of its own.
            Some(_) => {
                let exception = words.next().ok_or("an exception is missing")?;
                Ok(allowed.contains(&format!("{licence} WITH {exception}")))
            }
            None => Ok(allowed.contains(licence)),
        },
    }
}

#[test]
fn a_licence_expression_is_met_by_one_of_its_alternatives_and_all_of_its_parts() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for met in [
        "MIT",
        "GPL-3.0-only OR MIT",
        "MIT/Apache-2.0",
        "MIT AND ISC",
        "(MIT OR GPL-3.0-only) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0-only",
        "GPL-2.0-only AND LGPL-2.1-only OR MIT",
    ] {
        assert_eq!(is_met(met, &allowed), Ok(true), "{met}");
    }
    for unmet in [
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "Apache-2.0",
        "MIT WITH LLVM-exception",
        "(GPL-3.0-only OR AGPL-3.0) AND MIT",
    ] {
        assert_eq!(is_met(unmet, &allowed), Ok(false), "{unmet}");
    }
    for broken in ["", "MIT OR", "(MIT", "MIT ISC", "AND MIT", "MIT WITH", "MIT)"] {
        assert!(is_met(broken, &allowed).is_err(), "{broken}");
    }
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let allowed = listed(&deny()["licenses"]["allow"]);
    // For the platform that we build for: what others would need is perhaps not on this machine.
    let metadata = metadata(&["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"]);
    let used: BTreeMap<&str, BTreeSet<&str>> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| {
            let on = node["dependencies"].as_array().expect("dependencies").iter().filter_map(|id| id.as_str());
            (node["id"].as_str().expect("an id"), on.collect())
        })
        .collect();
    let mut reached = BTreeSet::new();
    let mut todo: Vec<&str> =
        metadata["workspace_members"].as_array().expect("members").iter().filter_map(|id| id.as_str()).collect();
    while let Some(id) = todo.pop() {
        if reached.insert(id) {
            todo.extend(&used[id]);
        }
    }
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for package in metadata["packages"].as_array().expect("packages") {
        if package["source"].is_null() || !reached.contains(package["id"].as_str().expect("an id")) {
            continue;
        }
        looked_at += 1;
        let verdict = match package["license"].as_str() {
            Some(expression) => match is_met(expression, &allowed) {
                Ok(true) => continue,
                Ok(false) => format!("is under {expression}, which deny.toml does not allow"),
                Err(error) => format!("has a licence that cannot be read ({expression}): {error}"),
            },
            None => "names no licence".to_owned(),
        };
        wrong.push(format!("{} {} {verdict}", package["name"], package["version"]));
    }
    assert!(looked_at > 100, "only {looked_at} dependencies were found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_that_deny_toml_bans_is_in_the_tree_and_everything_comes_from_crates_io() {
    let deny = deny();
    for unknown in ["unknown-registry", "unknown-git"] {
        assert_eq!(deny["sources"][unknown].as_str(), Some("deny"), "{unknown}");
    }
    let banned = listed(&deny["bans"]["deny"]);
    // One TLS, one crypto provider, one runtime: the list may grow, and must not lose these.
    for kept in ["openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs", "async-std"] {
        assert!(banned.contains(kept), "deny.toml no longer bans {kept}");
    }
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let lock: DocumentMut = lock.parse().expect("Cargo.lock is TOML");
    let packages = lock["package"].as_array_of_tables().expect("packages");
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        if banned.contains(name) {
            wrong.push(format!("{name} is banned"));
        }
        if let Some(source) = package.get("source").and_then(Item::as_str)
            && source != "registry+https://github.com/rust-lang/crates.io-index"
        {
            wrong.push(format!("{name} comes from {source}"));
        }
    }
    assert!(packages.len() > 100, "Cargo.lock was not read");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What npm brings for the agents' page, by its path in `node_modules`.
fn npm_packages() -> serde_json::Map<String, serde_json::Value> {
    let lock =
        std::fs::read_to_string(root().join("dashboard/package-lock.json")).expect("dashboard/package-lock.json");
    let mut lock: serde_json::Value = serde_json::from_str(&lock).expect("the lock is JSON");
    let serde_json::Value::Object(mut packages) = lock["packages"].take() else { panic!("packages") };
    packages.remove("");
    packages
}

#[test]
fn every_npm_package_has_a_licence_that_deny_toml_allows_and_is_held_by_its_checksum() {
    let allowed = listed(&deny()["licenses"]["allow"]);
    let mut wrong = Vec::new();
    let packages = npm_packages();
    for (path, package) in &packages {
        match package["license"].as_str().map(|expression| is_met(expression, &allowed)) {
            Some(Ok(true)) => {}
            _ => wrong.push(format!("{path} is under {}", package["license"])),
        }
        if !package["integrity"].as_str().is_some_and(|sum| sum.starts_with("sha512-")) {
            wrong.push(format!("{path} has no checksum"));
        }
        // A lock may name where a package comes from; then it is npm's own registry.
        if let Some(from) = package["resolved"].as_str()
            && !from.starts_with("https://registry.npmjs.org/")
        {
            wrong.push(format!("{path} comes from {from}"));
        }
    }
    assert!(packages.len() > 50, "the lock was not read");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
