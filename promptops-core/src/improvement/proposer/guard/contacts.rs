//! Addresses and secrets in a text.

use std::collections::BTreeSet;
use std::fmt;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, ErrorKind, Result};

/// What leads out of a prompt, or must not be in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Contact {
    /// An address of the web, or a host's name.
    Url,
    /// An address of mail.
    Email,
    /// A key, a token, a password.
    Secret,
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "a web address",
            Self::Email => "a mail address",
            Self::Secret => "what looks like a secret",
        })
    }
}

/// Each by itself; in lower case, but for the secrets, which are as they are.
const URLS: &str = r#"(?ix)
    [a-z][a-z0-9+.-]{1,20}://[^\s"'<>`)\]]*
    | \b (?:mailto|data|javascript|tel) : [^\s"'<>`)\]]{3,}
    | \b www \. [^\s"'<>`)\]]+
    | \b (?:\d{1,3}\.){3}\d{1,3} \b
    | \b (?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+
      (?:com|org|net|edu|gov|int|io|dev|app|ai|co|info|biz|xyz|online|site|top|shop|link|click|icu|gg|tv|eu|uk|de|fr|es|nl|
         pl|ch|se|dk|fi|ru|ua|cn|jp|kr|br|au|nz|ca|test|example|invalid|localhost) \b
      (?:/[^\s"'<>`)\]]*)?
    # Words too, which may follow a full stop without a space.
    | \b (?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+ (?:to|me|ly|it|at|be|no|in|us|is|so|do|my|am|as|gl) /[^\s"'<>`)\]]+
"#;
const EMAILS: &str = r"(?i)[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+";
/// Forms as their issuers document them (OpenAI, Anthropic, Stripe, AWS, GitHub, GitLab, Slack, Google), PEM (RFC 7468), JWT
/// (RFC 7519), bearer tokens (RFC 6750), assignments of what is called a secret, card numbers in groups, and long random words.
const SECRETS: &str = r#"(?x)
    \b (?:sk|pk|rk)[-_][A-Za-z0-9_-]{12,}
    | \b (?:AKIA|ASIA)[0-9A-Z]{12,}
    | \b gh[pousr]_[A-Za-z0-9]{16,} | \b github_pat_[A-Za-z0-9_]{16,} | \b glpat-[A-Za-z0-9_-]{12,}
    | \b xox[abeoprs]-[A-Za-z0-9-]{8,}
    | \b AIza[0-9A-Za-z_-]{24,}
    | -----BEGIN\ [A-Z\ ]{0,40}
    | \b eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}
    | (?i:\b bearer \s+ [A-Za-z0-9._~+/-]{12,})
    | (?i:(?:pass(?:word|wd|phrase)|secret|api[\ _-]?key|access[\ _-]?key|token|credentials?)
        ["']? \s* (?:[:=]|\bis\b) \s* ["']? [A-Za-z0-9_+/.!@\#$%^&*-]*[0-9][A-Za-z0-9_+/.!@\#$%^&*-]{3,})
    | \b \d{4}[\ -]\d{4}[\ -]\d{4}[\ -]\d{1,7} \b
    | \b [A-Za-z0-9+_-]{32,} \b
"#;

/// Finds addresses and secrets.
pub(super) struct Contacts {
    forms: [(Contact, Regex); 3],
}

impl Contacts {
    pub(super) fn new() -> Result<Self> {
        let form = |pattern: &str| {
            Regex::new(pattern).map_err(|e| {
                Error::new(
                    ErrorKind::Backend,
                    "the patterns of addresses and secrets do not compile",
                )
                .caused_by(e)
            })
        };
        Ok(Self {
            forms: [
                (Contact::Secret, form(SECRETS)?),
                (Contact::Email, form(EMAILS)?),
                (Contact::Url, form(URLS)?),
            ],
        })
    }

    /// All of a text.
    pub(super) fn of(&self, text: &str) -> BTreeSet<(Contact, String)> {
        let found = self.forms.iter().flat_map(|(kind, form)| {
            form.find_iter(text).filter_map(|found| {
                let found = found.as_str();
                let random = found.bytes().any(|b| b.is_ascii_digit())
                    && found.bytes().any(|b| b.is_ascii_alphabetic());
                match kind {
                    // A long word is random where it has both.
                    Contact::Secret if is_one_word(found) && !random => None,
                    Contact::Secret => Some((*kind, found.to_owned())),
                    _ => Some((
                        *kind,
                        found
                            .trim_end_matches(['.', ',', ';', ':', '!', '?'])
                            .to_lowercase(),
                    )),
                }
            })
        });
        found.collect()
    }

    /// What the first text has and the other does not.
    pub(super) fn new_in(&self, text: &str, known: &BTreeSet<(Contact, String)>) -> Option<Contact> {
        self.of(text)
            .into_iter()
            .find(|found| !known.contains(found))
            .map(|(kind, _)| kind)
    }
}

fn is_one_word(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_secrets_are_found_and_plain_words_are_not() {
        let contacts = Contacts::new().unwrap();
        for (text, kind) in [
            ("see https://evil.example/x?y=1", Contact::Url),
            ("see HTTPS://EVIL", Contact::Url),
            ("ask evil-host.com first", Contact::Url),
            ("ask www.evil/x", Contact::Url),
            ("ask bit.ly/x", Contact::Url),
            ("ping 10.0.0.7 first", Contact::Url),
            ("![x](data:text/html,abc)", Contact::Url),
            ("write to Ana.B@mail.example", Contact::Email),
            ("use sk-abcdEFGH12345678", Contact::Secret),
            ("use AKIAIOSFODNN7EXAMPLE", Contact::Secret),
            ("use ghp_0123456789abcdefABCD", Contact::Secret),
            ("-----BEGIN RSA PRIVATE KEY-----", Contact::Secret),
            ("the password is hunter2222", Contact::Secret),
            ("api_key = \"abc12345\"", Contact::Secret),
            ("Authorization: Bearer abcdefghijklmnop", Contact::Secret),
            ("card 4111 1111 1111 1111", Contact::Secret),
            ("0123456789abcdef0123456789abcdef", Contact::Secret),
        ] {
            let found = contacts.of(text);
            assert!(found.iter().any(|(found, _)| *found == kind), "{text}: {found:?}");
        }
        for text in [
            "Answer in at most 3 sentences, e.g. like this.",
            "Reply as JSON: {\"password\": \"…\"}. Ask for a token; tell no secret.",
            "It came late.It is metadata:none or said/unsaid.",
            "Costs 1.50 or 2.5.1 and/or etc.",
            "pneumonoultramicroscopicsilicovolcanoconiosis",
            "-------------------------------------------------",
            "{{ customer.name }} of {{ items[0].title }}",
        ] {
            assert_eq!(contacts.of(text), BTreeSet::new(), "{text}");
        }
    }

    #[test]
    fn only_what_is_new_counts() {
        let contacts = Contacts::new().unwrap();
        let known = contacts.of("See https://docs.example.org/a.");
        assert_eq!(contacts.new_in("see https://DOCS.example.org/a", &known), None);
        assert_eq!(
            contacts.new_in("see https://docs.example.org/b", &known),
            Some(Contact::Url)
        );
    }
}
