//! Dates with the name of a month.

const MONTHS: [&str; 24] = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The masked text with `<num> month <num>`, `<num> month` and `month <num> …` as `<date>`, and a list of dates as one.
pub(super) fn join(masked: &str) -> String {
    let words: Vec<&str> = masked.split(' ').collect();
    let bare = |at: usize| words.get(at).map(|word| word.trim_end_matches([',', '.']));
    let is_number = |at: usize| bare(at) == Some("<num>");
    let mut out: Vec<&str> = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let is_month = |at: usize| bare(at).is_some_and(|word| MONTHS.contains(&word));
        let len = if is_number(at) && is_month(at + 1) {
            2 + usize::from(is_number(at + 2))
        } else if is_month(at) && is_number(at + 1) {
            let with_year = is_number(at + 2);
            // "It may 5 times": no date.
            if bare(at) == Some("may") && !with_year {
                0
            } else {
                2 + usize::from(with_year)
            }
        } else {
            usize::from(bare(at) == Some("<date>"))
        };
        if len == 0 {
            out.push(words[at]);
            at += 1;
            continue;
        }
        // A comma or a point at its end stays.
        let last = words[at + len - 1];
        let date = match last.as_bytes().last() {
            Some(b',') => "<date>,",
            Some(b'.') => "<date>.",
            _ => "<date>",
        };
        if matches!(out.last(), Some(&("<date>" | "<date>,"))) {
            out.pop();
        }
        out.push(date);
        at += len;
    }
    out.join(" ")
}
