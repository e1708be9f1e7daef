//! What a calibration says, for people: what is missing to a target, and all of it as text.

use std::fmt;

use super::{Calibration, Target};
use crate::base::error::Unmet;
use crate::base::id::quoted;
use crate::llm::{Cost, Usage};
use crate::statistics::Interval;

pub(super) fn unmet(calibration: &Calibration, target: &Target) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    let mut need = |met: bool, condition: &str, found: String, needed: String| {
        if !met {
            unmet.push(Unmet {
                condition: condition.into(),
                found,
                needed,
            });
        }
    };
    let figures = calibration.figures();
    let independent = figures.map_or(0, |figures| figures.independent);
    need(
        independent >= target.independent.max(1),
        "ratings",
        format!("{independent} scored that are independent"),
        format!("at least {}, to tell", target.independent.max(1)),
    );
    let all = calibration.items().len();
    let unscored = calibration.unscored();
    let share = unscored as f64 / all.max(1) as f64;
    need(
        share <= target.unscored,
        "unscored",
        format!("{unscored} of {all} ratings"),
        format!("a share of at most {}", target.unscored),
    );
    let Some(figures) = figures else {
        return unmet;
    };
    need(
        figures.mean_absolute_error <= target.mean_absolute_error,
        "mean_absolute_error",
        round(figures.mean_absolute_error),
        format!("at most {}", target.mean_absolute_error),
    );
    let constant = figures.best_constant;
    let says = format!(
        "the constant {} errs by {}",
        round(constant.value),
        round(constant.mean_absolute_error)
    );
    let needed = "an error below the constant's".to_owned();
    if figures.advantage <= 0.0 {
        let found = format!("{says}, the judge by {}", round(figures.mean_absolute_error));
        need(false, "better_than_constant", found, needed);
    } else {
        need(
            figures
                .advantage_interval
                .is_some_and(|interval| interval.low > 0.0),
            "better_than_constant",
            format!(
                "{says}, the judge by {} less{}",
                round(figures.advantage),
                between(figures.advantage_interval)
            ),
            needed + " with an interval above 0: rate more outputs, to tell",
        );
    }
    unmet
}

/// A report of some lines for people, without what was said in any output.
impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = &self.record;
        let form = record.configuration["question"]["form"]
            .as_str()
            .unwrap_or("judge");
        writeln!(
            f,
            "calibration of {}/{} ({form}, {} labels) against people",
            record.provider,
            record.model,
            record.scale.labels().len()
        )?;
        line(
            f,
            "ratings",
            &format!("{}, of which {} unscored", self.items().len(), self.unscored()),
        )?;
        if let Some(figures) = self.figures() {
            if figures.independent < figures.scored {
                line(f, "independent", &figures.independent.to_string())?;
            }
            let error = round(figures.mean_absolute_error) + &between(figures.mean_absolute_error_interval);
            line(f, "mean absolute error", &error)?;
            let constant = figures.best_constant;
            let says = format!(
                "{}, with an error of {}",
                round(constant.value),
                round(constant.mean_absolute_error)
            );
            line(f, "best constant", &says)?;
            let by = round(figures.advantage) + &between(figures.advantage_interval);
            line(f, "better than that by", &by)?;
            let spearman = figures.spearman.map(|found| (found.rho, found.interval));
            line(f, "Spearman's rho", &figure(spearman))?;
            let kappa = figures.kappa.map(|found| (found.kappa, found.interval));
            line(f, "quadratic kappa", &figure(kappa))?;
        }
        line(f, "paid", &paid(self.usage(), self.cost()))?;
        let first_error = self.items().iter().find(|item| item.judged.is_none());
        if let Some(item) = first_error {
            let why: String = item.reason.chars().take(300).collect();
            line(f, "first without score", &format!("{}: {why}", quoted(&item.id)))?;
        }
        let unmet = self.unmet(&Target::default());
        if unmet.is_empty() {
            return line(f, "target", "reached");
        }
        unmet
            .iter()
            .try_for_each(|unmet| line(f, "target not reached", &unmet.to_string()))
    }
}

/// A line of a report.
pub(super) fn line(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {name:<20} {value}")
}

pub(super) fn paid(usage: Usage, cost: Option<Cost>) -> String {
    let cost = cost.map_or_else(|| "an unknown amount".to_owned(), |cost| cost.to_string());
    format!(
        "{cost} for {} tokens in, {} out",
        usage.input_tokens, usage.output_tokens
    )
}

/// To three decimals; what is smaller but not 0 as it is.
pub(super) fn round(value: f64) -> String {
    let rounded = format!("{value:.3}");
    if value != 0.0 && rounded.trim_start_matches('-') == "0.000" {
        format!("{value:.1e}")
    } else {
        rounded
    }
}

pub(super) fn between(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |interval| {
        format!(" (between {} and {})", round(interval.low), round(interval.high))
    })
}

fn figure(found: Option<(f64, Option<Interval>)>) -> String {
    found.map_or_else(
        || "none: all are rated alike".to_owned(),
        |(value, interval)| round(value) + &between(interval),
    )
}
