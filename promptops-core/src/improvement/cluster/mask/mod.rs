//! What is the same in messages that differ by numbers, names and quotations only.
//!
//! | mask | for |
//! |---|---|
//! | `<num>` | numbers, with sign, currency, points and exponent; digits within words; runs of numbers are one |
//! | `<uuid>` | 8-4-4-4-12 hexadecimal digits |
//! | `<hex>` | hexadecimal digits after `0x`, or 8 and more of them with a digit among them, or 16 and more |
//! | `<id>` | words of ASCII in which letters and digits take turns, or of 24 bytes and more with a digit |
//! | `<url>` | `scheme://…`, `www.…` |
//! | `<email>` | `somebody@example.org` |
//! | `<date>` | dates, times, both: ISO 8601, with slashes or points, and with English names of months |
//! | `<str>` | what stands in quotation marks, 400 characters at most; not in backticks, which name what is meant |
//!
//! Beside it: lower case; one space for each run of space and control characters; nothing invisible (zero width,
//! directions, variation selectors); the wide forms of ASCII as ASCII.
//!
//! Read is the beginning alone ([`MAX_BYTES`]), once and without going back, so that the work is bounded whatever the
//! text says.

mod dates;
mod scan;
mod token;

/// Raise it whenever any text is masked otherwise: it is a part of every signature.
pub const NORMALISER_VERSION: u32 = 1;
/// As much of a text as is read, in bytes.
pub const MAX_BYTES: usize = 4_096;
/// As much as is kept of a masked text, in bytes.
pub const MAX_MASKED_BYTES: usize = 1_000;

/// The text without what differs from call to call; see [this module](self) for what that is.
///
/// ```
/// use promptops_core::improvement::cluster::mask;
///
/// let masked = mask("Order 1204 of ana@example.org: \"blue mug\" was due 2026-11-03");
/// assert_eq!(masked, "order <num> of <email>: <str> was due <date>");
/// ```
#[must_use]
pub fn mask(text: &str) -> String {
    let beginning = &text[..text.floor_char_boundary(MAX_BYTES)];
    let chars = visible(beginning);
    let mut masked = dates::join(&scan::scan(&chars));
    masked.truncate(masked.floor_char_boundary(MAX_MASKED_BYTES));
    masked.truncate(masked.trim_end().len());
    masked
}

/// Lower-case characters that can be seen, and spaces.
fn visible(text: &str) -> Vec<char> {
    let mut chars = Vec::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        match c {
            c if c.is_whitespace() || c.is_control() => chars.push(' '),
            // The wide forms lie in the order of ASCII.
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = char::from_u32(c as u32 - 0xfee0).unwrap_or(c);
                chars.push(narrow.to_ascii_lowercase());
            }
            c => chars.extend(c.to_lowercase()),
        }
    }
    chars
}

/// Characters that take no room: soft hyphen, zero width, directions, variation selectors, tags.
pub(in crate::improvement) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        for (text, expected) in [
            ("", ""),
            ("  \n\t ", ""),
            ("Plain words stay.", "plain words stay."),
            ("don't can't it's", "don't can't it's"),
            // Numbers.
            ("took 12 ms", "took <num> ms"),
            (
                "took 12ms, -3.5kg, $1,024.50 and 80%",
                "took <num>ms, <num>kg, <num> and <num>%",
            ),
            ("1e-5 or 3.2E+10", "<num> or <num>"),
            ("[1, 2, 3]", "[<num>]"),
            ("[1, 2]", "[<num>]"),
            ("pages 3-5", "pages <num>"),
            ("v1.2.3 of order-12345", "v<num> of order-<num>"),
            ("step_7 failed at line 10:22", "step_<num> failed at line <date>"),
            ("10.0.0.1:8080", "<num>"),
            ("½ of ٣٤ and Ⅷ", "<num> of <num> and <num>"),
            ("订单12345失败", "订单<num>失败"),
            ("第3章第4节", "第<num>章第<num>节"),
            ("１２３ＡＢＣ", "<num>abc"),
            // UUIDs, hex, ids.
            ("trace 018F3c2a-7b1d-7c3e-9f00-0123456789ab.", "trace <uuid>."),
            ("id=018f3c2a-7b1d-7c3e-9f00-0123456789ab", "id=<uuid>"),
            ("at 0xDEADbeef and 9f86d081884c7d65", "at <hex> and <hex>"),
            ("commit deadbeef1", "commit <hex>"),
            ("facade decade", "facade decade"),
            ("req_8fK2mXq9Lz", "req_<id>"),
            ("token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "token <id>"),
            ("utf8 and sha256 stay near", "utf<num> and sha<num> stay near"),
            // URLs and mail.
            ("see https://a.example/b?c=1&d=(2).", "see <url>."),
            ("url=http://x.y/z, then", "url=<url>, then"),
            ("<https://x.y>", "<<url>>"),
            ("www.example.org/x is down", "<url> is down"),
            ("s3://bucket/key", "<url>"),
            ("write to Ana.B+x@mail.example.org!", "write to <email>!"),
            ("mailto:a@b.co", "mailto:<email>"),
            ("a@b and @home", "a@b and @home"),
            // Dates.
            ("on 2026-11-21", "on <date>"),
            ("2026-11-21T10:00:00.123Z", "<date>"),
            ("2026-11-21 10:00:00+01:00", "<date>"),
            ("11/21/26, 21.11.2026", "<date>"),
            ("at 10:00", "at <date>"),
            ("21 Nov 2026", "<date>"),
            ("Nov 21, 2026 at noon", "<date> at noon"),
            ("the 3rd of March 2026", "the <num>rd of <date>"),
            ("it may 5 times", "it may <num> times"),
            // Quotations.
            ("\"price\" is required", "<str> is required"),
            ("got 'blue mug' not “red \" mug”", "got <str> not <str>"),
            ("„Hallo“ «salut» 「はい」", "<str>"),
            ("`price` is required", "`price` is required"),
            ("\"a \\\" b\" c", "<str> c"),
            ("an \" alone", "an \" alone"),
            ("'it's late' she said", "<str> she said"),
            ("the dogs' bowl", "the dogs' bowl"),
            ("{\"a\": 1, \"b\": \"x\"}", "{<str>: <num>, <str>: <str>}"),
            // Mixtures and what cannot be seen.
            (
                "user 42 (ana@x.org) paid 3.00 on 2026/01/02",
                "user <num> (<email>) paid <num> on <date>",
            ),
            ("re\u{200b}fund\u{202e} \u{feff}12", "refund <num>"),
            ("ОШИБКА 404: НЕ НАЙДЕНО", "ошибка <num>: не найдено"),
            ("خطأ ١٢ في الطلب", "خطأ <num> في الطلب"),
        ] {
            assert_eq!(mask(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_quotation_that_does_not_end_soon_is_none() {
        let of = |chars: usize| mask(&format!("\"{}\" x", "é".repeat(chars)));
        assert_eq!(of(399), "<str> x");
        assert!(of(400).starts_with("\"é"));
    }

    #[test]
    fn a_masked_text_is_masked_already() {
        for text in [
            "order 12 \"a\" x@y.zz 0x12ab",
            "Nov 21, 2026 at 10:00",
            "https://x.y and 018f3c2a-7b1d-7c3e-9f00-0123456789ab",
        ] {
            let once = mask(text);
            assert_eq!(mask(&once), once);
        }
    }

    #[test]
    fn hostile_texts_are_bounded() {
        let quotes = "\"".repeat(100_000);
        let apostrophes = " 'a".repeat(100_000);
        let at = "a@".repeat(500_000);
        let schemes = "a://".repeat(250_000);
        let zero = "\u{200b}".repeat(350_000);
        let rtl = "\u{202e}شكرا ".repeat(100_000);
        let grows = "İ".repeat(500_000);
        let dashes = "1-".repeat(500_000);
        for text in [
            &quotes,
            &apostrophes,
            &at,
            &schemes,
            &zero,
            &rtl,
            &grows,
            &dashes,
            &"9".repeat(1 << 20),
        ] {
            let masked = mask(text);
            assert!(masked.len() <= MAX_MASKED_BYTES);
            assert!(!masked.chars().any(is_invisible));
        }
        assert_eq!(mask(&zero), "");
        assert_eq!(mask(&"9".repeat(1 << 20)), "<num>");
    }
}
