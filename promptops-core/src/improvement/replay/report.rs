//! What the gate found, as it is kept: of the replay, and of no trace's content.

use serde::{Deserialize, Serialize};

use super::item::Stratum;
use super::settings::{GateSettings, Role, Rule};
use crate::base::ScoreName;
use crate::base::error::Result;
use crate::deployment::{Document, Verdict};
use crate::statistics::Interval;

/// What the gate found. Its `Display` is a table for terminals, [`reason`](Self::reason) says it in plain words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// What the rule says that decides.
    pub verdict: Verdict,
    /// What the statistical rule says.
    pub statistical: Finding,
    /// What the plain rule says.
    pub point_estimate: Finding,
    /// What was asked for.
    pub settings: GateSettings,
    /// Error of each question: α, less what earlier uses of the part and other finalists took.
    pub level: f64,
    /// How often this part of the traces had decided, this time among them.
    pub uses: u32,
    /// How many finalists there were.
    pub finalists: u32,
    /// What was replayed.
    pub replayed: Replayed,
    /// Each dimension.
    pub metrics: Vec<MetricReport>,
    /// How the candidate keeps the format; `None` where that is not checked.
    #[serde(default)]
    pub format: Option<FormatReport>,
    /// Items that the candidate is better on, by the mean of the target's dimensions.
    pub won: Changes,
    /// Items that it is worse on.
    pub lost: Changes,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its verdict.
    pub verdict: Verdict,
    /// Why it is not passed, in plain words; empty where it is.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// How many more traces would do, where that is all that is missing.
    #[serde(default)]
    pub more: Option<More>,
}

/// About how many more traces it takes, were the truth what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct More {
    /// Members of the cluster.
    pub target: u64,
    /// Others.
    pub guard: u64,
}

/// What was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replayed {
    /// Items of the target.
    pub target: u64,
    /// Items of the guard.
    pub guard: u64,
    /// Items left out, since no repeat was answered by both arms.
    pub left_out: u64,
    /// Calls of both arms.
    pub calls: u64,
    /// Calls that failed for reasons of infrastructure.
    pub failed: u64,
}

/// Both arms' means in one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Of how many items.
    pub items: u64,
    /// Mean of what is live; 0 without items.
    pub baseline: f64,
    /// Mean of the candidate; 0 without items.
    pub candidate: f64,
    /// Candidate − baseline.
    pub delta: f64,
    /// 95 of 100 such intervals hold the true difference: Tango's where every item passed or did not and is for itself, else
    /// the bootstrap's over sessions, and Student's for fewer than 20 of these. `None` for fewer than two.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// Items that the candidate is better on.
    pub won: u64,
    /// Items that it is worse on.
    pub lost: u64,
}

/// The answer to one question.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Passed, failed, or open.
    pub verdict: Verdict,
    /// How likely so great an improvement is if nothing changed, where that is asked.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// What the difference, or the rate, is at least, at the report's level.
    #[serde(default)]
    pub bound: Option<f64>,
    /// How many more items it takes; 0 where it is not open.
    #[serde(default)]
    pub more: u64,
}

/// One dimension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricReport {
    /// Its name.
    pub name: ScoreName,
    /// What is asked of it.
    pub role: Role,
    /// Over all items.
    pub all: Figures,
    /// Over the target: the improvement that may be claimed.
    pub target: Figures,
    /// Over the guard.
    pub guard: Figures,
    /// Whether it is better on the target, where that is asked.
    #[serde(default)]
    pub superior: Option<Check>,
    /// Whether it is no worse on the guard.
    pub no_worse: Check,
    /// What both answers come to.
    pub statistical: Verdict,
    /// What the plain rule says of it: that it did not fall by more than the guardrail over all items, and as a target's that
    /// it rose enough.
    pub point_estimate: Verdict,
}

/// How the candidate keeps the format.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FormatReport {
    /// Answers.
    pub answers: u64,
    /// Share of the answers that keep it; 0 without answers.
    pub rate: f64,
    /// Items.
    pub items: u64,
    /// Items all of whose answers keep it, which the check is of.
    pub items_kept: u64,
    /// Whether that is often enough.
    pub check: Check,
    /// What the plain rule says of the rate.
    pub point_estimate: Verdict,
}

/// Items that changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Changes {
    /// How many.
    pub count: u64,
    /// Those that changed most, then by id; at most as many as the settings list.
    #[serde(default)]
    pub listed: Vec<Change>,
}

/// An item that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The item's id.
    pub item: String,
    /// What it was replayed for.
    pub stratum: Stratum,
    /// What is live scored, in millionths.
    pub baseline_millionths: u32,
    /// What the candidate scored, in millionths.
    pub candidate_millionths: u32,
}

impl GateReport {
    /// What the rule that decides says.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        self.by(self.settings.rule)
    }

    /// What a rule says.
    #[must_use]
    pub fn by(&self, rule: Rule) -> &Finding {
        match rule {
            Rule::Statistical => &self.statistical,
            Rule::PointEstimate => &self.point_estimate,
        }
    }

    /// To be kept as evidence.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for one of more than 16 MiB, which the limits on lists rule out.
    pub fn document(&self) -> Result<Document> {
        Document::of(self)
    }
}
