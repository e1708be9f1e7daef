//! `cosine_similarity`: how near the output's meaning is to the expected one's, by an embedding.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::bounds::{expected_text, output_text};
use super::{Score, Scorer, ScorerInput};
use crate::base::error::{Error, ErrorKind, Result, invalid};
use crate::llm::{Embedder, Price};

/// The cosine of the angle between the embeddings of the output and of the expected output, what is below 0 counting as
/// 0. With a floor f, (cosine − f) / (1 − f), what is below 0 again counting as 0: embeddings of any two texts are
/// somewhat alike, and the floor is where that begins.
///
/// A text that is the same, byte by byte, scores 1 and a blank output 0, neither with a call. Vectors that cannot be
/// compared (lengths that differ, only zeros, not finite) are an error. The pass mark is 1 unless a
/// [`Criterion`](super::Criterion) says otherwise, which only the same text reaches for certain.
#[derive(Clone)]
pub struct CosineSimilarity {
    embedder: Arc<dyn Embedder>,
    floor: f64,
    price: Option<Price>,
}

impl CosineSimilarity {
    /// By this embedder, without a floor.
    #[must_use]
    pub fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self {
            embedder,
            floor: 0.0,
            price: None,
        }
    }

    /// What counts as 0, from 0 on and less than 1.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for any other number.
    pub fn floor(mut self, floor: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&floor) {
            return Err(invalid(format!(
                "a floor of {floor}; expected a number from 0 on and less than 1"
            )));
        }
        self.floor = floor;
        Ok(self)
    }

    /// What the embedder's tokens cost; unknown unless given.
    #[must_use]
    pub fn price(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }
}

#[async_trait]
impl Scorer for CosineSimilarity {
    fn name(&self) -> &str {
        "cosine_similarity"
    }

    fn configuration(&self) -> Value {
        json!({
            "provider": self.embedder.provider(),
            "model": self.embedder.model(),
            "floor": self.floor,
        })
    }

    async fn score(&self, input: &ScorerInput<'_>) -> Result<Score> {
        let wanted = expected_text(input)?;
        let output = output_text(input)?;
        if wanted.trim().is_empty() {
            return Err(invalid(
                "the expected output is blank, which has no meaning to compare with",
            ));
        }
        if output.trim().is_empty() {
            return Ok(Score::pass(false, "the output is blank"));
        }
        if output == wanted {
            return Ok(Score::pass(true, "the same text"));
        }
        let embedded = self
            .embedder
            .embed(&[output.to_owned(), wanted.into_owned()])
            .await?;
        let cosine = match embedded.vectors.as_slice() {
            [first, second] => cosine(first, second),
            _ => None,
        };
        let cosine = cosine.ok_or_else(|| unusable(embedded.vectors.iter().map(Vec::len).collect()))?;
        let value = ((cosine - self.floor) / (1.0 - self.floor)).clamp(0.0, 1.0);
        let cost = self.price.map(|price| price.cost(&embedded.usage));
        Ok(Score::new(value, format!("the cosine is {cosine:.4}")).paid(embedded.usage, cost))
    }
}

/// `None` for vectors that have none.
fn cosine(first: &[f32], second: &[f32]) -> Option<f64> {
    if first.len() != second.len() {
        return None;
    }
    let product = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let norms = product(first, first).sqrt() * product(second, second).sqrt();
    let cosine = product(first, second) / norms;
    (norms > 0.0 && cosine.is_finite()).then_some(cosine)
}

fn unusable(lengths: Vec<usize>) -> Error {
    Error::new(
        ErrorKind::Backend,
        format!(
            "the embedder answered with vectors of lengths {:?}; expected two of one length, finite and not only zeros",
            &lengths[..lengths.len().min(5)]
        ),
    )
}

impl fmt::Debug for CosineSimilarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CosineSimilarity")
            .field("model", &self.embedder.model())
            .field("floor", &self.floor)
            .finish_non_exhaustive()
    }
}
