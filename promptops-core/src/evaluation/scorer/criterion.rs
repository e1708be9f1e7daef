//! A scorer with its place in an evaluation.

use std::fmt;
use std::sync::Arc;

use super::Scorer;

/// A scorer, the dimension that it counts in, and the score from which on an entry passes.
#[derive(Clone)]
pub struct Criterion {
    pub(crate) scorer: Arc<dyn Scorer>,
    pub(crate) dimension: String,
    pub(crate) pass_mark: f64,
}

impl Criterion {
    /// A scorer with its own dimension and pass mark.
    #[must_use]
    pub fn new(scorer: Arc<dyn Scorer>) -> Self {
        Self {
            dimension: scorer.dimension().to_owned(),
            pass_mark: scorer.pass_mark(),
            scorer,
        }
    }

    /// Counts it in another dimension.
    #[must_use]
    pub fn dimension(mut self, name: impl Into<String>) -> Self {
        self.dimension = name.into();
        self
    }

    /// Lets an entry pass from this score on, 0 ..= 1.
    #[must_use]
    pub fn pass_mark(mut self, score: f64) -> Self {
        self.pass_mark = score;
        self
    }
}

impl<S: Scorer + 'static> From<S> for Criterion {
    fn from(scorer: S) -> Self {
        Self::new(Arc::new(scorer))
    }
}

impl fmt::Debug for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Criterion")
            .field("scorer", &self.scorer.name())
            .field("dimension", &self.dimension)
            .field("pass_mark", &self.pass_mark)
            .finish()
    }
}
