//! What an account may ask.

use std::time::Duration;

/// How much may be asked. What is `None` is not limited; 0 lets nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, of requests and answers together.
    pub tokens_per_minute: Option<u32>,
    /// Requests under way at once.
    pub concurrent: Option<u32>,
    /// How much may be used at once after a rest: what is allowed in this time, and at least one request. In the worst
    /// minute, that much more than the limit is used, and of tokens as much more again as the largest request has.
    /// Default 10 s.
    pub burst: Duration,
    /// The tokens that an answer is taken for while nobody knows, when the request sets no most. Default 1,024.
    pub answer_tokens: u32,
    /// The longest pause of a provider's that callers wait through. While it asks for a longer one, calls fail at once.
    /// Default 120 s.
    pub longest_pause: Duration,
}

impl Default for Limits {
    /// No limit, but the pauses that a provider asks for.
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            tokens_per_minute: None,
            concurrent: None,
            burst: Duration::from_secs(10),
            answer_tokens: 1_024,
            longest_pause: Duration::from_secs(120),
        }
    }
}

impl Limits {
    /// So many requests in a minute.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self {
            requests_per_minute: Some(requests),
            ..Self::default()
        }
    }

    /// So many tokens in a minute.
    #[must_use]
    pub fn tokens_per_minute(mut self, tokens: u32) -> Self {
        self.tokens_per_minute = Some(tokens);
        self
    }

    /// So many requests at once.
    #[must_use]
    pub fn concurrent(mut self, requests: u32) -> Self {
        self.concurrent = Some(requests);
        self
    }

    /// As much at once, after a rest, as is allowed in this time.
    #[must_use]
    pub fn burst(mut self, time: Duration) -> Self {
        self.burst = time;
        self
    }
}
