//! What each column is.

use std::collections::HashMap;

use super::format::{CsvFormat, Separator};
use crate::base::id::quoted;
use crate::evaluation::dataset::MissingIds;

/// Which column is what, for files whose headers are not the standard names. Columns that are not mapped must have a
/// standard name (`id`, `expected_output`, `group`, `input.<name>`, `metadata.<name>`): any other is an error, unless it
/// is said to be ignored. A mapped column must be there, and nothing may come from two columns.
///
/// ```
/// use promptops_core::evaluation::{CsvColumns, CsvFormat, read_csv};
///
/// let text = "Ticket;Text;Queue;Notes\n17;Where is my parcel?;shipping;called twice\n";
/// let columns = CsvColumns::new()
///     .format(CsvFormat::new().semicolons())
///     .id("Ticket")
///     .input("Text", "ticket")
///     .expected_output("Queue")
///     .ignore("Notes");
/// let entries = read_csv(text.as_bytes(), &columns)?;
/// assert_eq!(entries[0].input["ticket"], "Where is my parcel?");
/// # Ok::<(), promptops_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CsvColumns {
    pub(super) format: CsvFormat,
    pub(super) missing_ids: MissingIds,
    mapped: Vec<(String, Column)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Column {
    Id,
    ExpectedOutput,
    Group,
    Input(String),
    Metadata(String),
    Ignored,
}

impl CsvColumns {
    /// The standard names, in the standard format, and every entry has an id.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How cells are separated, and what they say.
    #[must_use]
    pub fn format(mut self, format: CsvFormat) -> Self {
        self.format = format;
        self
    }

    /// What is done with an entry whose id's cell is empty, or when there is no such column.
    #[must_use]
    pub fn missing_ids(mut self, missing_ids: MissingIds) -> Self {
        self.missing_ids = missing_ids;
        self
    }

    /// The column with this header is the id.
    #[must_use]
    pub fn id(self, header: impl Into<String>) -> Self {
        self.map(header, Column::Id)
    }

    /// The column with this header is the expected output.
    #[must_use]
    pub fn expected_output(self, header: impl Into<String>) -> Self {
        self.map(header, Column::ExpectedOutput)
    }

    /// The column with this header is the group.
    #[must_use]
    pub fn group(self, header: impl Into<String>) -> Self {
        self.map(header, Column::Group)
    }

    /// The column with this header is the parameter of this name.
    #[must_use]
    pub fn input(self, header: impl Into<String>, name: impl Into<String>) -> Self {
        self.map(header, Column::Input(name.into()))
    }

    /// The column with this header is the metadata of this name.
    #[must_use]
    pub fn metadata(self, header: impl Into<String>, name: impl Into<String>) -> Self {
        self.map(header, Column::Metadata(name.into()))
    }

    /// The column with this header is left out, if there is one.
    #[must_use]
    pub fn ignore(self, header: impl Into<String>) -> Self {
        self.map(header, Column::Ignored)
    }

    fn map(mut self, header: impl Into<String>, column: Column) -> Self {
        self.mapped.push((header.into(), column));
        self
    }

    /// What the columns with these headers are.
    pub(super) fn resolve(&self, headers: &[&str]) -> Result<Vec<Column>, String> {
        let mut mapped = HashMap::new();
        for (header, column) in &self.mapped {
            if mapped.insert(header.as_str(), column).is_some() {
                return Err(format!("the column {} is mapped twice", quoted(header)));
            }
        }
        let mut columns = Vec::with_capacity(headers.len());
        let mut seen = HashMap::new();
        for header in headers {
            let column = match mapped.remove(header) {
                Some(column) => column.clone(),
                None => standard(header).ok_or_else(|| self.unknown(header, headers.len()))?,
            };
            if let Column::Input(name) | Column::Metadata(name) = &column
                && name.is_empty()
            {
                return Err(format!("the column {} gives no name", quoted(header)));
            }
            if column != Column::Ignored
                && let Some(first) = seen.insert(column.clone(), header)
            {
                return Err(format!(
                    "the columns {} and {} are both {}; expected one",
                    quoted(first),
                    quoted(header),
                    column.title()
                ));
            }
            columns.push(column);
        }
        if let Some((header, _)) = self
            .mapped
            .iter()
            .find(|(header, column)| *column != Column::Ignored && mapped.contains_key(header.as_str()))
        {
            return Err(format!("there is no column {}, which is mapped", quoted(header)));
        }
        if self.missing_ids == MissingIds::Refused && !seen.contains_key(&Column::Id) {
            return Err(
                "there is no column `id`; add one, map another, or have ids made of the input \
                 (`MissingIds::FromInput`)"
                    .to_owned(),
            );
        }
        Ok(columns)
    }

    fn unknown(&self, header: &str, headers: usize) -> String {
        let own = self.format.separator;
        let other = Separator::ALL
            .into_iter()
            .find(|other| *other != own && header.as_bytes().contains(&other.byte()));
        match other {
            Some(other) if headers == 1 => format!(
                "the only column is {}; are its cells separated by {}s, and not by {}s? Say so in the `CsvFormat`",
                quoted(header),
                other.name(),
                own.name()
            ),
            _ => format!(
                "unknown column {}; expected id, expected_output, group, input.<name> or metadata.<name>: map it or \
                 ignore it in the `CsvColumns`",
                quoted(header)
            ),
        }
    }
}

fn standard(header: &str) -> Option<Column> {
    match header {
        "id" => Some(Column::Id),
        "expected_output" => Some(Column::ExpectedOutput),
        "group" => Some(Column::Group),
        _ => match header.split_once('.') {
            Some(("input", name)) => Some(Column::Input(name.to_owned())),
            Some(("metadata", name)) => Some(Column::Metadata(name.to_owned())),
            _ => None,
        },
    }
}

impl Column {
    /// Its standard name, as an error shows it.
    pub(super) fn title(&self) -> String {
        match self {
            Self::Id => "id".to_owned(),
            Self::ExpectedOutput => "expected_output".to_owned(),
            Self::Group => "group".to_owned(),
            Self::Input(name) => format!("input.{name}"),
            Self::Metadata(name) => format!("metadata.{name}"),
            Self::Ignored => String::new(),
        }
    }
}
