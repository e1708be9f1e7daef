//! Vectors that a model makes.

use super::Vector;
use crate::llm::Embedder;

/// One vector for each text, asked for in batches one after the other; in words why there are none.
pub(in crate::improvement::cluster) async fn embed(
    embedder: &dyn Embedder,
    texts: &[String],
    batch: usize,
) -> Result<Vec<Vector>, String> {
    let mut vectors: Vec<Vector> = Vec::with_capacity(texts.len());
    let mut dimensions = None;
    for texts in texts.chunks(batch.max(1)) {
        // A model may refuse an empty text.
        let asked: Vec<String> = texts
            .iter()
            .map(|text| {
                if text.is_empty() {
                    "-".to_owned()
                } else {
                    text.clone()
                }
            })
            .collect();
        let embedded = embedder
            .embed(&asked)
            .await
            .map_err(|error| format!("the embedder failed: {}", error.kind()))?;
        if embedded.vectors.len() != texts.len() {
            return Err(format!(
                "the embedder answered {} texts with {} vectors",
                texts.len(),
                embedded.vectors.len()
            ));
        }
        for vector in embedded.vectors {
            if *dimensions.get_or_insert(vector.len()) != vector.len() {
                return Err("the embedder answered with vectors of different lengths".to_owned());
            }
            vectors.push(direction(vector)?);
        }
    }
    Ok(vectors)
}

fn direction(values: Vec<f32>) -> Result<Vector, String> {
    let length = values
        .iter()
        .map(|value| f64::from(*value) * f64::from(*value))
        .sum::<f64>()
        .sqrt();
    if !(length.is_finite() && length > 0.0) {
        return Err("the embedder answered with a vector without a direction".to_owned());
    }
    let scaled = values.into_iter().map(|value| (f64::from(value) / length) as f32);
    Ok(Vector::Dense(scaled.collect()))
}
