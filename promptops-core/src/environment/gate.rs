//! The decision whether a version may go live: a pure function of a policy and the facts.

use std::collections::BTreeSet;

use super::approval::Approval;
use super::evaluation_gate::EvaluationFacts;
use super::policy::Policy;
use crate::base::error::Unmet;
use crate::base::{Actor, ClosureHash, EnvironmentName, Role, VersionNumber};
use crate::observation::Metrics;

/// All that a policy can ask about.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// Who wants to promote.
    pub actor: &'a Actor,
    /// Where to.
    pub environment: &'a EnvironmentName,
    /// The version.
    pub version: VersionNumber,
    /// The version with its snippets, as they are now.
    pub closure_hash: ClosureHash,
    /// What is live in the policy's source environment, and its closure when it went live there.
    pub live_in_source: Option<(VersionNumber, ClosureHash)>,
    /// Includes in the closure that can change without this environment's policy being asked, as written.
    pub floating_includes: &'a [String],
    /// The pointer's revision; 0 when nothing is live.
    pub base_revision: u64,
    /// Approvals for this slot.
    pub approvals: &'a [Approval],
    /// Feedback on exactly this closure.
    pub metrics: Metrics,
    /// What is known about the evaluation that the gate asks for, if it does.
    pub evaluation: EvaluationFacts<'a>,
}

/// One condition of a policy, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its name, the value found and the value needed.
    pub detail: Unmet,
    /// Whether it is met.
    pub met: bool,
}

pub(crate) fn condition(
    name: &str,
    met: bool,
    found: impl Into<String>,
    needed: impl Into<String>,
) -> Condition {
    Condition {
        detail: Unmet {
            condition: name.into(),
            found: found.into(),
            needed: needed.into(),
        },
        met,
    }
}

/// Every condition of the policy with what was found, in a fixed order. The version may go live when all are met.
#[must_use]
pub fn check_policy(policy: &Policy, facts: &Facts<'_>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    if policy.owner_only {
        let role = facts.actor.role;
        conditions.push(condition(
            "owner_only",
            role == Role::Owner,
            role.as_str(),
            Role::Owner.as_str(),
        ));
    }
    if let Some(source) = &policy.source {
        let version = facts.version;
        let mut needed = format!("{version} live in {source}");
        let (met, found) = match facts.live_in_source {
            None => (false, format!("nothing live in {source}")),
            Some((live, closure)) if live == version && closure != facts.closure_hash => {
                // What was tried there is not what would go live here.
                needed += &format!(" with the snippets as they are now: promote it to {source} again");
                (
                    false,
                    format!(
                        "{live} live in {source} with other snippets (closure {})",
                        closure.short()
                    ),
                )
            }
            Some((live, _)) => (live == version, format!("{live} live in {source}")),
        };
        conditions.push(condition("source_environment", met, found, needed));
    }
    if policy.pinned_snippets {
        let floating = facts.floating_includes;
        let found = if floating.is_empty() {
            "all pinned".into()
        } else {
            floating.join(", ")
        };
        let needed = format!("every include by version, or by {}", facts.environment);
        conditions.push(condition("pinned_snippets", floating.is_empty(), found, needed));
    }
    let metrics = &facts.metrics;
    let gate = &policy.gate;
    if gate.min_usage_count > 0 {
        // A rate says nothing of answers that nobody judged, so where one is asked for, those do not count.
        let judged = gate.min_success_rate.is_some();
        let usage = if judged {
            metrics.judged_count
        } else {
            metrics.usage_count
        };
        let met = usage >= gate.min_usage_count;
        let (found, needed) = (
            usage.to_string(),
            format!(
                "at least {}{}",
                gate.min_usage_count,
                if judged { " with a known success" } else { "" }
            ),
        );
        conditions.push(condition("min_usage_count", met, found, needed));
    }
    for (name, needed, found) in [
        ("min_success_rate", gate.min_success_rate, metrics.success_rate()),
        (
            "min_average_rating",
            gate.min_average_rating,
            metrics.average_rating(),
        ),
    ] {
        if let Some(needed) = needed {
            let met = found.is_some_and(|found| found >= needed);
            conditions.push(condition(
                name,
                met,
                rate(found),
                format!("at least {}", rate(Some(needed))),
            ));
        }
    }
    if let Some(required) = &gate.evaluation {
        conditions.extend(required.conditions(&facts.closure_hash, &facts.evaluation));
    }
    if policy.approvals > 0 {
        let approvers: BTreeSet<_> = facts
            .approvals
            .iter()
            .filter(|approval| {
                approval.closure_hash == facts.closure_hash
                    && approval.version == facts.version
                    && approval.base_revision == facts.base_revision
                    && approval.approved_by.role == Role::Owner
                    && approval.approved_by.id != facts.actor.id
            })
            .map(|approval| approval.approved_by.id.as_str())
            .collect();
        let found = if approvers.is_empty() {
            "0".to_owned()
        } else {
            let names: Vec<_> = approvers.iter().copied().collect();
            format!("{} ({})", approvers.len(), names.join(", "))
        };
        let needed = format!("{} by owners other than {}", policy.approvals, facts.actor.id);
        conditions.push(condition(
            "approvals",
            approvers.len() >= policy.approvals as usize,
            found,
            needed,
        ));
    }
    conditions
}

/// A rate as a policy writes it: as many decimals as it has, so that 0.8999 is never shown as the 0.9 it misses.
pub(super) fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(
        || "no data".to_owned(),
        |rate| format!("{}", (rate * 1e6).floor() / 1e6),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DatasetName, PromptName};
    use crate::environment::AgainstLive;
    use crate::evaluation::Evidence;
    use crate::prompt::Content;

    fn closure() -> ClosureHash {
        crate::prompt::closure_hash(&Content::text("x").hash(), &[])
    }

    fn production() -> &'static EnvironmentName {
        static NAME: std::sync::OnceLock<EnvironmentName> = std::sync::OnceLock::new();
        NAME.get_or_init(|| EnvironmentName::new("production").unwrap())
    }

    fn facts(actor: &Actor) -> Facts<'_> {
        Facts {
            actor,
            environment: production(),
            version: VersionNumber::FIRST,
            closure_hash: closure(),
            live_in_source: None,
            floating_includes: &[],
            base_revision: 0,
            approvals: &[],
            metrics: Metrics::default(),
            evaluation: EvaluationFacts {
                evidence: None,
                needed: None,
                against_live: AgainstLive::NothingLive,
            },
        }
    }

    fn unmet(policy: &Policy, facts: &Facts<'_>) -> Vec<String> {
        check_policy(policy, facts)
            .into_iter()
            .filter(|condition| !condition.met)
            .map(|condition| condition.detail.to_string())
            .collect()
    }

    #[test]
    fn every_unmet_condition_is_listed_with_found_and_needed() {
        let policy = Policy::open()
            .after("staging")
            .unwrap()
            .min_usage_count(10)
            .min_success_rate(0.9)
            .min_average_rating(0.8)
            .require_evaluation("golden", 0.95)
            .unwrap()
            .approvals(2)
            .owner_only()
            .pinned_snippets();
        let actor = Actor::member("bo");
        let mut facts = facts(&actor);
        let floating = ["safety".to_owned()];
        facts.floating_includes = &floating;
        facts.metrics = Metrics {
            usage_count: 12,
            judged_count: 9,
            success_count: 8,
            ..Metrics::default()
        };
        assert_eq!(
            unmet(&policy, &facts),
            [
                "owner_only: found member, needed owner".to_owned(),
                "source_environment: found nothing live in staging, needed v1 live in staging".into(),
                "pinned_snippets: found safety, needed every include by version, or by production".into(),
                "min_usage_count: found 9, needed at least 10 with a known success".into(),
                "min_success_rate: found 0.888888, needed at least 0.9".into(),
                "min_average_rating: found no data, needed at least 0.8".into(),
                format!(
                    "evaluation: found no evaluation of {}, needed at least 0.95 on dataset golden",
                    closure().short()
                ),
                "approvals: found 0, needed 2 by owners other than bo".into(),
            ]
        );
    }

    #[test]
    fn all_conditions_met_leaves_nothing() {
        let policy = Policy::open()
            .after("staging")
            .unwrap()
            .min_usage_count(10)
            .min_success_rate(0.9)
            .min_average_rating(0.8)
            .require_evaluation("golden", 0.95)
            .unwrap()
            .approvals(1)
            .owner_only();
        let actor = Actor::owner("bo");
        let evidence = Evidence {
            prompt: PromptName::new("p").unwrap(),
            closure_hash: closure(),
            dataset: DatasetName::new("golden").unwrap(),
            dataset_version: VersionNumber::FIRST,
            run: "r1".into(),
            entries: 100,
            passed: 95,
            dimensions: std::collections::BTreeMap::new(),
            judges: std::collections::BTreeMap::new(),
        };
        let approval = |by: Actor| Approval {
            prompt: PromptName::new("p").unwrap(),
            environment: production().clone(),
            version: VersionNumber::FIRST,
            closure_hash: closure(),
            base_revision: 0,
            approved_by: by,
            note: String::new(),
            at: crate::base::Timestamp::default(),
        };
        let approvals = [approval(Actor::owner("ana"))];
        let mut facts = facts(&actor);
        facts.live_in_source = Some((VersionNumber::FIRST, closure()));
        facts.metrics = Metrics {
            usage_count: 10,
            judged_count: 10,
            success_count: 9,
            rated_count: 2,
            rating_sum_millionths: 1_600_000,
            ..Metrics::default()
        };
        facts.evaluation.evidence = Some(&evidence);
        facts.approvals = &approvals;
        assert_eq!(unmet(&policy, &facts), Vec::<String>::new());

        // Neither the promoter's own approval, nor a repeated one, nor one for another base or closure counts.
        let own = [approval(actor.clone())];
        facts.approvals = &own;
        assert_eq!(unmet(&policy, &facts).len(), 1);
        facts.approvals = &approvals;
        facts.base_revision = 1;
        assert_eq!(unmet(&policy, &facts).len(), 1);
        facts.base_revision = 0;
        let repeated = [approval(Actor::owner("ana")), approval(Actor::owner("ana"))];
        facts.approvals = &repeated;
        assert_eq!(unmet(&policy.clone().approvals(2), &facts).len(), 1);
        let mut other = [approval(Actor::owner("ana"))];
        other[0].closure_hash = crate::prompt::closure_hash(&Content::text("y").hash(), &[]);
        facts.approvals = &other;
        assert_eq!(unmet(&policy, &facts).len(), 1);
        facts.approvals = &approvals;

        // What is live in the source must be this very closure.
        let changed = crate::prompt::closure_hash(&Content::text("y").hash(), &[]);
        facts.live_in_source = Some((VersionNumber::FIRST, changed));
        assert_eq!(
            unmet(&policy, &facts),
            [format!(
                "source_environment: found v1 live in staging with other snippets (closure {}), needed v1 live in \
                 staging with the snippets as they are now: promote it to staging again",
                changed.short()
            )]
        );
        facts.live_in_source = VersionNumber::FIRST.next().map(|v2| (v2, closure()));
        assert_eq!(
            unmet(&policy, &facts),
            ["source_environment: found v2 live in staging, needed v1 live in staging"]
        );
    }
}
