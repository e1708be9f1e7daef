//! Settings from the process environment.

use promptops_core::{Error, ErrorKind};

/// Looks a variable up: the process environment, or a table in tests.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process environment.
pub(crate) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A variable that may be missing; an empty one counts as missing.
pub(crate) fn optional(lookup: Lookup<'_>, name: &str) -> Option<String> {
    lookup(name).filter(|value| !value.trim().is_empty())
}

/// A variable that must be there.
pub(crate) fn needed(lookup: Lookup<'_>, name: &str, what: &str) -> Result<String, Error> {
    optional(lookup, name).ok_or_else(|| {
        Error::new(
            ErrorKind::Invalid,
            format!("the environment variable {name} is missing or empty; set it to {what}"),
        )
    })
}
