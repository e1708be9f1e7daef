//! Differences of two 10 KB texts.

use promptops_benches::is_bench;
use promptops_benches::measure::compare;
use promptops_benches::table::{Goal, Table};
use promptops_core::prompt::{Content, DiffOptions, PromptDiff};
use similar::TextDiff;

const LINES: usize = 160;

fn main() {
    if !is_bench() {
        return;
    }
    let mut table = Table::new(
        "difference of two 10 KB texts",
        "bare `similar` line diff of the same texts",
    );
    let old: Vec<String> = (0..LINES).map(|i| line(i, "plain", "answer")).collect();
    let mut small = old.clone();
    small[40] = line(40, "simple", "answer");
    small.remove(90);
    small.insert(120, "Say so when you do not know.".to_owned());
    let all: Vec<String> = (0..LINES).map(|i| line(i, "simple", "reply")).collect();
    let other: Vec<String> = (0..LINES).map(other_line).collect();
    for (what, new, goal) in [
        ("small change", &small, 100e3),
        ("two words of every line changed", &all, 10e6),
        ("nothing left", &other, 10e6),
    ] {
        let (old, new) = (old.join("\n"), new.join("\n"));
        let (from, to) = (Content::text(&old), Content::text(&new));
        let options = DiffOptions::default();
        let pair = compare(
            || PromptDiff::between_contents(("old", &from), ("new", &to), &options),
            || TextDiff::from_lines(old.as_str(), new.as_str()).ops().len(),
        );
        table.pair(what, &pair, Goal::AtMost(goal));
    }
}

fn line(i: usize, first: &str, second: &str) -> String {
    format!("Rule {i}: write in {first} words and begin with the {second} to it.")
}

fn other_line(i: usize) -> String {
    const WORDS: [&str; 7] = [
        "ledger", "harbour", "quince", "violet", "ember", "tundra", "saddle",
    ];
    let words: Vec<&str> = (0..9).map(|j| WORDS[(i * (j + 3) + j * j) % 7]).collect();
    format!("{i}. {}", words.join(" "))
}
