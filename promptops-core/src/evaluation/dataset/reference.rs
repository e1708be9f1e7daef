//! How a dataset is named: by its name, or by name and version.

use std::fmt;
use std::str::FromStr;

use crate::base::error::{Error, Result, invalid};
use crate::base::id::quoted;
use crate::base::{DatasetName, VersionNumber};

/// `tickets/golden` for the latest version, `tickets/golden@v3` for that one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatasetReference {
    /// The dataset.
    pub name: DatasetName,
    /// The version; `None` for the latest.
    pub version: Option<VersionNumber>,
}

impl FromStr for DatasetReference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((name, version)) = text.split_once('@') else {
            return Ok(Self {
                name: DatasetName::new(text)?,
                version: None,
            });
        };
        let number = version
            .strip_prefix('v')
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .and_then(|number| VersionNumber::new(number).ok())
            .ok_or_else(|| {
                invalid(format!(
                    "{} does not select a version of a dataset; expected v1, v2, …",
                    quoted(version)
                ))
            })?;
        Ok(Self {
            name: DatasetName::new(name)?,
            version: Some(number),
        })
    }
}

impl fmt::Display for DatasetReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.version.map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_parse_or_say_what_is_wrong() {
        for text in ["golden", "tickets/golden@v3", "a@v4294967295"] {
            assert_eq!(text.parse::<DatasetReference>().unwrap().to_string(), text);
        }
        for (text, words) in [
            ("", "is empty"),
            ("golden@", "expected v1"),
            ("golden@3", "expected v1"),
            ("golden@v0", "expected v1"),
            ("golden@v+1", "expected v1"),
            ("golden@v4294967296", "expected v1"),
            ("Golden@v1", "'G' at byte 0"),
        ] {
            let error = text.parse::<DatasetReference>().unwrap_err();
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
    }
}
