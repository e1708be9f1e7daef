//! Values for both engines, and how they are generated.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::render::params::Param;
use crate::render::program::value::Val;

/// A value with the width of its integers, which only Tera tells apart.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    None,
    Bool(bool),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::I64(value) => serializer.serialize_i64(*value),
            Self::U64(value) => serializer.serialize_u64(*value),
            Self::I128(value) => serializer.serialize_i128(*value),
            Self::U128(value) => serializer.serialize_u128(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
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

impl Tree {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn param(&self) -> Param<'static> {
        Param::of(self).unwrap()
    }

    /// The same as JSON, where JSON can say it. Maps are left out: JSON sorts their keys.
    pub(super) fn json(&self) -> Option<serde_json::Value> {
        match self {
            Self::F64(value) if !value.is_finite() => None,
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(_) => None,
            other => serde_json::to_value(other).ok(),
        }
    }
}

/// The same value made on the way, as far as it can be.
pub(super) fn made(value: Val<'_>) -> Val<'_> {
    match value {
        Val::Str(text) => Val::text(text),
        Val::List(list) => Val::list(list.iter().map(made).collect()),
        value => value,
    }
}

pub(super) fn text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a",
        "b",
        "aB",
        "Zz",
        "don't",
        "x-y_z",
        "\"",
        "'",
        "\\",
        "&",
        "<b>",
        "é",
        "ß",
        "ẞ",
        "İ",
        "ı",
        "Σ",
        "ΑΣ",
        "ς",
        "ŉ",
        "ΐ",
        "ﬃ",
        "Ⱥ",
        "ǆ",
        "👩‍👩‍👧",
        "e\u{301}",
        "\r\n",
        "\n",
        "\r",
        " ",
        "  ",
        "\t",
        "\u{a0}",
        "\u{2028}",
        "0",
        "1",
        ".5",
        "-",
        "\0",
        "\u{7f}",
        "中",
    ];
    let short = vec(select(pieces.clone()), 0..3).prop_map(|parts| parts.concat());
    let long = vec(select(pieces), 0..9).prop_map(|parts| parts.concat());
    prop_oneof![1 => short, 2 => long]
}

pub(super) fn numeric_text() -> impl Strategy<Value = String> {
    select(vec![
        "12",
        "-5",
        "0x1f",
        "0x0xFF",
        "0b101",
        "0b0b1",
        "0o17",
        "1.0",
        "1.5",
        "-0.0",
        "1e3",
        "1.e2",
        ".5",
        ".",
        "inf",
        "NaN",
        "-infinity.",
        "  7\n",
        "+3",
        "-",
        "170141183460469231731687303715884105727",
        "-170141183460469231731687303715884105728",
        "170141183460469231731687303715884105728",
        "170141183460469231731687303715884105728.0",
        "1e400.0",
        "zz",
        "1_000",
        "٣",
        "\u{a0}8\u{a0}",
    ])
    .prop_map(str::to_owned)
}

pub(super) fn small_number() -> impl Strategy<Value = Tree> {
    prop_oneof![
        (-7_i64..8).prop_map(Tree::I64),
        (0_u64..8).prop_map(Tree::U64),
        (-7_i128..8).prop_map(Tree::I128),
        (0_u128..8).prop_map(Tree::U128),
        (-7_i32..8).prop_map(|n| Tree::F64(n.into())),
        (-14_i32..15).prop_map(|n| Tree::F64(f64::from(n) / 2.0)),
    ]
}

pub(super) fn number() -> impl Strategy<Value = Tree> {
    let two_to = |power: i32| 2_f64.powi(power);
    let integers = vec![
        0,
        1,
        -1,
        2,
        i128::from(i64::MIN),
        i128::from(i64::MAX),
        i128::from(u64::MAX),
        1 << 53,
        (1 << 53) + 1,
        i128::MAX,
        i128::MAX - 1,
        i128::MIN,
        i128::MIN + 1,
    ];
    let floats = vec![
        0.0,
        -0.0,
        0.1,
        -0.1,
        1.0,
        -1.0,
        2.5,
        1e300,
        -1e300,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        5e-324,
        1e16,
        1e-7,
        two_to(53),
        two_to(63),
        two_to(64),
        two_to(127),
        -two_to(127),
        two_to(128),
        two_to(127).next_down(),
    ];
    prop_oneof![
        6 => small_number(),
        3 => select(integers).prop_flat_map(|n| {
            let mut widths = vec![Tree::I128(n)];
            widths.extend(i64::try_from(n).map(Tree::I64));
            widths.extend(u64::try_from(n).map(Tree::U64));
            widths.extend(u128::try_from(n).map(Tree::U128));
            select(widths)
        }),
        1 => select(vec![u128::MAX, 1 << 127, (1 << 127) + 1, u128::MAX - 1]).prop_map(Tree::U128),
        3 => select(floats).prop_map(Tree::F64),
        1 => any::<f64>().prop_map(Tree::F64),
    ]
}

pub(super) fn key() -> impl Strategy<Value = Tree> {
    prop_oneof![
        5 => select(vec!["a", "b", "", "0", "é", "a.b"]).prop_map(Tree::text),
        1 => select(vec![Tree::I64(1), Tree::U64(0), Tree::U128(u128::MAX), Tree::I64(-1), Tree::Bool(true)]),
    ]
}

pub(super) fn map_of(value: impl Strategy<Value = Tree>) -> impl Strategy<Value = Tree> {
    vec((key(), value), 0..5).prop_map(|mut entries| {
        let mut known = Vec::new();
        entries.retain(|(key, _)| {
            let key = format!("{key:?}");
            let new = !known.contains(&key);
            known.push(key);
            new
        });
        Tree::Map(entries)
    })
}

pub(super) fn leaf() -> impl Strategy<Value = Tree> {
    prop_oneof![
        1 => Just(Tree::None),
        1 => any::<bool>().prop_map(Tree::Bool),
        4 => number(),
        4 => text().prop_map(Tree::Text),
    ]
}

pub(super) fn tree() -> impl Strategy<Value = Tree> {
    leaf().prop_recursive(3, 16, 5, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 0..6).prop_map(Tree::List),
            1 => map_of(inner),
        ]
    })
}

pub(super) fn list() -> impl Strategy<Value = Tree> {
    let texts = || text().prop_map(Tree::Text);
    prop_oneof![
        2 => vec(tree(), 0..8).prop_map(Tree::List),
        2 => vec(number(), 0..30).prop_map(Tree::List),
        2 => vec(texts(), 0..30).prop_map(Tree::List),
        1 => vec(prop_oneof![8 => number(), 1 => Just(Tree::None)], 0..10).prop_map(Tree::List),
        1 => vec(any::<bool>().prop_map(Tree::Bool), 0..10).prop_map(Tree::List),
        1 => vec(vec(small_number(), 0..3).prop_map(Tree::List), 0..10).prop_map(Tree::List),
        1 => vec(vec(leaf(), 0..3).prop_map(Tree::List), 0..6).prop_map(Tree::List),
        1 => vec(map_of(small_number()), 0..6).prop_map(Tree::List),
    ]
}

/// Maps with `a` and `b`, where there may be lists and maps in `a`.
pub(super) fn records() -> impl Strategy<Value = Tree> {
    let a = prop_oneof![
        6 => small_number(),
        1 => Just(Tree::None),
        1 => vec(small_number(), 1..3).prop_map(Tree::List),
        1 => small_number().prop_map(|n| Tree::Map(vec![(Tree::text("b"), n)])),
    ];
    let record = (a, number()).prop_map(|(a, b)| Tree::Map(vec![(Tree::text("a"), a), (Tree::text("b"), b)]));
    let alike = (small_number(), number())
        .prop_map(|(a, b)| Tree::Map(vec![(Tree::text("a"), a), (Tree::text("b"), b)]));
    let other = prop_oneof![Just(Tree::None), leaf()];
    prop_oneof![
        3 => vec(alike, 0..12).prop_map(Tree::List),
        1 => vec(prop_oneof![9 => record, 1 => other], 0..8).prop_map(Tree::List),
        1 => vec(vec(small_number(), 1..3).prop_map(Tree::List), 0..6).prop_map(Tree::List),
    ]
}
