//! What may happen without a person.

use std::time::Duration;

/// What may happen to deployments without a person, and what a ship comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeploymentSettings {
    /// Whether a candidate that passed its replay is shipped by itself, where the environment's policy lets it in. Default:
    /// no.
    pub auto_ship: bool,
    /// Whether a deployment that was found to have regressed is rolled back by itself. Default: yes.
    pub auto_rollback: bool,
    /// How long after an automatic rollback the next one in the same slot is not made: the slot is held instead, until an
    /// owner releases it. Default 24 h.
    pub cooldown: Duration,
    /// Whether what is shipped is watched. Default: yes.
    pub watch: bool,
}

impl Default for DeploymentSettings {
    fn default() -> Self {
        Self {
            auto_ship: false,
            auto_rollback: true,
            cooldown: Duration::from_secs(24 * 3_600),
            watch: true,
        }
    }
}
