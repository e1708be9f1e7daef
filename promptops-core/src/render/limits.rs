//! How much a rendering may cost.

/// Longest path that `sort` and `group_by` follow in every element.
pub(super) const PATH_BYTES: usize = 256;

/// Bounds on one rendering; what breaks one is an error, never a stalled or bloated process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenderLimits {
    /// Most bytes of text over all messages. Default 8 MiB.
    pub output_bytes: usize,
    /// Most bytes of values that a template may make on the way: captured blocks, concatenations, filtered texts.
    /// Default 8 MiB.
    pub scratch_bytes: usize,
    /// Most steps: every pass through a loop costs as many as its body has parts. Default 1,000,000.
    pub steps: u64,
}

impl Default for RenderLimits {
    fn default() -> Self {
        Self {
            output_bytes: 8 << 20,
            scratch_bytes: 8 << 20,
            steps: 1_000_000,
        }
    }
}
