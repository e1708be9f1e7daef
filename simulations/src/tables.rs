//! The tables, line by line.

use std::io::{self, Write};
use std::time::Instant;

use crate::arguments::Arguments;
use crate::assignment::{Units, deviations};
use crate::cost;
use crate::power::{Effect, found};
use crate::returning::{SPLITS, returned};
use crate::scenario::{Scenario, Size, mistakes};

const SEED: u64 = 20_261_121;

/// Simulates what the arguments ask for, and writes a line as soon as it is known.
///
/// # Errors
/// When it cannot be written.
pub fn experiments(arguments: &Arguments, out: &mut impl Write) -> io::Result<()> {
    let began = Instant::now();
    let threads = arguments.threads;
    let size = if arguments.full {
        Size {
            experiments: 10_000,
            horizon: 10_000,
        }
    } else {
        Size {
            experiments: 1_000,
            horizon: 2_000,
        }
    };
    writeln!(
        out,
        "Equal variants: a winner is a mistake. {} experiments of {} outcomes, a look after every outcome, α = 0.05.\n\
         naive: a z test for one look, at 5 %, looked at as often (from 100 outcomes of each on).\n",
        size.experiments, size.horizon
    )?;
    writeln!(out, "{:<24} {:>6} {:>10} {:>8}", "", "rate", "declared", "naive")?;
    for scenario in Scenario::all().into_iter().skip(arguments.skip) {
        let mistakes = mistakes(&scenario, size, SEED, threads).map_err(io::Error::other)?;
        writeln!(
            out,
            "{:<24} {:>6} {:>10.4} {:>8.4}",
            scenario.name, scenario.rate, mistakes.declared, mistakes.naive
        )?;
        out.flush()?;
    }
    let returning = Size {
        experiments: size.experiments / 5,
        ..size
    };
    writeln!(
        out,
        "\nEqual variants, units that come back, the content ones more often; {} experiments.\n\n{:<24} {:>10} {:>12}",
        returning.experiments, "traffic of the variant", "declared", "difference"
    )?;
    for (name, splits) in SPLITS {
        let found = returned(splits, returning, SEED, threads).map_err(io::Error::other)?;
        writeln!(
            out,
            "{name:<24} {:>10.4} {:>+12.4}",
            found.declared, found.difference
        )?;
    }
    let trials = if arguments.full { 10_000 } else { 1_000 };
    writeln!(
        out,
        "\nOne variant is better: outcomes until it is declared, {trials} experiments.\n\
         fixed: those that a z test for one look needs for 80 % power.\n"
    )?;
    writeln!(
        out,
        "{:<12} {:<7} {:<8} {:>7} {:>8} {:>7} {:>9} {:>9} {:>7}",
        "rates", "split", "rate", "fixed", "median", "ratio", "by fixed", "by twice", "wrong"
    )?;
    for effect in Effect::all() {
        for knows_rate in [true, false] {
            let found = found(&effect, knows_rate, trials, SEED, threads).map_err(io::Error::other)?;
            let fixed = effect.fixed();
            let median = found.median.map_or("-".into(), |median| median.to_string());
            let ratio = found
                .median
                .map_or("-".into(), |median| format!("{:.2}", median as f64 / fixed));
            let [a, b] = effect.shares.map(|share| share / 100);
            writeln!(
                out,
                "{:<12} {:<7} {:<8} {fixed:>7.0} {median:>8} {ratio:>7} {:>9.3} {:>9.3} {:>7.4}",
                format!("{:.2} / {:.2}", effect.control, effect.variant),
                format!("{a}/{b}"),
                if knows_rate { "known" } else { "unknown" },
                found.by_fixed,
                found.by_twice,
                found.wrong
            )?;
            out.flush()?;
        }
    }
    writeln!(
        out,
        "\nAssignment of 1,000,000 units: chi-square as a standard normal deviation.\n\n{:<16} {:>8} {:>12}",
        "units", "even", "independent"
    )?;
    for units in Units::ALL {
        let found = deviations(units, 1_000_000, SEED).map_err(io::Error::other)?;
        writeln!(
            out,
            "{:<16} {:>8.2} {:>12.2}",
            units.name(),
            found.even,
            found.independent
        )?;
    }
    if let Some((counts, scores)) = cost::of_a_look() {
        writeln!(
            out,
            "\nOne look at the evidence: {counts:.0} ns at successes, {scores:.0} ns at scores"
        )?;
    }
    writeln!(
        out,
        "\n{:.0} s on {threads} threads",
        began.elapsed().as_secs_f64()
    )
}
