//! How cells are separated, and what they say.

use crate::evaluation::dataset::Entry;

/// How cells are separated, and what they say. At first: by commas, and texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CsvFormat {
    pub(super) separator: Separator,
    pub(super) cells: Cells,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Separator {
    #[default]
    Comma,
    Semicolon,
    Tab,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Cells {
    #[default]
    Texts,
    Json,
}

impl CsvFormat {
    /// Most columns.
    pub const MAX_COLUMNS: usize = 1_000;
    /// Largest record in bytes: twice an entry's, since quotes can double, and the separators.
    pub const MAX_RECORD_BYTES: usize = 2 * Entry::MAX_BYTES + Self::MAX_COLUMNS;

    /// Commas, and texts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cells are separated by semicolons, as spreadsheets do where the comma is the decimal point.
    #[must_use]
    pub fn semicolons(mut self) -> Self {
        self.separator = Separator::Semicolon;
        self
    }

    /// Cells are separated by tabs.
    #[must_use]
    pub fn tabs(mut self) -> Self {
        self.separator = Separator::Tab;
        self
    }

    /// Cells that are JSON are values; see the table of the [module](crate::evaluation::dataset::csv).
    #[must_use]
    pub fn json_cells(mut self) -> Self {
        self.cells = Cells::Json;
        self
    }
}

impl Separator {
    pub(super) const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
        }
    }
}
