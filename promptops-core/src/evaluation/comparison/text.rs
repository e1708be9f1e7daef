//! A comparison in plain words, for changelogs, promotion reasons and terminals.

use std::fmt;

use super::{Comparison, EntryChange, ScorerComparison};
use crate::statistics::Interval;

impl Comparison {
    /// One or two sentences: what changed, by how much, how sure that is.
    ///
    /// `Pass rate 82.0 % -> 91.0 % (+9.0 points, 95 % interval +3.1 to +14.9; 12 entries won, 3 lost, p = 0.035): no
    /// regression.`
    #[must_use]
    pub fn summary(&self) -> String {
        let passing = &self.passing;
        let mut text = format!(
            "Pass rate {} -> {} ({} points",
            percent(passing.baseline),
            percent(passing.candidate),
            points(passing.difference)
        );
        if let Some(interval) = &passing.interval {
            text += &format!(", {}", self.interval(interval));
        }
        text += &format!(
            "; {} entries won, {} lost, p {}): {}.",
            passing.won,
            passing.lost,
            probability(passing.p_value),
            self.verdict
        );
        let changed: Vec<_> = self.scorers.iter().filter_map(change).collect();
        if !changed.is_empty() {
            text += &format!(" Mean scores: {}.", changed.join(", "));
        }
        if self.candidate_errors > 0 || self.baseline_errors > 0 {
            text += &format!(
                " Entries with errors: {} -> {}.",
                self.baseline_errors, self.candidate_errors
            );
        }
        text
    }

    fn interval(&self, interval: &Interval) -> String {
        format!(
            "{} interval {} to {}",
            percent(1.0 - self.options.alpha).replace(".0 ", " "),
            points(interval.low),
            points(interval.high)
        )
    }
}

fn change(scorer: &ScorerComparison) -> Option<String> {
    let (before, after) = (scorer.baseline?, scorer.candidate?);
    let worse = match scorer.verdict {
        super::Verdict::Regression => ", a regression",
        super::Verdict::NoRegression | super::Verdict::Inconclusive => "",
    };
    Some(format!("{} {before:.3} -> {after:.3}{worse}", scorer.scorer))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn points(difference: f64) -> String {
    format!("{:+.1}", difference * 100.0)
}

fn probability(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".into()
    } else {
        format!("= {p:.3}")
    }
}

impl fmt::Display for EntryChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (passed {} -> {}): {}",
            self.entry,
            self.baseline_passed,
            self.candidate_passed,
            self.reason.lines().next().unwrap_or_default()
        )
    }
}

/// Several lines: the summary, what could have been found, and the entries won and lost. Reasons may quote outputs.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (baseline, candidate) = (&self.baseline, &self.candidate);
        writeln!(
            f,
            "{} {} against {} on {} {}, {} entries: {}",
            candidate.prompt,
            candidate.version,
            baseline.version,
            candidate.dataset,
            candidate.dataset_version,
            self.entries,
            self.verdict
        )?;
        writeln!(f, "  {}", self.summary())?;
        if let Some(effect) = self.passing.minimum_detectable_effect {
            writeln!(
                f,
                "  A true difference below {:.1} points would often go unseen with so many entries.",
                effect * 100.0
            )?;
        }
        for (name, changes, all) in [
            ("won", &self.won, self.passing.won),
            ("lost", &self.lost, self.passing.lost),
        ] {
            for change in changes {
                writeln!(f, "  {name:<5} {change}")?;
            }
            if all > changes.len() as u64 {
                writeln!(f, "  {name:<5} … and {} more", all - changes.len() as u64)?;
            }
        }
        Ok(())
    }
}
