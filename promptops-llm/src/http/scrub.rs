//! Taking keys out of what a provider says, and shortening it.

use secrecy::{ExposeSecret, SecretString};

/// The longest text of a provider's in an error, in bytes.
const LONGEST: usize = 500;

/// Shorter secrets are no keys, and words of the text would be taken for them.
const SHORTEST_SECRET: usize = 8;

/// Less of a secret tells nothing.
const SHORTEST_HALF: usize = 4;

/// Knows what must not be shown.
#[derive(Clone, Default)]
pub(super) struct Scrub(Vec<SecretString>);

impl Scrub {
    pub(super) fn add(&mut self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            self.0.push(secret.into());
        }
    }

    /// The text without secrets, in one line without control characters, at most 500 bytes long.
    pub(super) fn clean(&self, text: &str) -> String {
        self.shortened(text, LONGEST)
    }

    /// As [`clean`](Self::clean), for a provider's word or name.
    pub(super) fn name(&self, text: &str) -> String {
        self.shortened(text, 100)
    }

    fn shortened(&self, text: &str, longest: usize) -> String {
        // Secrets go first: half of one, at the cut, would stay.
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.expose_secret()) {
                text = text.replace(secret.expose_secret(), "[key]");
            }
            if text.contains('…') {
                text = without_halves(text, secret.expose_secret());
            }
        }
        let mut text: String = text
            .chars()
            .map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c })
            .collect();
        if text.len() > longest {
            let end = (0..=longest - '…'.len_utf8())
                .rev()
                .find(|end| text.is_char_boundary(*end))
                .unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        text.trim().to_owned()
    }
}

/// A text that somebody else cut may have the beginning of a secret at its cut.
fn without_halves(text: String, secret: &str) -> String {
    let ends = (SHORTEST_HALF..secret.len())
        .rev()
        .filter_map(|end| secret.get(..end));
    for half in ends {
        for cut in ["…", "\"…"] {
            let cut_off = format!("{half}{cut}");
            if text.contains(&cut_off) {
                return text.replace(&cut_off, &format!("[key]{cut}"));
            }
        }
    }
    text
}

/// Characters that change how a line is read without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_before_the_text_is_cut() {
        let mut scrub = Scrub::default();
        scrub.add("sk-0123456789");
        scrub.add("short");
        let text = format!("{}sk-0123456789 and short", "x".repeat(495));
        let clean = scrub.clean(&text);
        assert!(clean.len() <= LONGEST, "{}", clean.len());
        assert!(!clean.contains("sk-"), "{clean}");
        assert_eq!(
            scrub.clean("Bearer sk-0123456789,\r\nshort\u{202e}"),
            "Bearer [key],  short"
        );
        assert_eq!(scrub.clean("you sent sk-0123…; no"), "you sent [key]…; no");
        assert_eq!(scrub.clean("code \"sk-012345678\"…"), "code \"[key]\"…");
        assert_eq!(scrub.clean("sk-… and so on…"), "sk-… and so on…");
        assert!(scrub.clean(&"ä".repeat(400)).len() <= LONGEST);
    }
}
