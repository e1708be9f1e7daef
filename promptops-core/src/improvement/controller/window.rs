//! Production's traces, as the loop reads them.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;

use super::improver::Improver;
use super::plan::SUCCESS;
use crate::base::error::Result;
use crate::base::{PageRequest, ScoreName, Timestamp, VersionNumber};
use crate::improvement::monitor::{Incumbent, Scored};
use crate::improvement::triage::{TriageSettings, Triaged, triage};
use crate::observation::{TraceFilter, TraceRecord};

/// A trace's scores, and the session that it is of.
pub(super) struct Online {
    pub scored: Scored,
    pub session: Option<String>,
}

impl Improver {
    /// Traces of the slot, whatever version they are of.
    fn of_slot(&self) -> TraceFilter {
        TraceFilter {
            prompt: Some(self.prompt.clone()),
            environment: Some(self.environment.clone()),
            ..TraceFilter::default()
        }
    }

    /// The newest traces of the slot, as many as the plan looks at, the newest first.
    pub(super) async fn recent(&self) -> Result<Vec<TraceRecord>> {
        let look_back = self.plan.look_back;
        let age = TimeDelta::from_std(look_back.age).unwrap_or(TimeDelta::MAX);
        let filter = TraceFilter {
            from: self.now().checked_sub_signed(age),
            ..self.of_slot()
        };
        let mut found = Vec::new();
        self.each_trace(&filter, |trace| {
            found.push(trace);
            found.len() < look_back.traces
        })
        .await?;
        Ok(found)
    }

    /// The newest inputs that a version was asked with, the newest first.
    pub(super) async fn recent_inputs(
        &self,
        version: VersionNumber,
        most: usize,
    ) -> Result<Vec<TraceRecord>> {
        let filter = TraceFilter {
            version: Some(version),
            has_inputs: true,
            ..self.of_slot()
        };
        let mut found = Vec::new();
        self.each_trace(&filter, |trace| {
            found.push(trace);
            found.len() < most
        })
        .await?;
        Ok(found)
    }

    /// The scores of a version's traces that began in a time, the oldest first.
    pub(super) async fn online(
        &self,
        version: VersionNumber,
        metrics: &[ScoreName],
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Online>> {
        let filter = TraceFilter {
            version: Some(version),
            from: Some(from),
            to: Some(to),
            ..self.of_slot()
        };
        let mut found = Vec::new();
        self.each_trace(&filter, |trace| {
            found.extend(online(trace, metrics, &self.plan.triage));
            true
        })
        .await?;
        found.reverse();
        Ok(found)
    }

    /// What a version scored before a time, the newest so many of its sessions; by metric.
    pub(super) async fn incumbent(
        &self,
        version: VersionNumber,
        metrics: &[ScoreName],
        (from, to): (Option<Timestamp>, Timestamp),
    ) -> Result<BTreeMap<ScoreName, Incumbent>> {
        let filter = TraceFilter {
            version: Some(version),
            from,
            to: Some(to),
            ..self.of_slot()
        };
        let most = self.plan.look_back.traces;
        let mut sums = Sums::default();
        // Of a session the first trace counts, as it does for a watch.
        let mut sessions: HashMap<String, Scored> = HashMap::new();
        let mut alone = 0;
        self.each_trace(&filter, |trace| {
            match online(trace, metrics, &self.plan.triage) {
                Some(Online {
                    scored,
                    session: Some(session),
                }) => {
                    sessions.insert(session, scored);
                }
                Some(online) => {
                    sums.add(&online.scored);
                    alone += 1;
                }
                None => {}
            }
            alone + sessions.len() < most
        })
        .await?;
        // Sums of floats depend on their order.
        let mut firsts: Vec<(String, Scored)> = sessions.into_iter().collect();
        firsts.sort_by(|a, b| a.0.cmp(&b.0));
        firsts.iter().for_each(|(_, scored)| sums.add(scored));
        Ok(sums.incumbents())
    }

    /// Traces, the newest first, until no more are wanted.
    async fn each_trace(
        &self,
        filter: &TraceFilter,
        mut take: impl FnMut(TraceRecord) -> bool + Send,
    ) -> Result<()> {
        let mut page = PageRequest::first(PageRequest::MAX_LIMIT);
        loop {
            let found = self.with.traces.traces(&self.tenant, filter, &page).await?;
            for trace in found.items {
                if !take(trace) {
                    return Ok(());
                }
            }
            match found.next {
                Some(next) => page = page.after(next),
                None => return Ok(()),
            }
        }
    }
}

/// What of a trace is watched; `None` where it has no such score, or failed for a reason that no prompt has a part in.
fn online(trace: TraceRecord, metrics: &[ScoreName], settings: &TriageSettings) -> Option<Online> {
    if matches!(triage(&trace, settings), Triaged::Infrastructure(_)) {
        return None;
    }
    let score = |metric: &ScoreName| {
        let score = trace.scores.get(metric).map(|score| score.value());
        score.or_else(|| {
            let success = trace.is_success().filter(|_| metric.as_str() == SUCCESS)?;
            Some(f64::from(u8::from(success)))
        })
    };
    let scores: BTreeMap<ScoreName, f64> = metrics
        .iter()
        .filter_map(|metric| Some((metric.clone(), score(metric)?)))
        .collect();
    (!scores.is_empty()).then_some(Online {
        scored: Scored { at: trace.at, scores },
        session: trace.session,
    })
}

/// What scores come to, by metric.
#[derive(Default)]
struct Sums(BTreeMap<ScoreName, Sum>);

#[derive(Default)]
struct Sum {
    total: u64,
    passed: u64,
    sum: f64,
    is_graded: bool,
}

impl Sums {
    fn add(&mut self, scored: &Scored) {
        for (metric, score) in &scored.scores {
            let sum = self.0.entry(metric.clone()).or_default();
            sum.total += 1;
            sum.sum += score;
            sum.passed += u64::from(*score == 1.0);
            sum.is_graded |= *score != 0.0 && *score != 1.0;
        }
    }

    fn incumbents(self) -> BTreeMap<ScoreName, Incumbent> {
        let incumbent = |sum: Sum| match sum.is_graded {
            false => Incumbent::Passes {
                passed: sum.passed,
                total: sum.total,
            },
            // What rounding adds is not to make a mean above 1.
            true => Incumbent::Scores {
                sum: sum.sum.min(sum.total as f64),
                count: sum.total,
            },
        };
        self.0
            .into_iter()
            .map(|(metric, sum)| (metric, incumbent(sum)))
            .collect()
    }
}
