//! Checks against the JSON Schemas that the providers publish, where they are at hand.
//!
//! `PROMPTOPS_WIRE_SCHEMAS` names a directory with `openai.json` (an OpenAPI description: its `components.schemas`),
//! `anthropic-messages-request.json` and `anthropic-messages-response.json`. Without it these checks check nothing; what
//! is sent is compared with the snapshots beside this file in any case.
//!
//! The schemas allow keys that they do not name, so a misspelt key would pass. Here they are closed: each schema is kept
//! twice, closed for where it stands alone and open for where `allOf`, or a union beside other keywords, puts it together
//! with others; what is put together is closed as a whole by `unevaluatedProperties: false`.

use std::path::PathBuf;
use std::sync::OnceLock;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

const VARIABLE: &str = "PROMPTOPS_WIRE_SCHEMAS";

/// What a body is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    ChatRequest,
    ChatResponse,
    ChatChunk,
    ResponsesRequest,
    ResponsesResponse,
    EmbeddingRequest,
    EmbeddingResponse,
    OpenAiError,
    MessagesRequest,
    MessagesResponse,
}

impl Wire {
    const ALL: [Self; 10] = [
        Self::ChatRequest,
        Self::ChatResponse,
        Self::ChatChunk,
        Self::ResponsesRequest,
        Self::ResponsesResponse,
        Self::EmbeddingRequest,
        Self::EmbeddingResponse,
        Self::OpenAiError,
        Self::MessagesRequest,
        Self::MessagesResponse,
    ];

    /// The file, and the schema in it.
    fn place(self) -> (&'static str, Option<&'static str>) {
        let openai = |name| ("openai.json", Some(name));
        match self {
            Self::ChatRequest => openai("CreateChatCompletionRequest"),
            Self::ChatResponse => openai("CreateChatCompletionResponse"),
            Self::ChatChunk => openai("CreateChatCompletionStreamResponse"),
            Self::ResponsesRequest => openai("CreateResponse"),
            Self::ResponsesResponse => openai("Response"),
            Self::EmbeddingRequest => openai("CreateEmbeddingRequest"),
            Self::EmbeddingResponse => openai("CreateEmbeddingResponse"),
            Self::OpenAiError => openai("ErrorResponse"),
            Self::MessagesRequest => ("anthropic-messages-request.json", None),
            Self::MessagesResponse => ("anthropic-messages-response.json", None),
        }
    }

    fn validator(self) -> Option<&'static Validator> {
        static ALL: [OnceLock<Option<Validator>>; Wire::ALL.len()] =
            [const { OnceLock::new() }; Wire::ALL.len()];
        let at = Self::ALL.iter().position(|wire| *wire == self).unwrap();
        let build = || {
            let directory = PathBuf::from(std::env::var_os(VARIABLE)?);
            let (file, name) = self.place();
            let text = std::fs::read_to_string(directory.join(file))
                .unwrap_or_else(|e| panic!("{VARIABLE} has no {file}: {e}"));
            let document: Value = serde_json::from_str(&text).unwrap();
            Some(compile(&close(&document, name)))
        };
        ALL[at].get_or_init(build).as_ref()
    }

    /// What is wrong with a body; `None` when nothing is, or nothing is known about it.
    pub fn fault(self, body: &Value) -> Option<String> {
        let validator = self.validator()?;
        let faults: Vec<_> = validator
            .iter_errors(&self.comparable(body))
            .map(|e| format!("{} at {}", e, e.instance_path()))
            .collect();
        (!faults.is_empty()).then(|| faults.join("\n"))
    }

    pub fn check(self, body: &Value) {
        if let Some(fault) = self.fault(body) {
            panic!("no {self:?}: {fault}\n{body:#}");
        }
    }

    /// The published description of Anthropic's is of requests that are not streamed, and of a version in which how to
    /// sample is gone.
    fn comparable(self, body: &Value) -> Value {
        let mut body = body.clone();
        if self == Self::MessagesRequest
            && let Some(object) = body.as_object_mut()
        {
            if object.get("stream") == Some(&true.into()) {
                object.remove("stream");
            }
            for key in ["temperature", "top_p", "top_k"] {
                if object.get(key).is_some_and(Value::is_number) {
                    object.remove(key);
                }
            }
        }
        body
    }
}

/// Checks the body of a request by where it went.
pub fn check_request(line: &str, body: &Value) {
    let path = line.split('?').next().unwrap();
    let mut body = body.clone();
    let wire = match path.rsplit('/').next().unwrap() {
        "completions" => Wire::ChatRequest,
        "responses" => Wire::ResponsesRequest,
        "messages" => Wire::MessagesRequest,
        "embeddings" => Wire::EmbeddingRequest,
        other => panic!("a request went to {other}"),
    };
    // The description is OpenAI's; at Azure the address says the model.
    if path.contains("/deployments/") && body.get("model").is_none() {
        body["model"] = "by-address".into();
    }
    wire.check(&body);
}

fn compile(schema: &Value) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .build(schema)
        .unwrap_or_else(|e| panic!("{e}"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Takes no key that it does not name.
    Closed,
    /// Is closed from without.
    Open,
}

/// One closed schema of a document, with all that it refers to.
fn close(document: &Value, name: Option<&str>) -> Value {
    let (definitions, mut root) = match name {
        Some(name) => (
            &document["components"]["schemas"],
            json!({"$ref": format!("x/{name}")}),
        ),
        None => (&document["$defs"], document.clone()),
    };
    if let Some(root) = root.as_object_mut() {
        root.remove("$defs");
    }
    let mut both = Map::new();
    for (name, definition) in definitions.as_object().unwrap() {
        for (prefix, form) in [("closed", Form::Closed), ("open", Form::Open)] {
            // The schema of a JSON Schema has any key.
            let free = name == "InputSchemaTyped";
            let definition = if free {
                definition.clone()
            } else {
                transform(definition, form)
            };
            both.insert(format!("{prefix}.{name}"), definition);
        }
    }
    let mut root = transform(&root, Form::Closed);
    root["$defs"] = Value::Object(both);
    root
}

fn transform(schema: &Value, form: Form) -> Value {
    let Some(schema) = schema.as_object() else {
        return schema.clone();
    };
    let has = |key: &str| schema.contains_key(key);
    let in_place = [
        has("properties"),
        has("allOf"),
        has("anyOf"),
        has("oneOf"),
        has("$ref"),
    ];
    let named = has("properties");
    let alone = in_place.iter().filter(|has| **has).count() == 1;
    // A union, or a reference, that stands alone is closed in each of its branches, which tells them apart as well.
    let passes_on = alone && !named && !has("allOf");
    let branch = if passes_on { form } else { Form::Open };
    let all = |values: &Value, form| -> Value {
        let values = values.as_array().unwrap().iter();
        values.map(|v| transform(v, form)).collect()
    };
    let mut out = Map::new();
    for (key, value) in schema {
        let value = match key.as_str() {
            "$ref" => {
                let name = value.as_str().unwrap().rsplit('/').next().unwrap();
                let prefix = if branch == Form::Closed { "closed" } else { "open" };
                format!("#/$defs/{prefix}.{name}").into()
            }
            "allOf" | "anyOf" | "oneOf" => all(value, branch),
            "prefixItems" => all(value, Form::Closed),
            "properties" | "patternProperties" => {
                let entries = value.as_object().unwrap().iter();
                let entries = entries.map(|(key, v)| (key.clone(), transform(v, Form::Closed)));
                Value::Object(entries.collect())
            }
            // Blocks of responses are open on purpose, and may stand in requests: they are closed like the others.
            "additionalProperties" if named && (value == &json!(true) || value == &json!({})) => continue,
            "items" | "additionalProperties" | "contains" => transform(value, Form::Closed),
            // Words of an older draft that say nothing here, words of OpenAPI, and texts.
            "$recursiveAnchor" | "$recursiveRef" => continue,
            "nullable" | "discriminator" | "example" | "default" | "title" | "description" => continue,
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    if form == Form::Closed && !passes_on && in_place.iter().any(|has| *has) {
        out.insert("unevaluatedProperties".into(), false.into());
    }
    match schema.get("nullable") {
        Some(Value::Bool(true)) => json!({"anyOf": [out, {"type": "null"}]}),
        _ => Value::Object(out),
    }
}

/// The keys below which anything may stand: schemas and values of the host's own.
const FREE: [&str; 6] = [
    "parameters",
    "schema",
    "input_schema",
    "input",
    "metadata",
    "logit_bias",
];

/// Every object of a body in which only known keys may stand, as the body would be with one more key there.
fn misspelt(body: &Value) -> Vec<(String, Value)> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.push(path.to_owned());
                for (key, value) in object {
                    // The input of a request for responses is a list of items, that of a tool call is free.
                    if !FREE.contains(&key.as_str()) || (key == "input" && value.is_array()) {
                        walk(value, &format!("{path}/{key}"), found);
                    }
                }
            }
            Value::Array(values) => {
                for (i, value) in values.iter().enumerate() {
                    walk(value, &format!("{path}/{i}"), found);
                }
            }
            _ => {}
        }
    }
    let mut places = Vec::new();
    walk(body, "", &mut places);
    places
        .into_iter()
        .map(|place| {
            let mut wrong = body.clone();
            wrong.pointer_mut(&place).unwrap()["misspelt"] = 1.into();
            (place, wrong)
        })
        .collect()
}

/// A small document with every composition that the published ones have.
fn example() -> Value {
    json!({"components": {"schemas": {
        "Request": {"allOf": [
            {"$ref": "#/components/schemas/Base"},
            {"type": "object", "properties": {
                "messages": {"type": "array", "items": {"oneOf": [
                    {"$ref": "#/components/schemas/Said"},
                    {"$ref": "#/components/schemas/Open"},
                ]}},
                "format": {"type": "object", "properties": {"type": {"enum": ["a"]}}, "additionalProperties": true},
                "maybe": {"$ref": "#/components/schemas/Said", "nullable": true},
                "free": {"type": "object", "additionalProperties": true},
            }, "required": ["messages"]},
        ]},
        "Base": {"type": "object", "properties": {"user": {"type": "string"}}},
        "Said": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        // Takes every `Said` unless it is closed.
        "Open": {"type": "object", "properties": {"kind": {"type": "string"}}, "additionalProperties": true},
    }}})
}

#[test]
fn closing_keeps_compositions_and_catches_misspelt_keys_at_every_level() {
    let document = example();
    let validator = compile(&close(&document, Some("Request")));
    let good = json!({
        "user": "u",
        "messages": [{"text": "t"}, {"kind": "k"}],
        "format": {"type": "a"},
        "maybe": null,
        "free": {"anything": {"goes": 1}},
    });
    assert!(validator.is_valid(&good), "{:?}", validator.validate(&good));
    let wrong = misspelt(&good);
    assert_eq!(wrong.len(), 6);
    for (place, wrong) in wrong {
        let free = place.starts_with("/free");
        assert_eq!(validator.is_valid(&wrong), free, "{place}");
    }
    let mut typed = good;
    typed["messages"][0]["text"] = 1.into();
    assert!(!validator.is_valid(&typed));
    assert!(!validator.is_valid(&json!({"user": "u"})));
}

#[test]
fn a_misspelt_key_is_caught_at_every_level_of_the_published_schemas() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    for (wire, body) in crate::fixtures::bodies() {
        wire.check(&body);
        let wrong = misspelt(&body);
        assert!(wrong.len() > 1, "{wire:?}");
        for (place, wrong) in wrong {
            // A tool's result may be no object, and metadata is the host's.
            assert!(
                wire.fault(&wrong).is_some(),
                "{wire:?} takes another key at {place:?}"
            );
        }
    }
}
