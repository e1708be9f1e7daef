//! The unified text form.

use std::borrow::Cow;
use std::fmt::{self, Write};

use serde_json::Value;

use super::PromptDiff;
use super::lines::{Hunk, HunkChange, LineRange};
use super::messages::{ItemDiff, ItemKind, ItemStatus};
use super::settings::ValueChange;

/// Longest value in bytes of JSON that is shown on one line.
const WIDE: usize = 80;

/// The text with everything that cannot be seen, or that reorders what is seen, written out: `\r`, `\u{202e}`.
///
/// That is control characters except tab and line feed, line and paragraph separators, and the characters that Unicode
/// calls format or default ignorable: bidirectional controls, zero-width characters, tags, variation selectors.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\r' => shown.push_str("\\r"),
            _ if is_hidden(c) => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The same on one line.
pub(super) fn visible_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

fn is_hidden(c: char) -> bool {
    match u32::from(c) {
        0x09 | 0x0A => false,
        0x00..=0x1F | 0x7F..=0x9F => true,
        0x20..=0x7E => false,
        code => matches!(
            code,
            0xAD | 0x34F
                | 0x600..=0x605
                | 0x61C
                | 0x6DD
                | 0x70F
                | 0x890..=0x891
                | 0x8E2
                | 0x115F..=0x1160
                | 0x17B4..=0x17B5
                | 0x180B..=0x180F
                | 0x200B..=0x200F
                | 0x2028..=0x202E
                | 0x2060..=0x206F
                | 0x3164
                | 0xFE00..=0xFE0F
                | 0xFEFF
                | 0xFFA0
                | 0xFFF0..=0xFFFB
                | 0x110BD
                | 0x110CD
                | 0x13430..=0x1343F
                | 0x1BCA0..=0x1BCA3
                | 0x1D173..=0x1D17A
                | 0xE0000..=0xE0FFF
        ),
    }
}

/// A line as the eye has it: one kind of white space looks like another.
fn looks(line: &str) -> impl Iterator<Item = char> {
    line.chars().map(|c| if c.is_whitespace() { ' ' } else { c })
}

/// A line with every character outside of ASCII written out, and backslashes doubled.
fn spelled(line: &str) -> String {
    line.chars().fold(String::new(), |mut shown, c| {
        match c {
            ' '..='~' if c != '\\' => shown.push(c),
            _ => shown.extend(c.escape_default()),
        }
        shown
    })
}

impl PromptDiff {
    /// The difference as unified text: a header per side, then per changed item its hunks with the lines of context
    /// around them, then changed values.
    ///
    /// It is for reading, not for patching: what cannot be seen is written out as `\r` or `\u{202e}`. Where a
    /// line and the one that replaced it would look the same, as with a space and a no-break space, all that is not
    /// ASCII is written out in both.
    #[must_use]
    pub fn to_unified(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for PromptDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- {}", visible_line(&self.from.to_string()))?;
        writeln!(f, "+++ {}", visible_line(&self.to.to_string()))?;
        if self.counts.is_empty() {
            return writeln!(f, "{}", self.counts);
        }
        for item in &self.items {
            write_item(f, item, self)?;
        }
        let mut section = "";
        for change in &self.values {
            let root = change.path.split(['.', '[']).next().unwrap_or_default();
            if root != section {
                writeln!(f, "@@ {root} @@")?;
                section = root;
            }
            write_value(f, change)?;
        }
        if self.values_omitted > 0 {
            writeln!(f, "\\ {} more values changed", self.values_omitted)?;
        }
        Ok(())
    }
}

fn title(item: &ItemDiff) -> String {
    let name = |kind: ItemKind, number: usize| match kind {
        ItemKind::Text => "text".to_owned(),
        _ => format!("message {number}"),
    };
    let mut title = String::new();
    let mut notes = Vec::new();
    match (item.from, item.to) {
        (Some(from), Some(to)) => {
            let (old, new) = (name(from.kind, from.number), name(to.kind, to.number));
            title.push_str(&old);
            if old != new {
                let new = if from.kind == ItemKind::Text || to.kind == ItemKind::Text {
                    new
                } else {
                    to.number.to_string()
                };
                // Writing to a string cannot fail.
                let _ = write!(title, " → {new}");
            }
            if from.kind == to.kind || from.kind == ItemKind::Text {
                notes.push(to.kind.to_string());
            } else if to.kind == ItemKind::Text {
                notes.push(from.kind.to_string());
            } else {
                notes.push(format!("{} → {}", from.kind, to.kind));
            }
        }
        (Some(place), None) | (None, Some(place)) => {
            title.push_str(&name(place.kind, place.number));
            notes.push(place.kind.to_string());
        }
        (None, None) => {}
    }
    notes.retain(|note| note != "text");
    match item.status {
        ItemStatus::Added => notes.push("added".to_owned()),
        ItemStatus::Removed => notes.push("removed".to_owned()),
        ItemStatus::Moved => notes.push("moved".to_owned()),
        ItemStatus::Changed | ItemStatus::Unchanged => {}
    }
    if !notes.is_empty() {
        let _ = write!(title, " ({})", notes.join(", "));
    }
    title
}

fn write_item(f: &mut fmt::Formatter<'_>, item: &ItemDiff, diff: &PromptDiff) -> fmt::Result {
    if item.status == ItemStatus::Unchanged {
        return Ok(());
    }
    let title = title(item);
    if item.counts.is_empty() {
        return writeln!(f, "@@ {title} @@");
    }
    if diff.summary_only {
        return writeln!(f, "@@ {title}: {} @@", item.counts);
    }
    for group in groups(&item.hunks, diff.context_lines) {
        write_group(f, &title, &group)?;
    }
    match newline_at_end(&item.hunks) {
        (false, true) if item.from.is_some() => writeln!(f, "\\ the text now ends with a newline"),
        (true, false) if item.to.is_some() => writeln!(f, "\\ the text no longer ends with a newline"),
        _ => Ok(()),
    }
}

/// Whether each side ends with a line feed: its last line is empty.
fn newline_at_end(hunks: &[Hunk]) -> (bool, bool) {
    let from = hunks.iter().rev().find_map(|hunk| match &hunk.change {
        HunkChange::Equal(lines) | HunkChange::Delete(lines) => lines.last().map(String::is_empty),
        HunkChange::Modify(lines) => lines.last().map(|line| line.from_line().is_empty()),
        HunkChange::Add(_) => None,
    });
    let to = hunks.iter().rev().find_map(|hunk| match &hunk.change {
        HunkChange::Equal(lines) | HunkChange::Add(lines) => lines.last().map(String::is_empty),
        HunkChange::Modify(lines) => lines.last().map(|line| line.to_line().is_empty()),
        HunkChange::Delete(_) => None,
    });
    (from.unwrap_or(false), to.unwrap_or(false))
}

/// Changed hunks that share their context, with the part of each equal hunk that is shown.
type Group<'a> = Vec<(&'a Hunk, std::ops::Range<usize>)>;

fn groups(hunks: &[Hunk], context: usize) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut group = Group::new();
    for (at, hunk) in hunks.iter().enumerate() {
        let count = hunk.from_lines.count;
        if !matches!(hunk.change, HunkChange::Equal(_)) {
            group.push((hunk, 0..count));
            continue;
        }
        let (is_first, is_last) = (at == 0, at + 1 == hunks.len());
        if !is_first && !is_last && count <= context.saturating_mul(2) {
            group.push((hunk, 0..count));
            continue;
        }
        if !is_first {
            group.push((hunk, 0..count.min(context)));
            groups.push(std::mem::take(&mut group));
        }
        if !is_last {
            group.push((hunk, count - count.min(context)..count));
        }
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
}

fn write_group(f: &mut fmt::Formatter<'_>, title: &str, group: &Group<'_>) -> fmt::Result {
    let side = |range: fn(&Hunk) -> LineRange| {
        let mut first = 0;
        let mut count = 0;
        for (at, (hunk, shown)) in group.iter().enumerate() {
            let lines = range(hunk);
            let is_equal = matches!(hunk.change, HunkChange::Equal(_));
            if at == 0 {
                first = lines.first + if is_equal { shown.start } else { 0 };
            }
            count += if is_equal { shown.len() } else { lines.count };
        }
        // A range without lines is named by the line before it, as in every unified text.
        (
            if count == 0 {
                first.saturating_sub(1)
            } else {
                first
            },
            count,
        )
    };
    let (from, from_count) = side(|hunk| hunk.from_lines);
    let (to, to_count) = side(|hunk| hunk.to_lines);
    writeln!(f, "@@ {title}: -{from},{from_count} +{to},{to_count} @@")?;

    let mut old = String::new();
    let mut new = String::new();
    for (hunk, shown) in group {
        match &hunk.change {
            HunkChange::Equal(lines) => {
                f.write_str(&std::mem::take(&mut old))?;
                f.write_str(&std::mem::take(&mut new))?;
                for line in &lines[shown.clone()] {
                    writeln!(f, " {}", visible(line))?;
                }
            }
            HunkChange::Add(lines) => {
                for line in lines {
                    writeln!(new, "+{}", visible(line))?;
                }
            }
            HunkChange::Delete(lines) => {
                for line in lines {
                    writeln!(old, "-{}", visible(line))?;
                }
            }
            HunkChange::Modify(lines) => {
                for line in lines {
                    let (from, to) = (line.from_line(), line.to_line());
                    let (mut a, mut b) = (visible(&from), visible(&to));
                    if looks(&a).eq(looks(&b)) {
                        (a, b) = (spelled(&from).into(), spelled(&to).into());
                    }
                    writeln!(old, "-{a}")?;
                    writeln!(new, "+{b}")?;
                }
            }
        }
    }
    f.write_str(&old)?;
    f.write_str(&new)
}

fn write_value(f: &mut fmt::Formatter<'_>, change: &ValueChange) -> fmt::Result {
    let path = visible_line(&change.path);
    for (sign, value) in [('-', &change.from), ('+', &change.to)] {
        let Some(value) = value else { continue };
        for (at, line) in json(value).lines().enumerate() {
            let name = if at == 0 {
                format!("{path}: ")
            } else {
                String::new()
            };
            writeln!(f, "{sign}{name}{}", visible(line))?;
        }
    }
    Ok(())
}

fn json(value: &Value) -> String {
    let line = value.to_string();
    if line.len() > WIDE && (value.is_object() || value.is_array()) {
        serde_json::to_string_pretty(value).unwrap_or(line)
    } else {
        line
    }
}
