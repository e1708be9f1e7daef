//! The tables, as Markdown.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use super::run::{attempts, watches};
use super::scenario::Scenario;
use super::tally::Row;
use crate::arguments::Arguments;
use crate::gate::Share;

const SEED: u64 = 20_261_121;

/// Simulates what the arguments ask for, and writes a line as soon as it is known; where asked, the same into `SCOREBOARD.md` of this
/// crate at the end.
///
/// # Errors
/// When it cannot be written.
pub fn tables(arguments: &Arguments, out: &mut impl Write) -> io::Result<()> {
    let began = Instant::now();
    let worlds = if arguments.full { 1_000 } else { 60 };
    let mut whole = String::new();
    let mut say = |text: &str| -> io::Result<()> {
        whole.push_str(text);
        out.write_all(text.as_bytes())?;
        out.flush()
    };
    say(&preface(arguments, worlds))?;
    let (seed, threads) = (SEED, arguments.threads);
    say(ATTEMPTS)?;
    let mut losses = String::new();
    for scenario in Scenario::ATTEMPTS.iter().skip(arguments.skip) {
        let rows = attempts(scenario, worlds, seed, threads).map_err(io::Error::other)?;
        say(&lines(scenario.name, &rows, attempt))?;
        losses.extend(loss(scenario.name, &rows));
    }
    say(WATCHES)?;
    for scenario in &Scenario::WATCHES {
        let rows = watches(scenario, worlds, seed, threads).map_err(io::Error::other)?;
        say(&lines(scenario.name, &rows, watch))?;
        losses.extend(loss(scenario.name, &rows));
    }
    say(LOSSES)?;
    say(&losses)?;
    if arguments.write {
        fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("SCOREBOARD.md"),
            &whole,
        )?;
    }
    let seconds = began.elapsed().as_secs_f64();
    writeln!(out, "\n{seconds:.0} s on {threads} threads")
}

fn preface(arguments: &Arguments, worlds: usize) -> String {
    let full = if arguments.full { " --full" } else { "" };
    format!(
        "# Scoreboard: the library's rules and plain ones, in the same simulated worlds\n\n\
         Written by `cargo run --release -p simulations -- scoreboard{full} --write`; seed {SEED}, {worlds} worlds for each line, the same \
         ones for every rule of a situation.\n\n{PREFACE}"
    )
}

const PREFACE: &str = "\
**What this proves, and what not.** The model, the judge, the tickets and the candidates are simulated (`src/world`). The candidates'
kinds are drawn, not thought of: the tables show what the machinery makes of better and worse candidates, and nothing of how well a
language model finds them. Sizes, shares and noise were chosen to be plausible, before a table was seen, but for the two situations with 200 traces and a
churn of 15 %, which were added then; they are in `src/world` and `src/scoreboard/scenario.rs`. The lines where the library's rules lose are left
in.

A world has tickets with hidden needs, a live prompt that answers about 80 of 100 rightly and lacks one instruction that about 15 of 100 need,
and a model that reads the prompt's text. Each candidate's true lift is known exactly. Before the attempt 1,200 traces are
recorded, after it 3,000 follow (5,000 in the second table); what happens later happens 1,000 traces after the ship. 5 of 100 answers differ
when asked again. A judge that is wrong 10 % of the time shows eight tenths of a lift.

All rules see the same candidates, past the same guards, and the same answers, two from each arm for each item. The plain rules judge up to
700 held-out items, which is many; the library's chooses on up to 200 of them and confirms on up to 500, with 1,000 draws where it draws.
There is one attempt in each world, and a rollback costs nothing: that favours watches that roll back at the least sign.

";

const ATTEMPTS: &str = "\
## What is shipped, and what becomes of it

- *shipped*: worlds where a candidate went live. *false*: it is no better in truth. *harm*: it is worse by more than a point.
- *found*: of the worlds with a candidate better by 3 points and more, those where a better one was shipped (the power).
- *claim − truth*: of what was shipped, over all traffic, in points (the winner's curse).
- *false rollback*: rolled back although it was no worse than the version before; *in drift*: those where everything had become harder.
- *net*: mean true score over the traces after the attempt, whatever was live, less that of never changing anything, in points.

Where more than 2 % of the calls fail although each is made three times, the gate gives no verdict and asks for another replay.

| situation | rule | shipped | false | harm | found | claim − truth | false rollback | in drift | net |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
";

const WATCHES: &str = "
## What the watch does with a live version

The first candidate is live in every world, whatever led to it. *caught*: of the versions that are worse than the one before by a point or
more from some time on, those rolled back after it; *delay*: how many traces that took, in the median of those caught. What was rolled back
before can be neither caught nor rolled back in a drift. A fall of less than the tolerance of 5 points is borne by the library's watch.

| situation | watch | false rollback | in drift | caught | delay | net |
|---|---|--:|--:|--:|--:|--:|
";

const LOSSES: &str = "
## Where the library's rules lose

By a tenth of a point of *net* and more:

";

/// A line for a situation in which another than the first is better.
fn loss(name: &str, rows: &[Row]) -> Option<String> {
    let (library, others) = rows.split_first()?;
    let best = others.iter().max_by(|a, b| a.net().total_cmp(&b.net()))?;
    let by = best.net() - library.net();
    (by >= 0.1).then(|| format!("- {name}: {by:.2} points less than “{}”\n", best.name))
}

fn lines(name: &str, rows: &[Row], cells: fn(&Row) -> String) -> String {
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        let name = if place == 0 { name } else { "" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {name} | {} | {} |", row.name, cells(row));
    }
    text
}

fn attempt(row: &Row) -> String {
    [
        percent(Some(row.shipped())),
        percent(Some(row.false_ships())),
        percent(Some(row.harm())),
        percent(row.power()),
        row.curse().map_or("–".to_owned(), |curse| format!("{curse:+.1}")),
        percent(Some(row.false_rollbacks())),
        percent(Some(row.in_drift())),
        net(row),
    ]
    .join(" | ")
}

fn watch(row: &Row) -> String {
    [
        percent(Some(row.false_rollbacks())),
        percent(Some(row.in_drift())),
        percent(row.caught()),
        row.delay().map_or("–".to_owned(), |delay| delay.to_string()),
        net(row),
    ]
    .join(" | ")
}

fn net(row: &Row) -> String {
    // No −0.00.
    format!("{:+.2}", (100.0 * row.net()).round() / 100.0 + 0.0)
}

fn percent(share: Option<Share>) -> String {
    share.map_or("–".to_owned(), |share| {
        format!("{:.1} %", 100.0 * share.value())
    })
}
