//! What a provider says in headers.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

/// Names of a request, by provider: OpenAI and Azure, Anthropic, Azure's gateway.
const REQUEST_IDS: [&str; 4] = ["x-request-id", "request-id", "apim-request-id", "x-ms-request-id"];

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

pub(super) fn request_id(headers: &HeaderMap) -> Option<&str> {
    REQUEST_IDS.iter().find_map(|name| text(headers, name))
}

/// Whether the provider says that repeating makes sense.
pub(super) fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match text(headers, "x-should-retry")? {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// How long the provider asks to wait: `retry-after-ms` in milliseconds, else `retry-after` in seconds or as a date
/// (RFC 9110, section 10.2.3). A date is taken against the answer's own `date`, which needs no right clock here.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let seconds = |text: &str, unit: f64| {
        text.parse::<f64>()
            .ok()
            .filter(|n| *n >= 0.0)
            .and_then(|n| Duration::try_from_secs_f64(n * unit).ok())
    };
    if let Some(wait) = text(headers, "retry-after-ms").and_then(|ms| seconds(ms, 1e-3)) {
        return Some(wait);
    }
    let after = text(headers, "retry-after")?;
    if let Some(wait) = seconds(after, 1.0) {
        return Some(wait);
    }
    let at = httpdate::parse_http_date(after).ok()?;
    let now = text(headers, "date")
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .unwrap_or(now);
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn waits_are_read_in_every_form() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap();
        let wait = |pairs: &[(&'static str, &'static str)]| retry_after(&headers(pairs), now);
        let ms = Duration::from_millis;
        assert_eq!(wait(&[("retry-after", "20")]), Some(ms(20_000)));
        assert_eq!(wait(&[("retry-after", "0.5")]), Some(ms(500)));
        assert_eq!(
            wait(&[("retry-after-ms", "150"), ("retry-after", "20")]),
            Some(ms(150))
        );
        assert_eq!(
            wait(&[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")]),
            Some(ms(30_000))
        );
        assert_eq!(
            wait(&[("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT")]),
            Some(ms(0))
        );
        // The provider's clock counts where it says the time.
        assert_eq!(
            wait(&[
                ("date", "Wed, 21 Oct 2026 07:28:25 GMT"),
                ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"),
            ]),
            Some(ms(5_000))
        );
        for odd in ["", "soon", "-1", "NaN", "inf", "1e300"] {
            assert_eq!(wait(&[("retry-after", odd)]), None, "{odd}");
        }
        assert_eq!(
            wait(&[("retry-after-ms", "soon"), ("retry-after", "2")]),
            Some(ms(2_000))
        );
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn only_true_and_false_say_whether_to_repeat() {
        assert_eq!(should_retry(&headers(&[("x-should-retry", "true")])), Some(true));
        assert_eq!(
            should_retry(&headers(&[("x-should-retry", "false")])),
            Some(false)
        );
        assert_eq!(should_retry(&headers(&[("x-should-retry", "maybe")])), None);
        assert_eq!(should_retry(&headers(&[])), None);
    }
}
