//! Schemas that cost too much are refused when they are saved.

use promptops_core::prompt::{Draft, Tool};
use promptops_core::{ErrorKind, MemoryBackend, PromptOps, Result};
use serde_json::{Value, json};

/// Saves with as much stack as a task of tokio has.
fn save(draft: Draft) -> Result<()> {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let acme = PromptOps::builder(MemoryBackend::new())
            .build()
            .tenant("acme")
            .unwrap();
        runtime
            .block_on(acme.prompts().save("p", draft.by("ana")))
            .map(drop)
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run);
    thread.unwrap().join().unwrap()
}

fn everywhere(schema: &Value) -> [Draft; 3] {
    [
        Draft::text("x").input_schema(schema.clone()),
        Draft::text("x").output_schema(schema.clone()),
        Draft::text("x").tool(Tool::new("t", schema.clone())),
    ]
}

fn negations(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| {
        Value::Object([("not".to_owned(), inner)].into_iter().collect())
    })
}

fn references(length: usize, times: usize) -> Value {
    let mut defs = serde_json::Map::new();
    for i in 0..length {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        defs.insert(format!("d{i}"), json!({"anyOf": vec![next; times]}));
    }
    defs.insert(format!("d{length}"), json!({"type": "string"}));
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

#[test]
fn schemas_that_cost_too_much_are_not_saved() {
    let patterns: Value = (0..200)
        .map(|i| (format!("p{i}"), json!({"pattern": format!("^{i}")})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for schema in [
        negations(40),
        negations(600),
        negations(1_500),
        references(18, 2),
        references(40, 1),
        references(15_000, 1),
        json!({"properties": patterns}),
    ] {
        for draft in everywhere(&schema) {
            let error = save(draft).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
            assert!(error.to_string().len() < 400, "{error}");
        }
    }
}

#[test]
fn ordinary_schemas_are_saved() {
    for schema in [
        negations(30),
        references(10, 2),
        references(15, 1),
        json!({"type": "object", "properties": {"kind": {"enum": [{"$ref": "x"}]}, "more": {"const": {"$id": "y"}}}}),
    ] {
        for draft in everywhere(&schema) {
            save(draft).unwrap();
        }
    }
}

#[test]
fn what_could_not_be_read_back_is_not_saved() {
    let deep = (0..125).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    for draft in everywhere(&json!({"const": deep})) {
        assert_eq!(save(draft).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
