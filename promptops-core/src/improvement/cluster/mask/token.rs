//! What stands between two spaces.

use super::scan::{Masked, is_delimiter};

/// Reads what begins here, and says where it ends.
pub(super) fn read(chars: &[char], begin: usize, masked: &mut Masked) -> usize {
    let rest = chars.get(begin..).unwrap_or_default();
    let len = rest
        .iter()
        .position(|c| is_delimiter(*c))
        .unwrap_or(rest.len())
        .max(1);
    let token = rest.get(..len).unwrap_or_default();
    if let Some(scheme) = url(token) {
        parts(token.get(..scheme).unwrap_or_default(), masked);
        masked.mask("<url>");
        // An address may hold what else would end a word.
        let whole = rest
            .iter()
            .position(|c| matches!(c, ' ' | '<' | '>' | '"' | '|' | '“' | '”' | '«' | '»'))
            .unwrap_or(rest.len());
        let ends = |c: &&char| matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | ']' | '}');
        let trailing = rest[..whole].iter().rev().take_while(ends).count();
        return begin + (whole - trailing).max(scheme + 1);
    }
    match email(token) {
        Some((from, to)) => {
            parts(token.get(..from).unwrap_or_default(), masked);
            masked.mask("<email>");
            parts(token.get(to..).unwrap_or_default(), masked);
        }
        None => parts(token, masked),
    }
    begin + len
}

/// Where an address begins.
fn url(token: &[char]) -> Option<usize> {
    if let Some(at) = token.windows(3).position(|window| window == [':', '/', '/']) {
        let is_scheme = |c: &&char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let scheme = token[..at].iter().rev().take_while(is_scheme).count();
        return (scheme > 0).then_some(at - scheme);
    }
    (token.starts_with(&['w', 'w', 'w', '.']) && token.len() > 4).then_some(0)
}

/// Where the first address of mail begins and ends: `@` with names on both sides, and a point in the second.
fn email(token: &[char]) -> Option<(usize, usize)> {
    let at = token.iter().position(|c| *c == '@')?;
    let is_local = |c: &&char| c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-');
    let is_domain = |c: &&char| c.is_alphanumeric() || matches!(c, '.' | '-');
    let from = at - token[..at].iter().rev().take_while(is_local).count();
    let mut to = at + 1 + token[at + 1..].iter().take_while(is_domain).count();
    while to > at + 1 && matches!(token[to - 1], '.' | '-') {
        to -= 1;
    }
    let domain = &token[at + 1..to];
    (from < at && domain.contains(&'.') && !domain.starts_with(&['.'])).then_some((from, to))
}

/// Words, numbers and marks.
fn parts(token: &[char], masked: &mut Masked) {
    let mut at = 0;
    while let Some(rest) = token.get(at..).filter(|rest| !rest.is_empty()) {
        let before = at.checked_sub(1).and_then(|at| token.get(at));
        let begins = !before.is_some_and(|c| c.is_alphanumeric());
        let signed = usize::from(begins && is_sign(rest[0]) && (at == 0 || rest[0] != '-'));
        if begins && let Some((mask, len)) = whole(rest) {
            masked.mask(mask);
            at += len;
        } else if let Some(len) = number(&rest[signed..]) {
            masked.mask("<num>");
            at += signed + len;
        } else {
            masked.push(rest[0]);
            at += 1;
        }
    }
}

fn is_sign(c: char) -> bool {
    matches!(c, '-' | '+' | '−' | '~' | '$' | '€' | '£' | '¥')
}

/// What is masked as a whole where a word begins.
fn whole(rest: &[char]) -> Option<(&'static str, usize)> {
    if is_uuid(rest) {
        return Some(("<uuid>", UUID_CHARS));
    }
    if let Some(len) = date_and_time(rest) {
        return Some(("<date>", len));
    }
    let len = rest.iter().take_while(|c| c.is_alphanumeric()).count();
    let word = &rest[..len];
    if let ['0', 'x', digits @ ..] = word {
        let is_hex = !digits.is_empty() && digits.iter().all(char::is_ascii_hexdigit);
        return is_hex.then_some(("<hex>", len));
    }
    if !word.iter().all(char::is_ascii_alphanumeric) || word.iter().all(char::is_ascii_digit) {
        return None;
    }
    let has_digit = word.iter().any(char::is_ascii_digit);
    if word.iter().all(char::is_ascii_hexdigit) && (len >= 16 || len >= 8 && has_digit) {
        return Some(("<hex>", len));
    }
    let turns = word
        .windows(2)
        .filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit())
        .count();
    (len >= 6 && turns >= 3 || len >= 24 && has_digit).then_some(("<id>", len))
}

/// 8-4-4-4-12 digits and what stands between them (RFC 9562).
const UUID_CHARS: usize = 36;

fn is_uuid(rest: &[char]) -> bool {
    rest.len() >= UUID_CHARS
        && rest[..UUID_CHARS].iter().enumerate().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => *c == '-',
            _ => c.is_ascii_hexdigit(),
        })
        && !rest.get(UUID_CHARS).is_some_and(|c| c.is_alphanumeric())
}

/// How long the number is that begins here: digits, with single points or underscores among them, and an exponent.
fn number(rest: &[char]) -> Option<usize> {
    let mut len = digits(rest);
    if len == 0 {
        return None;
    }
    while let [sign, more @ ..] = &rest[len..]
        && matches!(sign, '.' | '_')
        && digits(more) > 0
    {
        len += 1 + digits(more);
    }
    if let ['e', more @ ..] = &rest[len..] {
        let sign = usize::from(matches!(more.first(), Some('+' | '-')));
        let exponent = digits(more.get(sign..).unwrap_or_default());
        let end = len + 1 + sign + exponent;
        if exponent > 0 && !rest.get(end).is_some_and(|c| c.is_alphanumeric()) {
            len = end;
        }
    }
    Some(len)
}

fn digits(rest: &[char]) -> usize {
    rest.iter().take_while(|c| c.is_numeric()).count()
}

/// How long the date, the time, or the date with its time is that begins here.
fn date_and_time(rest: &[char]) -> Option<usize> {
    let date = date(rest).unwrap_or(0);
    let after = &rest[date..];
    let joined = usize::from(date > 0 && after.first() == Some(&'t'));
    let time = time(&after[joined..]).filter(|_| date == 0 || joined == 1);
    let len = date + time.map_or(0, |time| joined + time);
    (len > 0 && !rest.get(len).is_some_and(|c| c.is_alphanumeric())).then_some(len)
}

/// Year, month and day in either order; with points and dashes the year has four digits, as else it were a version.
fn date(rest: &[char]) -> Option<usize> {
    let first = ascii_digits(rest);
    let sign = *rest.get(first)?;
    let second = ascii_digits(rest.get(first + 1..)?);
    let at = first + 1 + second;
    if rest.get(at) != Some(&sign) {
        return None;
    }
    let third = ascii_digits(&rest[at + 1..]);
    let fits = match (first, second, third) {
        (4, 1..=2, 1..=2) | (1..=2, 1..=2, 4) => matches!(sign, '-' | '/' | '.'),
        (1..=2, 1..=2, 2) => sign == '/',
        _ => false,
    };
    fits.then_some(at + 1 + third)
}

/// Hours and minutes, seconds with a fraction, and a zone.
fn time(rest: &[char]) -> Option<usize> {
    let hours = ascii_digits(rest);
    let two = |at: usize| {
        rest.get(at) == Some(&':') && rest.get(at + 1..).is_some_and(|rest| ascii_digits(rest) == 2)
    };
    if !(1..=2).contains(&hours) || !two(hours) {
        return None;
    }
    let mut len = hours + 3;
    if two(len) {
        len += 3;
        if let Some('.' | ',') = rest.get(len) {
            let fraction = ascii_digits(&rest[len + 1..]);
            len += if fraction > 0 { 1 + fraction } else { 0 };
        }
    }
    match rest.get(len) {
        Some('z') => len += 1,
        Some('+' | '-') => {
            let zone = ascii_digits(&rest[len + 1..]);
            if zone == 2 && two(len + 3) {
                len += 6;
            } else if zone == 2 || zone == 4 {
                len += 1 + zone;
            }
        }
        _ => {}
    }
    Some(len)
}

fn ascii_digits(rest: &[char]) -> usize {
    rest.iter().take_while(|c| c.is_ascii_digit()).count()
}
