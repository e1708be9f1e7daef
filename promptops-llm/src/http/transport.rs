//! Asking a provider once.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use promptops_core::llm::{LlmError, LlmErrorKind};
use promptops_core::{Error, ErrorKind};
use reqwest::{Client, Response, Url, redirect};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::address::Address;
use super::auth::{Auth, check_key, invalid, own_header};
use super::body::{Incoming, silent};
use super::classify::{Said, error, in_band};
use super::header;
use super::options::HttpOptions;
use super::scrub::Scrub;
use super::sse::Collect;
use super::tls;
use crate::errors::Errors;

/// How much of an error's body is read.
const LONGEST_ERROR: usize = 64 << 10;

/// How long the reading of an error's body may take.
const ERROR_TIME: Duration = Duration::from_secs(2);

const AGENT: &str = concat!("promptops/", env!("CARGO_PKG_VERSION"));

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
            let (name, header) = own_header(name, value, &auth, &headers)?;
            scrub.add(value);
            // Who repeats a token leaves out its scheme.
            if let Some((_, token)) = value.split_once(' ') {
                scrub.add(token.trim());
            }
            headers.insert(name, header);
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
        let (bytes, whole) = incoming.beginning(ERROR_TIME).await;
        let said = match serde_json::from_slice::<Value>(&bytes) {
            Ok(body) => Said::read(&body),
            Err(_) => {
                let text = String::from_utf8_lossy(&bytes);
                // The mark of a cut also tells where half a key may be.
                let end = if whole { "" } else { "…" };
                Said {
                    message: Some(text.trim())
                        .filter(|text| !text.is_empty())
                        .map(|text| format!("{text}{end}")),
                    ..Said::default()
                }
            }
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
