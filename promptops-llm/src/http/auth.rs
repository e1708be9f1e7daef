//! The key, and the headers beside it.

use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use promptops_core::{Error, ErrorKind};
use secrecy::{ExposeSecret, SecretString};

use crate::errors::quoted;

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
    pub(super) fn key(&self) -> Option<&SecretString> {
        match self {
            Self::None => None,
            Self::Header(_, key) | Self::Bearer(key) => Some(key),
        }
    }

    /// The header, made for each request: between them the key is nowhere but in its secret.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
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

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

pub(super) fn check_key(key: &SecretString) -> Result<(), Error> {
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
pub(super) fn own_header(
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
