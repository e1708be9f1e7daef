//! Asking a provider once.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION,
    TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use promptops_core::llm::{LlmError, LlmErrorKind};
use promptops_core::{Error, ErrorKind};
use reqwest::{Client, Response, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::body::{Incoming, silent};
use super::classify::{Said, error, in_band};
use super::header;
use super::options::HttpOptions;
use super::scrub::Scrub;
use super::sse::Collect;
use super::tls;
use crate::errors::{Errors, quoted};

/// How much of an error's body is read.
const LONGEST_ERROR: usize = 64 << 10;

/// How long the reading of an error's body may take.
const ERROR_TIME: Duration = Duration::from_secs(2);

const AGENT: &str = concat!("promptops/", env!("CARGO_PKG_VERSION"));

/// How a provider is told the key.
#[derive(Clone)]
pub(crate) enum Auth {
    /// Not at all, as a server on the own machine needs none.
    None,
    /// In a header of its own.
    Header(HeaderName, SecretString),
    /// In `Authorization: Bearer`.
    Bearer(SecretString),
}

impl Auth {
    fn key(&self) -> Option<&SecretString> {
        match self {
            Self::None => None,
            Self::Header(_, key) | Self::Bearer(key) => Some(key),
        }
    }

    /// The header, made for each request: between them the key is nowhere but in its secret.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match self {
            Self::None => return None,
            Self::Header(name, key) => (name.clone(), HeaderValue::from_str(key.expose_secret())),
            Self::Bearer(key) => (
                AUTHORIZATION,
                HeaderValue::try_from(format!("Bearer {}", key.expose_secret())),
            ),
        };
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// Where a provider is.
#[derive(Clone)]
pub(crate) struct Address(Url);

impl Address {
    /// Reads the beginning of addresses.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for one that is no web address, or that carries what an error could show: a user,
    /// a query, a fragment.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::new(ErrorKind::Invalid, format!("the base URL {why}"));
        // The text itself is not shown: a password may be in it.
        let url = Url::parse(text.trim_end_matches('/'))
            .map_err(|e| wrong("is no URL; expected https://…").caused_by(e))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(wrong("is no web address; expected https://…"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("names a user; give the key to the builder instead"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "has a query or a fragment; expected scheme, host, port and path alone",
            ));
        }
        Ok(Self(url))
    }

    /// The address of a resource below it: a path of segments, and query parameters.
    pub(crate) fn join(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        for (name, value) in query {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    }

    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// A provider's answer.
pub(crate) struct Answer<'a> {
    transport: &'a Transport,
    body: Value,
    request_id: Option<String>,
}

impl Answer<'_> {
    /// Reads the body. An error names the request, and repeats no key even where the body does.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Value) -> Result<T, LlmError>) -> Result<T, LlmError> {
        read(&self.body).map_err(|error| {
            let error = self.transport.scrubbed(error).with_status(200);
            match &self.request_id {
                Some(id) => error.with_request_id(id.clone()),
                None => error,
            }
        })
    }
}

/// One provider's way over HTTP. Cheap to share; connections are kept.
pub(crate) struct Transport {
    http: Client,
    provider: Cow<'static, str>,
    auth: Auth,
    options: HttpOptions,
    scrub: Scrub,
}

impl Transport {
    /// Prepares to ask a provider. `fixed` are headers of the provider's, which are no secrets.
    pub(crate) fn new(
        provider: Cow<'static, str>,
        address: &Address,
        auth: Auth,
        fixed: Vec<(HeaderName, String)>,
        options: HttpOptions,
    ) -> Result<Self, Error> {
        let mut scrub = Scrub::default();
        if let Some(key) = auth.key() {
            check_key(key)?;
            scrub.add(key.expose_secret());
        }
        let mut headers = HeaderMap::new();
        for (name, value) in fixed {
            let value = HeaderValue::try_from(&value).map_err(|_| {
                invalid(format!(
                    "the header {name} cannot carry its value; expected visible ASCII"
                ))
            })?;
            headers.insert(name, value);
        }
        for (name, value) in &options.headers {
            let (name, value) = own_header(name, value, &auth, &headers)?;
            scrub.add(value.to_str().unwrap_or_default());
            headers.insert(name, value);
        }
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls::config(address.is_secure())?)
            .redirect(redirect::Policy::none())
            .referer(false)
            .user_agent(AGENT)
            .default_headers(headers)
            .connect_timeout(options.connect_timeout);
        if !options.proxy {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|e| Error::new(ErrorKind::Backend, "the HTTP client cannot be set up").caused_by(e))?;
        Ok(Self {
            http,
            provider,
            auth,
            options,
            scrub,
        })
    }

    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }

    pub(crate) fn streams(&self) -> bool {
        self.options.streaming
    }

    /// Sends a body and reads the answer; with a collector, one that comes in events. It takes no longer than the time
    /// allowed, and dropping it closes the connection.
    pub(crate) async fn post(
        &self,
        url: Url,
        body: &Value,
        collector: Option<&mut dyn Collect>,
    ) -> Result<Answer<'_>, LlmError> {
        let limit = self.options.request_timeout;
        match tokio::time::timeout(limit, self.exchange(url, body, collector)).await {
            Ok(answer) => answer,
            Err(_) => Err(LlmError::new(
                LlmErrorKind::Timeout,
                self.provider(),
                format!("no whole answer within {limit:?}; ask again or raise `request_timeout`"),
            )),
        }
    }

    async fn exchange(
        &self,
        url: Url,
        body: &Value,
        collector: Option<&mut dyn Collect>,
    ) -> Result<Answer<'_>, LlmError> {
        let errors = Errors(&self.provider);
        let body = serde_json::to_vec(body)
            .map_err(|e| errors.invalid("the request has no JSON form").caused_by(e))?;
        let idle = collector.is_some().then_some(self.options.idle_timeout);
        let accept = if collector.is_some() {
            "text/event-stream"
        } else {
            "application/json"
        };
        let mut request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static(accept))
            .body(body);
        if let Some((name, value)) = self.auth.header() {
            request = request.header(name, value);
        }
        let sent = request.send();
        let response = match idle {
            None => sent.await,
            Some(idle) => tokio::time::timeout(idle, sent)
                .await
                .map_err(|_| silent(errors, idle))?,
        }
        .map_err(|e| unsent(errors, e))?;
        let status = response.status();
        let request_id = header::request_id(response.headers()).map(|id| self.scrub.name(id));
        let answer = if status.is_success() {
            self.success(response, idle, collector).await
        } else {
            Err(self.failure(response).await)
        };
        match answer {
            Ok(body) => Ok(Answer {
                transport: self,
                body,
                request_id,
            }),
            Err(error) => {
                let error = error.with_status(status.as_u16());
                Err(match request_id {
                    Some(id) => error.with_request_id(id),
                    None => error,
                })
            }
        }
    }

    async fn success(
        &self,
        response: Response,
        idle: Option<Duration>,
        collector: Option<&mut dyn Collect>,
    ) -> Result<Value, LlmError> {
        let errors = Errors(&self.provider);
        if let Some(encoding) = header::text(response.headers(), CONTENT_ENCODING.as_str())
            && encoding != "identity"
        {
            return Err(errors
                .malformed(format!(
                    "the answer is encoded with {}, which was not asked for; check what stands between",
                    self.scrub.name(encoding)
                ))
                .with_should_retry(false));
        }
        let media = header::text(response.headers(), CONTENT_TYPE.as_str()).map(str::to_owned);
        let essence = media.as_deref().map(|media| {
            media
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        });
        let incoming = Incoming {
            response,
            max_bytes: self.options.max_response_bytes,
            idle,
            errors,
        };
        match essence.as_deref() {
            Some("text/event-stream") => {
                let Some(collector) = collector else {
                    return Err(errors.malformed("the answer is a stream, which was not asked for"));
                };
                let collected = match incoming.events(collector).await {
                    Ok(()) => collector.finish(),
                    Err(error) => Err(error),
                };
                // What the provider says within a stream may repeat the key.
                return collected.map_err(|error| self.scrubbed(error));
            }
            // A server that cannot stream answers whole.
            None => {}
            Some(json) if json == "application/json" || json.ends_with("+json") => {}
            Some(other) => {
                return Err(errors.malformed(format!(
                    "the answer is of type {}; expected application/json: check the base URL and what stands between",
                    self.scrub.name(other)
                )));
            }
        }
        let bytes = incoming.whole().await?;
        if bytes.is_empty() {
            return Err(errors.malformed("the answer is empty; ask again"));
        }
        let body: Value = serde_json::from_slice(&bytes).map_err(|e| {
            errors
                .malformed("the answer is no JSON, or half of it; ask again")
                .caused_by(e)
        })?;
        if body.get("error").is_some_and(|error| !error.is_null()) && body.get("object").is_none() {
            return Err(self.scrubbed(in_band(&self.provider, &body)));
        }
        Ok(body)
    }

    /// The error that a status other than of success is.
    async fn failure(&self, response: Response) -> LlmError {
        let errors = Errors(&self.provider);
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        if (300..400).contains(&status) {
            let to = header::text(&headers, LOCATION.as_str()).and_then(|to| Url::parse(to).ok());
            let host = to.as_ref().and_then(Url::host_str).unwrap_or("another address");
            return errors
                .invalid(format!(
                    "it redirects to {}, which is not followed, since the key would go with it; set the base URL to \
                     where the API is",
                    self.scrub.name(host)
                ))
                .with_should_retry(false);
        }
        let incoming = Incoming {
            response,
            max_bytes: LONGEST_ERROR.min(self.options.max_response_bytes),
            idle: None,
            errors,
        };
        let bytes = incoming.beginning(ERROR_TIME).await;
        let said = match serde_json::from_slice::<Value>(&bytes) {
            Ok(body) => Said::read(&body),
            Err(_) => Said {
                message: Some(String::from_utf8_lossy(&bytes).trim().to_owned())
                    .filter(|text| !text.is_empty()),
                ..Said::default()
            },
        };
        let mut error = error(&self.provider, Some(status), &said, &self.scrub);
        if let Some(wait) = header::retry_after(&headers, SystemTime::now()) {
            error = error.with_retry_after(wait);
        }
        if let Some(retry) = header::should_retry(&headers) {
            error = error.with_should_retry(retry);
        }
        error
    }

    /// The same error without secrets.
    fn scrubbed(&self, error: LlmError) -> LlmError {
        let mut clean = LlmError::new(error.kind(), self.provider(), self.scrub.clean(error.message()));
        if let Some(code) = error.code() {
            clean = clean.with_code(self.scrub.name(code));
        }
        if error.is_retryable() != error.kind().is_retryable() {
            clean = clean.with_should_retry(error.is_retryable());
        }
        clean
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

fn check_key(key: &SecretString) -> Result<(), Error> {
    let text = key.expose_secret();
    if text.is_empty() {
        return Err(invalid("the key is empty; give one or leave it out".into()));
    }
    if !text.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
        return Err(invalid(
            "the key has spaces, line breaks or characters beyond ASCII; is there a line break at its end?"
                .into(),
        ));
    }
    Ok(())
}

/// A header of the host's, which must not replace one of the client's.
fn own_header(
    name: &str,
    value: &str,
    auth: &Auth,
    fixed: &HeaderMap,
) -> Result<(HeaderName, HeaderValue), Error> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| invalid(format!("{} is no name of a header", quoted(name))))?;
    let taken = [
        ACCEPT,
        AUTHORIZATION,
        CONNECTION,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        HOST,
        TRANSFER_ENCODING,
        USER_AGENT,
    ];
    let is_key = matches!(auth, Auth::Header(name, _) if *name == parsed);
    if taken.contains(&parsed) || is_key || fixed.contains_key(&parsed) {
        return Err(invalid(format!(
            "the header {} is the client's own; remove it",
            quoted(name)
        )));
    }
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| invalid(format!("the header {} cannot carry its value", quoted(name))))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

/// The request was not answered at all.
fn unsent(errors: Errors<'_>, error: reqwest::Error) -> LlmError {
    let error = error.without_url();
    let (kind, message) = if error.is_timeout() {
        (
            LlmErrorKind::Timeout,
            "no connection within the time allowed; ask again or raise `connect_timeout`",
        )
    } else if error.is_builder() {
        (
            LlmErrorKind::InvalidRequest,
            "the request cannot be sent; check the base URL",
        )
    } else if error.is_connect() {
        (
            LlmErrorKind::Network,
            "no connection; check the base URL, the network, its proxies and certificates",
        )
    } else {
        (
            LlmErrorKind::Network,
            "the connection broke before there was an answer; ask again",
        )
    };
    LlmError::new(kind, errors.0, message).caused_by(error)
}
