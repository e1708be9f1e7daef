//! What a schema may cost, found out before it is compiled: nothing here recurses further than [`MAX_NESTING`].

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use serde_json::Value;

use crate::base::error::{Error, Result, invalid};

/// Deepest nesting of a schema as JSON.
pub(super) const MAX_NESTING: usize = 32;
/// Most subschemas.
const MAX_SUBSCHEMAS: usize = 2_000;
/// Most that checking one value may take, counted in subschemas, references followed.
const MAX_WEIGHT: u64 = 100_000;
/// Longest chain of references.
const MAX_REFERENCES: usize = 32;
/// Deepest nesting of subschemas, references followed.
const MAX_HEIGHT: usize = 128;
/// Most subschemas of a circle that apply to one value, each because of the one before.
const MAX_SAME_PLACE: usize = 16;
/// Most regular expressions.
const MAX_PATTERNS: usize = 100;
/// Longest that they may be, all together.
const MAX_PATTERN_BYTES: usize = 16 << 10;

/// What a schema within bounds costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Subschemas looked at for one value, references followed.
    pub(super) weight: u64,
    /// Subschemas.
    pub(super) subschemas: usize,
    /// Regular expressions.
    pub(super) patterns: usize,
}

/// Whether a value is nested no deeper than this.
pub(crate) fn is_within<'a>(values: impl IntoIterator<Item = &'a Value>, most: usize) -> bool {
    let mut open: Vec<(&Value, usize)> = values.into_iter().map(|value| (value, 1)).collect();
    while let Some((value, depth)) = open.pop() {
        match value {
            Value::Array(_) | Value::Object(_) if depth > most => return false,
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => open.extend(map.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    true
}

/// Checks that a schema is within bounds. `what` names it in errors: "the input schema".
pub(in crate::prompt) fn check(what: &str, schema: &Value) -> Result<()> {
    measure(what, schema).map(drop)
}

/// Checks that a schema is within bounds, and tells its cost.
pub(super) fn measure(what: &str, schema: &Value) -> Result<Cost> {
    if !is_within([schema], MAX_NESTING) {
        return Err(invalid(format!(
            "{what} is nested deeper than {MAX_NESTING} levels; put parts of it into `$defs`"
        )));
    }
    Graph::of(what, schema)?.cost()
}

/// Which part of a value a subschema is for, seen from the one it is in.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// The same value.
    Same,
    /// The same value, by reference.
    Reference,
    /// A property.
    Property(&'a str),
    /// Properties that no other keyword beside it names.
    OtherProperties,
    /// Any property.
    AnyProperty,
    /// An item.
    Item(usize),
    /// Items that no other keyword beside it counts.
    OtherItems,
    /// Any item.
    AnyItem,
    /// The name of a property.
    Key,
    /// None: it is only declared.
    None,
}

struct Node<'a> {
    value: &'a Value,
    parts: Vec<(Part<'a>, usize)>,
    /// Scalars to compare with.
    listed: usize,
    /// How often it asks what applies to the same value: to know what was not evaluated, again.
    times: u64,
}

/// The subschemas, and which leads to which.
struct Graph<'a> {
    what: &'a str,
    root: &'a Value,
    nodes: Vec<Node<'a>>,
    found: HashMap<*const Value, usize>,
    anchors: HashMap<&'a str, usize>,
    patterns: usize,
    pattern_bytes: usize,
}

impl<'a> Graph<'a> {
    fn of(what: &'a str, root: &'a Value) -> Result<Self> {
        let mut graph = Self {
            what,
            root,
            nodes: Vec::new(),
            found: HashMap::new(),
            anchors: HashMap::new(),
            patterns: 0,
            pattern_bytes: 0,
        };
        graph.node(root)?;
        // Those of references come once all anchors are known.
        let mut next = 0;
        let mut references = Vec::new();
        loop {
            while next < graph.nodes.len() {
                graph.look_at(next, &mut references)?;
                next += 1;
            }
            let Some((from, target)) = references.pop() else {
                return Ok(graph);
            };
            let to = graph.target(target)?;
            graph.nodes[from].parts.push((Part::Reference, to));
        }
    }

    fn refused(&self, why: &str) -> Error {
        invalid(format!("{} cannot be used: {why}", self.what))
    }

    fn node(&mut self, value: &'a Value) -> Result<usize> {
        if let Some(known) = self.found.get(&std::ptr::from_ref(value)) {
            return Ok(*known);
        }
        if self.nodes.len() >= MAX_SUBSCHEMAS {
            return Err(self.refused(&format!("it has more than {MAX_SUBSCHEMAS} subschemas")));
        }
        let at = self.nodes.len();
        self.found.insert(std::ptr::from_ref(value), at);
        self.nodes.push(Node {
            value,
            parts: Vec::new(),
            listed: 0,
            times: 1,
        });
        Ok(at)
    }

    /// Adds the subschemas of one.
    fn look_at(&mut self, at: usize, references: &mut Vec<(usize, &'a str)>) -> Result<()> {
        // What is no schema is for the compiler to refuse.
        let Value::Object(map) = self.nodes[at].value else {
            return Ok(());
        };
        let (mut listed, mut times) = (0, 1);
        let mut parts: Vec<(Part<'a>, &'a Value)> = Vec::new();
        for (key, item) in map {
            match (key.as_str(), item) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(target)) => {
                    if !target.starts_with('#') {
                        return Err(invalid(format!(
                            "{} refers to {target:?}; only references within the schema (`#…`) are allowed, put the \
                             definition into `$defs`",
                            self.what
                        )));
                    }
                    references.push((at, target));
                }
                ("$anchor" | "$dynamicAnchor", Value::String(name))
                    if self.anchors.insert(name, at).is_some_and(|other| other != at) =>
                {
                    return Err(self.refused(&format!("two of its parts have the anchor {name:?}")));
                }
                ("$id" | "id", Value::String(_)) if at > 0 && (key == "$id" || self.is_draft_4()) => {
                    // References within it would start from there.
                    return Err(self.refused(&format!("it has `{key}` inside; only its top may have one")));
                }
                ("$schema", Value::String(other))
                    if self.root.get("$schema").and_then(Value::as_str) != Some(other) =>
                {
                    return Err(self.refused("it has another `$schema` inside; only its top may have one"));
                }
                ("enum" | "required", Value::Array(items)) => listed += items.len(),
                ("pattern", Value::String(pattern)) => self.pattern(pattern)?,
                ("format", Value::String(format)) if format == "regex" => self.pattern("")?,
                ("patternProperties", Value::Object(items)) => {
                    for (pattern, item) in items {
                        self.pattern(pattern)?;
                        parts.push((Part::AnyProperty, item));
                    }
                }
                ("properties", Value::Object(items)) => {
                    parts.extend(items.iter().map(|(name, item)| (Part::Property(name), item)));
                }
                ("items" | "prefixItems", Value::Array(items)) => {
                    parts.extend(items.iter().enumerate().map(|(i, item)| (Part::Item(i), item)));
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(items)) => {
                    parts.extend(items.iter().map(|item| (Part::Same, item)));
                }
                ("dependentSchemas" | "dependencies", Value::Object(items)) => {
                    let schemas = items.values().filter(|item| !item.is_array());
                    parts.extend(schemas.map(|item| (Part::Same, item)));
                }
                ("$defs" | "definitions", Value::Object(items)) => {
                    parts.extend(items.values().map(|item| (Part::None, item)));
                }
                (_, Value::Bool(_) | Value::Object(_)) => {
                    if key.starts_with("unevaluated") {
                        times += 1;
                    }
                    let part = match key.as_str() {
                        "not" | "if" | "then" | "else" => Part::Same,
                        "additionalProperties" => Part::OtherProperties,
                        "unevaluatedProperties" => Part::AnyProperty,
                        "items" | "additionalItems" => Part::OtherItems,
                        "contains" | "unevaluatedItems" => Part::AnyItem,
                        "propertyNames" => Part::Key,
                        "contentSchema" => Part::None,
                        // Data, such as `const` and `default`, or nothing that is known.
                        _ => continue,
                    };
                    parts.push((part, item));
                }
                _ => {}
            }
        }
        for (part, item) in parts {
            let to = self.node(item)?;
            self.nodes[at].parts.push((part, to));
        }
        self.nodes[at].listed = listed;
        self.nodes[at].times = times;
        Ok(())
    }

    /// Whether `id` is what `$id` is today.
    fn is_draft_4(&self) -> bool {
        let schema = self.root.get("$schema").and_then(Value::as_str);
        schema.is_some_and(|schema| schema.contains("draft-04"))
    }

    fn pattern(&mut self, pattern: &str) -> Result<()> {
        self.patterns += 1;
        self.pattern_bytes += pattern.len();
        if self.patterns > MAX_PATTERNS {
            return Err(self.refused(&format!("it has more than {MAX_PATTERNS} regular expressions")));
        }
        if self.pattern_bytes > MAX_PATTERN_BYTES {
            return Err(self.refused(&format!(
                "its regular expressions have more than {MAX_PATTERN_BYTES} bytes"
            )));
        }
        Ok(())
    }

    fn target(&mut self, target: &'a str) -> Result<usize> {
        let fragment = target.strip_prefix('#').unwrap_or(target);
        if let Some(known) = self.anchors.get(fragment) {
            return Ok(*known);
        }
        let nothing = |graph: &Self| graph.refused(&format!("no subschema is at the reference {target:?}"));
        let fragment = percent_decoded(fragment).ok_or_else(|| nothing(self))?;
        if !fragment.is_empty() && !fragment.starts_with('/') {
            return Err(nothing(self));
        }
        let mut value = self.root;
        for part in fragment.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let next = match value {
                Value::Object(map) => map.get(&part),
                Value::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => None,
            };
            value = next.ok_or_else(|| nothing(self))?;
            if value.get("$id").is_some_and(Value::is_string) {
                return Err(self.refused("it has `$id` inside; only its top may have one"));
            }
        }
        if !matches!(value, Value::Bool(_) | Value::Object(_)) {
            return Err(nothing(self));
        }
        self.node(value)
    }

    /// Subschemas that one leads to.
    fn next(&self, at: usize) -> impl DoubleEndedIterator<Item = (Part<'a>, usize)> + '_ {
        self.nodes[at]
            .parts
            .iter()
            .copied()
            .filter(|(part, _)| !matches!(part, Part::None))
    }

    /// Follows references, and adds up.
    fn cost(&self) -> Result<Cost> {
        let circles = self.circles();
        let mut sums: Vec<Sums> = Vec::with_capacity(circles.len());
        let mut circle_of = vec![usize::MAX; self.nodes.len()];
        // Those come first that others lead to.
        for (number, circle) in circles.iter().enumerate() {
            for &at in circle {
                circle_of[at] = number;
            }
            let sum = self.sums(number, circle, &circle_of, &sums);
            if sum.weight > MAX_WEIGHT {
                return Err(self.refused(
                    "its references multiply: checking one value would take too long; refer to a definition once",
                ));
            }
            if sum.references > MAX_REFERENCES {
                return Err(self.refused(&format!(
                    "a chain of its references is longer than {MAX_REFERENCES}"
                )));
            }
            if sum.height > MAX_HEIGHT {
                return Err(self.refused(&format!(
                    "its subschemas, references followed, go deeper than {MAX_HEIGHT} levels"
                )));
            }
            sums.push(sum);
        }
        self.check_recursion(&circle_of, &sums)?;
        Ok(Cost {
            weight: sums[circle_of[0]].weight,
            subschemas: self.nodes.len(),
            patterns: self.patterns,
        })
    }

    fn sums(&self, number: usize, circle: &[usize], circle_of: &[usize], sums: &[Sums]) -> Sums {
        let mut sum = Sums::default();
        let (mut height, mut references) = (0, 0);
        let mut starts: HashSet<usize> = HashSet::new();
        for &at in circle {
            sum.weight = sum.weight.saturating_add(1 + self.nodes[at].listed as u64 / 16);
            for (part, to) in self.next(at) {
                let is_reference = matches!(part, Part::Reference);
                if circle_of[to] == number {
                    sum.circular = true;
                    sum.recursive = true;
                    if is_reference {
                        starts.insert(to);
                    }
                } else {
                    let below = &sums[circle_of[to]];
                    let times = match part {
                        Part::Same | Part::Reference => self.nodes[at].times,
                        _ => 1,
                    };
                    sum.weight = sum.weight.saturating_add(below.weight.saturating_mul(times));
                    sum.recursive |= below.recursive;
                    height = height.max(below.height);
                    references = references.max(below.references + usize::from(is_reference));
                }
            }
        }
        // A path within a circle comes by each reference's target once at most.
        let within = |at| self.height_within(at, number, circle_of);
        let entry = circle.iter().map(|&at| within(at)).max().unwrap_or(1);
        sum.height = height + entry + starts.iter().map(|&at| within(at)).sum::<usize>();
        sum.references = references + starts.len();
        sum
    }

    /// How far subschemas of a circle are nested, without references.
    fn height_within(&self, at: usize, number: usize, circle_of: &[usize]) -> usize {
        let below = self.next(at).filter_map(|(part, to)| {
            let nested = !matches!(part, Part::Reference) && circle_of[to] == number;
            nested.then(|| self.height_within(to, number, circle_of))
        });
        1 + below.max().unwrap_or(0)
    }

    /// Subschemas that lead to each other, and every other alone; after all that they lead to.
    fn circles(&self) -> Vec<Vec<usize>> {
        let count = self.nodes.len();
        let mut before = vec![Vec::new(); count];
        for at in 0..count {
            for (_, to) in self.next(at) {
                before[to].push(at);
            }
        }
        let next: Vec<Vec<usize>> = (0..count)
            .map(|at| self.next(at).map(|(_, to)| to).collect())
            .collect();
        // The one that ends last leads to what is not in a circle with it, or to nothing else.
        let order = ends(&before, 0..count).concat();
        ends(&next, order.into_iter().rev())
    }

    /// What refers to itself must go deeper into the value, and each part of the value once.
    fn check_recursion(&self, circle_of: &[usize], sums: &[Sums]) -> Result<()> {
        let same: Vec<Vec<usize>> = (0..self.nodes.len())
            .map(|at| {
                let same = self.next(at);
                same.filter(|(part, _)| matches!(part, Part::Same | Part::Reference))
                    .map(|(_, to)| to)
                    .collect()
            })
            .collect();
        let mut done: Vec<Option<(usize, Visits<'a>)>> = Vec::new();
        done.resize_with(self.nodes.len(), || None);
        for at in ends(&same, 0..self.nodes.len()).concat() {
            let sum = &sums[circle_of[at]];
            let mut visits = Visits::default();
            let mut height = 0;
            if sum.recursive {
                visits = self.visits(at, |to| sums[circle_of[to]].recursive);
            }
            for &to in &same[at] {
                let Some((below, more)) = &done[to] else {
                    return Err(self.refused("a part of it refers to itself for the same value, without end"));
                };
                height = height.max(*below);
                if sum.recursive {
                    (0..self.nodes[at].times).for_each(|_| visits.add(more));
                }
            }
            height += 1;
            if sum.circular && visits.most() > 1 {
                return Err(self.refused(
                    "a part of it refers to itself twice for the same part of the value; refer to it once, outside \
                     of `anyOf` and the like",
                ));
            }
            if sum.circular && height > MAX_SAME_PLACE {
                return Err(self.refused(&format!(
                    "a part of it that refers to itself has more than {MAX_SAME_PLACE} levels for the same value"
                )));
            }
            done[at] = Some((height, visits));
        }
        Ok(())
    }

    fn visits(&self, at: usize, is_recursive: impl Fn(usize) -> bool) -> Visits<'a> {
        let mut visits = Visits::default();
        let (mut any_property, mut any_item) = (0, 0);
        for (part, to) in self.next(at) {
            let count = u64::from(is_recursive(to));
            match part {
                Part::Property(name) => *visits.properties.named.entry(name).or_default() += count,
                Part::OtherProperties => visits.properties.other += count,
                Part::AnyProperty => any_property += count,
                Part::Item(i) => *visits.items.named.entry(i).or_default() += count,
                Part::OtherItems => visits.items.other += count,
                Part::AnyItem => any_item += count,
                // A name has no parts.
                Part::Key | Part::Same | Part::Reference | Part::None => {}
            }
        }
        visits.properties.add_everywhere(any_property);
        visits.items.add_everywhere(any_item);
        visits
    }
}

/// Sums over all that a circle of subschemas leads to.
#[derive(Default)]
struct Sums {
    weight: u64,
    height: usize,
    references: usize,
    /// Whether it leads to itself.
    circular: bool,
    /// Whether it leads to what leads to itself.
    recursive: bool,
}

/// How often each part of a value is looked at by what leads to itself.
#[derive(Default)]
struct Visits<'a> {
    properties: Counts<&'a str>,
    items: Counts<usize>,
}

impl Visits<'_> {
    fn most(&self) -> u64 {
        self.properties.most().max(self.items.most())
    }
}

impl<'a> Visits<'a> {
    fn add(&mut self, more: &Visits<'a>) {
        self.properties.add(&more.properties);
        self.items.add(&more.items);
    }
}

struct Counts<K> {
    named: HashMap<K, u64>,
    other: u64,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self {
            named: HashMap::new(),
            other: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> Counts<K> {
    fn add_everywhere(&mut self, count: u64) {
        self.other += count;
        for known in self.named.values_mut() {
            *known += count;
        }
    }

    fn add(&mut self, more: &Self) {
        for (key, known) in &mut self.named {
            *known = known.saturating_add(more.named.get(key).copied().unwrap_or(more.other));
        }
        for (key, count) in &more.named {
            let other = self.other;
            self.named
                .entry(*key)
                .or_insert_with(|| other.saturating_add(*count));
        }
        self.other = self.other.saturating_add(more.other);
    }

    fn most(&self) -> u64 {
        self.named.values().copied().max().unwrap_or(0).max(self.other)
    }
}

/// Goes through a graph depth first from each start that was not reached yet: for each what it reached, after all that
/// it leads to.
fn ends(next: &[Vec<usize>], starts: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut seen = vec![false; next.len()];
    let mut all = Vec::new();
    for start in starts {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        let mut reached = Vec::new();
        let mut path = vec![(start, 0)];
        while let Some((at, child)) = path.last_mut() {
            if let Some(&to) = next[*at].get(*child) {
                *child += 1;
                if !std::mem::replace(&mut seen[to], true) {
                    path.push((to, 0));
                }
            } else {
                reached.push(*at);
                path.pop();
            }
        }
        all.push(reached);
    }
    all
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// How much there is to check in values: texts count by their length.
pub(super) fn size(value: &Value) -> u64 {
    let mut sum = 0_u64;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        sum += 1;
        match value {
            Value::String(text) => sum += text.len() as u64 / 64,
            Value::Array(items) => open.extend(items),
            Value::Object(map) => open.extend(map.values()),
            _ => {}
        }
    }
    sum
}
