//! The tables, line by line.

use std::io::{self, Write};
use std::time::Instant;

use promptops_core::deployment::Verdict;

use super::plain::{Plain, plain};
use super::run::replayed;
use super::world::World;
use crate::arguments::Arguments;

const SEED: u64 = 20_261_121;

/// Simulates what the arguments ask for, and writes a line as soon as it is known.
///
/// # Errors
/// When it cannot be written.
pub fn tables(arguments: &Arguments, out: &mut impl Write) -> io::Result<()> {
    let began = Instant::now();
    let threads = arguments.threads;
    let runs = if arguments.full { 4_000 } else { 400 };
    writeln!(
        out,
        "Candidates judged by plain rules on all items: {runs} runs, what is live passes 0.70, 15 % of answers hide the truth.\n\
         Without harm every ship is false. In brackets bounds of the share, each with an error of 1 %.\n\n\
         {:>5} {:>10} {:>6}  {:<25} {:<25} {:<25} {:<25} {:>7}",
        "items",
        "candidates",
        "harm",
        "mean improved",
        "by 5 points",
        "by 5 percent",
        "select, then McNemar",
        "claimed"
    )?;
    for (items, candidates, harm) in [
        (80, 1, 0.0),
        (80, 5, 0.0),
        (320, 1, 0.0),
        (320, 5, 0.0),
        (80, 5, 0.035),
    ] {
        let world = Plain {
            items,
            candidates,
            flips: 0.15,
            harm,
        };
        let found = plain(world, runs, SEED, threads);
        writeln!(
            out,
            "{items:>5} {candidates:>10} {harm:>6.3}  {:<25} {:<25} {:<25} {:<25} {:>+7.3}",
            found.improved, found.by_points, found.by_percent, found.confirmed, found.claimed
        )?;
        out.flush()?;
    }
    writeln!(
        out,
        "\nReplays at the gate: {runs} of each, the first use of the part (level 0.0304). 95 %: intervals that hold the true lift.\n\
         bias: of the lift found on the target, in all replays, and in those that shipped.\n\n\
         {:<28} {:>6} {:>6} {:>7} {:>7}  {:<25} {:>8} {:>6} {:>6} {:>6} {:>7} {:>7}",
        "",
        "items",
        "hidden",
        "repeats",
        "session",
        "shipped",
        "no worse",
        "open",
        "plain",
        "95 %",
        "bias",
        "shipped"
    )?;
    for (name, world) in worlds().into_iter().skip(arguments.skip) {
        let found = replayed(&world, 1, runs, SEED, threads).map_err(io::Error::other)?;
        writeln!(
            out,
            "{name:<28} {:>6} {:>6} {:>7} {:>7}  {:<25} {:>8.3} {:>6.3} {:>6.3} {:>6.3} {:>7} {:>7}",
            format!("{}+{}", world.target, world.guard),
            world.flips,
            world.repeats,
            world.session,
            found.shipped(),
            found.share(|ship| ship.no_worse).value(),
            found
                .share(|ship| ship.verdicts[0] == Verdict::Inconclusive)
                .value(),
            found.share(|ship| ship.plain == Verdict::Passed).value(),
            found.share(|ship| ship.covered).value(),
            signed(found.bias(&world, false)),
            signed(found.bias(&world, true))
        )?;
        out.flush()?;
    }
    writeln!(
        out,
        "\nFinalists of no effect, on the same items, by Holm: any that ships is false.\n\n{:>10} {:>6}  shipped",
        "finalists", "hidden"
    )?;
    for flips in [0.02, 0.15] {
        for candidates in [1, 2, 5, 10] {
            // A guard that would let them through, so that the target decides.
            let world = World {
                guard: 1_000,
                ..World::new(flips, 0.0, 0.0)
            };
            let runs = runs / 2;
            let found = replayed(&world, candidates, runs, SEED, threads).map_err(io::Error::other)?;
            writeln!(out, "{candidates:>10} {flips:>6}  {}", found.shipped())?;
            out.flush()?;
        }
    }
    writeln!(
        out,
        "\n{:.0} s on {threads} threads",
        began.elapsed().as_secs_f64()
    )
}

fn signed(figure: Option<f64>) -> String {
    figure.map_or("-".into(), |figure| format!("{figure:+.3}"))
}

/// Every line of the second table.
fn worlds() -> Vec<(&'static str, World)> {
    let mut all = Vec::new();
    for flips in [0.0, 0.01, 0.02, 0.05, 0.15] {
        all.push(("half of the cluster fixed", World::new(flips, 0.5, 0.0)));
    }
    for (flips, repeats) in [(0.05, 2), (0.05, 4), (0.15, 4)] {
        let world = World {
            repeats,
            ..World::new(flips, 0.5, 0.0)
        };
        all.push(("half of the cluster fixed", world));
    }
    for (flips, guard) in [(0.05, 500), (0.15, 700)] {
        let world = World {
            guard,
            ..World::new(flips, 0.5, 0.0)
        };
        all.push(("half of the cluster fixed", world));
    }
    for flips in [0.02, 0.05, 0.15] {
        all.push(("no effect", World::new(flips, 0.0, 0.0)));
    }
    for flips in [0.0, 0.02, 0.15] {
        all.push(("fixed, breaks 10 % of rest", World::new(flips, 0.5, 0.1)));
    }
    for (flips, repeats, session) in [
        (0.0, 1, 1),
        (0.02, 1, 1),
        (0.15, 1, 1),
        (0.02, 2, 1),
        (0.15, 2, 1),
        (0.02, 1, 4),
    ] {
        let world = World {
            repeats,
            session,
            ..World::new(flips, 0.5, 0.0)
        };
        let name = if session > 1 {
            "fixed, worse by 5 (sessions)"
        } else {
            "fixed, worse by 5 points"
        };
        all.push((name, world.harming(0.05)));
    }
    all
}
