//! The schema of a prompt's parameters: checked against the templates at save, and against the values at render.

pub(super) mod bounds;
mod validator;

use std::fmt;

use serde_json::{Map, Value};

pub(crate) use validator::{Findings, JsonSchema};

use super::analysis::VariableUse;
use crate::base::error::{Error, ErrorKind, Result, invalid};

/// Keywords under which properties may be declared out of sight.
const OPAQUE: [&str; 9] = [
    "$ref",
    "$dynamicRef",
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "patternProperties",
    "dependentSchemas",
    "propertyNames",
];

/// A compiled JSON Schema: 2020-12 unless `$schema` says otherwise.
pub struct InputSchema {
    schema: Value,
    compiled: JsonSchema,
    json_bytes: usize,
}

impl InputSchema {
    /// Compiles a schema. `what` names it in errors: "the input schema".
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for what is no JSON Schema, or refers to anything outside of itself:
    /// references are never fetched.
    pub fn compile(what: &str, schema: &Value) -> Result<Self> {
        Ok(Self {
            compiled: JsonSchema::compile(what, schema)?,
            schema: schema.clone(),
            json_bytes: schema.to_string().len(),
        })
    }

    /// Checks values. Errors name places and rules, never the values themselves.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) listing what does not fit.
    pub fn check(&self, values: &Value) -> Result<()> {
        match self.compiled.check(values) {
            Findings::Fits => Ok(()),
            Findings::TooLarge => Err(invalid(
                "the parameters are too large to be checked against the input schema; pass less, or a simpler schema",
            )),
            Findings::Unlisted => Err(invalid(
                "the parameters do not fit the input schema; they are too large to tell where",
            )),
            Findings::Problems(problems) => Err(invalid(format!(
                "the parameters do not fit the input schema: {}",
                problems.join("; ")
            ))),
        }
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const SUBSCHEMA: usize = 2 << 10;
        const PATTERN: usize = 64 << 10;
        let json = self.json_bytes.saturating_mul(4);
        let cost = self.compiled.cost();
        size_of::<Self>() + json + cost.subschemas * SUBSCHEMA + cost.patterns * PATTERN
    }

    /// Checks that every variable of the templates is declared, and that what the templates cannot do without is
    /// required. A schema that declares properties indirectly is not looked into.
    ///
    /// # Errors
    /// [`Template`](ErrorKind::Template) naming the variable and its place.
    pub fn check_variables<'a>(&self, variables: impl IntoIterator<Item = &'a VariableUse>) -> Result<()> {
        let Some(schema) = self.schema.as_object() else {
            return Ok(());
        };
        if OPAQUE.iter().any(|keyword| schema.contains_key(*keyword)) {
            return Ok(());
        }
        let open = schema
            .get("additionalProperties")
            .is_some_and(|more| *more != Value::Bool(false));
        let none = Map::new();
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for variable in variables {
            let name = variable.name.as_str();
            if !properties.contains_key(name) && !open {
                let declared: Vec<&str> = properties.keys().map(String::as_str).collect();
                let declared = if declared.is_empty() {
                    "no property".to_owned()
                } else {
                    declared.join(", ")
                };
                return Err(Error::new(
                    ErrorKind::Template,
                    format!(
                        "the variable `{name}` is not in the input schema, which declares {declared}; correct the \
                         name or declare it"
                    ),
                )
                .at(variable.location.clone()));
            }
            if variable.required && !required.contains(&name) {
                return Err(Error::new(
                    ErrorKind::Template,
                    format!(
                        "the variable `{name}` may be missing, since the input schema does not require it; add it to \
                         `required`, or write `{name} | default(value=…)` or `{{% if {name} is defined %}}`"
                    ),
                )
                .at(variable.location.clone()));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for InputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputSchema({} subschemas)", self.compiled.cost().subschemas)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::PromptName;
    use crate::prompt::{Content, ContentAnalysis};

    fn check(schema: &Value, template: &str) -> Result<()> {
        let schema = InputSchema::compile("the input schema", schema)?;
        let name = PromptName::new("p").unwrap();
        schema.check_variables(ContentAnalysis::of(&name, None, &Content::text(template))?.variables())
    }

    #[test]
    fn variables_must_be_declared_and_required() {
        let schema = json!({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]});
        check(
            &schema,
            "{{ a }} {{ b | default(value=1) }} {% if b is defined %}{{ b }}{% endif %}",
        )
        .unwrap();
        let error = check(&schema, "x\n{{ c }}").unwrap_err();
        assert_eq!(error.location().unwrap().line, 2);
        assert!(
            error
                .message()
                .contains("`c` is not in the input schema, which declares a, b"),
            "{error}"
        );
        assert!(
            check(&schema, "{{ b }}")
                .unwrap_err()
                .message()
                .contains("does not require it")
        );
        check(
            &json!({"additionalProperties": true, "required": ["c"]}),
            "{{ c }}",
        )
        .unwrap();
        check(&json!({"allOf": []}), "{{ c }}").unwrap_or_else(|e| assert!(e.message().contains("allOf")));
    }

    #[test]
    fn errors_name_places_but_no_values() {
        let schema = InputSchema::compile(
            "the input schema",
            &json!({"properties": {"n": {"type": "integer"}, "key": {"pattern": "^a"}}, "additionalProperties": false}),
        )
        .unwrap();
        let error = schema
            .check(&json!({"n": "s3cret-1", "key": "s3cret-2", "s": "s3cret-3"}))
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/n: ") && text.contains("integer"), "{text}");
        assert!(text.contains("'s' was unexpected"), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
        schema.check(&json!({"n": 1, "key": "abc"})).unwrap();
    }

    #[test]
    fn errors_are_short_whatever_the_values_are() {
        let schema =
            InputSchema::compile("the input schema", &json!({"additionalProperties": false})).unwrap();
        let many: Map<String, Value> = (0..5_000).map(|i| (format!("key{i}"), json!(i))).collect();
        assert!(schema.check(&Value::Object(many)).unwrap_err().to_string().len() < 1_000);
    }

    #[test]
    fn deep_and_circular_schemas_end() {
        let mut deep = json!({});
        for _ in 0..100 {
            deep = Value::Object([("not".to_owned(), deep)].into_iter().collect());
        }
        let error = InputSchema::compile("the input schema", &deep).unwrap_err();
        assert!(error.message().contains("deeper than 32 levels"), "{error}");
        for circular in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"properties": {"a": {"$ref": "#"}}}),
        ] {
            if let Ok(schema) = InputSchema::compile("the input schema", &circular) {
                let _ = schema.check(&json!({"a": {"a": {}}}));
            }
        }
    }

    fn chain(length: usize, times: usize) -> Value {
        let mut defs = Map::new();
        for i in 0..length {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            defs.insert(format!("d{i}"), json!({"allOf": vec![next; times]}));
        }
        defs.insert(format!("d{length}"), json!({"type": "object"}));
        json!({"$ref": "#/$defs/d0", "$defs": defs})
    }

    fn refused(schema: &Value) -> String {
        InputSchema::compile("the input schema", schema)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn references_neither_multiply_nor_go_too_deep() {
        InputSchema::compile("the input schema", &chain(30, 1)).unwrap();
        InputSchema::compile("the input schema", &chain(5, 4)).unwrap();
        assert!(refused(&chain(18, 2)).contains("references multiply"));
        assert!(refused(&chain(40, 1)).contains("chain of its references is longer than 32"));
        assert!(refused(&chain(20_000, 1)).contains("more than 2000 subschemas"));
        for schema in [
            json!({"$ref": "#/nope"}),
            json!({"$ref": "#nope"}),
            json!({"required": ["a"], "$ref": "#/required"}),
            json!({"not": {"$id": "x", "$ref": "#/y"}}),
            json!({"allOf": [{"$anchor": "a"}, {"$anchor": "a", "type": "object"}]}),
            json!({"not": {"$schema": "http://json-schema.org/draft-07/schema#"}}),
            json!({"x": {"$id": "y", "z": {}}, "$ref": "#/x/z"}),
        ] {
            refused(&schema);
        }
        let odd = json!({"$ref": "#/$defs/a%20b~1c", "$defs": {"a b/c": {"type": "object"}}});
        let odd = InputSchema::compile("the input schema", &odd).unwrap();
        odd.check(&json!({})).unwrap();
        odd.check(&json!(1)).unwrap_err();
    }

    #[test]
    fn unevaluated_parts_multiply_as_well() {
        let mut schema = json!({"properties": {"a": {}}});
        for _ in 0..14 {
            schema = json!({"allOf": [schema], "unevaluatedProperties": false});
        }
        let schema = InputSchema::compile("the input schema", &schema).unwrap();
        schema.check(&json!({"a": 1})).unwrap();
        let defs: Map<String, Value> = (0..30)
            .map(|i| {
                let next = format!("#/$defs/d{}", i + 1);
                (
                    format!("d{i}"),
                    json!({"$ref": next, "unevaluatedProperties": false}),
                )
            })
            .chain([("d30".to_owned(), json!({}))])
            .collect();
        assert!(refused(&json!({"$ref": "#/$defs/d0", "$defs": defs})).contains("references multiply"));
    }

    #[test]
    fn a_schema_may_refer_to_itself_once_for_each_part_of_a_value() {
        for good in [
            json!({"$defs": {"node": {"$anchor": "n", "properties": {
                "left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#n"}}}}, "$ref": "#n"}),
            json!({"anyOf": [{"type": ["string", "null"]}, {"items": {"$ref": "#"}, "type": "array"},
                {"type": "object", "additionalProperties": {"$ref": "#"}}]}),
            json!({"properties": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}}),
            json!({"prefixItems": [{"$ref": "#"}, {"$ref": "#"}], "items": {"$ref": "#"}}),
            json!({"$defs": {"a": {"properties": {"b": {"$ref": "#/$defs/b"}}},
                "b": {"properties": {"a": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"}),
        ] {
            let schema = InputSchema::compile("the input schema", &good).unwrap();
            schema.check(&json!({"a": {"left": {}}})).unwrap();
        }
        for bad in [
            json!({"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}, "minItems": 1}]}),
            json!({"items": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}),
            json!({"items": {"$ref": "#"}, "contains": {"$ref": "#"}}),
            json!({"properties": {"a": {"$ref": "#"}}, "patternProperties": {"^a": {"$ref": "#"}}}),
            json!({"properties": {"a": {"$ref": "#"}}, "allOf": [{"additionalProperties": {"$ref": "#"}}]}),
            json!({"allOf": [{"$ref": "#/$defs/m"}, {"$ref": "#/$defs/m"}], "$defs": {"m": {"items": {"$ref": "#"}}}}),
            json!({"items": {"$ref": "#"}, "allOf": [{"$ref": "#/$defs/b"}], "$defs": {"b": {"items": {"$ref": "#/$defs/b"}}}}),
        ] {
            let error = refused(&bad);
            assert!(error.contains("twice for the same part"), "{bad}: {error}");
        }
        for endless in [json!({"$ref": "#"}), json!({"allOf": [{"not": {"$ref": "#"}}]})] {
            assert!(refused(&endless).contains("without end"));
        }
    }

    #[test]
    fn data_are_no_references() {
        let like = json!({"$ref": "x", "$id": "y", "$anchor": "a"});
        let schema = json!({
            "enum": [like], "const": like, "default": like, "examples": [like], "x-more": like,
            "properties": {"a": {"const": like}},
        });
        InputSchema::compile("the input schema", &schema).unwrap();
        // Names of properties are no keywords.
        let error = refused(&json!({"properties": {"enum": {"$ref": "x"}}}));
        assert!(error.contains("only references within"), "{error}");
        // And what is referred to is no data.
        let error = refused(&json!({"const": {"$ref": "x"}, "not": {"$ref": "#/const"}}));
        assert!(error.contains("only references within"), "{error}");
    }

    #[test]
    fn regular_expressions_and_subschemas_are_few() {
        let of = |count: usize, length: usize| -> Value {
            let properties: Map<String, Value> = (0..count)
                .map(|i| {
                    (
                        format!("p{i}"),
                        json!({"pattern": format!("^{i}{}$", "x".repeat(length))}),
                    )
                })
                .collect();
            json!({"properties": properties})
        };
        let schema = InputSchema::compile("the input schema", &of(100, 1)).unwrap();
        assert!(schema.bytes() > 100 * (64 << 10));
        assert!(refused(&of(101, 1)).contains("more than 100 regular expressions"));
        assert!(refused(&of(20, 1_000)).contains("more than 16384 bytes"));
        let many: Map<String, Value> = (0..2_000).map(|i| (format!("p{i}"), json!({}))).collect();
        assert!(refused(&json!({"properties": many})).contains("more than 2000 subschemas"));
    }

    /// With as much stack as a task of tokio has.
    fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        thread.spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn the_deepest_schemas_need_little_stack() {
        on_a_small_stack(|| {
            // As deep as it may be, through as many references.
            let mut defs = Map::new();
            for i in 0..30 {
                let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
                defs.insert(format!("d{i}"), json!({"not": {"not": {"not": next}}}));
            }
            defs.insert("d30".into(), json!({"type": "object"}));
            let schema = json!({"$ref": "#/$defs/d0", "$defs": defs});
            let schema = InputSchema::compile("the input schema", &schema).unwrap();
            schema.check(&json!({})).unwrap();
            schema.check(&json!([])).unwrap_err();
            // For values as deep as they may be.
            let mut inner = json!({"items": {"$ref": "#"}});
            for _ in 0..13 {
                inner = json!({"allOf": [inner]});
            }
            let schema = InputSchema::compile("the input schema", &inner).unwrap();
            let mut value = json!(1);
            for _ in 0..126 {
                value = json!([value]);
            }
            schema.check(&value).unwrap();
            let mut other = inner;
            other["type"] = json!("array");
            let schema = InputSchema::compile("the input schema", &other).unwrap();
            schema.check(&value).unwrap_err();
        });
    }

    #[test]
    fn no_error_is_longer_than_the_values() {
        let branch = json!({"items": {"type": "string"}});
        let schema = json!({"anyOf": vec![branch; 900]});
        let schema = InputSchema::compile("the input schema", &schema).unwrap();
        let error = schema.check(&json!(vec![1; 20_000])).unwrap_err();
        assert!(error.message().contains("too large to tell where"), "{error}");
        let error = schema.check(&json!(vec![1; 100_000])).unwrap_err();
        assert!(error.message().contains("too large to be checked"), "{error}");
        let error = schema.check(&json!(vec![1; 20])).unwrap_err();
        assert!(error.message().contains("the top: "), "{error}");
    }

    #[test]
    fn a_schema_never_reaches_outside() {
        for schema in [
            json!({"$ref": "file:///etc/passwd"}),
            json!({"properties": {"a": {"$ref": "https://example.com/x.json"}}}),
        ] {
            let error = InputSchema::compile("the input schema", &schema).unwrap_err();
            assert!(error.message().contains("only references within"), "{error}");
        }
        assert!(InputSchema::compile("the output schema", &json!({"type": "strin"})).is_err());
        assert!(InputSchema::compile("the output schema", &json!(3)).is_err());
    }
}
