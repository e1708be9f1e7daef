//! A subscriber that writes down what it is told.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Fields by name.
pub(super) type Fields = BTreeMap<&'static str, Value>;

/// What was told, as target, level and fields: spans and events.
#[derive(Clone, Default)]
pub(super) struct Listener {
    told: Arc<Mutex<Vec<(&'static str, Level, Fields)>>>,
}

impl Listener {
    /// What was told with this target.
    pub(super) fn told(&self, target: &str) -> Vec<(Level, Fields)> {
        let told = self.told.lock().unwrap();
        let told = told.iter().filter(|(of, ..)| *of == target);
        told.map(|(_, level, fields)| (*level, fields.clone())).collect()
    }

    fn tell(&self, metadata: &'static Metadata<'static>, fields: Fields) {
        let told = (metadata.target(), *metadata.level(), fields);
        self.told.lock().unwrap().push(told);
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Written::default();
        span.record(&mut fields);
        self.tell(span.metadata(), fields.0);
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Written::default();
        event.record(&mut fields);
        self.tell(event.metadata(), fields.0);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Written(Fields);

impl Visit for Written {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), json!(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), json!(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name(), json!(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name(), json!(value));
    }
}
