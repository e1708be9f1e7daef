//! Where a provider is.

use promptops_core::{Error, ErrorKind};
use reqwest::Url;

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

    pub(super) fn is_secure(&self) -> bool {
        self.0.scheme() == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_joined_segment_by_segment() {
        let joined = |base: &str, segments: &[&str]| {
            let address = Address::parse(base).unwrap();
            address.join(segments, &[("v", "a b&c")]).to_string()
        };
        assert_eq!(
            joined("https://x.example", &["a", "b"]),
            "https://x.example/a/b?v=a+b%26c"
        );
        assert_eq!(
            joined("http://x.example:81/v1//", &["a/b?c"]),
            "http://x.example:81/v1/a%2Fb%3Fc?v=a+b%26c"
        );
    }
}
