//! Which crate may use which, read from `cargo metadata`.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// No I/O, no clock, no randomness.
const PURE: [&str; 5] = [
    "connection-history",
    "domain",
    "retry",
    "rules",
    "webhook-signature",
];
/// Speak a vendor's language and know nothing of workflows.
const VENDORS: [&str; 6] = [
    "oauth",
    "qualtrics",
    "servicenow",
    "teamviewer",
    "vendor-http",
    "zendesk",
];
const EFFECTS: [&str; 8] = [
    "tokio",
    "reqwest",
    "getrandom",
    "rand",
    "hyper",
    "hyper-rustls",
    "hyper-util",
    "lambda_runtime",
];

struct Crate {
    folder: String,
    uses: BTreeSet<String>,
}

/// The project's crates with what they use in production, by name.
fn crates() -> BTreeMap<String, Crate> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
            manifest,
        ])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let texts = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let uses = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| texts(&dependency["name"]))
                .collect();
            (
                texts(&package["name"]),
                Crate {
                    folder: texts(&package["manifest_path"]),
                    uses,
                },
            )
        })
        .collect()
}

#[test]
fn pure_crates_have_no_effects() {
    let crates = crates();
    for name in PURE {
        for used in &crates[name].uses {
            let effect = EFFECTS.contains(&used.as_str()) || used.starts_with("aws");
            assert!(!effect, "{name} is pure and uses {used}");
            assert!(
                !crates.contains_key(used) || PURE.contains(&used.as_str()),
                "{name} is pure and uses {used}"
            );
        }
    }
}

#[test]
fn functions_meet_through_messages_and_tables_only() {
    let crates = crates();
    let functions: BTreeSet<&String> = crates
        .iter()
        .filter(|(_, one)| one.folder.contains("/functions/"))
        .map(|(name, _)| name)
        .collect();
    assert!(functions.len() >= 4, "{functions:?}");
    for (name, one) in &crates {
        for used in &one.uses {
            assert!(!functions.contains(used), "{name} uses the function {used}");
        }
    }
}

#[test]
fn vendor_crates_know_nothing_of_workflows() {
    let crates = crates();
    for name in VENDORS {
        let known: Vec<&String> = crates[name]
            .uses
            .iter()
            .filter(|used| crates.contains_key(*used))
            .collect();
        assert!(
            known
                .iter()
                .all(|used| ["oauth", "retry", "transport", "vendor-http"].contains(&used.as_str())),
            "{name} uses {known:?}"
        );
    }
}

#[test]
fn shared_crates_do_not_use_what_stands_above_them() {
    for (name, one) in crates() {
        if one.folder.contains("/shared/") {
            assert!(
                !one.uses.contains("closedloop") && !one.uses.contains("sandbox"),
                "{name} uses {:?}",
                one.uses
            );
        }
    }
}
