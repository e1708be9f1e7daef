use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::render::program::value::Key;

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-d. ü]{0,2}", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = Value> {
    proptest::collection::vec(("[a-d. ü]{0,2}", values()), 0..6)
        .prop_map(|entries| Value::Object(entries.into_iter().collect()))
}

/// The same values as parameters.
fn param(value: &Value) -> Param<'_> {
    match value {
        Value::Null => ().into(),
        Value::Bool(value) => value.into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => value.into(),
            (_, Some(value)) => value.into(),
            _ => number.as_f64().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(items) => items.iter().map(param).collect::<Vec<_>>().into(),
        Value::Object(map) => params(map).into(),
    }
}

fn params(map: &serde_json::Map<String, Value>) -> Params<'_> {
    map.iter().map(|(name, value)| (name, param(value))).collect()
}

/// Looks everything up in one by what the other has.
fn same_lookups(one: &Val<'_>, other: &Val<'_>) {
    assert_eq!(printed(one), printed(other));
    match (one, other) {
        (Val::List(one), Val::List(other)) => {
            assert_eq!(one.len(), other.len());
            for i in 0..one.len() {
                same_lookups(&one.get(i).unwrap(), &other.get(i).unwrap());
            }
            assert!(other.get(one.len()).is_none());
        }
        (Val::Map(one), Val::Map(other)) => {
            assert_eq!(one.len(), other.len());
            for (key, value) in one.iter() {
                let Key::Str(name) = key else {
                    panic!("a text");
                };
                same_lookups(&value, &other.get_str(name).unwrap());
                same_lookups(&value, &other.get(key).unwrap());
            }
            assert!(other.get_str("zz").is_none());
            assert!(other.get(Key::Int(1)).is_none());
        }
        (one, other) => assert_eq!(one.type_name(), other.type_name()),
    }
}

proptest! {
    #[test]
    fn json_parameters_and_what_is_captured_are_the_same(value in objects()) {
        let in_json = Val::from(&value);
        let by_hand = params(value.as_object().unwrap());
        let from_json = captured(&value);
        let from_params = captured(&by_hand);
        prop_assert_eq!(serde_json::to_value(&by_hand).unwrap(), value.clone());
        prop_assert_eq!(serde_json::to_value(&from_json).unwrap(), value.clone());
        prop_assert_eq!(printed(&in_json), print_tera(&value));
        for other in [Map::Params(&by_hand), from_json.as_map(), from_params.as_map()] {
            let other = Val::Map(other);
            same_lookups(&in_json, &other);
            same_lookups(&other, &in_json);
        }
    }
}
