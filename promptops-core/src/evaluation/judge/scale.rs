//! The few words that a judge may answer with, and the score of each.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::error::{Error, Result, invalid};
use crate::base::id::quoted;

/// One step of a [`Scale`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    name: String,
    value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meaning: Option<String>,
}

impl Label {
    /// Longest name in bytes.
    pub const MAX_NAME_BYTES: usize = 60;
    /// Longest meaning in bytes.
    pub const MAX_MEANING_BYTES: usize = 1_000;

    /// A label that counts as this score, 0 ..= 1. [`Scale::new`] checks it.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
            meaning: None,
        }
    }

    /// Says to the judge when it applies.
    #[must_use]
    pub fn meaning(mut self, text: impl Into<String>) -> Self {
        self.meaning = Some(text.into());
        self
    }

    /// The word itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The score that it counts as, 0 ..= 1.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// When it applies, if that was said.
    #[must_use]
    pub fn when(&self) -> Option<&str> {
        self.meaning.as_deref()
    }

    fn check(&self) -> Result<()> {
        let name = &self.name;
        if name.is_empty() || name.len() > Self::MAX_NAME_BYTES || name.trim() != name {
            return Err(invalid(format!(
                "the label {} has {} bytes; expected 1 to {}, and no space around it",
                quoted(name),
                name.len(),
                Self::MAX_NAME_BYTES
            )));
        }
        if name.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the label {} has a control character",
                quoted(name)
            )));
        }
        if !(0.0..=1.0).contains(&self.value) {
            return Err(invalid(format!(
                "the label {} counts as {}; expected a score in 0 ..= 1",
                quoted(name),
                self.value
            )));
        }
        match &self.meaning {
            Some(text) if text.trim().is_empty() || text.len() > Self::MAX_MEANING_BYTES => {
                Err(invalid(format!(
                    "the meaning of the label {} has {} bytes; expected 1 to {}, not all of them spaces",
                    quoted(name),
                    text.len(),
                    Self::MAX_MEANING_BYTES
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Without its meaning, which is an author's text.
impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.name, self.value)
    }
}

/// A small scale of labels, from worst to best. Models tell a few named steps apart better than numbers.
///
/// The default has five: unacceptable 0, poor 0.25, fair 0.5, good 0.75, excellent 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Label>", into = "Vec<Label>")]
pub struct Scale(Vec<Label>);

impl Scale {
    /// Most labels.
    pub const MAX_LABELS: usize = 11;

    /// A scale of these labels, worst first.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for fewer than two labels or more than [`MAX_LABELS`](Self::MAX_LABELS);
    /// for two that differ in the case of ASCII letters at most; for scores that do not rise from label to label; for a
    /// label that is empty or too long, has spaces around it, or a score outside of 0 ..= 1.
    pub fn new(labels: impl IntoIterator<Item = Label>) -> Result<Self> {
        let labels: Vec<Label> = labels.into_iter().collect();
        if !(2..=Self::MAX_LABELS).contains(&labels.len()) {
            return Err(invalid(format!(
                "a scale of {} labels; expected 2 to {}",
                labels.len(),
                Self::MAX_LABELS
            )));
        }
        for (i, label) in labels.iter().enumerate() {
            label.check()?;
            let Some(before) = i.checked_sub(1).and_then(|i| labels.get(i)) else {
                continue;
            };
            if label.value <= before.value {
                return Err(invalid(format!(
                    "the label {} counts as {}, after {} with {}; name the worst first, and give each its own score",
                    quoted(&label.name),
                    label.value,
                    quoted(&before.name),
                    before.value
                )));
            }
            if labels[..i]
                .iter()
                .any(|l| l.name.eq_ignore_ascii_case(&label.name))
            {
                return Err(invalid(format!(
                    "the label {} is in the scale twice",
                    quoted(&label.name)
                )));
            }
        }
        Ok(Self(labels))
    }

    /// A scale of these labels, worst first, with scores at equal distances from 0 to 1.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn even<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let last = names.len().saturating_sub(1).max(1) as f64;
        Self::new(
            names
                .into_iter()
                .enumerate()
                .map(|(i, name)| Label::new(name, i as f64 / last)),
        )
    }

    /// No and yes, of which one is good.
    pub(super) fn no_and_yes(good: super::GoodAnswer) -> Self {
        let (bad, good) = match good {
            super::GoodAnswer::Yes => ("no", "yes"),
            super::GoodAnswer::No => ("yes", "no"),
        };
        Self(vec![Label::new(bad, 0.0), Label::new(good, 1.0)])
    }

    /// The labels, worst first.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.0
    }

    /// The step, from 0 at the worst, of this label: as written, or with ASCII letters of another case.
    #[must_use]
    pub fn step_of(&self, name: &str) -> Option<usize> {
        self.0
            .iter()
            .position(|label| label.name.eq_ignore_ascii_case(name))
    }

    /// The step, from 0 at the worst, whose score is nearest; of two, the worse.
    #[must_use]
    pub fn nearest(&self, score: f64) -> usize {
        let mut nearest = 0;
        for (step, label) in self.0.iter().enumerate() {
            if (label.value - score).abs() < (self.0[nearest].value - score).abs() {
                nearest = step;
            }
        }
        nearest
    }

    pub(super) fn configuration(&self) -> Value {
        self.0
            .iter()
            .map(|label| json!({"label": label.name, "value": label.value, "meaning": label.meaning}))
            .collect()
    }
}

impl TryFrom<Vec<Label>> for Scale {
    type Error = Error;
    fn try_from(labels: Vec<Label>) -> Result<Self> {
        Self::new(labels)
    }
}

impl From<Scale> for Vec<Label> {
    fn from(scale: Scale) -> Self {
        scale.0
    }
}

impl Default for Scale {
    fn default() -> Self {
        Self(vec![
            Label::new("unacceptable", 0.0).meaning("it fails the criterion altogether, or does harm"),
            Label::new("poor", 0.25).meaning("most of what the criterion asks for is missing or wrong"),
            Label::new("fair", 0.5).meaning("about as much of it is right as is wrong or missing"),
            Label::new("good", 0.75).meaning("it meets the criterion, with small faults"),
            Label::new("excellent", 1.0).meaning("it meets the criterion in full"),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn labels_are_mapped_evenly_or_as_said() {
        let values = |scale: &Scale| scale.labels().iter().map(Label::value).collect::<Vec<_>>();
        let default = Scale::default();
        assert_eq!(values(&default), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert!(Scale::new(default.labels().to_vec()).is_ok());
        assert_eq!(values(&Scale::even(["a", "b", "c"]).unwrap()), [0.0, 0.5, 1.0]);
        let own = Scale::new([Label::new("bad", 0.1), Label::new("fine", 0.9)]).unwrap();
        assert_eq!(values(&own), [0.1, 0.9]);
        assert_eq!(own.step_of("Fine"), Some(1));
        for other in ["finE ", "fine.", "ﬁne", "fi\u{200b}ne", ""] {
            assert_eq!(own.step_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn scores_come_to_the_nearest_step_and_to_the_worse_of_two() {
        let scale = Scale::default();
        for (score, step) in [(0.0, 0), (0.12, 0), (0.125, 0), (0.13, 1), (0.74, 3), (1.0, 4)] {
            assert_eq!(scale.nearest(score), step, "{score}");
        }
    }

    #[test]
    fn a_scale_that_cannot_be_is_refused() {
        let label = Label::new;
        let long = "x".repeat(Label::MAX_NAME_BYTES + 1);
        for labels in [
            vec![],
            vec![label("only", 1.0)],
            vec![label("a", 0.0), label("b", 0.0)],
            vec![label("good", 1.0), label("bad", 0.0)],
            vec![label("good", 0.0), label("Good", 1.0)],
            vec![label("a", 0.0), label("b", 1.1)],
            vec![label("a", f64::NAN), label("b", 1.0)],
            vec![label("a", 0.0), label("b", f64::NAN)],
            vec![label("", 0.0), label("b", 1.0)],
            vec![label(" a", 0.0), label("b", 1.0)],
            vec![label("a\nb", 0.0), label("b", 1.0)],
            vec![label(&long, 0.0), label("b", 1.0)],
            vec![label("a", 0.0).meaning(" "), label("b", 1.0)],
        ] {
            let error = Scale::new(labels.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{labels:?}");
        }
        let names = |count: usize| (0..count).map(|i| i.to_string());
        assert!(Scale::even(names(11)).is_ok());
        assert!(Scale::even(names(12)).is_err());
        assert!(Scale::even(names(0)).is_err());
    }
}
