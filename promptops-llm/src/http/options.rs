//! How to ask over HTTP.

use std::fmt;
use std::time::Duration;

/// How long to wait and how much to take: the same for every provider.
///
/// | setting | default |
/// |---|---|
/// | [`connect_timeout`](Self::connect_timeout) | 10 s |
/// | [`request_timeout`](Self::request_timeout) | 600 s, as official clients wait |
/// | [`idle_timeout`](Self::idle_timeout) | 60 s between two pieces of a streamed answer |
/// | [`max_response_bytes`](Self::max_response_bytes) | 8 MiB |
/// | [`streaming`](Self::streaming) | off |
/// | [`without_proxy`](Self::without_proxy) | proxies of the environment (`HTTPS_PROXY`, `NO_PROXY` …) are used |
#[derive(Clone)]
pub struct HttpOptions {
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_response_bytes: usize,
    pub(crate) streaming: bool,
    pub(crate) proxy: bool,
    pub(crate) headers: Vec<(String, String)>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(600),
            idle_timeout: Duration::from_secs(60),
            max_response_bytes: 8 << 20,
            streaming: false,
            proxy: true,
            headers: Vec::new(),
        }
    }
}

impl HttpOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long making a connection may take.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take in all, from connecting to the last byte of the answer.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long a streamed answer may be silent, before it begins and between two pieces.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// The largest answer, in bytes. Reading stops there.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// Has answers sent piece by piece and puts them together, so that a long answer is not mistaken for a dead
    /// connection. The answer is the same.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// Asks the provider directly, whatever proxy the environment names.
    #[must_use]
    pub fn without_proxy(mut self) -> Self {
        self.proxy = false;
        self
    }

    /// Sends another header with every request. Its value is treated like a key: no error and no log shows it.
    /// Headers that the client sets itself cannot be replaced; building the client says so.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// Without the values of headers.
impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("streaming", &self.streaming)
            .field("proxy", &self.proxy)
            .field("headers", &names)
            .finish()
    }
}
