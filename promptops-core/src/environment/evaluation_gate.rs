//! An evaluation that a version must have passed, and how it stands with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gate::{Condition, condition, rate};
use crate::base::audit::check_text;
use crate::base::error::{Result, invalid};
use crate::base::{ClosureHash, DatasetName, VersionNumber};
use crate::evaluation::{DatasetReference, Evidence, Verdict};

/// How far rounding may take a mean of up to a thousand million scores from what it is: less than any score can tell.
const ROUNDING: f64 = 1e-9;

/// An evaluation that must have passed, of exactly the closure that would go live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationGate {
    /// The dataset.
    pub dataset: DatasetName,
    /// The dataset's version; `None` for the latest there is: a new version makes older evaluations stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionNumber>,
    /// Least share of entries that passed, 0.0 ..= 1.0.
    pub threshold: f64,
    /// Least mean score in a dimension, 0.0 ..= 1.0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub floors: BTreeMap<String, f64>,
    /// The version must be no regression against what is live, entry by entry: at most by this margin worse, 0.0 ..= 1.0.
    /// See [`Comparison`](crate::evaluation::Comparison).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_regression: Option<f64>,
    /// A judge must have scored it, and every judge that did must be calibrated against people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calibrated_judge: bool,
}

impl EvaluationGate {
    /// Asks that this share of entries passed, 0.0 ..= 1.0, on `tickets/golden` (its latest version) or
    /// `tickets/golden@v3`.
    ///
    /// # Errors
    /// [`Invalid`](crate::base::ErrorKind::Invalid) when that is no reference to a dataset.
    pub fn new(dataset: impl AsRef<str>, threshold: f64) -> Result<Self> {
        let DatasetReference { name, version } = dataset.as_ref().parse()?;
        Ok(Self {
            dataset: name,
            version,
            threshold,
            floors: BTreeMap::new(),
            no_regression: None,
            calibrated_judge: false,
        })
    }

    /// Asks for this mean score in a dimension, 0.0 ..= 1.0. What was not scored counts as 0.
    #[must_use]
    pub fn floor(mut self, dimension: impl Into<String>, mean: f64) -> Self {
        self.floors.insert(dimension.into(), mean);
        self
    }

    /// Asks that it be no regression against what is live, by this margin, 0.0 ..= 1.0; 0.02 lets 2 entries of a hundred
    /// pass less. Where nothing is live there is nothing to compare with.
    #[must_use]
    pub fn no_regression(mut self, margin: f64) -> Self {
        self.no_regression = Some(margin);
        self
    }

    /// Asks that a judge has scored it, and that every judge that did is calibrated.
    #[must_use]
    pub fn calibrated_judge(mut self) -> Self {
        self.calibrated_judge = true;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        check_rate("evaluation threshold", self.threshold)?;
        for (dimension, floor) in &self.floors {
            check_text("a dimension's name", dimension)?;
            check_rate("evaluation floor", *floor)?;
        }
        self.no_regression
            .map_or(Ok(()), |margin| check_rate("margin of no_regression", margin))
    }

    /// Its conditions with what was found, in a fixed order.
    pub(super) fn conditions(&self, closure: &ClosureHash, facts: &EvaluationFacts<'_>) -> Vec<Condition> {
        let dataset = match facts.needed {
            Some(version) => format!("{} {version}", self.dataset),
            None => self.dataset.to_string(),
        };
        // Evidence for another closure or dataset's version says nothing, whoever handed it in.
        let evidence = facts.evidence.filter(|evidence| {
            evidence.entries > 0
                && evidence.closure_hash == *closure
                && evidence.dataset == self.dataset
                && facts
                    .needed
                    .is_none_or(|needed| evidence.dataset_version == needed)
        });
        let found = match (evidence, facts.evidence) {
            (Some(evidence), _) => format!(
                "{} ({} of {} passed in run {})",
                rate(Some(evidence.pass_rate())),
                evidence.passed,
                evidence.entries,
                evidence.run
            ),
            (None, Some(stale)) => {
                let on = stale.dataset_version;
                format!("no evaluation of {} on it, but on {on}", closure.short())
            }
            (None, None) => format!("no evaluation of {}", closure.short()),
        };
        let needed = format!("at least {} on dataset {dataset}", rate(Some(self.threshold)));
        let met = evidence.is_some_and(|evidence| evidence.pass_rate() >= self.threshold);
        let mut conditions = vec![condition("evaluation", met, found, needed)];
        for (dimension, floor) in &self.floors {
            let mean = evidence
                .and_then(|evidence| evidence.dimensions.get(dimension))
                .copied();
            conditions.push(condition(
                &format!("evaluation_floor {dimension}"),
                mean.is_some_and(|mean| mean + ROUNDING >= *floor),
                rate(mean),
                format!("at least {} on dataset {dataset}", rate(Some(*floor))),
            ));
        }
        if self.calibrated_judge {
            let judges = evidence
                .map(|evidence| &evidence.judges)
                .filter(|judges| !judges.is_empty());
            let uncalibrated: Vec<_> = judges
                .iter()
                .flat_map(|judges| judges.iter().filter(|(_, calibrated)| !**calibrated))
                .map(|(judge, _)| judge.as_str())
                .collect();
            let (met, found) = match judges {
                None => (false, "no judge".to_owned()),
                Some(_) if !uncalibrated.is_empty() => {
                    (false, format!("uncalibrated: {}", uncalibrated.join(", ")))
                }
                Some(judges) => (true, format!("{} calibrated", judges.len())),
            };
            let needed = format!("every judge calibrated, at least one, on dataset {dataset}");
            conditions.push(condition("calibrated_judge", met, found, needed));
        }
        if let Some(margin) = self.no_regression {
            let (met, found) = match &facts.against_live {
                AgainstLive::NothingLive => (true, "nothing live to compare with".to_owned()),
                AgainstLive::Same => (true, "the same as what is live".to_owned()),
                AgainstLive::Unknown(why) => (false, why.clone()),
                AgainstLive::Compared { verdict, summary } => {
                    let words = summary.trim_end_matches('.').to_owned();
                    (*verdict == Verdict::NoRegression, words)
                }
            };
            let needed = format!(
                "no regression against what is live, by a margin of {}, on dataset {dataset}",
                rate(Some(margin))
            );
            conditions.push(condition("no_regression", met, found, needed));
        }
        conditions
    }
}

/// What is known about an evaluation that a gate asks for.
#[derive(Debug, Clone)]
pub struct EvaluationFacts<'a> {
    /// The last evidence for exactly this closure on the gate's dataset: on the version that is needed if there is any,
    /// else on another.
    pub evidence: Option<&'a Evidence>,
    /// The dataset's version that the evidence must be on; `None` when the dataset is not kept here, and any will do.
    pub needed: Option<VersionNumber>,
    /// How it compares with what is live, where the gate asks for that.
    pub against_live: AgainstLive,
}

/// How a version compares with what is live.
#[derive(Debug, Clone, PartialEq)]
pub enum AgainstLive {
    /// Nothing is live.
    NothingLive,
    /// Exactly this closure is live.
    Same,
    /// They cannot be compared, and why: there is no run of one of them.
    Unknown(String),
    /// They were compared.
    Compared {
        /// Whether it is worse.
        verdict: Verdict,
        /// In plain words.
        summary: String,
    },
}

pub(super) fn check_rate(name: &str, value: f64) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(invalid(format!(
        "{name} is {value}; expected a number in 0.0 ..= 1.0"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PromptName;
    use crate::prompt::Content;

    fn closure(text: &str) -> ClosureHash {
        crate::prompt::closure_hash(&Content::text(text).hash(), &[])
    }

    fn number(number: u32) -> VersionNumber {
        VersionNumber::new(number).unwrap()
    }

    fn evidence() -> Evidence {
        Evidence {
            prompt: PromptName::new("p").unwrap(),
            closure_hash: closure("x"),
            dataset: DatasetName::new("golden").unwrap(),
            dataset_version: number(2),
            run: "r1".into(),
            entries: 100,
            passed: 95,
            dimensions: BTreeMap::from([("format".into(), 0.91)]),
            judges: BTreeMap::from([("tone".into(), true)]),
        }
    }

    fn gate() -> EvaluationGate {
        EvaluationGate::new("golden", 0.9)
            .unwrap()
            .floor("format", 0.9)
            .calibrated_judge()
            .no_regression(0.02)
    }

    fn unmet(
        gate: &EvaluationGate,
        evidence: Option<&Evidence>,
        needed: Option<u32>,
        live: AgainstLive,
    ) -> Vec<String> {
        let facts = EvaluationFacts {
            evidence,
            needed: needed.map(number),
            against_live: live,
        };
        let conditions = gate.conditions(&closure("x"), &facts);
        assert_eq!(conditions.len(), 4);
        let unmet = conditions.into_iter().filter(|condition| !condition.met);
        unmet.map(|condition| condition.detail.to_string()).collect()
    }

    #[test]
    fn evidence_meets_a_gate_or_the_refusal_says_why_not() {
        let live = || AgainstLive::NothingLive;
        let good = evidence();
        assert_eq!(unmet(&gate(), Some(&good), Some(2), live()), [""; 0]);
        assert_eq!(unmet(&gate(), Some(&good), None, live()), [""; 0]);
        assert_eq!(
            unmet(&gate(), Some(&good), Some(3), live()),
            [
                format!(
                    "evaluation: found no evaluation of {} on it, but on v2, needed at least 0.9 on dataset golden v3",
                    closure("x").short()
                ),
                "evaluation_floor format: found no data, needed at least 0.9 on dataset golden v3".into(),
                "calibrated_judge: found no judge, needed every judge calibrated, at least one, on dataset golden v3".into(),
            ]
        );
        let mut weak = evidence();
        weak.passed = 89;
        weak.dimensions.insert("format".into(), 0.8999);
        weak.judges.insert("manners".into(), false);
        let worse = AgainstLive::Compared {
            verdict: Verdict::Inconclusive,
            summary: "Pass rate …".into(),
        };
        assert_eq!(
            unmet(&gate(), Some(&weak), Some(2), worse),
            [
                "evaluation: found 0.89 (89 of 100 passed in run r1), needed at least 0.9 on dataset golden v2",
                "evaluation_floor format: found 0.8999, needed at least 0.9 on dataset golden v2",
                "calibrated_judge: found uncalibrated: manners, needed every judge calibrated, at least one, on dataset golden v2",
                "no_regression: found Pass rate …, needed no regression against what is live, by a margin of 0.02, on \
                 dataset golden v2",
            ]
        );
        let mut other = evidence();
        other.closure_hash = closure("y");
        assert_eq!(unmet(&gate(), Some(&other), Some(2), AgainstLive::Same).len(), 3);
        assert_eq!(
            unmet(&gate(), None, Some(2), AgainstLive::Unknown("no run".into())).len(),
            4
        );
    }

    #[test]
    fn a_gate_that_cannot_be_is_invalid_and_an_old_one_is_read_as_it_was() {
        gate().check().unwrap();
        assert!(EvaluationGate::new("golden", 1.1).unwrap().check().is_err());
        assert!(gate().floor("tone", f64::NAN).check().is_err());
        assert!(gate().no_regression(-0.1).check().is_err());
        assert!(EvaluationGate::new("golden@3", 0.9).is_err());
        let plain: EvaluationGate = serde_json::from_str(r#"{"dataset":"golden","threshold":0.9}"#).unwrap();
        assert_eq!(plain, EvaluationGate::new("golden", 0.9).unwrap());
        let text = serde_json::to_string(&plain).unwrap();
        assert_eq!(text, r#"{"dataset":"golden","threshold":0.9}"#);
        let pinned = EvaluationGate::new("golden@v3", 0.9).unwrap();
        assert_eq!(pinned.version, Some(number(3)));
        assert!(
            serde_json::from_str::<EvaluationGate>(r#"{"dataset":"golden","threshold":0.9,"treshold":1}"#)
                .is_err()
        );
    }
}
