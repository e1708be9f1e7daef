//! The report in plain words, and as a table.

use std::fmt;

use super::report::{Check, Figures, Finding, FormatReport, GateReport, MetricReport};
use super::settings::{GateSettings, Role, Rule};
use crate::deployment::Verdict;

/// Longest reason in bytes.
const MAX_REASON: usize = 2_000;

impl GateReport {
    /// Why, in plain words: what improved, by how much, and what did not get worse; or what is missing. At most 2,000 bytes.
    ///
    /// `Improvement of 43.33 % in accuracy on 30 target traces (95 % interval 25.12 % to 60.80 %, p < 0.001). Format pass rate:
    /// 99.13 %. No regression detected on 200 guard traces: accuracy -0.50 %, at least -2.03 %. The plain rule says passed.`
    #[must_use]
    pub fn reason(&self) -> String {
        let finding = self.finding();
        let mut text = if finding.verdict == Verdict::Passed {
            match self.settings.rule {
                Rule::Statistical => self.passed(),
                Rule::PointEstimate => self.passed_plainly(),
            }
        } else {
            let mut text = format!("{}: {}.", capital(finding.verdict), finding.reasons.join("; "));
            if let Some(more) = finding.more {
                text += &format!(
                    " About {} more target and {} more guard traces would do, were the truth what it looks like.",
                    more.target, more.guard
                );
            }
            text
        };
        text += &self.other_rule();
        shortened(text)
    }

    fn passed(&self) -> String {
        let mut text = String::new();
        for metric in self.metrics.iter().filter(|metric| metric.role == Role::Target) {
            text += &format!(
                "Improvement of {} in {} on {} target traces ({}{}). ",
                percent(metric.target.delta),
                metric.name,
                metric.target.items,
                metric.target.interval.map_or(String::new(), |interval| format!(
                    "95 % interval {} to {}, ",
                    percent(interval.low),
                    percent(interval.high)
                )),
                probability(metric.superior)
            );
        }
        text += &self.format_rate();
        let guards: Vec<String> = self
            .metrics
            .iter()
            .map(|metric| {
                let least = metric
                    .no_worse
                    .bound
                    .map_or(String::new(), |bound| format!(", at least {}", percent(bound)));
                format!("{} {}{least}", metric.name, points(metric.guard.delta))
            })
            .collect();
        text += &format!(
            "No regression detected on {} guard traces: {}.",
            self.replayed.guard,
            guards.join("; ")
        );
        text
    }

    fn passed_plainly(&self) -> String {
        let deltas: Vec<f64> = self
            .metrics
            .iter()
            .filter(|metric| metric.role == Role::Target)
            .map(|metric| metric.all.delta)
            .collect();
        let improvement = deltas.iter().sum::<f64>() / deltas.len().max(1) as f64;
        format!(
            "Improvement of {} reaches the threshold ({}). {}No regression detected.",
            percent(improvement),
            percent(self.settings.criteria.min_improvement),
            self.format_rate()
        )
    }

    fn format_rate(&self) -> String {
        self.format.map_or(String::new(), |format| {
            format!("Format pass rate: {}. ", percent(format.rate))
        })
    }

    fn other_rule(&self) -> String {
        let (name, finding) = match self.settings.rule {
            Rule::Statistical => ("plain", &self.point_estimate),
            Rule::PointEstimate => ("statistical", &self.statistical),
        };
        let why = if finding.reasons.is_empty() {
            String::new()
        } else {
            format!(": {}", finding.reasons.join("; "))
        };
        format!(" The {name} rule says {}{why}.", finding.verdict)
    }
}

/// Why the statistical rule does not say passed.
pub(super) fn reasons(
    settings: &GateSettings,
    metrics: &[MetricReport],
    format: Option<&FormatReport>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for metric in metrics {
        let name = &metric.name;
        if let Some(check) = metric.superior {
            let found = format!(
                "{} on {} target traces, {}",
                points(metric.target.delta),
                metric.target.items,
                probability(Some(check))
            );
            match check.verdict {
                Verdict::Passed => {}
                Verdict::Failed => reasons.push(format!("no improvement shown in {name} ({found})")),
                Verdict::Inconclusive => {
                    reasons.push(format!("the improvement in {name} may be chance ({found})"));
                }
            }
        }
        let least = metric.no_worse.bound.map_or("is not known".to_owned(), |bound| {
            format!("may be as low as {}", points(bound))
        });
        let margin = percent(settings.margin);
        let guard = &metric.guard;
        match metric.no_worse.verdict {
            Verdict::Passed => {}
            Verdict::Failed => reasons.push(format!(
                "{name} fell by {} on {} guard traces, margin {margin}",
                percent(-guard.delta),
                guard.items
            )),
            Verdict::Inconclusive => reasons.push(format!(
                "the change of {name} on {} guard traces, {}, {least}, margin {margin}",
                guard.items,
                points(guard.delta)
            )),
        }
    }
    if let Some(format) = format {
        let least = percent(settings.criteria.min_format_pass_rate);
        let found = format!("{} of {} items keep the format", format.items_kept, format.items);
        match format.check.verdict {
            Verdict::Passed => {}
            Verdict::Failed => reasons.push(format!("{found}, needed {least}")),
            Verdict::Inconclusive => reasons.push(format!("{found}, too few to show {least}")),
        }
    }
    reasons
}

/// `7.00 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2} %", rounded(share))
}

/// With its sign: `+7.00 %`.
pub(super) fn points(difference: f64) -> String {
    format!("{:+.2} %", rounded(difference))
}

/// In percent, without a minus before nothing.
fn rounded(share: f64) -> f64 {
    let percent = share * 100.0;
    if percent.abs() < 0.005 { 0.0 } else { percent }
}

fn probability(check: Option<Check>) -> String {
    match check.and_then(|check| check.p_value) {
        Some(p) if p < 0.001 => "p < 0.001".to_owned(),
        Some(p) => format!("p = {p:.3}"),
        None => "not tested".to_owned(),
    }
}

fn capital(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "Passed",
        Verdict::Failed => "Failed",
        Verdict::Inconclusive => "Inconclusive",
    }
}

fn shortened(mut text: String) -> String {
    const END: &str = " …";
    if text.len() > MAX_REASON {
        text.truncate(text.floor_char_boundary(MAX_REASON - END.len()));
        text += END;
    }
    text
}

/// A table: a line for each dimension and stratum, both verdicts, and how many were won and lost.
impl fmt::Display for GateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDEST: usize = 32;
        writeln!(
            f,
            "{:<WIDEST$} {:<6} {:>5} {:>8} {:>9} {:>8}  {:<18} {:>8} {:>7}  {:<12} plain",
            "metric",
            "",
            "items",
            "baseline",
            "candidate",
            "delta",
            "95 % interval",
            "at least",
            "p",
            "statistical"
        )?;
        for metric in &self.metrics {
            let name: String = metric.name.chars().take(WIDEST).collect();
            let superior = metric.superior.as_ref();
            for (stratum, figures, check, plain) in [
                ("target", &metric.target, superior, None),
                ("guard", &metric.guard, Some(&metric.no_worse), None),
                ("all", &metric.all, None, Some(metric.point_estimate)),
            ] {
                line(f, &format!("{name:<WIDEST$} {stratum:<6}"), figures, check, plain)?;
            }
        }
        if let Some(format) = &self.format {
            writeln!(
                f,
                "{:<WIDEST$} {:<6} {:>5} {:>8} {:>9.4} {:>8}  {:<18} {:>8} {:>7}  {:<12} {}",
                "format pass rate",
                "all",
                format.items,
                "",
                format.rate,
                "",
                "",
                format
                    .check
                    .bound
                    .map_or(String::new(), |bound| format!("{bound:.4}")),
                "",
                format.check.verdict,
                format.point_estimate
            )?;
        }
        writeln!(
            f,
            "items won {}, lost {}; {} of {} calls failed, {} items left out; level {:.4}",
            self.won.count,
            self.lost.count,
            self.replayed.failed,
            self.replayed.calls,
            self.replayed.left_out,
            self.level
        )?;
        for (rule, finding) in [
            (Rule::Statistical, &self.statistical),
            (Rule::PointEstimate, &self.point_estimate),
        ] {
            rule_line(f, rule, finding, rule == self.settings.rule)?;
        }
        Ok(())
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    head: &str,
    figures: &Figures,
    check: Option<&Check>,
    plain: Option<Verdict>,
) -> fmt::Result {
    let interval = figures.interval.map_or(String::new(), |interval| {
        format!("{:+.4} to {:+.4}", interval.low, interval.high)
    });
    let bound = check.and_then(|check| check.bound);
    writeln!(
        f,
        "{head} {:>5} {:>8.4} {:>9.4} {:>+8.4}  {interval:<18} {:>8} {:>7}  {:<12} {}",
        figures.items,
        figures.baseline,
        figures.candidate,
        figures.delta,
        bound.map_or(String::new(), |bound| format!("{bound:+.4}")),
        check
            .and_then(|check| check.p_value)
            .map_or(String::new(), |p| format!("{p:.4}")),
        check.map_or("", |check| check.verdict.as_str()),
        plain.map_or("", Verdict::as_str)
    )
}

fn rule_line(f: &mut fmt::Formatter<'_>, rule: Rule, finding: &Finding, decides: bool) -> fmt::Result {
    let name = match rule {
        Rule::Statistical => "statistical",
        Rule::PointEstimate => "plain",
    };
    let decides = if decides { ", which decides" } else { "" };
    write!(f, "{name} rule{decides}: {}", finding.verdict)?;
    for reason in &finding.reasons {
        write!(f, "\n  {reason}")?;
    }
    writeln!(f)
}
