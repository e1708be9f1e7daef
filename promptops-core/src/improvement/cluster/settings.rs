//! How failures are grouped.

use crate::base::error::{Result, invalid};

/// How failures are grouped. The defaults are for the built-in vectors; an [`Embedder`](crate::llm::Embedder)'s cosines
/// lie elsewhere, model by model, and a cut for them is to be found on clusters that are known.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct ClusterSettings {
    pub(super) cut: f64,
    pub(super) sample: usize,
    pub(super) min_size: usize,
    pub(super) seed: u64,
    pub(super) batch: usize,
    pub(super) identity: f64,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            cut: Self::DEFAULT_CUT,
            sample: Self::MAX_SAMPLE,
            min_size: Self::DEFAULT_MIN_SIZE,
            seed: 0,
            batch: 128,
            identity: Self::DEFAULT_IDENTITY,
        }
    }
}

impl ClusterSettings {
    /// The cut unless said otherwise. On planted causes that judges put in six ways each, with and without words that all
    /// of them use, the clusters agree best with the causes from 0.83 to 0.86 (adjusted Rand index .93 to 1 without such
    /// words); below, one cause falls apart by its wordings, and above, causes that share half of their words are one.
    pub const DEFAULT_CUT: f64 = 0.84;
    /// The cosine from which on two mean directions are of one cluster, unless said otherwise: see
    /// [`ClusterVector`](super::ClusterVector) for those that were met.
    pub const DEFAULT_IDENTITY: f64 = 0.4;
    /// Most failures between which all distances are taken; their matrix is of 4 MB then.
    pub const MAX_SAMPLE: usize = 1_000;
    /// Members of the smallest cluster unless said otherwise.
    pub const DEFAULT_MIN_SIZE: usize = 5;

    /// Two groups become one while the mean of all cosine distances (1 − cosine) between their members is no more than
    /// this, 0.0 ..= 1.0, and what was not sampled joins a cluster whose medoid is no further away. Default
    /// [`DEFAULT_CUT`](Self::DEFAULT_CUT).
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a number out of its range.
    pub fn cut(mut self, distance: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&distance) {
            return Err(invalid(format!(
                "clusters are to be cut at a distance of {distance}; expected a number in 0.0 ..= 1.0"
            )));
        }
        self.cut = distance;
        Ok(self)
    }

    /// Of more failures of one prompt, environment, dimension and class than this, so many are drawn to be grouped, and
    /// the others join the nearest; 2 ..= 1,000. Default 1,000.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a number out of its range.
    pub fn sample(mut self, failures: usize) -> Result<Self> {
        if !(2..=Self::MAX_SAMPLE).contains(&failures) {
            return Err(invalid(format!(
                "{failures} failures are to be drawn; expected 2 to {}",
                Self::MAX_SAMPLE
            )));
        }
        self.sample = failures;
        Ok(self)
    }

    /// What has fewer members is no cluster, from 1 on. Default 5.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for 0.
    pub fn min_size(mut self, members: usize) -> Result<Self> {
        if members == 0 {
            return Err(invalid("a cluster may have 0 members; expected at least 1"));
        }
        self.min_size = members;
        Ok(self)
    }

    /// Which failures are drawn. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Most texts that an embedder is handed at once, from 1 on. Default 128.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for 0.
    pub fn batch(mut self, texts: usize) -> Result<Self> {
        if texts == 0 {
            return Err(invalid(
                "an embedder is to be handed 0 texts at once; expected at least 1",
            ));
        }
        self.batch = texts;
        Ok(self)
    }

    /// What was found is a cluster that is known already from this cosine of their mean directions on, 0.0 ..= 1.0. Default
    /// [`DEFAULT_IDENTITY`](Self::DEFAULT_IDENTITY).
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a number out of its range.
    pub fn identity(mut self, similarity: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&similarity) {
            return Err(invalid(format!(
                "what was found is to be a known cluster from a similarity of {similarity} on; expected a number in 0.0 ..= 1.0"
            )));
        }
        self.identity = similarity;
        Ok(self)
    }
}
