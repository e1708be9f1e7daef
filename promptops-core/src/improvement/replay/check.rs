//! The three questions of the statistical rule.

use super::pairs::{Pairs, Side};
use super::report::Check;
use super::settings::GateSettings;
use crate::deployment::Verdict;
use crate::statistics::{Resampling, pairs_needed, proportion_at_least};

/// More traces than this are as good as any number.
const MOST: u64 = 1_000_000;

/// What a question is held against.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub settings: &'a GateSettings,
    pub level: f64,
    pub resampling: Resampling,
}

impl Asked<'_> {
    /// Whether the target is better: p at the level at most. No point in more traces when it is found to be no better, or to be
    /// better by less than the smallest improvement that counts.
    pub fn superior(self, pairs: &Pairs) -> Check {
        let p_value = pairs.better(self.resampling);
        // With fewer, p is above the level even when all are won.
        let fewest = (-self.level.log2()).ceil() as u64;
        let at_most = pairs.bound(Side::AtMost, self.settings.alpha, self.resampling);
        let worth = at_most.is_some_and(|most| most >= self.settings.criteria.min_improvement);
        let verdict = if p_value <= self.level {
            Verdict::Passed
        } else if pairs.units() < fewest {
            Verdict::Inconclusive
        } else if pairs.delta() <= 0.0 || !worth {
            Verdict::Failed
        } else {
            Verdict::Inconclusive
        };
        Check {
            verdict,
            p_value: Some(p_value),
            bound: pairs.bound(Side::AtLeast, self.level, self.resampling),
            more: self.more(verdict, pairs, pairs.delta(), pairs.delta(), fewest),
        }
    }

    /// Whether the guard is no worse by the margin: the lower bound of the difference is above −margin. No point in more traces
    /// when it is found to be as low as that.
    pub fn no_worse(self, pairs: &Pairs) -> Check {
        let margin = self.settings.margin;
        // Of fewer, none need be worse although one in 1/margin fails altogether, more often than the level.
        let fewest = (self.level.ln() / (1.0 - margin).ln()).ceil() as u64;
        let bound = pairs.bound(Side::AtLeast, self.level, self.resampling);
        let verdict = if pairs.units() < fewest {
            Verdict::Inconclusive
        } else if bound.is_some_and(|least| least > -margin) {
            Verdict::Passed
        } else if pairs.delta() <= -margin {
            Verdict::Failed
        } else {
            Verdict::Inconclusive
        };
        Check {
            verdict,
            p_value: None,
            bound,
            more: self.more(verdict, pairs, margin + pairs.delta().min(0.0), 0.0, fewest),
        }
    }

    /// Whether enough items keep the format.
    pub fn keeps_format(self, kept: u64, total: u64) -> Check {
        let least = self.settings.criteria.min_format_pass_rate;
        let bound = proportion_at_least(kept, total, self.level);
        let fewest = (self.level.ln() / least.ln()).ceil().min(MOST as f64) as u64;
        let verdict = if bound.is_some_and(|bound| bound >= least) {
            Verdict::Passed
        } else if total >= fewest && (kept as f64) < least * total as f64 {
            Verdict::Failed
        } else {
            Verdict::Inconclusive
        };
        let more = match verdict {
            Verdict::Inconclusive => self.more_to_keep_format(kept, total, fewest),
            Verdict::Passed | Verdict::Failed => 0,
        };
        Check {
            verdict,
            p_value: None,
            bound,
            more,
        }
    }

    fn more_to_keep_format(self, kept: u64, total: u64, fewest: u64) -> u64 {
        let least = self.settings.criteria.min_format_pass_rate;
        let shows = |all: u64| {
            let lost = ((total - kept) as f64 * all as f64 / total.max(1) as f64).ceil() as u64;
            proportion_at_least(all.saturating_sub(lost), all, self.level).is_some_and(|bound| bound >= least)
        };
        let mut all = total.max(fewest);
        while all < MOST && !shows(all) {
            all += all / 20 + 1;
        }
        all.min(MOST) - total.min(MOST)
    }

    /// How many more items a question takes that is open. `found` is what would not be there if there were nothing to find.
    fn more(self, verdict: Verdict, pairs: &Pairs, gap: f64, found: f64, fewest: u64) -> u64 {
        if verdict != Verdict::Inconclusive {
            return 0;
        }
        let count = pairs.count();
        // One item for each unit, where there is none to go by.
        let per_unit = count.checked_div(pairs.units()).unwrap_or(1).max(1);
        let variance = pairs.variance();
        let under_null = variance + found * found * per_unit as f64;
        let needed = pairs_needed(under_null, variance, gap, self.level, self.settings.power);
        let needed = needed.unwrap_or(MOST).max(fewest * per_unit).min(MOST);
        needed.saturating_sub(count).max(1)
    }
}
