//! What a rendering may still spend, and what is said when it cannot go on.

use std::borrow::Cow;

use crate::render::limits::RenderLimits;

/// Bytes of text read or copied that count as one step.
const BYTES_PER_STEP: usize = 64;

/// Why an expression has no value, or a text is not printed. Never repeats a value: errors are for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The value is not there.
    Missing,
    /// No steps are left.
    Steps,
    /// No memory for values made on the way is left.
    Scratch,
    /// The text is longer than it may be.
    Output,
    /// A value is nested deeper than it may be.
    Depth,
    /// What a filter, test or operator is applied to, or one of its arguments, is of a wrong type; told with the place
    /// of what it is applied to.
    Input(Cow<'static, str>),
    /// A filter or test cannot do what it is asked for; told with its own place.
    Call(Cow<'static, str>),
}

/// A result whose error has no place yet.
pub(super) type Faulty<T> = Result<T, Fault>;

/// What may still be spent.
#[derive(Debug)]
pub(super) struct Budget {
    steps: u64,
    scratch: usize,
    limits: RenderLimits,
}

impl Budget {
    pub(super) fn new(limits: &RenderLimits) -> Self {
        Self {
            steps: limits.steps,
            scratch: limits.scratch_bytes,
            limits: *limits,
        }
    }

    /// The limits that it began with.
    pub(super) fn limits(&self) -> &RenderLimits {
        &self.limits
    }

    /// Spends steps: one for each part that is evaluated, and for what it goes through on the way.
    #[inline]
    pub(super) fn step(&mut self, steps: u64) -> Faulty<()> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(Fault::Steps),
        }
    }

    /// Spends steps for bytes that are read from end to end.
    #[inline]
    pub(super) fn read(&mut self, bytes: usize) -> Faulty<()> {
        self.step((bytes / BYTES_PER_STEP) as u64 + 1)
    }

    /// Spends memory, and steps, for bytes of a value that is made.
    pub(super) fn make(&mut self, bytes: usize) -> Faulty<()> {
        self.read(bytes)?;
        match self.scratch.checked_sub(bytes) {
            Some(left) => {
                self.scratch = left;
                Ok(())
            }
            None => Err(Fault::Scratch),
        }
    }

    /// Spends memory, and steps, for a list of so many elements that is made; their texts are not copied.
    pub(super) fn make_list(&mut self, elements: usize) -> Faulty<()> {
        self.make(elements.saturating_mul(size_of::<super::value::Val<'_>>()))
    }
}
