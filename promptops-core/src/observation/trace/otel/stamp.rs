//! A stamp as attributes of a span, and back.

use std::str::FromStr;

use super::attributes::Attributes;
use super::names::promptops as own;
use super::report::SkipReason;
use super::wire::Fault;
use crate::base::VersionNumber;
use crate::observation::{Assignment, AssignmentReason, Stamp};

/// A stamp as attributes for a span of the host's own, all of them texts. A span that carries them is imported with this
/// very stamp.
///
/// ```
/// use promptops_core::observation::{Stamp, otel};
///
/// # fn of(stamp: &Stamp) {
/// for (name, value) in otel::stamp_attributes(stamp) {
///     // span.set_attribute(KeyValue::new(name, value));
/// }
/// # }
/// ```
#[must_use]
pub fn stamp_attributes(stamp: &Stamp) -> Vec<(&'static str, String)> {
    let mut attributes = vec![
        (own::PROMPT, stamp.prompt.to_string()),
        (own::CLOSURE_HASH, stamp.closure_hash.to_string()),
    ];
    if let Some(version) = stamp.version {
        attributes.push((own::VERSION, version.get().to_string()));
    }
    if let Some(environment) = &stamp.environment {
        attributes.push((own::ENVIRONMENT, environment.to_string()));
    }
    if let Some(assignment) = &stamp.assignment {
        attributes.extend([
            (own::EXPERIMENT, assignment.experiment.to_string()),
            (own::VARIANT, assignment.variant.to_string()),
            (own::EPOCH, assignment.epoch.to_string()),
            (own::HASH_VERSION, assignment.hash_version.to_string()),
            (own::REASON, assignment.reason.to_string()),
        ]);
        attributes.extend(assignment.unit.map(|unit| (own::UNIT, unit.to_string())));
    }
    attributes
}

/// The stamp that a span carries, if it carries one.
pub(super) fn stamp_of(attributes: &mut Attributes) -> Result<Option<Stamp>, Fault> {
    let Some(prompt) = part(attributes, own::PROMPT)? else {
        return Ok(None);
    };
    let assignment = match part(attributes, own::EXPERIMENT)? {
        None => None,
        Some(experiment) => Some(Assignment {
            experiment,
            variant: needed(attributes, own::VARIANT)?,
            epoch: needed(attributes, own::EPOCH)?,
            unit: part(attributes, own::UNIT)?,
            hash_version: needed(attributes, own::HASH_VERSION)?,
            reason: needed::<Reason>(attributes, own::REASON)?.0,
        }),
    };
    Ok(Some(Stamp {
        prompt,
        version: part(attributes, own::VERSION)?
            .map(VersionNumber::new)
            .transpose()
            .map_err(|_| damaged(own::VERSION))?,
        closure_hash: needed(attributes, own::CLOSURE_HASH)?,
        environment: part(attributes, own::ENVIRONMENT)?,
        assignment,
    }))
}

struct Reason(AssignmentReason);

impl FromStr for Reason {
    type Err = serde_json::Error;
    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_value(text.into()).map(Self)
    }
}

pub(super) fn part<T: FromStr>(attributes: &mut Attributes, name: &str) -> Result<Option<T>, Fault> {
    let text = attributes.written(&[name]).map_err(|_| damaged(name))?;
    text.map(|text| text.parse().map_err(|_| damaged(name)))
        .transpose()
}

fn needed<T: FromStr>(attributes: &mut Attributes, name: &str) -> Result<T, Fault> {
    part(attributes, name)?.ok_or_else(|| damaged(name))
}

fn damaged(name: &str) -> Fault {
    Fault::new(
        SkipReason::DamagedStamp,
        format!("`{name}` is missing, or not as it was handed out"),
    )
}
