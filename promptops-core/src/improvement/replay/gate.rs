//! Whether a candidate may ship.

use std::collections::HashSet;
use std::f64::consts::PI;

use super::check::Asked;
use super::item::{Prepared, ReplayItem, Stratum, prepare};
use super::pairs::Pairs;
use super::report::{
    Change, Changes, Check, Finding, FormatReport, GateReport, MetricReport, More, Replayed,
};
use super::settings::{Dimension, GateSettings, Role, Rule};
use super::text;
use crate::base::error::{Result, invalid};
use crate::base::id::quoted;
use crate::deployment::Verdict;

/// Most dimensions.
const MAX_DIMENSIONS: usize = 32;
/// Most finalists.
const MAX_FINALISTS: usize = 32;

/// Whether a candidate may ship: settled before the replay, and asked after it.
///
/// ```
/// use promptops_core::base::ScoreName;
/// use promptops_core::deployment::Verdict;
/// use promptops_core::improvement::replay::{
///     Answer, Call, Dimension, Gate, GateSettings, ReplayItem, Role, Scale, Stratum,
/// };
///
/// let accuracy = Dimension { name: ScoreName::new("accuracy")?, role: Role::Target, scale: Scale::Pass };
/// let gate = Gate::new(GateSettings::default(), vec![accuracy])?;
/// let call = |score| vec![Call::Answered(Answer { scores: vec![score], format: Some(true) })];
/// // Of 30 failures 15 are gone, and of 200 others nothing changed.
/// let items: Vec<ReplayItem> = (0..230)
///     .map(|n| ReplayItem {
///         id: format!("trace {n}"),
///         stratum: if n < 30 { Stratum::Target } else { Stratum::Guard },
///         session: None,
///         baseline: call(if n < 30 { 0.0 } else { 1.0 }),
///         candidate: call(if n < 15 { 0.0 } else { 1.0 }),
///     })
///     .collect();
/// let report = gate.judge(&items, 1)?;
/// assert_eq!(report.verdict, Verdict::Passed);
/// assert!(report.reason().starts_with("Improvement of 50.00 % in accuracy on 30 target traces"));
/// # Ok::<(), promptops_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    settings: GateSettings,
    dimensions: Vec<Dimension>,
    checks_format: bool,
}

impl Gate {
    /// A gate for these dimensions, that checks the format.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for settings out of range, more than 32 dimensions, two of one name, or none that
    /// is the target's.
    pub fn new(settings: GateSettings, dimensions: Vec<Dimension>) -> Result<Self> {
        settings.check()?;
        let mut names = HashSet::new();
        if let Some(twice) = dimensions.iter().find(|dimension| !names.insert(&dimension.name)) {
            return Err(invalid(format!(
                "the dimension {} is there twice",
                quoted(&twice.name)
            )));
        }
        let has_target = dimensions.iter().any(|one| one.role == Role::Target);
        if !has_target || dimensions.len() > MAX_DIMENSIONS {
            return Err(invalid(format!(
                "the gate has {} dimensions, {} target's among them; expected 1 to {MAX_DIMENSIONS}, one of them the target's",
                dimensions.len(),
                if has_target { "the" } else { "no" }
            )));
        }
        Ok(Self {
            settings,
            dimensions,
            checks_format: true,
        })
    }

    /// There is no format to keep: no answer says whether it does.
    #[must_use]
    pub fn without_format(mut self) -> Self {
        self.checks_format = false;
        self
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &GateSettings {
        &self.settings
    }

    /// The dimensions; an answer's scores are in their order.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    pub(super) fn checks_format(&self) -> bool {
        self.checks_format
    }

    /// α · 6/(π² j²): the error that remains for the `uses`-th time, from 1, that one part of the traces decides.
    #[must_use]
    pub fn level(&self, uses: u32) -> f64 {
        self.settings.alpha * 6.0 / (PI * f64::from(uses.max(1))).powi(2)
    }

    /// What the replay of one finalist shows. `uses` says how often this part of the traces has decided, this time among them.
    /// The items' order does not matter but for the order of those listed alike, nor does anything beside them.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for `uses` of 0; an item whose id is there twice, with other repeats in one arm
    /// than in the other, with scores that are out of range or not one for each dimension, of whose format is not known what
    /// should be.
    pub fn judge(&self, items: &[ReplayItem], uses: u32) -> Result<GateReport> {
        let judged = self.judge_all(&[items], uses)?;
        judged
            .into_iter()
            .next()
            .ok_or_else(|| invalid("no finalist was replayed"))
    }

    /// What the replays of several finalists show, each with its own items of the same traces, by Holm: the error α is that of
    /// letting any of them through that should not be.
    ///
    /// # Errors
    /// Those of [`judge`](Self::judge); [`Invalid`](crate::ErrorKind::Invalid) for more than 32 finalists.
    pub fn judge_all(&self, finalists: &[&[ReplayItem]], uses: u32) -> Result<Vec<GateReport>> {
        if uses == 0 || finalists.len() > MAX_FINALISTS {
            return Err(invalid(format!(
                "{} finalists on a part that decides for the {uses}th time; expected at most {MAX_FINALISTS}, and 1 or more",
                finalists.len()
            )));
        }
        let prepared: Vec<Prepared> = finalists
            .iter()
            .map(|items| prepare(items, &self.dimensions, self.checks_format))
            .collect::<Result<_>>()?;
        let level = self.level(uses);
        let count = finalists.len();
        let at = |place: usize, level| self.report(finalists[place], &prepared[place], level, uses, count);
        let mut done: Vec<Option<GateReport>> = vec![None; count];
        // Those that pass at α/m are those that Holm lets through before any that do not; then fewer share α.
        loop {
            let open: Vec<usize> = (0..count).filter(|place| done[*place].is_none()).collect();
            let mut reports = Vec::new();
            for place in &open {
                reports.push((*place, at(*place, level / open.len() as f64)?));
            }
            let passed = |report: &GateReport| report.statistical.verdict == Verdict::Passed;
            let is_last = !reports.iter().any(|(_, report)| passed(report));
            for (place, report) in reports {
                if is_last || passed(&report) {
                    done[place] = Some(report);
                }
            }
            if is_last || done.iter().all(Option::is_some) {
                return Ok(done.into_iter().flatten().collect());
            }
        }
    }

    fn report(
        &self,
        items: &[ReplayItem],
        prepared: &Prepared,
        level: f64,
        uses: u32,
        finalists: usize,
    ) -> Result<GateReport> {
        let settings = &self.settings;
        let asked = Asked {
            settings,
            level,
            resampling: settings.resampling()?,
        };
        let metrics: Vec<MetricReport> = self
            .dimensions
            .iter()
            .enumerate()
            .map(|(place, dimension)| metric(asked, prepared, place, dimension))
            .collect();
        let format = self.checks_format.then(|| format(asked, prepared));
        let in_stratum = |stratum| {
            prepared
                .items
                .iter()
                .filter(|item| item.stratum == stratum)
                .count() as u64
        };
        let replayed = Replayed {
            target: in_stratum(Stratum::Target),
            guard: in_stratum(Stratum::Guard),
            left_out: prepared.left_out,
            calls: prepared.calls,
            failed: prepared.failed,
        };
        let (statistical, point_estimate) = if is_aborted(settings, prepared) {
            let finding = aborted(settings, prepared);
            (finding.clone(), finding)
        } else {
            (
                statistical(settings, &metrics, format.as_ref()),
                settings.criteria.find(&metrics, format.as_ref()),
            )
        };
        let verdict = match settings.rule {
            Rule::Statistical => statistical.verdict,
            Rule::PointEstimate => point_estimate.verdict,
        };
        let (won, lost) = self.changes(items, prepared);
        Ok(GateReport {
            verdict,
            statistical,
            point_estimate,
            settings: *settings,
            level,
            uses,
            finalists: finalists as u32,
            replayed,
            metrics,
            format,
            won,
            lost,
        })
    }

    /// Won and lost, by the mean of the target's dimensions.
    fn changes(&self, items: &[ReplayItem], prepared: &Prepared) -> (Changes, Changes) {
        let millionths = |scores: &[f64]| -> u32 {
            let target = self.dimensions.iter().zip(scores);
            let scores: Vec<f64> = target
                .filter(|(dimension, _)| dimension.role == Role::Target)
                .map(|(_, score)| *score)
                .collect();
            (scores.iter().sum::<f64>() / scores.len().max(1) as f64 * 1e6).round() as u32
        };
        let (mut won, mut lost) = (Vec::new(), Vec::new());
        for item in &prepared.items {
            let (baseline, candidate) = (millionths(&item.baseline), millionths(&item.candidate));
            if baseline == candidate {
                continue;
            }
            let list = if candidate > baseline { &mut won } else { &mut lost };
            list.push((candidate.abs_diff(baseline), item.index, baseline, candidate));
        }
        let changes = |mut list: Vec<(u32, usize, u32, u32)>| {
            let id = |index: usize| &items[index].id;
            list.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| id(a.1).cmp(id(b.1))));
            let listed = list.iter().take(self.settings.listed);
            Changes {
                count: list.len() as u64,
                listed: listed
                    .map(|&(_, index, baseline_millionths, candidate_millionths)| Change {
                        item: items[index].id.clone(),
                        stratum: items[index].stratum,
                        baseline_millionths,
                        candidate_millionths,
                    })
                    .collect(),
            }
        };
        (changes(won), changes(lost))
    }
}

fn metric(asked: Asked<'_>, prepared: &Prepared, place: usize, dimension: &Dimension) -> MetricReport {
    let pairs = |stratum| Pairs::of(&prepared.items, stratum, place, dimension.scale);
    let (all, target, guard) = (
        pairs(None),
        pairs(Some(Stratum::Target)),
        pairs(Some(Stratum::Guard)),
    );
    let is_target = dimension.role == Role::Target;
    let superior = is_target.then(|| asked.superior(&target));
    let no_worse = asked.no_worse(&guard);
    let criteria = &asked.settings.criteria;
    let rose = !is_target || all.delta() >= criteria.min_improvement;
    MetricReport {
        name: dimension.name.clone(),
        role: dimension.role,
        statistical: together(superior.into_iter().chain([no_worse])),
        point_estimate: if rose {
            criteria.of_dimension(all.delta())
        } else {
            Verdict::Failed
        },
        all: all.figures(asked.resampling),
        target: target.figures(asked.resampling),
        guard: guard.figures(asked.resampling),
        superior,
        no_worse,
    }
}

fn format(asked: Asked<'_>, prepared: &Prepared) -> FormatReport {
    let items = prepared.items.len() as u64;
    let items_kept = prepared.items.iter().filter(|item| item.keeps_format).count() as u64;
    let (answers, kept) = prepared.items.iter().fold((0, 0), |(answers, kept), item| {
        (answers + item.format.0, kept + item.format.1)
    });
    let rate = kept as f64 / u64::max(answers, 1) as f64;
    FormatReport {
        answers,
        rate,
        items,
        items_kept,
        check: asked.keeps_format(items_kept, items),
        point_estimate: if rate < asked.settings.criteria.min_format_pass_rate {
            Verdict::Failed
        } else {
            Verdict::Passed
        },
    }
}

/// Failed if any did; else open if any is.
fn together(checks: impl IntoIterator<Item = Check>) -> Verdict {
    checks
        .into_iter()
        .map(|check| check.verdict)
        .fold(Verdict::Passed, |all, one| match (all, one) {
            (Verdict::Failed, _) | (_, Verdict::Failed) => Verdict::Failed,
            (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
            (Verdict::Passed, Verdict::Passed) => Verdict::Passed,
        })
}

fn statistical(settings: &GateSettings, metrics: &[MetricReport], format: Option<&FormatReport>) -> Finding {
    let mut more = More::default();
    for metric in metrics {
        more.target = more.target.max(metric.superior.map_or(0, |check| check.more));
        more.guard = more.guard.max(metric.no_worse.more);
    }
    let all = || {
        let of_metrics = metrics
            .iter()
            .flat_map(|metric| metric.superior.into_iter().chain([metric.no_worse]));
        of_metrics.chain(format.map(|format| format.check))
    };
    let verdict = together(all());
    let for_format = format.map_or(0, |format| format.check.more);
    more.guard = more.guard.max(for_format.saturating_sub(more.target));
    Finding {
        verdict,
        reasons: text::reasons(settings, metrics, format),
        more: (verdict == Verdict::Inconclusive).then_some(more),
    }
}

pub(super) fn is_aborted(settings: &GateSettings, prepared: &Prepared) -> bool {
    prepared.failed as f64 > settings.max_failed_calls * prepared.calls as f64
}

fn aborted(settings: &GateSettings, prepared: &Prepared) -> Finding {
    let share = prepared.failed as f64 / u64::max(prepared.calls, 1) as f64;
    Finding {
        verdict: Verdict::Inconclusive,
        reasons: vec![format!(
            "{} of the calls failed for reasons of infrastructure, more than {}; replay those again",
            text::percent(share),
            text::percent(settings.max_failed_calls)
        )],
        more: None,
    }
}
