//! A report as text, for terminals and logs.

use std::fmt;

use super::{Analysis, VariantAnalysis};
use crate::experiment::decision::EValue;
use crate::statistics::Interval;

/// A table with a line for each variant, and below it guardrails, splits of traffic and the decision.
impl fmt::Display for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "experiment {}, {}: {}, {:.0} % intervals",
            self.experiment,
            self.status,
            self.goal.mean_name(),
            self.confidence.level() * 100.0
        )?;
        let width = self.variants.iter().map(|variant| variant.name.len()).max();
        let width = width.unwrap_or_default().max("variant".len());
        writeln!(
            f,
            "  {:width$} {:>9} {:>6} {:<16} {:>8} {:<18} {:>8} {:>8} {:>6} {:>6} {:>6}",
            "variant",
            "outcomes",
            "mean",
            "interval",
            "change",
            "asymptotic",
            "E",
            "p",
            "lost",
            "twice",
            "both"
        )?;
        for variant in &self.variants {
            write!(f, "  {:width$} {:>9} ", variant.name.as_str(), variant.outcomes)?;
            row(f, variant)?;
        }
        writeln!(
            f,
            "  p holds at every look; lost: not recorded; twice: duplicates; both: units seen in two variants, counted in the first"
        )?;
        for variant in &self.variants {
            for guardrail in &variant.guardrails {
                write!(
                    f,
                    "  guardrail {} ({}) {}: {} of {}",
                    guardrail.name, guardrail.harm, variant.name, guardrail.harmed, guardrail.measured
                )?;
                if let Some(interval) = &guardrail.interval {
                    write!(f, " {}", Ends(interval))?;
                }
                if variant.versus_control.is_some() {
                    write!(f, ", E {}", EValue(guardrail.ln_e))?;
                }
                writeln!(f, "{}", if guardrail.breached { ", BREACHED" } else { "" })?;
            }
        }
        for epoch in &self.epochs {
            let shares: Vec<String> = epoch.shares.iter().map(|share| percent(*share)).collect();
            let outcomes: Vec<String> = epoch.outcomes.iter().map(u64::to_string).collect();
            writeln!(
                f,
                "  split {} from {}: {} %, outcomes {}",
                epoch.number,
                epoch.started_at.format("%Y-%m-%d %H:%M"),
                shares.join("/"),
                outcomes.join("/")
            )?;
        }
        let ratio = &self.sample_ratio;
        let alarm = if ratio.alarm { ", ALARM" } else { "" };
        writeln!(f, "  sample ratio: E {}{alarm}", EValue(ratio.ln_e))?;
        write!(f, "  {}", self.decision)?;
        if let Some(needed) = self.outcomes_needed {
            write!(f, "; about {needed} more outcomes at this effect")?;
        }
        if let Some(completion) = &self.completion {
            write!(f, "\n  ended: {} by {}", completion.ending, completion.by.id)?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, variant: &VariantAnalysis) -> fmt::Result {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let versus = variant.versus_control.as_ref();
    let change = versus.and_then(|versus| versus.difference);
    writeln!(
        f,
        "{:>6} {:<16} {:>8} {:<18} {:>8} {:>8} {:>6} {:>6} {:>6}",
        text(variant.mean.map(|mean| format!("{mean:.3}"))),
        text(variant.interval.map(|interval| Ends(&interval).to_string())),
        text(change.map(|change| format!("{:+.3}", change.estimate))),
        text(change.map(|change| {
            let interval = change.interval;
            format!("[{:+.3}, {:+.3}]", interval.low, interval.high)
        })),
        text(versus.map(|versus| EValue(versus.ln_e).to_string())),
        text(versus.map(|versus| format!("{:.4}", versus.anytime_p))),
        variant.lost,
        variant.duplicates,
        variant.contaminated
    )
}

struct Ends<'a>(&'a Interval);

impl fmt::Display for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:.3}, {:.3}]", self.0.low, self.0.high)
    }
}

fn percent(basis_points: u16) -> String {
    (f64::from(basis_points) / 100.0).to_string()
}
