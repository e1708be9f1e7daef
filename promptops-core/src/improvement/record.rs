//! What the loop remembers from one look to the next, as stores keep it.

use serde::{Deserialize, Serialize};

use super::attempt::Attempt;
use super::cluster::{ClusterRecord, Member};
use super::control::Control;
use super::watch::Watch;
use crate::base::error::Result;
use crate::base::stored::{from_json, to_json};
use crate::base::{Change, EnvironmentName, PromptName, text_enum};

text_enum! {
    /// What a record is of.
    RecordKind, "kind of a record of improvement", {
        /// A cluster of failures.
        Cluster = "cluster",
        /// An attempt at a better text.
        Attempt = "attempt",
        /// The watch over a version that is live.
        Watch = "watch",
        /// The tenant's switch.
        Control = "control",
    }
}

/// A cluster with the failures that the last look found in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownCluster {
    /// The cluster.
    pub record: ClusterRecord,
    /// Its members at the last look that found it, by trace.
    pub members: Vec<Member>,
}

/// One record of what the loop remembers.
#[derive(Debug, Clone, PartialEq)]
pub enum ImprovementRecord {
    /// A cluster of failures.
    Cluster(Box<KnownCluster>),
    /// An attempt at a better text.
    Attempt(Box<Attempt>),
    /// The watch over a version that is live.
    Watch(Box<Watch>),
    /// The tenant's switch; there is one, of the id [`CONTROL`](Self::CONTROL).
    Control(Control),
}

impl ImprovementRecord {
    /// The id of a tenant's switch.
    pub const CONTROL: &'static str = "control";

    /// What it is of.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Cluster(_) => RecordKind::Cluster,
            Self::Attempt(_) => RecordKind::Attempt,
            Self::Watch(_) => RecordKind::Watch,
            Self::Control(_) => RecordKind::Control,
        }
    }

    /// Its id, unique among those of its kind: 1 to 220 bytes of ASCII.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Cluster(cluster) => cluster.record.id.to_string(),
            Self::Attempt(attempt) => attempt.id.to_string(),
            Self::Watch(watch) => Watch::key(&watch.deployment, watch.epoch),
            Self::Control(_) => Self::CONTROL.to_owned(),
        }
    }

    /// The prompt that it is about.
    #[must_use]
    pub fn prompt(&self) -> Option<&PromptName> {
        match self {
            Self::Cluster(cluster) => Some(&cluster.record.prompt),
            Self::Attempt(attempt) => Some(&attempt.prompt),
            Self::Watch(watch) => Some(&watch.prompt),
            Self::Control(_) => None,
        }
    }

    /// The environment that it is about.
    #[must_use]
    pub fn environment(&self) -> Option<&EnvironmentName> {
        match self {
            Self::Cluster(cluster) => cluster.record.environment.as_ref(),
            Self::Attempt(attempt) => Some(&attempt.environment),
            Self::Watch(watch) => Some(&watch.environment),
            Self::Control(_) => None,
        }
    }

    /// How it stands: the text form of a cluster's or a watch's status, or of an attempt's stage.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Cluster(cluster) => cluster.record.status.as_str(),
            Self::Attempt(attempt) => attempt.stage.as_str(),
            Self::Watch(watch) => watch.status.as_str(),
            Self::Control(control) if control.stopped.is_some() => "stopped",
            Self::Control(_) => "on",
        }
    }

    /// 1 when it is new, one more with each change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        match self {
            Self::Cluster(cluster) => cluster.record.revision,
            Self::Attempt(attempt) => attempt.revision,
            Self::Watch(watch) => watch.revision,
            Self::Control(control) => control.revision,
        }
    }

    /// For backends: its JSON text, as it is stored.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a number that JSON has no form for.
    pub fn json(&self) -> Result<String> {
        let what = self.kind().as_str();
        match self {
            Self::Cluster(cluster) => to_json(what, cluster),
            Self::Attempt(attempt) => to_json(what, attempt),
            Self::Watch(watch) => to_json(what, watch),
            Self::Control(control) => to_json(what, control),
        }
    }

    /// For backends: a record from what was stored.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for anything that is none.
    pub fn from_stored(kind: RecordKind, json: &str) -> Result<Self> {
        let what = kind.as_str();
        Ok(match kind {
            RecordKind::Cluster => Self::Cluster(from_json(what, json)?),
            RecordKind::Attempt => Self::Attempt(from_json(what, json)?),
            RecordKind::Watch => Self::Watch(from_json(what, json)?),
            RecordKind::Control => Self::Control(from_json(what, json)?),
        })
    }

    /// What is told of it once it is committed, if anything.
    #[must_use]
    pub fn change(&self) -> Option<Change> {
        match self {
            Self::Cluster(cluster) => Some(Change::ClusterChanged {
                cluster: cluster.record.id.clone(),
                prompt: cluster.record.prompt.clone(),
                status: self.status().to_owned(),
            }),
            Self::Watch(watch) => Some(Change::WatchChanged {
                deployment: watch.deployment.clone(),
                prompt: watch.prompt.clone(),
                environment: watch.environment.clone(),
                status: self.status().to_owned(),
            }),
            Self::Attempt(_) | Self::Control(_) => None,
        }
    }
}
