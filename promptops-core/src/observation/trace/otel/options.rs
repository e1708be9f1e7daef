//! How spans are imported.

use crate::base::error::Result;
use crate::prompt::Reference;

/// How spans are imported.
///
/// ```
/// use promptops_core::observation::otel::ImportOptions;
///
/// let options = ImportOptions::new().default_prompt("support/triage@v3")?;
/// # Ok::<(), promptops_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "hand it to `Traces::import_otlp`"]
pub struct ImportOptions {
    pub(super) default_prompt: Option<Reference>,
    pub(super) unversioned_as_latest: bool,
    pub(super) max_request_bytes: usize,
    pub(super) max_span_bytes: usize,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            default_prompt: None,
            unversioned_as_latest: false,
            max_request_bytes: 64 << 20,
            max_span_bytes: 4 << 20,
        }
    }
}

impl ImportOptions {
    /// Spans that say their prompt and version, and no others; 64 MiB for a request, 4 MiB for a span.
    pub fn new() -> Self {
        Self::default()
    }

    /// What spans are of that name no prompt, and those that name this prompt without a version: looked up once, as it is
    /// now. Default: they are skipped.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a text that is no reference.
    pub fn default_prompt(mut self, reference: impl AsRef<str>) -> Result<Self> {
        self.default_prompt = Some(reference.as_ref().parse()?);
        Ok(self)
    }

    /// Takes spans that name a prompt without a version to be of its latest active version, as it is now. Default: they
    /// are skipped, since nothing says so.
    pub fn unversioned_as_latest(mut self) -> Self {
        self.unversioned_as_latest = true;
        self
    }

    /// Most bytes of one request. About as much memory is used, however many spans it has, and for the spans that are worked
    /// on a multiple of [`max_span_bytes`](Self::max_span_bytes). Default 64 MiB, at least 1.
    pub fn max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes.max(1);
        self
    }

    /// Most bytes of one span, as JSON. Default 4 MiB, at least 1.
    pub fn max_span_bytes(mut self, bytes: usize) -> Self {
        self.max_span_bytes = bytes.max(1);
        self
    }
}
