//! Whoever can answer a request, and whoever can embed a text.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::blueprint::Blueprint;
use super::completion::{Completion, Usage};
use super::error::LlmError;

/// A model that answers requests: a provider's API, a decorator around another client, or a stand-in for tests.
#[async_trait]
pub trait LlmClient: Send + Sync {
    /// Who answers, by the name that prices and telemetry use: `openai`, `anthropic`, `azure_openai`, …
    fn provider(&self) -> &str;

    /// The model that answers when a request names none.
    fn model(&self) -> Option<&str>;

    /// Answers a request, whole. The request's model counts before the client's.
    ///
    /// A client asks once: repeating is a decorator's affair. Dropping the future gives the request up.
    ///
    /// # Errors
    /// [`LlmError`], classified. What a provider cannot be told is [`Unsupported`](super::LlmErrorKind::Unsupported)
    /// and never left out in silence.
    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError>;
}

/// A model that makes vectors of texts.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// Who embeds, as in [`LlmClient::provider`].
    fn provider(&self) -> &str;

    /// The model.
    fn model(&self) -> &str;

    /// One vector for each text, in order, all of the same length.
    ///
    /// # Errors
    /// [`LlmError`], classified.
    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError>;
}

/// What embedding came to.
#[derive(Clone, PartialEq)]
pub struct Embeddings {
    /// One vector for each text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// What was counted.
    pub usage: Usage,
    /// The model that answered, in the provider's words.
    pub model: String,
}

#[async_trait]
impl<C: LlmClient + ?Sized> LlmClient for Arc<C> {
    fn provider(&self) -> &str {
        (**self).provider()
    }

    fn model(&self) -> Option<&str> {
        (**self).model()
    }

    async fn complete(&self, request: &Blueprint) -> Result<Completion, LlmError> {
        (**self).complete(request).await
    }
}

#[async_trait]
impl<E: Embedder + ?Sized> Embedder for Arc<E> {
    fn provider(&self) -> &str {
        (**self).provider()
    }

    fn model(&self) -> &str {
        (**self).model()
    }

    async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
        (**self).embed(texts).await
    }
}

/// How many, without the vectors.
impl fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embeddings")
            .field("vectors", &self.vectors.len())
            .field("usage", &self.usage)
            .field("model", &self.model)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lengths;

    #[async_trait]
    impl Embedder for Lengths {
        fn provider(&self) -> &str {
            "lengths"
        }

        fn model(&self) -> &str {
            "bytes"
        }

        async fn embed(&self, texts: &[String]) -> Result<Embeddings, LlmError> {
            Ok(Embeddings {
                vectors: texts.iter().map(|text| vec![text.len() as f32]).collect(),
                usage: Usage::default(),
                model: "bytes".into(),
            })
        }
    }

    async fn embed(embedder: impl Embedder) -> (String, Vec<Vec<f32>>) {
        let embeddings = embedder.embed(&["a".into(), "bc".into()]).await.unwrap();
        (
            format!("{} {}", embedder.provider(), embedder.model()),
            embeddings.vectors,
        )
    }

    #[tokio::test]
    async fn a_shared_embedder_is_one() {
        let shared: Arc<dyn Embedder> = Arc::new(Lengths);
        assert_eq!(embed(shared).await, embed(Lengths).await);
    }
}
