//! Hashes and the canonical encoding under them.
//!
//! The encoding is injective: every part is preceded by its kind or its length, so that no two values share bytes.
//! Integers are big-endian. Format number 1, frozen by golden vectors (`tests/vectors/content_hash.json`), which
//! `scripts/check_content_hash.py` checks with a second implementation:
//!
//! | part | bytes |
//! |---|---|
//! | number | `u64` |
//! | bytes | their count as a number, then they themselves |
//! | text | the bytes of its UTF-8, unchanged: nothing is normalized |
//! | optional | the byte 0, or the byte 1 and the value |
//! | list | count as a number, then the items |
//! | JSON null, false, true | `n`, `f`, `t` |
//! | JSON integer in −2^63 ..= 2^64 − 1 | `i`, then its decimal digits (`-` before them) as text |
//! | JSON float without fraction whose magnitude is below 2^53 | as the integer, −0.0 as 0 |
//! | any other JSON number | `d`, then the bits of the nearest IEEE 754 double as a number |
//! | JSON string | `s`, then text |
//! | JSON array | `a`, then a list |
//! | JSON object | `o`, then its entries |
//! | entries | a list of (key as text, value as JSON) in byte order of the keys |
//!
//! A number written with a point or an exponent is a float; one written without is an integer if it is in range, else
//! a float.
//!
//! A hash is SHA-256 over: its domain as text, the format number as a number, then what it is of. The domains and what
//! follows them: `promptops.content` at [`Content::hash`](crate::prompt::Content::hash), `promptops.closure` at
//! [`closure_hash`](crate::prompt::closure_hash), `promptops.audit` at
//! [`AuditRecord::compute_hash`](super::audit::AuditRecord::compute_hash), `promptops.dataset` at
//! [`DatasetHasher`](crate::evaluation::DatasetHasher), `promptops.entry` at
//! [`MissingIds`](crate::evaluation::MissingIds), `promptops.split` at [`Split`](crate::evaluation::Split),
//! `promptops.scorers` at [`EvaluatorRecord`](crate::evaluation::run::EvaluatorRecord::scorers_hash),
//! `promptops.document` at [`Document`](crate::deployment::Document),
//! `promptops.completion` at [`CompletionKey::of`](crate::llm::CompletionKey::of), `promptops.span` at the ids of what is
//! [imported](crate::observation::otel), `promptops.session` at [`Sessions`](crate::curation::Sessions),
//! `promptops.failure` at [`FailureSignature::of`], `promptops.alike` at
//! [`Likeness`](crate::improvement::replay::Likeness), `promptops.stratum` at
//! [`Strata`](crate::improvement::replay::Strata),
//! `promptops.inputs` (of inputs as JSON, to tell them apart, and never stored), and two that a
//! [judge](crate::evaluation::judge) makes for itself, `promptops.judge.prompt` and `promptops.judge.fence`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use super::error::{Error, Result, invalid};

const PREFIX: &str = "sha256:";

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// A hash from its 32 bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The first 12 hexadecimal digits, for people.
            #[must_use]
            pub fn short(&self) -> String {
                hex(&self.0)[..12].to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{PREFIX}{}", hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(hash: $name) -> Self {
                hash.to_string()
            }
        }
    };
}

hash_type! {
    /// The identity of a version's content, shown as `sha256:` and 64 hexadecimal digits.
    ContentHash
}

hash_type! {
    /// The identity of a content together with every snippet it includes: what was tested is what ships.
    ClosureHash
}

hash_type! {
    /// The identity of a version of a dataset: of its entries, in their order.
    DatasetHash
}

hash_type! {
    /// The identity of a document that is kept as it was made: of its JSON text.
    DocumentHash
}

hash_type! {
    /// What failures with the same message have in common: see [`of`](FailureSignature::of).
    FailureSignature
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

fn parse(text: &str) -> Result<[u8; 32]> {
    let bad = || {
        invalid(format!(
            "{:?} is not a hash; expected {PREFIX} and 64 lower-case hexadecimal digits",
            text.chars().take(100).collect::<String>()
        ))
    };
    let digits = text.strip_prefix(PREFIX).ok_or_else(bad)?.as_bytes();
    if digits.len() != 64 {
        return Err(bad());
    }
    let value = |b: u8| match b {
        b'0'..=b'9' => Ok(b - b'0'),
        b'a'..=b'f' => Ok(b - b'a' + 10),
        _ => Err(bad()),
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Ok(bytes)
}

/// Where the canonical encoding goes.
pub(crate) trait Sink: Default {
    fn write(&mut self, bytes: &[u8]);
}

impl Sink for Sha256 {
    fn write(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes the canonical encoding.
#[derive(Default)]
pub(crate) struct Canonical<S>(pub(crate) S);

/// Writes it straight into SHA-256.
pub(crate) type CanonicalHasher = Canonical<Sha256>;

impl<S: Sink> Canonical<S> {
    /// Starts with the domain and the format number, so that hashes of different things never meet.
    pub(crate) fn new(domain: &str, format: u64) -> Self {
        let mut hasher = Self::default();
        hasher.text(domain);
        hasher.number(format);
        hasher
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.write(&number.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.write(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn optional<T: ?Sized>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        match value {
            None => self.0.write(&[0]),
            Some(value) => {
                self.0.write(&[1]);
                write(self, value);
            }
        }
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            write(self, item);
        }
    }

    pub(crate) fn json(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.write(b"n"),
            Value::Bool(false) => self.0.write(b"f"),
            Value::Bool(true) => self.0.write(b"t"),
            Value::Number(number) => self.json_number(number),
            Value::String(text) => {
                self.0.write(b"s");
                self.text(text);
            }
            Value::Array(items) => {
                self.0.write(b"a");
                self.list(items, Self::json);
            }
            Value::Object(map) => self.object(map),
        }
    }

    /// As [`json`](Self::json) encodes an object.
    pub(crate) fn object(&mut self, map: &Map<String, Value>) {
        self.0.write(b"o");
        // Sorted here because a host's `serde_json/preserve_order` would change the map's own order.
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        self.list(&entries, |hasher, (key, value)| {
            hasher.text(key);
            hasher.json(value);
        });
    }

    fn json_number(&mut self, number: &Number) {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if let Some(integer) = number.as_i64() {
            self.integer(&integer.to_string());
        } else if let Some(integer) = number.as_u64() {
            self.integer(&integer.to_string());
        } else {
            let float = number.as_f64().unwrap_or(f64::NAN);
            if float.fract() == 0.0 && float.abs() < EXACT {
                // Databases rewrite `1.0` as `1`; both are the same JSON number.
                self.integer(&format!("{}", float as i64));
            } else {
                self.0.write(b"d");
                self.number(float.to_bits());
            }
        }
    }

    fn integer(&mut self, digits: &str) {
        self.0.write(b"i");
        self.text(digits);
    }
}

impl CanonicalHasher {
    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hash(value: &Value) -> [u8; 32] {
        let mut hasher = CanonicalHasher::new("test", 1);
        hasher.json(value);
        hasher.finish()
    }

    #[test]
    fn text_form_round_trips() {
        let hash = ContentHash::from_bytes(hash(&json!(1)));
        assert_eq!(hash.to_string().parse::<ContentHash>().unwrap(), hash);
        assert_eq!(hash.to_string().len(), 71);
        for bad in [
            "",
            "sha256:",
            "sha256:00",
            "md5:00",
            &hash.to_string().to_uppercase(),
        ] {
            assert!(bad.parse::<ContentHash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn key_order_and_integral_floats_do_not_matter_and_all_else_does() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(
            hash(&parse(r#"{"a":1,"b":2.0}"#)),
            hash(&parse(r#"{"b":2,"a":1.0}"#))
        );
        let distinct = [
            "null",
            "false",
            "true",
            "0",
            "1",
            "-1",
            "0.5",
            "\"\"",
            "\"0\"",
            "[]",
            "{}",
            "[[]]",
            "[[],[]]",
            "[0]",
            "{\"\":0}",
            "{\"0\":\"\"}",
            "1e300",
            "18446744073709551615",
            "\"ab\"",
            "[\"a\",\"b\"]",
        ];
        let hashes: std::collections::BTreeSet<_> = distinct.iter().map(|text| hash(&parse(text))).collect();
        assert_eq!(hashes.len(), distinct.len());
    }
}
