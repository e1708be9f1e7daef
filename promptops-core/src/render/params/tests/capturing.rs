use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, Serializer};
use serde_json::json;

use super::*;
use crate::ErrorKind;
use crate::render::program::value::Key;

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(u8);

#[derive(Serialize)]
struct Pair(u8, &'static str);

#[derive(Serialize)]
enum Kind {
    Unit,
    Newtype(&'static str),
    Tuple(u8, Option<bool>),
    Struct { name: &'static str, inner: Box<Kind> },
}

#[derive(Serialize)]
struct Whole {
    name: String,
    none: Option<u8>,
    some: Option<Option<&'static str>>,
    kinds: Vec<Kind>,
    tuple: (u8, char, ()),
    pair: Pair,
    unit: Unit,
    newtype: Newtype,
    nested: BTreeMap<&'static str, Vec<Vec<i8>>>,
}

fn whole() -> Whole {
    let inner = || {
        Box::new(Kind::Struct {
            name: "in \"quotes\"\n",
            inner: Box::new(Kind::Unit),
        })
    };
    Whole {
        name: "Ana ü".into(),
        none: None,
        some: Some(Some("there")),
        kinds: vec![
            Kind::Unit,
            Kind::Newtype("b"),
            Kind::Tuple(1, Some(true)),
            Kind::Tuple(2, None),
            Kind::Struct {
                name: "s",
                inner: inner(),
            },
        ],
        tuple: (1, 'c', ()),
        pair: Pair(2, "p"),
        unit: Unit,
        newtype: Newtype(3),
        nested: BTreeMap::from([("a", vec![vec![], vec![-1]]), ("b", vec![])]),
    }
}

#[test]
fn values_of_every_shape_print_as_tera_prints_them() {
    fn same<T: Serialize>(value: T) {
        assert_eq!(print_captured(&value), print_tera(&value));
        assert_eq!(
            print_captured(&vec![Some(&value), None]),
            print_tera(&vec![Some(&value), None])
        );
        let param = Param::of(&value).unwrap();
        assert_eq!(printed(&param.val()), print_tera(&value));
        assert_eq!(print_tera(&param), print_tera(&value));
    }
    same(whole());
    same(Unit);
    same(Newtype(1));
    same(Kind::Unit);
    same(Kind::Newtype("x"));
    same(Kind::Tuple(1, None));
    same(());
    same(Some(Some(1)));
    same(None::<u8>);
    same('ß');
    same(u128::MAX);
    same(i128::MAX);
    same(i128::MIN);
    same(u64::MAX);
    same(i64::MIN);
    same(0.1_f32);
    same(f64::NAN);
    same(f64::INFINITY);
    same(f64::NEG_INFINITY);
    same(-0.0);
    same(1e300);
    same(5e-324);
    same(Vec::<u8>::new());
    same(BTreeMap::<String, u8>::new());
    same([""; 3]);
    same(HashMap::from([(3_u32, "c")]));
    same(BTreeMap::from([(-3_i64, "c"), (4, "d")]));
    same(BTreeMap::from([(false, 1), (true, 2)]));
    same(BTreeMap::from([(u128::MAX, 1), (1, 2)]));
    same(BTreeMap::from([(i128::MIN, 1)]));
    same(BTreeMap::from([('x', 1)]));
    same(BTreeMap::from([("", 1), ("a.b", 2), ("a b", 3), ("ü", 4)]));
    same(BTreeMap::from([(Some("some"), 1)]));
    same(std::net::Ipv4Addr::LOCALHOST);
    same(json!({"a": [1, 2.5, null, {"b": [[]]}]}));
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    enum Name {
        First,
    }
    same(BTreeMap::from([(Name::First, 1)]));
}

/// Everything that a context has by name, against what is captured.
fn same_entries<T: Serialize>(value: &T, names: &[&str]) {
    let context = context(value).unwrap();
    let captured = captured(value);
    for name in names {
        let tera = context.get(name).map(tera::Value::to_string);
        assert!(tera.is_some(), "{name}");
        assert_eq!(print_entry(&captured.as_map(), name), tera, "{name}");
    }
    assert!(captured.as_map().get_str("not there").is_none());
}

#[test]
fn parameters_have_the_entries_that_a_context_has() {
    same_entries(
        &whole(),
        &[
            "name", "none", "some", "kinds", "tuple", "pair", "unit", "newtype", "nested",
        ],
    );
    same_entries(&Some(whole()), &["name"]);
    same_entries(&HashMap::from([(1_u32, "a"), (20, "b")]), &["1", "20"]);
    same_entries(&BTreeMap::from([(true, "a")]), &["true"]);
    same_entries(&BTreeMap::from([(i128::MIN, 1), (-1, 2)]), &["-1"]);
    same_entries(&BTreeMap::from([(u128::MAX, 1)]), &[&u128::MAX.to_string()]);
    same_entries(&BTreeMap::from([('c', 1)]), &["c"]);
    same_entries(
        &BTreeMap::from([("", 1), ("a.b", 2), ("a b", 3), ("ü", 4)]),
        &["", "a.b", "a b", "ü"],
    );
    same_entries(&Kind::Newtype("x"), &["Newtype"]);
    same_entries(&Kind::Tuple(1, None), &["Tuple"]);
    same_entries(
        &Kind::Struct {
            name: "s",
            inner: Box::new(Kind::Unit),
        },
        &["Struct"],
    );
}

#[test]
fn nothing_is_an_empty_map_and_what_is_no_map_is_refused() {
    for empty in [
        captured(&()),
        captured(&None::<u8>),
        captured(&Unit),
        captured(&json!(null)),
    ] {
        assert!(empty.as_map().get_str("").is_none());
        assert_eq!(printed(&Val::Map(empty.as_map())), "{}");
    }
    fn refused<T: Serialize + ?Sized>(value: &T) {
        let error = Captured::of(value, &all).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("not a struct or a map"), "{error}");
        assert_eq!(error.to_string(), context(value).unwrap_err().to_string());
        assert_eq!(error.to_string(), json(value).unwrap_err().to_string());
    }
    refused("text");
    refused(&1);
    refused(&true);
    refused(&1.5);
    refused(&[1, 2]);
    refused(&Kind::Unit);
    refused(&BTreeMap::from([([1_u8, 2], 1)]));
    refused(&BTreeMap::from([((), 1)]));
}

/// Keys that are floats are refused by Tera; JSON writes them.
#[test]
fn float_and_null_keys_are_refused() {
    struct Keyed<K>(K);
    impl<K: Serialize> Serialize for Keyed<K> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(&self.0, "value")?;
            map.end()
        }
    }
    assert!(Captured::of(&Keyed(1.5), &all).is_err());
    assert!(Captured::of(&json_in(Keyed(1.5_f32)), &all).is_err());
    assert!(Captured::of(&json_in(Keyed(None::<u8>)), &all).is_err());
    assert!(Captured::of(&json_in(Keyed(Unit)), &all).is_err());
    assert!(Captured::of(&json_in(Keyed(Some('x'))), &all).is_ok());
    let error = Param::of(&Keyed(1.5)).unwrap_err();
    assert!(error.to_string().contains("cannot be a parameter"), "{error}");
}

fn json_in<T>(value: T) -> BTreeMap<&'static str, T> {
    BTreeMap::from([("in", value)])
}

#[test]
fn keys_keep_their_types_within() {
    let numbers = captured(&json_in(BTreeMap::from([(3_u8, "three")])));
    let Some(Val::Map(map)) = numbers.as_map().get_str("in") else {
        panic!("a map");
    };
    assert!(map.get_str("3").is_none());
    assert_eq!(
        map.get(Key::Int(3)).map(|value| printed(&value)),
        Some("three".into())
    );
    let bools = captured(&json_in(BTreeMap::from([(true, "yes")])));
    let Some(Val::Map(map)) = bools.as_map().get_str("in") else {
        panic!("a map");
    };
    assert!(map.get(Key::Int(1)).is_none());
    assert_eq!(
        map.get(Key::Bool(true)).map(|value| printed(&value)),
        Some("yes".into())
    );
}

/// A map with these keys, in this order.
struct Repeats<K>(Vec<(K, Vec<String>)>);

impl<K: Serialize> Serialize for Repeats<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[test]
fn of_duplicate_keys_the_last_value_is_at_the_place_of_the_first() {
    #[derive(Serialize)]
    struct Outer {
        before: u8,
        name: &'static str,
        #[serde(flatten)]
        inner: BTreeMap<&'static str, Vec<u8>>,
        after: &'static str,
    }
    let outer = Outer {
        before: 1,
        name: "outer",
        inner: BTreeMap::from([("after", vec![1]), ("name", vec![2, 3]), ("other", vec![])]),
        after: "last",
    };
    assert_eq!(
        print_captured(&outer),
        r#"{"before": 1, "name": [2, 3], "after": "last", "other": []}"#
    );
    assert_eq!(print_captured(&outer), print_tera(&outer));
    same_entries(&outer, &["before", "name", "after", "other"]);

    for (many, different) in [
        (2, 1),
        (8, 3),
        (32, 31),
        (33, 32),
        (40, 7),
        (3000, 1000),
        (3000, 3000),
    ] {
        let entries = (0..many).map(|i| (format!("k{}", i * 7 % different), vec![i.to_string(); i % 4]));
        let repeats = Repeats(entries.collect());
        assert_eq!(
            print_captured(&repeats),
            print_tera(&repeats),
            "{many}, {different}"
        );
        let nested = Repeats(vec![(1_u8, vec![]), (1, vec!["x".into()])]);
        assert_eq!(
            print_captured(&(&nested, &repeats, 1)),
            print_tera(&(&nested, &repeats, 1))
        );
    }
}

#[test]
fn many_keys_take_no_quadratic_time() {
    let many = 50_000;
    let repeats = Repeats((0..many).map(|i| (i % (many / 2), vec![])).collect());
    let captured = Captured::whole(&repeats).unwrap();
    let Val::Map(map) = captured.value() else {
        panic!("a map");
    };
    assert_eq!(map.len(), many / 2);
    let mut params = Params::new();
    for i in 0..many {
        params.set(i.to_string(), i);
    }
    assert_eq!(params.len(), many);
}

/// A value that must not be serialized.
struct Unwanted<'a>(&'a Cell<bool>);

impl Serialize for Unwanted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.set(true);
        serializer.serialize_str("unwanted")
    }
}

#[test]
fn what_is_not_wanted_is_not_serialized() {
    #[derive(Serialize)]
    struct Inner<'a> {
        b: u8,
        unwanted: Unwanted<'a>,
    }
    #[derive(Serialize)]
    struct Fields<'a> {
        unwanted: Unwanted<'a>,
        a: u8,
        inner: Option<Inner<'a>>,
    }
    #[derive(Serialize)]
    #[allow(non_camel_case_types, reason = "names of parameters")]
    enum Variants<'a> {
        newtype(Unwanted<'a>),
        tuple(u8, Unwanted<'a>),
        fields { a: u8, unwanted: Unwanted<'a> },
    }
    let reached = Cell::new(false);
    let a_or_inner = |name: &str| matches!(name, "a" | "inner");
    let unwanted = || Unwanted(&reached);
    let fields = Fields {
        unwanted: unwanted(),
        a: 1,
        inner: None,
    };
    let captured = Captured::of(&Some(&fields), &a_or_inner).unwrap();
    assert_eq!(printed(&Val::Map(captured.as_map())), r#"{"a": 1, "inner": }"#);
    let map = BTreeMap::from([("a", 0), ("b", 1)]);
    let captured = Captured::of(&map, &a_or_inner).unwrap();
    assert_eq!(printed(&Val::Map(captured.as_map())), r#"{"a": 0}"#);
    let numbers = BTreeMap::from([(1, "one"), (2, "two")]);
    let captured = Captured::of(&numbers, &|name| name == "2").unwrap();
    assert_eq!(printed(&Val::Map(captured.as_map())), r#"{"2": "two"}"#);
    for variant in [
        Variants::newtype(unwanted()),
        Variants::tuple(1, unwanted()),
        Variants::fields {
            a: 1,
            unwanted: unwanted(),
        },
    ] {
        let captured = Captured::of(&variant, &a_or_inner).unwrap();
        assert_eq!(printed(&Val::Map(captured.as_map())), "{}");
        assert_eq!(captured.entries.len(), 1);
    }
    let map = BTreeMap::from([("unwanted", unwanted())]);
    let captured = Captured::of(&map, &a_or_inner).unwrap();
    assert_eq!(printed(&Val::Map(captured.as_map())), "{}");
    assert!(captured.texts.is_empty());
    assert!(!reached.get());
    // Only of the parameters themselves: what is wanted is whole.
    let fields = Fields {
        unwanted: unwanted(),
        a: 1,
        inner: Some(Inner {
            b: 2,
            unwanted: unwanted(),
        }),
    };
    let captured = Captured::of(&fields, &a_or_inner).unwrap();
    assert_eq!(
        printed(&Val::Map(captured.as_map())),
        r#"{"a": 1, "inner": {"b": 2, "unwanted": "unwanted"}}"#
    );
}

/// Values that go on where an element of theirs failed, and maps that end after a key.
#[test]
fn what_a_value_makes_of_errors_does_not_tear_the_rest() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(None)?;
            list.serialize_element(&["half", "written"])?;
            list.serialize_element(&BTreeMap::from([((), 1)]))?;
            list.end()
        }
    }
    struct Forgives;
    impl Serialize for Forgives {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut fields = serializer.serialize_struct("Forgives", 3)?;
            fields.serialize_field("a", &1)?;
            let _ = fields.serialize_field("fails", &Fails);
            fields.serialize_field("b", "two")?;
            fields.end()
        }
    }
    struct KeyAlone;
    impl Serialize for KeyAlone {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_key("first")?;
            map.serialize_key("second")?;
            map.serialize_value("value")?;
            let _ = map.serialize_entry("fails", &Fails);
            map.serialize_key("last")?;
            map.end()
        }
    }
    assert_eq!(print_captured(&Forgives), r#"{"a": 1, "b": "two"}"#);
    assert_eq!(print_captured(&Forgives), print_tera(&Forgives));
    assert_eq!(print_captured(&KeyAlone), r#"{"second": "value"}"#);
    assert_eq!(
        print_captured(&(KeyAlone, Forgives, 1)),
        print_tera(&(KeyAlone, Forgives, 1))
    );
    assert!(Captured::whole(&Fails).is_err());
}
