//! The experiment that is on where an entry is resolved: who gets which of its texts.

use std::sync::Arc;

use super::cache::Shared;
use crate::base::VariantName;
use crate::base::error::{Error, ErrorKind, Result};
use crate::experiment::{Assigned, Assigner, Experiment, Variant};
use crate::observation::{Assignment, AssignmentReason};

/// An open experiment, ready to be applied to requests.
pub(super) struct Enrolment {
    experiment: Arc<Experiment>,
    assigner: Assigner,
    /// What each variant serves; nothing when one cannot be served as it was when the experiment began.
    arms: Box<[Arc<Shared>]>,
}

impl Enrolment {
    /// An experiment and what its variants serve; `None` when one cannot be served.
    pub(super) fn new(experiment: Experiment, arms: Option<Box<[Arc<Shared>]>>) -> Self {
        Self {
            assigner: Assigner::new(&experiment),
            experiment: Arc::new(experiment),
            arms: arms.unwrap_or_default(),
        }
    }

    /// What a unit gets, or a caller who asks for a variant. Allocates nothing but for an error.
    pub(super) fn assign(&self, unit: Option<&str>, forced: Option<&str>) -> Result<Assigned> {
        if let Some(name) = forced {
            return self.forced(name);
        }
        if self.arms.is_empty() {
            return Ok(Assigned {
                variant: 0,
                unit: None,
                reason: AssignmentReason::Unavailable,
            });
        }
        Ok(self.assigner.assign(unit))
    }

    #[cold]
    fn forced(&self, name: &str) -> Result<Assigned> {
        let variant = VariantName::new(name)?;
        let id = &self.experiment.id;
        let forced = Assigner::forced(&self.experiment, &variant).ok_or_else(|| {
            let names: Vec<_> = self
                .experiment
                .variants
                .iter()
                .map(|of| of.name.as_str())
                .collect();
            Error::new(
                ErrorKind::NotFound,
                format!(
                    "the experiment {id} has no variant {variant}; it has {}",
                    names.join(", ")
                ),
            )
        })?;
        if self.arms.is_empty() {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "the variants of the experiment {id} cannot be served as they were when it began: a snippet was changed, \
                     or the pointer moved"
                ),
            ));
        }
        Ok(forced)
    }

    /// What is served to who was assigned so; `None` for what is live.
    pub(super) fn arm(&self, assigned: Assigned) -> Option<&Arc<Shared>> {
        self.arms.get(usize::from(assigned.variant))
    }

    /// The texts that it keeps.
    pub(super) fn arms(&self) -> &[Arc<Shared>] {
        &self.arms
    }

    /// The variant that is served; `None` when what is live is served instead.
    pub(super) fn variant(&self, assigned: Assigned) -> Option<&Variant> {
        self.arm(assigned)?;
        self.experiment.variants.get(usize::from(assigned.variant))
    }

    /// What goes into the stamp.
    pub(super) fn assignment(&self, assigned: Assigned) -> Assignment {
        let at = usize::from(assigned.variant).min(self.experiment.variants.len() - 1);
        Assignment {
            experiment: self.experiment.id.clone(),
            variant: self.experiment.variants[at].name.clone(),
            epoch: self.experiment.epoch().number,
            unit: assigned.unit,
            hash_version: Assignment::HASH_VERSION,
            reason: assigned.reason,
        }
    }
}
