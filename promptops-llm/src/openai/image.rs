//! How closely to look at an image.

use promptops_core::llm::LlmError;

use crate::errors::{Errors, quoted};

pub(crate) fn check_detail(
    at: usize,
    detail: Option<&str>,
    known: &[&str],
    errors: Errors<'_>,
) -> Result<(), LlmError> {
    match detail {
        Some(detail) if !known.contains(&detail) => Err(errors.unsupported(format!(
            "message {}: the detail of an image is {}; expected {}",
            at + 1,
            quoted(detail),
            known.join(", ")
        ))),
        _ => Ok(()),
    }
}
