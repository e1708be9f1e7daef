//! Values of parameters.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Choices, pick};

/// A value that is serialized as it stands: not every one of them has a form in JSON.
#[derive(Clone, PartialEq)]
pub enum V {
    Null,
    Bool(bool),
    Int(i64),
    Big(u64),
    Float(f64),
    Text(String),
    List(Vec<V>),
    Map(Vec<(String, V)>),
}

impl Serialize for V {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Big(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// As JSON, with the numbers that it does not have by their names.
impl fmt::Debug for V {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Big(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(entries) => f
                .debug_map()
                .entries(entries.iter().map(|(k, v)| (k, v)))
                .finish(),
        }
    }
}

impl V {
    /// Whether JSON has a form of it.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Float(value) => value.is_finite(),
            Self::List(items) => items.iter().all(Self::is_json),
            Self::Map(entries) => entries.iter().all(|(_, value)| value.is_json()),
            _ => true,
        }
    }

    /// Values with one thing less in them.
    pub fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        match self {
            Self::Null | Self::Bool(_) => {}
            Self::Int(value) => all.extend((*value != 1).then_some(Self::Int(1))),
            Self::Big(_) => all.push(Self::Int(1)),
            Self::Float(value) => all.extend((*value != 0.5).then_some(Self::Float(0.5))),
            Self::Text(text) => {
                let half = text.chars().count() / 2;
                if !text.is_empty() {
                    all.push(Self::Text(String::new()));
                }
                if text.chars().count() > 1 {
                    all.push(Self::Text("a".into()));
                    all.push(Self::Text(text.chars().take(half).collect()));
                    all.push(Self::Text(text.chars().skip(half).collect()));
                }
            }
            Self::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    let mut less = items.clone();
                    less.remove(at);
                    all.push(Self::List(less));
                    for item in item.simpler() {
                        let mut simple = items.clone();
                        simple[at] = item;
                        all.push(Self::List(simple));
                    }
                }
            }
            Self::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    let mut less = entries.clone();
                    less.remove(at);
                    all.push(Self::Map(less));
                    let simple = std::iter::once(Self::Int(1)).chain(value.simpler());
                    for value in simple.filter(|simple| simple != value) {
                        let mut simple = entries.clone();
                        simple[at] = (key.clone(), value);
                        all.push(Self::Map(simple));
                    }
                }
            }
        }
        all
    }
}

const KEYS: &[&str] = &[
    "name",
    "id",
    "k",
    "b",
    "score",
    "tags",
    "first",
    "length",
    "a.b",
    "with space",
    "ключ",
    "é",
    "",
    "if",
    "\"q\"",
    "0",
];

const TEXTS: &[&str] = &[
    "a",
    "",
    "ab",
    "Hello world",
    "  padded  ",
    "line one\nline two\n",
    "it's \"quoted\"",
    "{{ user }}",
    "{% raw %}{# x #}",
    "{% include 's0' %}",
    "日本語のテキスト",
    "مرحبا",
    "e\u{301}🇩🇪👨\u{200d}👩\u{200d}👧",
    "Straße İstanbul ǆ",
    "a,b,,c",
    "<b> & 'co'</b>",
    "12",
    "3.5",
    "-7",
    "back\\slash\ttab\u{0}\u{7f}\r\n",
    "The quick brown fox jumps over the lazy dog, again and again, until the text is long enough to be cut.",
];

const INTS: &[i64] = &[
    1,
    0,
    2,
    3,
    -1,
    7,
    10,
    42,
    -5,
    100,
    65_536,
    i64::MAX,
    i64::MIN,
    4_294_967_296,
    9_007_199_254_740_993,
];

const FLOATS: &[f64] = &[
    0.5,
    0.1,
    3.0,
    -2.5,
    0.0,
    -0.0,
    1e300,
    1e-7,
    123456.789,
    2.675,
    1e16,
    1e15,
    5e-324,
    0.30000000000000004,
];

fn float(choices: &mut dyn Choices) -> V {
    const ODD: &[f64] = &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    V::Float(if choices.chance(4) {
        *pick(choices, ODD)
    } else {
        *pick(choices, FLOATS)
    })
}

fn int(choices: &mut dyn Choices) -> V {
    if choices.chance(3) {
        V::Big(u64::MAX)
    } else if choices.chance(30) {
        V::Int(*pick(choices, INTS))
    } else {
        V::Int(choices.below(6) as i64)
    }
}

fn text(choices: &mut dyn Choices) -> V {
    V::Text((*pick(choices, TEXTS)).to_owned())
}

fn leaf(choices: &mut dyn Choices) -> V {
    match choices.below(8) {
        0..=2 => text(choices),
        3 | 4 => int(choices),
        5 => float(choices),
        6 => V::Bool(choices.chance(50)),
        _ => V::Null,
    }
}

fn list(choices: &mut dyn Choices, of: impl Fn(&mut dyn Choices) -> V) -> V {
    let count = choices.below(5);
    V::List((0..count).map(|_| of(choices)).collect())
}

fn keys(choices: &mut dyn Choices) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for _ in 0..1 + choices.below(4) {
        let key = if choices.chance(20) {
            *pick(choices, KEYS)
        } else {
            *pick(choices, &KEYS[..6])
        };
        if !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
    }
    keys
}

fn map(choices: &mut dyn Choices, of: impl Fn(&mut dyn Choices) -> V) -> V {
    let keys = keys(choices);
    V::Map(keys.into_iter().map(|key| (key, of(choices))).collect())
}

/// Maps with the same keys, and values of the same types in them.
fn records(choices: &mut dyn Choices) -> V {
    let keys = keys(choices);
    let kinds: Vec<usize> = keys.iter().map(|_| choices.below(6)).collect();
    list(choices, |choices| {
        V::Map(
            keys.iter()
                .zip(&kinds)
                .map(|(key, kind)| (key.clone(), of_kind(choices, *kind)))
                .collect(),
        )
    })
}

fn of_kind(choices: &mut dyn Choices, kind: usize) -> V {
    match kind {
        0 => text(choices),
        1 => int(choices),
        2 => float(choices),
        3 => V::Bool(choices.chance(50)),
        4 => list(choices, text),
        _ => map(choices, leaf),
    }
}

fn any(choices: &mut dyn Choices) -> V {
    match choices.below(10) {
        0 => leaf(choices),
        1 => list(choices, text),
        2 => list(choices, int),
        3 => map(choices, leaf),
        4 => records(choices),
        5 => list(choices, float),
        6 => list(choices, leaf),
        7 => list(choices, |choices| list(choices, int)),
        8 => map(choices, |choices| match choices.below(3) {
            0 => leaf(choices),
            1 => records(choices),
            _ => map(choices, leaf),
        }),
        _ => V::Null,
    }
}

/// A map of parameters; `history` is one of messages.
pub fn parameters(choices: &mut dyn Choices) -> V {
    let mut entries: Vec<(String, V)> = Vec::new();
    entries.push(("user".into(), map(choices, leaf)));
    entries.push(("rows".into(), records(choices)));
    entries.push(("t".into(), text(choices)));
    entries.push(("n".into(), int(choices)));
    entries.push(("price".into(), float(choices)));
    entries.push(("flag".into(), V::Bool(choices.chance(50))));
    entries.push(("tags".into(), list(choices, text)));
    entries.push(("nums".into(), list(choices, int)));
    for name in ["p", "q", "total"] {
        if choices.chance(60) {
            entries.push((name.into(), any(choices)));
        }
    }
    for name in ["a.b", "loop", "not", "with space", "ключ", "__x", "range", ""] {
        if choices.chance(5) {
            entries.push((name.into(), leaf(choices)));
        }
    }
    let turns = choices.below(3);
    let history = (0..turns).map(|turn| {
        let role = if turn % 2 == 0 { "user" } else { "assistant" };
        V::Map(vec![
            ("role".into(), V::Text(role.into())),
            ("content".into(), text(choices)),
        ])
    });
    let history = V::List(history.collect());
    entries.push(("history".into(), history));
    V::Map(entries)
}
