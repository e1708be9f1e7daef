//! Which counts of a prompt are wanted, and which of them are added up together.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::dimensions::{Dimensions, Resolution, VariantOf};
use super::period::Span;
use super::store::RollupQuery;
use crate::base::{ClosureHash, EnvironmentName, PromptName, Timestamp, VersionNumber};

/// Which answers of a prompt are wanted: those that meet all that is said here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsFilter {
    /// The prompt.
    pub prompt: PromptName,
    /// Of this version alone.
    pub version: Option<VersionNumber>,
    /// Of this text alone.
    pub closure_hash: Option<ClosureHash>,
    /// Of this environment alone.
    pub environment: Option<EnvironmentName>,
    /// Of this variant alone, where it is counted.
    pub variant: Option<VariantOf>,
}

impl MetricsFilter {
    /// All answers of a prompt.
    #[must_use]
    pub fn of(prompt: PromptName) -> Self {
        Self {
            prompt,
            version: None,
            closure_hash: None,
            environment: None,
            variant: None,
        }
    }

    /// Of this version alone.
    #[must_use]
    pub fn version(mut self, version: VersionNumber) -> Self {
        self.version = Some(version);
        self
    }

    /// Of this text alone.
    #[must_use]
    pub fn closure_hash(mut self, hash: ClosureHash) -> Self {
        self.closure_hash = Some(hash);
        self
    }

    /// Of this environment alone.
    #[must_use]
    pub fn environment(mut self, name: EnvironmentName) -> Self {
        self.environment = Some(name);
        self
    }

    /// Of this variant alone, where it is counted.
    #[must_use]
    pub fn variant(mut self, variant: VariantOf) -> Self {
        self.variant = Some(variant);
        self
    }

    /// What a store is asked for counts since the beginning.
    pub(super) fn total(&self) -> RollupQuery {
        self.query(Span {
            resolution: Resolution::Total,
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::UNIX_EPOCH,
        })
    }

    /// What a store is asked: all that is wanted, and what [`takes`](Self::takes) leaves out.
    pub(super) fn query(&self, span: Span) -> RollupQuery {
        RollupQuery {
            prompt: self.prompt.clone(),
            resolution: span.resolution,
            from: span.from,
            to: span.to,
            version: self.version,
            closure_hash: self.closure_hash,
            environment: self.environment.clone(),
        }
    }

    /// Whether counts of these dimensions are wanted, of those that a store was asked for.
    pub(super) fn takes(&self, of: &Dimensions) -> bool {
        self.variant.is_none() || self.variant == of.variant
    }
}

impl From<PromptName> for MetricsFilter {
    fn from(prompt: PromptName) -> Self {
        Self::of(prompt)
    }
}

/// Which answers are added up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grouping {
    /// All.
    #[default]
    All,
    /// Those of one version.
    Version,
    /// Those of one text.
    ClosureHash,
    /// Those of one environment.
    Environment,
    /// Those of one variant of an experiment.
    Variant,
}

impl Grouping {
    /// The group that answers of these dimensions are in.
    #[must_use]
    pub fn group(self, of: &Dimensions) -> Group {
        match self {
            Self::All => Group::All,
            Self::Version => Group::Version(of.version),
            Self::ClosureHash => Group::ClosureHash(of.closure_hash),
            Self::Environment => Group::Environment(of.environment.clone()),
            Self::Variant => Group::Variant(of.variant.clone()),
        }
    }
}

/// Answers that are added up together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "by", content = "is", rename_all = "snake_case")]
pub enum Group {
    /// All.
    All,
    /// Those of a version; `None`: of callers' fallback texts.
    Version(Option<VersionNumber>),
    /// Those of a text.
    ClosureHash(ClosureHash),
    /// Those of an environment; `None`: of requests by number, hash, or for the latest.
    Environment(Option<EnvironmentName>),
    /// Those of a variant; `None`: where none counts.
    Variant(Option<VariantOf>),
}

/// `v3`, `production`, `variant blue of 0198…`, for people.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Version(Some(version)) => version.fmt(f),
            Self::Version(None) => f.write_str("fallback"),
            Self::ClosureHash(hash) => f.write_str(&hash.short()),
            Self::Environment(Some(name)) => name.fmt(f),
            Self::Environment(None) => f.write_str("no environment"),
            Self::Variant(Some(of)) => write!(f, "variant {} of {}", of.variant, of.experiment),
            Self::Variant(None) => f.write_str("no variant"),
        }
    }
}
