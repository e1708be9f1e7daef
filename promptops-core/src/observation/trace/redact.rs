//! Taking out of traces what must not be kept, before anything is stored.

use serde_json::Value;

use super::record::{Annotation, TraceRecord};

/// Takes out of traces, and of what is said of them later, what must not be kept, before anything is stored. For a function
/// that does so with any text, see [`RedactTexts`].
///
/// Called on the writer's thread, once for each trace that is kept and each annotation. A panic drops what it was called
/// with: nothing is stored that was not redacted. So do inputs that it nests deeper than a trace may have them.
pub trait Redact: Send + Sync + 'static {
    /// Changes a trace. Its id, its time and its stamp stay whatever is done to them.
    fn trace(&self, trace: &mut TraceRecord);

    /// Changes what is said of a trace.
    fn annotation(&self, annotation: &mut Annotation);
}

/// Redacts every text by a function: texts in the inputs, at any depth, the output, the kind of an error, what an error, a
/// person or a scorer said, the session and the tags. Numbers, the keys of objects, and the model stay.
#[derive(Debug, Clone, Copy)]
pub struct RedactTexts<F>(pub F);

impl<F: Fn(&mut String) + Send + Sync + 'static> RedactTexts<F> {
    /// Redacts the texts in a value.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => (self.0)(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(entries) => entries.values_mut().for_each(|value| self.value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

impl<F: Fn(&mut String) + Send + Sync + 'static> Redact for RedactTexts<F> {
    fn trace(&self, trace: &mut TraceRecord) {
        if let Some(inputs) = &mut trace.inputs {
            self.value(inputs);
        }
        let texts = [
            &mut trace.output,
            &mut trace.corrected_output,
            &mut trace.comment,
            &mut trace.session,
        ];
        texts.into_iter().flatten().for_each(&self.0);
        if let Some(error) = &mut trace.error {
            (self.0)(&mut error.kind);
            (self.0)(&mut error.message);
        }
        let reasons = trace
            .scores
            .values_mut()
            .filter_map(|score| score.reason.as_mut());
        reasons.for_each(&self.0);
        let tags = std::mem::take(&mut trace.tags).into_iter().map(|mut tag| {
            (self.0)(&mut tag);
            tag
        });
        trace.tags = tags.collect();
    }

    fn annotation(&self, annotation: &mut Annotation) {
        let texts = [&mut annotation.corrected_output, &mut annotation.comment];
        texts.into_iter().flatten().for_each(&self.0);
        let reasons = annotation
            .scores
            .values_mut()
            .filter_map(|score| score.reason.as_mut());
        reasons.for_each(&self.0);
    }
}
