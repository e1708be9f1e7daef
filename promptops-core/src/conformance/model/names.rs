//! What generated operations are about: few names and contents, so that they meet.

use serde_json::json;

use crate::conformance::fixture::object;
use crate::environment::Policy;
use crate::evaluation::Entry;
use crate::prompt::{Content, Status, placeholder, system, user};

pub(super) const TENANTS: [&str; 3] = ["shared", "acme", "globex"];
/// A tenant of which nothing is known, to be a parent.
pub(super) const OUTSIDER: &str = "common";
/// One is the folder of another, and each is included by some content.
pub(super) const PROMPTS: [&str; 3] = ["safety", "triage", "triage/short"];
pub(super) const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];
pub(super) const SEMVERS: [&str; 3] = ["1.0.0", "1.0.0-rc.1", "1.0.0+build.7"];
pub(super) const STATUSES: [Status; 3] = [Status::Draft, Status::Active, Status::Archived];
pub(super) const TAGS: [&str; 4] = ["b", "a", "c-1", "c"];
/// What closures are made from: to a store they are no more than hashes.
pub(super) const CLOSURES: [&str; 3] = ["one", "two", "three"];
pub(super) const DATASETS: [&str; 2] = ["golden", "edge-cases"];
pub(super) const RUNS: [&str; 3] = ["run 1", "run 2", "Run 1"];
pub(super) const RUN_IDS: [&str; 3] = ["run-1", "run-2", "Run-1"];
pub(super) const EXPERIMENTS: [&str; 3] = ["exp-1", "exp-2", "Exp-1"];
pub(super) const WORKERS: [&str; 2] = ["w", "W"];
pub(super) const ENTRY_SETS: usize = 4;
/// Of answers: one byte each.
pub(super) const KEYS: u8 = 2;
pub(super) const ANSWERS: [&str; 3] = ["yes", "no", "\u{0} \u{1f984}"];
pub(super) const CONTENTS: usize = 6;
pub(super) const POLICIES: usize = 4;

/// One of [`CONTENTS`] contents, and the includes in it.
pub(super) fn content(n: usize) -> (Content, &'static [&'static str]) {
    match n {
        0 => (Content::text("Be kind."), &[]),
        1 => (Content::text("Sort {{ ticket }}."), &[]),
        2 => (Content::text("{% include \"safety\" %} Sort."), &["safety"]),
        // Not in the order in which dependents come.
        3 => (
            Content::text(
                "{% include \"triage@production\" %}{% include \"safety@v1\" %}{% include \"safety\" %}",
            ),
            &["triage@production", "safety@v1", "safety"],
        ),
        4 => (
            Content::chat([
                system("{% include \"triage/short@dev\" %}"),
                placeholder("history"),
                user("{{ ticket }} \u{1f984}\n"),
            ]),
            &["triage/short@dev"],
        ),
        _ => (Content::chat([user("{% include \"triage\" %}")]), &["triage"]),
    }
}

/// One of [`POLICIES`] policies.
pub(super) fn policy(n: usize) -> Policy {
    match n {
        0 => Policy::open(),
        1 => Policy::open().approvals(2).owner_only(),
        2 => Policy::open().after("dev").unwrap().min_success_rate(0.1),
        _ => Policy::open()
            .min_usage_count(3)
            .require_evaluation("golden", 0.7)
            .unwrap()
            .pinned_snippets(),
    }
}

/// One of [`ENTRY_SETS`] lists of entries.
pub(super) fn entry_set(n: usize) -> Vec<Entry> {
    let first = Entry::new(
        "e0",
        object(json!({ "n": [u64::MAX, 1e308, 0.1], "text": "\u{0}\u{1f984}" })),
    );
    let second = Entry::new("O'Neil \u{e9}", object(json!({})))
        .expecting(json!([null]))
        .in_group("g");
    let third = Entry::new("E0", object(json!({ "": {} }))).with("language", "en");
    match n {
        0 => vec![first],
        1 => vec![first, second, third],
        // The same in another order are others.
        2 => vec![third, second, first],
        _ => vec![second, third],
    }
}
