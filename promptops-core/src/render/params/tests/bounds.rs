use serde::ser::Serializer;
use serde_json::json;

use super::depth::{MAX_DEPTH, MAX_ENTRIES};
use super::*;
use crate::ErrorKind;

/// A map of one entry nested so deep in lists that its innermost value is at this depth.
fn nested(depth: usize) -> Value {
    let mut value = json!("innermost");
    for _ in 1..depth {
        value = Value::Array(vec![value]);
    }
    let mut map = serde_json::Map::new();
    map.insert("deep".to_owned(), value);
    Value::Object(map)
}

/// What each way says of parameters; JSON also as something that is not known to be JSON.
fn ways(value: &Value) -> [Result<()>; 5] {
    [
        json(value).map(drop),
        json(&value).map(drop),
        Captured::of(value, &all).map(drop),
        context(value).map(drop),
        Param::of(value).map(drop),
    ]
}

#[test]
fn depth_is_bounded_alike() {
    for depth in [1, 127, MAX_DEPTH] {
        for way in ways(&nested(depth)) {
            way.unwrap();
        }
    }
    for depth in [MAX_DEPTH + 1, 300] {
        for way in ways(&nested(depth)) {
            let error = way.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("deeper than 128 levels"), "{error}");
        }
    }
}

#[test]
fn entries_are_bounded_alike() {
    let map = |entries: usize| -> Value {
        json!({"in": (0..entries).map(|i| (i.to_string(), Value::Null)).collect::<serde_json::Map<_, _>>()})
    };
    for way in ways(&map(MAX_ENTRIES)) {
        way.unwrap();
    }
    for way in ways(&map(MAX_ENTRIES + 1)) {
        let error = way.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("more than 100000 entries"), "{error}");
    }
}

#[test]
fn raw_bytes_are_refused_alike() {
    #[derive(Serialize)]
    struct Raw {
        raw: Bytes,
    }
    struct Bytes;
    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(b"secret")
        }
    }
    for way in [
        json(&Raw { raw: Bytes }).map(drop),
        Captured::of(&Raw { raw: Bytes }, &all).map(drop),
        context(&Raw { raw: Bytes }).map(drop),
        Param::of(&Bytes).map(drop),
    ] {
        let error = way.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("is raw bytes; pass text"), "{error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    assert!(Captured::of(&Raw { raw: Bytes }, &|name| name != "raw").is_ok());
}

#[test]
fn lookups_that_go_through_many_entries_have_a_cost() {
    let few: Params<'_> = (0..20).map(|i| (i.to_string(), i)).collect();
    assert_eq!(Map::Params(&few).lookup_cost(0), 1);
    let many: Params<'_> = (0..100_000).map(|i| (i.to_string(), i)).collect();
    assert_eq!(Map::Params(&many).lookup_cost(0), 0);
    let captured = captured(&many);
    assert_eq!(captured.as_map().lookup_cost(0), 100_000 / 16);
    assert_eq!(
        Map::Json(json(&many).unwrap().as_object().unwrap()).lookup_cost(0),
        0
    );

    let list = |value: &Captured, index| match value.value() {
        Val::List(list) => (list.get_cost(index), list.get(index).map(|value| printed(&value))),
        _ => panic!("a list"),
    };
    let plain = Captured::whole(&(0..1000).collect::<Vec<_>>()).unwrap();
    assert_eq!(list(&plain, 999), (0, Some("999".into())));
    assert_eq!(list(&plain, 1000), (0, None));
    let lists = Captured::whole(&(0..1000).map(|i| vec![i; i % 3]).collect::<Vec<_>>()).unwrap();
    assert_eq!(list(&lists, 998), (62, Some("[998, 998]".into())));
    assert_eq!(list(&lists, 0), (0, Some("[]".into())));
    assert_eq!(list(&lists, 1000), (62, None));
    assert_eq!(list(&lists, usize::MAX), (62, None));
}
