//! The plain rule: means against thresholds.

use super::report::{Finding, FormatReport, MetricReport};
use super::settings::{PromotionCriteria, Role};
use super::text::{percent, points};
use crate::deployment::Verdict;

impl PromotionCriteria {
    /// What the rule says of one dimension: that it has not fallen by more than the guardrail.
    pub(super) fn of_dimension(&self, delta: f64) -> Verdict {
        if delta < -self.regression_guardrail {
            Verdict::Failed
        } else {
            Verdict::Passed
        }
    }

    /// What it says of all: the mean of the target's dimensions rose enough, over all items, the format is kept, and no
    /// dimension fell by more than the guardrail.
    pub(super) fn find(&self, metrics: &[MetricReport], format: Option<&FormatReport>) -> Finding {
        let target = metrics.iter().filter(|metric| metric.role == Role::Target);
        let (mut sum, mut count) = (0.0, 0.0);
        for metric in target {
            sum += metric.all.delta;
            count += 1.0;
        }
        let improvement = sum / f64::max(count, 1.0);
        let mut reasons = Vec::new();
        if metrics.iter().all(|metric| metric.all.items == 0) {
            reasons.push("no item was answered".to_owned());
        }
        if improvement < self.min_improvement {
            reasons.push(format!(
                "improvement of {} is below {}",
                points(improvement),
                percent(self.min_improvement)
            ));
        }
        if let Some(format) = format.filter(|format| format.rate < self.min_format_pass_rate) {
            reasons.push(format!(
                "format pass rate {} is below {}",
                percent(format.rate),
                percent(self.min_format_pass_rate)
            ));
        }
        for metric in metrics
            .iter()
            .filter(|m| self.of_dimension(m.all.delta) == Verdict::Failed)
        {
            reasons.push(format!(
                "{} fell by {}, more than {}",
                metric.name,
                percent(-metric.all.delta),
                percent(self.regression_guardrail)
            ));
        }
        Finding {
            verdict: if reasons.is_empty() {
                Verdict::Passed
            } else {
                Verdict::Failed
            },
            reasons,
            more: None,
        }
    }
}
