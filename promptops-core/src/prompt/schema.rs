//! The schema of a prompt's parameters: checked against the templates at save, and against the values at render.

use std::collections::HashMap;
use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use super::analysis::VariableUse;
use crate::base::error::{Error, ErrorKind, Result, invalid};

/// Most problems that one error lists.
const MAX_LISTED: usize = 10;
/// Deepest nesting of a schema.
const MAX_DEPTH: usize = 64;
/// Most that checking one value may take, counted in parts of the schema.
const MAX_WEIGHT: u64 = 100_000;
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
    validator: Validator,
}

impl InputSchema {
    /// Compiles a schema. `what` names it in errors: "the input schema".
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for what is no JSON Schema, or refers to anything outside of itself:
    /// references are never fetched.
    pub fn compile(what: &str, schema: &Value) -> Result<Self> {
        check_references(what, schema)?;
        Weigher::check(what, schema)?;
        let validator = jsonschema::options()
            .with_pattern_options(PatternOptions::regex().size_limit(256 << 10))
            .build(schema)
            .map_err(|e| {
                invalid(format!(
                    "{what} is not a JSON Schema: at {}: {}",
                    place(&e.instance_path().to_string()),
                    e
                ))
            })?;
        Ok(Self {
            schema: schema.clone(),
            validator,
        })
    }

    /// Checks values. Errors name places and rules, never the values themselves.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) listing what does not fit.
    pub fn check(&self, values: &Value) -> Result<()> {
        if self.validator.is_valid(values) {
            return Ok(());
        }
        let mut problems: Vec<String> = self
            .validator
            .iter_errors(values)
            .take(MAX_LISTED + 1)
            .map(|e| {
                let at = e.instance_path().to_string();
                shortened(format!("{}: {}", place(&at), e.masked_with("the value")))
            })
            .collect();
        if problems.len() > MAX_LISTED {
            problems.truncate(MAX_LISTED);
            problems.push("and more".into());
        }
        Err(invalid(format!(
            "the parameters do not fit the input schema: {}",
            problems.join("; ")
        )))
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
        f.debug_struct("InputSchema")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A problem may list every property of the values.
fn shortened(mut text: String) -> String {
    const LONGEST: usize = 300;
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the top" } else { pointer }
}

/// Every reference must stay inside: the validator would otherwise read files or ask the network.
fn check_references(what: &str, schema: &Value) -> Result<()> {
    let mut open = vec![(schema, 0)];
    while let Some((value, depth)) = open.pop() {
        // Compiling recurses.
        if depth > MAX_DEPTH {
            return Err(invalid(format!(
                "{what} is nested deeper than {MAX_DEPTH} levels; put parts of it into `$defs`"
            )));
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => {
                for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
                    if let Some(Value::String(target)) = map.get(keyword)
                        && !target.starts_with('#')
                    {
                        return Err(invalid(format!(
                            "{what} refers to {target:?}; only references within the schema (`#…`) are allowed, put \
                             the definition into `$defs`"
                        )));
                    }
                }
                open.extend(map.values().map(|item| (item, depth + 1)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What checking one value costs, references followed: a schema of forty definitions that each refer to the next one
/// twice would never end.
struct Weigher<'a> {
    what: &'a str,
    root: &'a Value,
    anchors: HashMap<&'a str, &'a Value>,
    /// Targets of references, with their weight and height; `None` while they are being looked at.
    targets: HashMap<&'a str, Option<(u64, usize)>>,
}

impl<'a> Weigher<'a> {
    fn check(what: &'a str, root: &'a Value) -> Result<()> {
        let mut anchors = HashMap::new();
        let mut open = vec![root];
        while let Some(value) = open.pop() {
            match value {
                Value::Array(items) => open.extend(items),
                Value::Object(map) => {
                    for keyword in ["$anchor", "$dynamicAnchor"] {
                        if let Some(Value::String(name)) = map.get(keyword) {
                            anchors.insert(name.as_str(), value);
                        }
                    }
                    // References within it would start from there.
                    if matches!(map.get("$id"), Some(Value::String(_))) && !std::ptr::eq(value, root) {
                        return Err(invalid(format!(
                            "{what} has an `$id` inside; only its top may have one"
                        )));
                    }
                    open.extend(map.values());
                }
                _ => {}
            }
        }
        let mut weigher = Self {
            what,
            root,
            anchors,
            targets: HashMap::new(),
        };
        let (weight, _) = weigher.weigh(root, 0)?;
        if weight > MAX_WEIGHT {
            return Err(weigher.refused("its references multiply without end; refer to a definition once"));
        }
        Ok(())
    }

    fn refused(&self, why: &str) -> Error {
        invalid(format!("{} cannot be used: {why}", self.what))
    }

    /// Weight and height.
    fn weigh(&mut self, value: &'a Value, depth: usize) -> Result<(u64, usize)> {
        if depth > MAX_DEPTH {
            return Err(self.refused(&format!(
                "references and definitions go deeper than {MAX_DEPTH} levels"
            )));
        }
        let (mut weight, mut height) = (1_u64, 1);
        let mut add = |(more, below): (u64, usize)| {
            weight = weight.saturating_add(more);
            height = height.max(below + 1);
        };
        match value {
            Value::Array(items) => {
                for item in items {
                    add(self.weigh(item, depth + 1)?);
                }
            }
            Value::Object(map) => {
                for (key, item) in map {
                    match item {
                        Value::String(target)
                            if key == "$ref" || key == "$dynamicRef" || key == "$recursiveRef" =>
                        {
                            add(self.weigh_target(target, depth)?);
                        }
                        // They count where they are referred to.
                        Value::Object(_) if key == "$defs" || key == "definitions" => {}
                        Value::Array(_) | Value::Object(_) => add(self.weigh(item, depth + 1)?),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok((weight, height))
    }

    fn weigh_target(&mut self, target: &'a str, depth: usize) -> Result<(u64, usize)> {
        match self.targets.get(target) {
            // A circle goes on only as far as the values go deeper.
            Some(None) => return Ok((1, 1)),
            Some(Some((weight, height))) => {
                if depth + height > MAX_DEPTH {
                    return Err(self.refused(&format!(
                        "references and definitions go deeper than {MAX_DEPTH} levels"
                    )));
                }
                return Ok((*weight, *height));
            }
            None => {}
        }
        let fragment = target.trim_start_matches('#');
        let found = match self.anchors.get(fragment) {
            Some(found) => Some(*found),
            None => self.root.pointer(fragment),
        };
        let Some(found) = found else {
            return Err(self.refused(&format!("nothing is at the reference {target:?}")));
        };
        self.targets.insert(target, None);
        let weighed = self.weigh(found, depth + 1)?;
        self.targets.insert(target, Some(weighed));
        Ok(weighed)
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
        assert!(error.message().contains("deeper than 64 levels"), "{error}");
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

    #[test]
    fn references_neither_multiply_nor_go_too_deep() {
        InputSchema::compile("the input schema", &chain(15, 1)).unwrap();
        InputSchema::compile("the input schema", &chain(5, 4)).unwrap();
        let error = InputSchema::compile("the input schema", &chain(18, 2)).unwrap_err();
        assert!(error.message().contains("multiply without end"), "{error}");
        for length in [40, 20_000] {
            let error = InputSchema::compile("the input schema", &chain(length, 1)).unwrap_err();
            assert!(error.message().contains("deeper than 64 levels"), "{error}");
        }
        let tree = json!({"$defs": {"node": {"$anchor": "n", "properties": {
            "left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#n"}}}}, "$ref": "#n"});
        InputSchema::compile("the input schema", &tree).unwrap();
        for schema in [
            json!({"$ref": "#/nope"}),
            json!({"not": {"$id": "x", "$ref": "#/y"}}),
        ] {
            InputSchema::compile("the input schema", &schema).unwrap_err();
        }
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
