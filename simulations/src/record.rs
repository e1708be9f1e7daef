//! Records of experiments to simulate.

use chrono::DateTime;
use promptops_core::Result;
use promptops_core::base::{Actor, ClosureHash, ExperimentId, VariantName, VersionNumber};
use promptops_core::experiment::{Allocation, Epoch, Experiment, ExperimentStatus, Goal, Rules, Variant};
use promptops_core::prompt::Content;

/// An active experiment whose epochs split traffic so, in basis points.
///
/// # Errors
/// [`Invalid`](promptops_core::ErrorKind::Invalid) for no id, no epoch, or shares that are none.
pub fn record(id: &str, epochs: &[&[u16]], rules: Rules) -> Result<Experiment> {
    let at = DateTime::UNIX_EPOCH;
    let first = epochs.first().copied().unwrap_or_default();
    let mut allocation = Allocation::new(first)?;
    let mut list = Vec::new();
    for (number, shares) in (1..).zip(epochs) {
        allocation = allocation.reweighted(shares)?;
        list.push(Epoch {
            number,
            allocation: allocation.clone(),
            started_at: at,
        });
    }
    let variants = (1_u8..).zip(first).map(|(n, _)| {
        Ok(Variant {
            name: VariantName::new(format!("v{n}"))?,
            version: VersionNumber::new(n.into())?,
            content_hash: Content::text(format!("text {n}")).hash(),
            closure_hash: ClosureHash::from_bytes([n; 32]),
        })
    });
    Ok(Experiment {
        id: ExperimentId::new(id)?,
        name: id.to_owned(),
        prompt: "simulated".parse()?,
        environment: "production".parse()?,
        status: ExperimentStatus::Active,
        revision: 1,
        variants: variants.collect::<Result<_>>()?,
        epochs: list,
        salt: String::new(),
        namespace: None,
        holdout: None,
        goal: Goal::Success,
        rules,
        guardrails: Vec::new(),
        pointer_revision: 1,
        created_by: Actor::system("simulations"),
        created_at: at,
        completion: None,
    })
}
