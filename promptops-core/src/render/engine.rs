//! What renders a prompt, for whoever wants to know.

use std::fmt;

use crate::base::Location;

/// What renders a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engine {
    /// A compiled form of our own, straight over the parameters.
    Compiled,
    /// Tera, under limits: some template has what the compiled form does not know.
    #[non_exhaustive]
    Tera {
        /// What that is, in words.
        construct: String,
        /// Where it stands first.
        location: Location,
    },
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiled => f.write_str("compiled"),
            Self::Tera { construct, location } => write!(f, "Tera, for {construct} at {location}"),
        }
    }
}
