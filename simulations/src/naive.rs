//! What is done elsewhere: a test for one look, looked at after every outcome.

/// Successes and outcomes of each variant, the control first.
#[derive(Debug, Clone)]
pub(crate) struct Naive {
    counts: Vec<(f64, f64)>,
}

impl Naive {
    /// Outcomes of both that it waits for before its first look. Without, it would be worse.
    const FIRST_LOOK: f64 = 100.0;
    /// The two-sided 5 % point of the normal distribution.
    const CRITICAL: f64 = 1.959_963_984_540_054;

    pub(crate) fn new(variants: usize) -> Self {
        Self {
            counts: vec![(0.0, 0.0); variants],
        }
    }

    /// Counts an outcome, and says whether the z test of two proportions (pooled) of some variant against the control is
    /// significant at 5 % now.
    pub(crate) fn declares(&mut self, variant: u8, success: bool) -> bool {
        if let Some((successes, outcomes)) = self.counts.get_mut(usize::from(variant)) {
            *successes += f64::from(u8::from(success));
            *outcomes += 1.0;
        }
        let Some((control, others)) = self.counts.split_first() else {
            return false;
        };
        others.iter().any(|other| {
            let ((a, n), (b, m)) = (*control, *other);
            let pooled = (a + b) / (n + m);
            let variance = pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m);
            let difference = b / m - a / n;
            n.min(m) >= Self::FIRST_LOOK
                && difference * difference > Self::CRITICAL * Self::CRITICAL * variance
        })
    }
}
