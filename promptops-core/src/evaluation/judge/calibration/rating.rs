//! What people said of outputs.

use std::collections::HashSet;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::pairwise::Choice;
use super::super::scale::Scale;
use crate::base::error::{Result, invalid};
use crate::base::id::{MAX_NAME_BYTES, quoted};

/// Most ratings of one calibration.
const MAX_RATINGS: usize = 100_000;

/// One output, and how good people find it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HumanRating {
    /// Its id, unique among the ratings: 1 to 200 bytes without control characters.
    pub id: String,
    /// What was asked: the template's parameters.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// The output that was rated.
    pub output: String,
    /// What it should have been, for judges that need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_output: Option<Value>,
    /// How good it is.
    pub human: HumanScore,
    /// Ratings of one group depend on each other (one rater, one document): intervals take a group as one observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// How good people find an output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HumanScore {
    /// As a score, 0 ..= 1; the mean of several people's, for example.
    Score(f64),
    /// As a label of the judge's scale.
    Label(String),
}

/// Two outputs of the same input, and which of them people prefer.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HumanPreference {
    /// Its id, unique among the preferences: 1 to 200 bytes without control characters.
    pub id: String,
    /// What was asked: the template's parameters.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// One output.
    pub first: String,
    /// The other.
    pub second: String,
    /// Which is better.
    pub human: Choice,
}

impl HumanRating {
    /// Reads ratings from JSONL: an object on each line, with the fields of this struct; lines of spaces are passed over.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), with the number of the line (from 1): no JSON, an unknown or missing field, an
    /// id that is there twice, a score out of bounds. Also when there is no rating, or more than 100,000.
    pub fn read_jsonl(text: &str) -> Result<Vec<Self>> {
        read_jsonl(text)
    }

    /// The score of people on this scale, 0 ..= 1.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a label that the scale does not have.
    pub fn score(&self, scale: &Scale) -> Result<f64> {
        match &self.human {
            HumanScore::Score(score) => Ok(*score),
            HumanScore::Label(name) => match scale.step_of(name) {
                Some(step) => Ok(scale.labels()[step].value()),
                None => {
                    let labels: Vec<&str> = scale.labels().iter().map(|label| label.name()).collect();
                    Err(invalid(format!(
                        "the rating {} is {}; expected one of the judge's labels ({}) or a score in 0 ..= 1",
                        quoted(&self.id),
                        quoted(name),
                        labels.join(", ")
                    )))
                }
            },
        }
    }
}

impl HumanPreference {
    /// Reads preferences from JSONL, as [`HumanRating::read_jsonl`].
    ///
    /// # Errors
    /// As there.
    pub fn read_jsonl(text: &str) -> Result<Vec<Self>> {
        read_jsonl(text)
    }
}

pub(super) trait Rating: DeserializeOwned {
    fn id(&self) -> &str;
    fn check(&self) -> Result<()>;
}

impl Rating for HumanRating {
    fn id(&self) -> &str {
        &self.id
    }

    fn check(&self) -> Result<()> {
        check_name("id", &self.id)?;
        if let Some(group) = &self.group {
            check_name("group", group)?;
        }
        match &self.human {
            HumanScore::Score(score) if !(0.0..=1.0).contains(score) => Err(invalid(format!(
                "the rating {} is {score}; expected a score in 0 ..= 1, or a label",
                quoted(&self.id)
            ))),
            _ => Ok(()),
        }
    }
}

impl Rating for HumanPreference {
    fn id(&self) -> &str {
        &self.id
    }

    fn check(&self) -> Result<()> {
        check_name("id", &self.id)
    }
}

fn check_name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        return Err(invalid(format!(
            "the {what} {} of a rating is not allowed; expected 1 to {MAX_NAME_BYTES} bytes without control characters",
            quoted(name)
        )));
    }
    Ok(())
}

/// That there are ratings, each of them possible, and none twice.
pub(super) fn check_all<R: Rating>(ratings: &[R]) -> Result<()> {
    if ratings.is_empty() || ratings.len() > MAX_RATINGS {
        return Err(invalid(format!(
            "{} ratings; expected 1 to {MAX_RATINGS}",
            ratings.len()
        )));
    }
    let mut ids = HashSet::new();
    for rating in ratings {
        rating.check()?;
        if !ids.insert(rating.id()) {
            return Err(twice(rating.id()));
        }
    }
    Ok(())
}

fn twice(id: &str) -> crate::Error {
    invalid(format!("the id {} is there twice; give each its own", quoted(id)))
}

fn read_jsonl<R: Rating>(text: &str) -> Result<Vec<R>> {
    let mut ratings: Vec<R> = Vec::new();
    let mut ids = HashSet::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let rating: R = serde_json::from_str(line).map_err(|error| {
            // The parser's own words may repeat a text of the line, of whatever length.
            let error: String = error.to_string().chars().take(200).collect();
            invalid(format!("line {number} is no rating: {error}"))
        })?;
        rating.check().map_err(|error| error.with("line", number))?;
        if !ids.insert(rating.id().to_owned()) {
            return Err(twice(rating.id()).with("line", number));
        }
        ratings.push(rating);
    }
    check_all(&ratings)?;
    Ok(ratings)
}

/// The id and the score, without what was said.
impl fmt::Debug for HumanRating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "HumanRating({:?}, {:?}, {} bytes)",
            self.id,
            self.human,
            self.output.len()
        )
    }
}

/// The id and the choice, without what was said.
impl fmt::Debug for HumanPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HumanPreference({:?}, {:?})", self.id, self.human)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_are_read_by_score_and_by_label() {
        let text = "{\"id\":\"a\",\"output\":\"x\",\"human\":0.5}\n\n  \r\n\
                    {\"id\":\"b\",\"input\":{\"q\":1},\"output\":\"\",\"expected_output\":[1],\"human\":\"Good\",\"group\":\"g\"}\n";
        let ratings = HumanRating::read_jsonl(text).unwrap();
        assert_eq!(ratings.len(), 2);
        let scale = Scale::default();
        assert_eq!(ratings[0].score(&scale).unwrap(), 0.5);
        assert_eq!(ratings[1].score(&scale).unwrap(), 0.75);
        let error = ratings[1]
            .score(&Scale::even(["no", "yes"]).unwrap())
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("\"Good\"; expected one of the judge's labels (no, yes)")
        );
        let preference = r#"{"id":"a","first":"x","second":"y","human":"tie"}"#;
        assert_eq!(
            HumanPreference::read_jsonl(preference).unwrap()[0].human,
            Choice::Tie
        );
    }

    #[test]
    fn what_is_no_rating_is_an_error_with_its_line() {
        let good = r#"{"id":"a","output":"x","human":0.5}"#;
        let long = "c4n4ry".repeat(1_000);
        for bad in [
            "nothing",
            "{}",
            "[]",
            r#"{"id":"b","output":"x"}"#,
            r#"{"id":"b","output":"x","human":0.5,"scores":1}"#,
            r#"{"id":"b","output":"x","human":null}"#,
            r#"{"id":"b","output":"x","human":1.01}"#,
            r#"{"id":"b","output":"x","human":-0.01}"#,
            r#"{"id":"b","output":1,"human":0.5}"#,
            r#"{"id":"","output":"x","human":0.5}"#,
            r#"{"id":"b\u0000","output":"x","human":0.5}"#,
            r#"{"id":"b","output":"x","human":0.5,"group":""}"#,
            good,
            &format!(r#"{{"id":"b","output":"x","human":0.5,"{long}":1}}"#),
        ] {
            let error = HumanRating::read_jsonl(&format!("{good}\n\n{bad}\n"))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("line 3") || error.contains("line: 3"),
                "{bad}: {error}"
            );
            assert!(error.len() < 500, "{error}");
        }
        for none in ["", "\n\n"] {
            assert!(HumanRating::read_jsonl(none).is_err());
        }
    }
}
