//! What is known of a value when a template is made.

use std::rc::Rc;

use super::values::V;

/// The type of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Ty {
    None,
    Bool,
    Int,
    Float,
    Text,
    /// Its elements, and how many there are at least.
    List(Rc<Ty>, usize),
    /// The fields that are there.
    Map(Rc<Vec<(String, Ty)>>),
    /// Nothing is known.
    Any,
}

/// Whether a text can be written as a variable or an attribute.
pub fn is_name(text: &str) -> bool {
    const KEYWORDS: &[&str] = &[
        "loop", "not", "in", "is", "and", "or", "if", "else", "true", "false", "none", "for", "self",
        "continue", "break", "elif", "null", "super", "True", "False", "None", "set", "range", "default",
    ];
    text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        && !text.starts_with("__")
        && !KEYWORDS.contains(&text)
}

impl Ty {
    pub fn list(of: Ty) -> Self {
        Self::List(Rc::new(of), 0)
    }

    pub fn of(value: &V) -> Self {
        match value {
            V::Null => Self::None,
            V::Bool(_) => Self::Bool,
            V::Int(_) | V::Big(_) => Self::Int,
            V::Float(_) => Self::Float,
            V::Text(_) => Self::Text,
            V::List(items) => {
                let of = items.iter().map(Self::of).reduce(|a, b| a.join(&b));
                Self::List(Rc::new(of.unwrap_or(Self::Any)), items.len())
            }
            V::Map(entries) => Self::Map(Rc::new(
                entries
                    .iter()
                    .map(|(key, value)| (key.clone(), Self::of(value)))
                    .collect(),
            )),
        }
    }

    /// What is known of a value that is of the one or the other type.
    pub fn join(&self, other: &Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a.clone(),
            (Self::List(a, n), Self::List(b, m)) => {
                // Nothing is known of the elements of an empty list, and nothing wrong.
                let of = match (n, m) {
                    (0, _) if **a == Self::Any => (**b).clone(),
                    (_, 0) if **b == Self::Any => (**a).clone(),
                    _ => a.join(b),
                };
                Self::List(Rc::new(of), *n.min(m))
            }
            (Self::Map(a), Self::Map(b)) => Self::Map(Rc::new(
                a.iter()
                    .filter_map(|(key, ty)| {
                        let (_, other) = b.iter().find(|(other, _)| other == key)?;
                        Some((key.clone(), ty.join(other)))
                    })
                    .collect(),
            )),
            _ => Self::Any,
        }
    }

    /// Whether a value of this type can stand where that one is wanted.
    pub fn fits(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (_, Self::Any) => true,
            (Self::List(a, n), Self::List(b, m)) => n >= m && a.fits(b),
            (Self::Map(_), Self::Map(_)) => true,
            (a, b) => a == b,
        }
    }
}
