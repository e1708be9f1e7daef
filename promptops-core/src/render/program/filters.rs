//! The filters: which there are, what they take, and where each is done.

mod case;
mod lists;
mod numbers;
mod replacing;
mod sorting;
mod texts;
mod unique;

use super::arguments::required;
use super::budget::{Budget, Faulty};
use super::value::Val;

/// A filter. `group_by` and `pairs`, which make maps and lists of lists, are not among them, nor is `escape`: it leaves
/// alone what `safe` or `escape` made, which values here do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    Abs,
    Capitalize,
    Default,
    EscapeHtml,
    EscapeXml,
    First,
    Float,
    Get,
    Indent,
    Int,
    Join,
    Keys,
    Last,
    Length,
    Lower,
    NewlinesToBr,
    Nth,
    Pluralize,
    Replace,
    Reverse,
    Round,
    Safe,
    Sort,
    Split,
    Str,
    Title,
    Trim,
    TrimEnd,
    TrimStart,
    Truncate,
    Unique,
    Upper,
    Values,
    Wordcount,
}

/// The arguments that are there, in the order of [`Filter::arguments`].
pub(super) type Arguments<'a> = [Option<Val<'a>>; 4];

impl Filter {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "abs" => Self::Abs,
            "capitalize" => Self::Capitalize,
            "default" => Self::Default,
            "escape_html" => Self::EscapeHtml,
            "escape_xml" => Self::EscapeXml,
            "first" => Self::First,
            "float" => Self::Float,
            "get" => Self::Get,
            "indent" => Self::Indent,
            "int" => Self::Int,
            "join" => Self::Join,
            "keys" => Self::Keys,
            "last" => Self::Last,
            "length" => Self::Length,
            "lower" => Self::Lower,
            "newlines_to_br" => Self::NewlinesToBr,
            "nth" => Self::Nth,
            "pluralize" => Self::Pluralize,
            "replace" => Self::Replace,
            "reverse" => Self::Reverse,
            "round" => Self::Round,
            "safe" => Self::Safe,
            "sort" => Self::Sort,
            "split" => Self::Split,
            "str" => Self::Str,
            "title" => Self::Title,
            "trim" => Self::Trim,
            "trim_end" => Self::TrimEnd,
            "trim_start" => Self::TrimStart,
            "truncate" => Self::Truncate,
            "unique" => Self::Unique,
            "upper" => Self::Upper,
            "values" => Self::Values,
            "wordcount" => Self::Wordcount,
            _ => return None,
        })
    }

    /// The names of the arguments that it knows, sorted.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Default => &["boolean", "value"],
            Self::Get => &["default", "key"],
            Self::Indent => &["blank", "first", "indentation", "width"],
            Self::Int => &["base"],
            Self::Join => &["sep"],
            Self::Nth => &["n"],
            Self::Pluralize => &["plural", "singular"],
            Self::Replace => &["from", "to"],
            Self::Round => &["method", "precision"],
            Self::Sort => &["attribute"],
            Self::Split | Self::Trim | Self::TrimEnd | Self::TrimStart => &["pat"],
            Self::Truncate => &["end", "length"],
            _ => &[],
        }
    }

    /// What it makes of a value. What it reads is paid for, and what it makes before it is made.
    pub(super) fn apply<'a>(
        self,
        input: Val<'a>,
        arguments: Arguments<'a>,
        budget: &mut Budget,
    ) -> Faulty<Val<'a>> {
        let [a, b, c, d] = &arguments;
        let (a, b, c, d) = (a.as_ref(), b.as_ref(), c.as_ref(), d.as_ref());
        match self {
            Self::Abs => numbers::abs(&input),
            Self::Capitalize => case::capitalize(&input, budget),
            Self::Default => default(input, required(b, "value")?, a),
            Self::EscapeHtml => replacing::escape(&input, "&#39;", budget),
            Self::EscapeXml => replacing::escape(&input, "&apos;", budget),
            Self::First => lists::first(&input),
            Self::Float => numbers::float(&input, budget),
            Self::Get => lists::get(&input, b, a, budget),
            Self::Indent => replacing::indent(&input, [a, b, c, d], budget),
            Self::Int => numbers::int(&input, a, budget),
            Self::Join => lists::join(&input, a, budget),
            Self::Keys => lists::keys(&input, budget),
            Self::Last => lists::last(&input, budget),
            Self::Length => lists::length(&input, budget),
            Self::Lower => case::lower(&input, budget),
            Self::NewlinesToBr => replacing::newlines_to_br(&input, budget),
            Self::Nth => lists::nth(&input, a, budget),
            Self::Pluralize => numbers::pluralize(&input, b, a),
            Self::Replace => replacing::replace(&input, a, b, budget),
            Self::Reverse => lists::reverse(&input, budget),
            Self::Round => numbers::round(&input, a, b),
            Self::Safe | Self::Str => texts::text_of(input, budget),
            Self::Sort => sorting::sort(&input, a, budget),
            Self::Split => texts::split(&input, a, budget),
            Self::Title => case::title(&input, budget),
            Self::Trim => texts::trim(&input, a, texts::Ends::Both, budget),
            Self::TrimEnd => texts::trim(&input, a, texts::Ends::End, budget),
            Self::TrimStart => texts::trim(&input, a, texts::Ends::Start, budget),
            Self::Truncate => texts::truncate(&input, b, a, budget),
            Self::Unique => unique::unique(&input, budget),
            Self::Upper => case::upper(&input, budget),
            Self::Values => lists::values(&input, budget),
            Self::Wordcount => texts::wordcount(&input, budget),
        }
    }
}

fn default<'a>(input: Val<'a>, value: &Val<'a>, of_empty: Option<&Val<'a>>) -> Faulty<Val<'a>> {
    let of_empty = of_empty.map_or(Ok(false), super::arguments::boolean)?;
    let kept = if of_empty {
        input.is_truthy()
    } else {
        !input.is_undefined()
    };
    Ok(if kept { input } else { value.clone() })
}
