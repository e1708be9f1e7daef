//! The tables, line by line.

use std::io::{self, Write};
use std::time::Instant;

use promptops_core::improvement::monitor::AlarmBy;

use super::run::watched;
use super::scenario::{Scenario, falls, healthy, late, near_the_tolerance};
use crate::arguments::Arguments;
use crate::cost;

const SEED: u64 = 20_261_121;

/// Simulates what the arguments ask for, and writes a line as soon as it is known.
///
/// # Errors
/// When it cannot be written.
pub fn tables(arguments: &Arguments, out: &mut impl Write) -> io::Result<()> {
    let began = Instant::now();
    let watches = if arguments.full { 2_000 } else { 300 };
    let found =
        |scenario: &Scenario| watched(scenario, watches, SEED, arguments.threads).map_err(io::Error::other);
    let text = |figure: Option<f64>| figure.map_or("-".into(), |figure| format!("{figure:.0}"));

    writeln!(
        out,
        "As good as the incumbent, or better, or worse by no more than is borne: every alarm is false. {watches} watches of\n\
         5,000 traces, a look after every trace, α = 0.05, a reference of its own for each. Bounds: 1 % on each side.\n\
         rolling: the mean of the last 50 against the incumbent's less 5 points.\n"
    )?;
    writeln!(
        out,
        "{:<26} {:>5} {:>7}  {:<16} {:>7} {:>7} {:>8} {:>8}",
        "", "mean", "alarms", "bounds", "start", "late", "rolling", "cleared"
    )?;
    for scenario in healthy().into_iter().skip(arguments.skip) {
        let found = found(&scenario)?;
        let (low, high) = found.bounds(|watch| watch.alarm.is_some());
        let rolling = found.share(|watch| watch.rolling);
        writeln!(
            out,
            "{:<26} {:>5.2} {:>7.4}  {:<16} {:>7.4} {:>7.4} {:>8} {:>8.3}",
            scenario.name,
            scenario.after,
            found.alarms(None),
            format!("{low:.4} to {high:.4}"),
            found.alarms(Some(AlarmBy::FromTheStart)),
            found.alarms(Some(AlarmBy::Late)),
            if scenario.with_rolling {
                format!("{rolling:.3}")
            } else {
                String::new()
            },
            found.share(|watch| watch.cleared)
        )?;
        out.flush()?;
    }

    for (title, scenarios) in [
        ("Worse from the start", falls()),
        ("Worse from trace 2,000 on", late()),
    ] {
        writeln!(
            out,
            "\n{title}: traces from then on until an alarm, in the median. formula: ln(1/α) / KL(mean ‖ m₀).\n"
        )?;
        writeln!(
            out,
            "{:<14} {:>9} {:>7} {:>7} {:>8} {:>8} {:>6} {:>7} {:>7}",
            "means", "reference", "traces", "found", "formula", "median", "ratio", "start", "late"
        )?;
        for scenario in scenarios {
            let found = found(&scenario)?;
            let from = scenario.change.map_or(0, |(from, _)| from);
            let delay = |alarm: Option<(AlarmBy, u64)>| {
                alarm
                    .and_then(|(_, at)| at.checked_sub(from))
                    .map(|delay| delay as f64)
            };
            let ratio = found.median(|watch| Some(delay(watch.alarm)? / watch.formula?));
            let end = scenario.change.map_or(scenario.after, |(_, mean)| mean);
            writeln!(
                out,
                "{:<14} {:>9} {:>7} {:>7.3} {:>8} {:>8} {:>6} {:>7.3} {:>7.3}",
                format!("{:.2} to {end:.2}", scenario.before),
                scenario.reference,
                scenario.traces,
                found.share(|watch| delay(watch.alarm).is_some()),
                text(found.median(|watch| watch.formula)),
                text(found.median(|watch| delay(watch.alarm))),
                ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
                found.alarms(Some(AlarmBy::FromTheStart)),
                found.alarms(Some(AlarmBy::Late))
            )?;
            out.flush()?;
        }
    }

    writeln!(
        out,
        "\nCleared at the end: false where the harm is 0.05, the tolerance, or more.\n\n{:<8} {:>5} {:>9} {:>7} {:>8}  {:<16} {:>7}",
        "before", "harm", "reference", "traces", "cleared", "bounds", "alarms"
    )?;
    for scenario in near_the_tolerance() {
        let found = found(&scenario)?;
        let (low, high) = found.bounds(|watch| watch.cleared);
        writeln!(
            out,
            "{:<8} {:>5.2} {:>9} {:>7} {:>8.4}  {:<16} {:>7.4}",
            scenario.before,
            scenario.before - scenario.after,
            scenario.reference,
            scenario.traces,
            found.share(|watch| watch.cleared),
            format!("{low:.4} to {high:.4}"),
            found.alarms(None)
        )?;
        out.flush()?;
    }
    if let Some(nanoseconds) = cost::of_a_scored_trace() {
        writeln!(out, "\nOne scored trace of one metric: {nanoseconds:.0} ns")?;
    }
    writeln!(
        out,
        "\n{:.0} s on {} threads",
        began.elapsed().as_secs_f64(),
        arguments.threads
    )
}
