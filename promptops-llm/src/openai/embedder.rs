//! Embeddings of OpenAI's, of Azure's, and of whatever speaks the format.
//!
//! Source of the format: OpenAI's published OpenAPI description, `CreateEmbeddingRequest`.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use promptops_core::llm::{Embedder, Embeddings, LlmError, Usage};
use promptops_core::{Error, ErrorKind};
use reqwest::Url;
use serde_json::{Value, json};

use crate::errors::Errors;
use crate::http::Transport;

/// OpenAI takes 2,048 texts at once.
const MOST_TEXTS: usize = 2_048;

/// OpenAI takes 300,000 tokens at once. A token is a byte at least, so that many bytes are never more.
const MOST_BYTES: usize = 300_000;

/// How to embed.
#[derive(Debug, Clone)]
pub struct EmbedderOptions {
    dimensions: Option<u32>,
    batch: usize,
    floats: bool,
    usage_needed: bool,
}

impl Default for EmbedderOptions {
    fn default() -> Self {
        Self {
            dimensions: None,
            batch: 128,
            floats: false,
            usage_needed: true,
        }
    }
}

impl EmbedderOptions {
    /// Vectors as long as the model makes them, asked for in base64 and 128 at once: that many of 4,096 numbers fit the
    /// default limit of an answer, in base64 and as numbers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shorter vectors, of so many numbers, ≥ 1, where the model can.
    #[must_use]
    pub fn dimensions(mut self, dimensions: u32) -> Self {
        self.dimensions = Some(dimensions);
        self
    }

    /// At most so many texts in one request, 1 ..= 2,048. A request never has more than 300,000 bytes of text either, but
    /// for a single text that is longer. Texts beyond are asked for one request after the other.
    #[must_use]
    pub fn batch(mut self, texts: usize) -> Self {
        self.batch = texts;
        self
    }

    /// Asks for numbers, for servers that know no base64. What comes is read in either form.
    #[must_use]
    pub fn as_numbers(mut self) -> Self {
        self.floats = true;
        self
    }

    /// Takes an answer that does not say its usage for one that used nothing, as
    /// [`OpenAiChat::usage_may_be_missing`](super::OpenAiChat::usage_may_be_missing).
    #[must_use]
    pub fn usage_may_be_missing(mut self) -> Self {
        self.usage_needed = false;
        self
    }
}

/// Embeds texts: see [`OpenAi::embedder`](super::OpenAi::embedder) and
/// [`AzureOpenAi::embedder`](crate::AzureOpenAi::embedder). Cheap to clone.
#[derive(Clone)]
pub struct OpenAiEmbedder {
    setup: Arc<EmbedderSetup>,
    options: EmbedderOptions,
}

pub(crate) struct EmbedderSetup {
    pub(crate) transport: Arc<Transport>,
    pub(crate) url: Url,
    pub(crate) model: String,
}

impl OpenAiEmbedder {
    pub(crate) fn new(setup: EmbedderSetup, options: EmbedderOptions) -> Result<Self, Error> {
        if !(1..=MOST_TEXTS).contains(&options.batch) {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("a batch of {} texts; expected 1 to {MOST_TEXTS}", options.batch),
            ));
        }
        if options.dimensions == Some(0) || setup.model.is_empty() {
            return Err(Error::new(
                ErrorKind::Invalid,
                "an embedder needs a model and at least 1 dimension",
            ));
        }
        Ok(Self {
            setup: Arc::new(setup),
            options,
        })
    }

    fn errors(&self) -> Errors<'_> {
        Errors(self.setup.transport.provider())
    }

    async fn batch(&self, texts: &[String], all: &mut Embeddings) -> Result<(), LlmError> {
        let format = if self.options.floats { "float" } else { "base64" };
        let mut body = json!({"model": self.setup.model, "input": texts, "encoding_format": format});
        if let Some(dimensions) = self.options.dimensions {
            body["dimensions"] = dimensions.into();
        }
        let answer = self
            .setup
            .transport
            .post(self.setup.url.clone(), &body, None)
            .await?;
        answer.read(|body| self.read(body, texts.len(), all))
    }

    fn read(&self, body: &Value, expected: usize, all: &mut Embeddings) -> Result<(), LlmError> {
        let errors = self.errors();
        let data = body
            .get("data")
            .and_then(Value::as_array)
            .ok_or_else(|| errors.malformed("the answer has no `data`; it is no list of embeddings"))?;
        if data.len() != expected {
            return Err(errors.malformed(format!(
                "{} vectors came for {expected} texts; ask again",
                data.len()
            )));
        }
        let mut vectors = vec![Vec::new(); expected];
        for item in data {
            let index = item.get("index").and_then(Value::as_u64);
            let place = index
                .and_then(|index| vectors.get_mut(usize::try_from(index).ok()?))
                .filter(|place| place.is_empty())
                .ok_or_else(|| errors.malformed("a vector's `index` is missing, too large or given twice"))?;
            *place = item
                .get("embedding")
                .and_then(vector)
                .ok_or_else(|| errors.malformed("a vector is neither numbers nor base64 of numbers"))?;
        }
        let length = all.vectors.first().or(vectors.first()).map_or(0, Vec::len);
        if let Some(other) = vectors.iter().find(|vector| vector.len() != length) {
            return Err(errors.malformed(format!(
                "vectors have {length} and {} numbers; expected one length",
                other.len()
            )));
        }
        let tokens = body.pointer("/usage/prompt_tokens").and_then(Value::as_u64);
        if tokens.is_none() && self.options.usage_needed {
            return Err(errors
                .malformed(
                    "the answer does not say its usage, so its cost is unknown; allow it with \
                     `usage_may_be_missing` if this server never does",
                )
                .with_should_retry(false));
        }
        all.vectors.append(&mut vectors);
        all.usage += Usage {
            input_tokens: tokens.unwrap_or(0),
            ..Usage::default()
        };
        if let Some(model) = body.get("model").and_then(Value::as_str) {
            model.clone_into(&mut all.model);
        }
        Ok(())
    }
}

/// A vector as numbers, or as base64 of 32-bit floats in little-endian order. Neither empty nor with what is no number.
fn vector(value: &Value) -> Option<Vec<f32>> {
    let vector: Vec<f32> = match value {
        Value::Array(numbers) => numbers
            .iter()
            .map(|n| n.as_f64().map(|n| n as f32))
            .collect::<Option<_>>()?,
        Value::String(text) => {
            let bytes = STANDARD.decode(text).ok()?;
            let (numbers, rest) = bytes.as_chunks();
            if !rest.is_empty() {
                return None;
            }
            numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        _ => return None,
    };
    (!vector.is_empty() && vector.iter().all(|n| n.is_finite())).then_some(vector)
}

#[async_trait]
impl Embedder for OpenAiEmbedder {
    fn provider(&self) -> &str {
        self.setup.transport.provider()
    }

    fn model(&self) -> &str {
        &self.setup.model
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        if let Some(at) = texts.iter().position(String::is_empty) {
            return Err(self.errors().invalid(format!(
                "text {} is empty, which has no embedding; leave it out",
                at + 1
            )));
        }
        let mut all = Embeddings {
            vectors: Vec::with_capacity(texts.len()),
            usage: Usage::default(),
            model: self.setup.model.clone(),
        };
        let mut rest = texts;
        while !rest.is_empty() {
            let mut bytes = 0_usize;
            let fit = rest
                .iter()
                .take(self.options.batch)
                .take_while(|text| {
                    bytes = bytes.saturating_add(text.len());
                    bytes <= MOST_BYTES
                })
                .count();
            let (now, later) = rest.split_at(fit.max(1));
            self.batch(now, &mut all).await?;
            rest = later;
        }
        Ok(all)
    }
}

/// Who and where, without the key.
impl fmt::Debug for OpenAiEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiEmbedder")
            .field("provider", &self.provider())
            .field("model", &self.model())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
