//! What the guards let through.

use crate::base::error::{Result, invalid};
use crate::render::RenderLimits;

/// What the guards let through.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardSettings {
    /// Most growth of the templates' text, as a share of the live one; default 0.25. What is rendered may grow by this
    /// share of the live rendering and of the live text.
    pub max_growth: f64,
    /// Bytes that the templates may grow by however short they are; default 0. For prompts of a few lines, a quarter of
    /// which is no room for a rule.
    pub spare_bytes: usize,
    /// The shortest run of words that counts as copied from a trace, ≥ 2; default 8.
    pub copied_words: usize,
    /// With the inputs of how many traces a candidate is rendered; default 16.
    pub renderings: usize,
    /// What a rendering may take. Default: what the request path allows unless said otherwise.
    pub render_limits: RenderLimits,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            max_growth: 0.25,
            spare_bytes: 0,
            copied_words: 8,
            renderings: 16,
            render_limits: RenderLimits::default(),
        }
    }
}

impl GuardSettings {
    /// Checks that they can be.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a growth that is no share of 0 to 10, or runs of fewer than 2 or more than
    /// 64 words.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=10.0).contains(&self.max_growth) {
            return Err(invalid(format!(
                "a candidate may grow by the share {}; expected 0 to 10",
                self.max_growth
            )));
        }
        if !(2..=64).contains(&self.copied_words) {
            return Err(invalid(format!(
                "runs of {} words count as copied; expected 2 to 64",
                self.copied_words
            )));
        }
        Ok(())
    }

    /// Most bytes of templates that follow on so many.
    pub(in crate::improvement::proposer) fn most_bytes(&self, live: usize) -> usize {
        // At most 11 MiB: a content is 1 MiB at most.
        let share = (live as f64 * (1.0 + self.max_growth)).floor() as usize;
        share.max(live.saturating_add(self.spare_bytes))
    }
}
