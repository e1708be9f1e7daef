//! A report as text, for terminals and logs.

use std::fmt;

use super::Report;
use super::estimate::RateEstimate;

/// `0.935 [0.890, 0.963] (187 of 200)`
impl fmt::Display for RateEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.rate)?;
        if let Some(interval) = &self.interval {
            write!(f, " [{:.3}, {:.3}]", interval.low, interval.high)?;
        }
        write!(f, " ({} of {})", self.count, self.of)
    }
}

/// Several lines: rates, scorers, latency, cost, slices, worst entries. Reasons may quote outputs.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = &self.run;
        writeln!(
            f,
            "{} {} on {} {} by {} {}: {}",
            run.prompt,
            run.version,
            run.dataset,
            run.dataset_version,
            run.evaluator.provider,
            run.evaluator.model,
            run.state
        )?;
        if !self.is_complete() {
            let progress = &self.progress;
            writeln!(f, "  INCOMPLETE: {} of {} results", progress.done, progress.total)?;
        }
        let rates = [("pass rate", &self.pass_rate), ("error rate", &self.error_rate)];
        for (name, rate) in rates {
            if let Some(rate) = rate {
                writeln!(f, "  {name:<12} {rate}")?;
            }
        }
        if let Some(repeats) = &self.repeats {
            writeln!(f, "  pass^{:<7} {}", repeats.repeats, repeats.all_passed)?;
            writeln!(f, "  pass@{:<7} {}", repeats.repeats, repeats.any_passed)?;
        }
        for scorer in &self.scorers {
            write!(f, "  {} ({}): ", scorer.scorer, scorer.dimension)?;
            match (scorer.mean, &scorer.estimate) {
                (Some(mean), Some(estimate)) => {
                    let interval = estimate.interval;
                    write!(f, "mean {mean:.3} [{:.3}, {:.3}]", interval.low, interval.high)?;
                }
                (Some(mean), None) => write!(f, "mean {mean:.3}")?,
                (None, _) => write!(f, "no score")?,
            }
            writeln!(
                f,
                ", {} passed, {} errors, {}",
                scorer.passed, scorer.errors, scorer.cost
            )?;
        }
        if let Some(latency) = &self.latency {
            writeln!(
                f,
                "  latency      median {:.1?}, p90 {:.1?}, p99 {:.1?}",
                latency.median, latency.p90, latency.p99
            )?;
        }
        let progress = &self.progress;
        write!(f, "  cost         {}", progress.cost)?;
        if progress.unknown_costs > 0 {
            write!(f, " and {} results of unknown cost", progress.unknown_costs)?;
        }
        writeln!(f, ", {} tokens, {} cached", progress.tokens, progress.cached)?;
        for (kind, count) in &self.error_kinds {
            writeln!(f, "  error        {kind}: {count}")?;
        }
        for slice in &self.slices {
            let value = slice.value.as_deref().unwrap_or("(none)");
            writeln!(f, "  {}={value}: {}", slice.key, slice.pass_rate)?;
        }
        for worst in &self.worst {
            match worst.mean {
                Some(mean) => write!(f, "  worst {} ({mean:.3})", worst.entry)?,
                None => write!(f, "  worst {} (no score)", worst.entry)?,
            }
            writeln!(f, ": {}", worst.reason.lines().next().unwrap_or_default())?;
        }
        Ok(())
    }
}
