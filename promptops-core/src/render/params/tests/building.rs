use std::borrow::Cow;

use serde_json::json;

use super::*;
use crate::params;

fn print<'a>(value: impl Into<Param<'a>>) -> String {
    let value = value.into();
    printed(&value.val())
}

fn print_borrowed<'a, T: ?Sized>(value: &'a T) -> String
where
    &'a T: Into<Param<'a>>,
{
    print(value)
}

#[test]
fn every_scalar_is_a_parameter() {
    assert_eq!(print(()), "");
    assert_eq!(print(true), "true");
    assert_eq!(print(-1_i8), "-1");
    assert_eq!(print(-2_i16), "-2");
    assert_eq!(print(-3_i32), "-3");
    assert_eq!(print(-4_i64), "-4");
    assert_eq!(print(i128::MIN), i128::MIN.to_string());
    assert_eq!(print(isize::MIN), isize::MIN.to_string());
    assert_eq!(print(1_u8), "1");
    assert_eq!(print(2_u16), "2");
    assert_eq!(print(3_u32), "3");
    assert_eq!(print(u64::MAX), u64::MAX.to_string());
    assert_eq!(print(u128::MAX), u128::MAX.to_string());
    assert_eq!(print(7_u128), "7");
    assert_eq!(print(usize::MAX), usize::MAX.to_string());
    assert_eq!(print(0.1_f32), f64::from(0.1_f32).to_string());
    assert_eq!(print(2.0), "2.0");
    assert_eq!(print('ü'), "ü");
    assert_eq!(print('😀'), "😀");
    assert_eq!(print_borrowed(&5), "5");
}

#[test]
fn every_text_list_and_map_is_a_parameter() {
    let text = String::from("Ana");
    assert_eq!(print("Ana"), "Ana");
    assert_eq!(print(&text), "Ana");
    assert_eq!(print(text.clone()), "Ana");
    assert_eq!(print(Cow::Borrowed("Ana")), "Ana");
    assert_eq!(print(Cow::<str>::Owned(text.clone())), "Ana");
    assert_eq!(print_borrowed(&Cow::Borrowed("Ana")), "Ana");
    assert_eq!(print(Some("Ana")), "Ana");
    assert_eq!(print(None::<&str>), "");
    assert_eq!(print_borrowed(&Some(text.clone())), "Ana");
    let two = r#"["Ana", "Bo"]"#;
    assert_eq!(print(vec!["Ana", "Bo"]), two);
    assert_eq!(print(["Ana", "Bo"]), two);
    assert_eq!(print_borrowed(&["Ana", "Bo"]), two);
    assert_eq!(print(["Ana", "Bo"].as_slice()), two);
    assert_eq!(print_borrowed(&vec![text.clone(), "Bo".to_owned()]), two);
    assert_eq!(print(vec![text.clone(), "Bo".to_owned()].as_slice()), two);
    assert_eq!(print_borrowed(&[&text, &"Bo".to_owned()]), two);
    assert_eq!(print(vec![vec![1], vec![]]), "[[1], []]");
    assert_eq!(print_borrowed(&vec![vec![1], vec![]]), "[[1], []]");
    assert_eq!(print([Some(1), None]), "[1, ]");
    let json = json!({"a": [1, null]});
    assert_eq!(print(&json), r#"{"a": [1, ]}"#);
    assert_eq!(print(json.clone()), r#"{"a": [1, ]}"#);
    assert_eq!(print(json.as_object().unwrap()), r#"{"a": [1, ]}"#);
    let inner = params! { b: "c" };
    assert_eq!(print(&inner), r#"{"b": "c"}"#);
    assert_eq!(
        print_borrowed(&[inner.clone(), inner.clone()]),
        r#"[{"b": "c"}, {"b": "c"}]"#
    );
    assert_eq!(print(inner), r#"{"b": "c"}"#);
    assert_eq!(
        print(Param::of(&std::time::Duration::from_secs(2)).unwrap()),
        r#"{"secs": 2, "nanos": 0}"#
    );
    assert_eq!(print(Param::of("text").unwrap()), "text");
}

#[test]
fn texts_of_the_caller_are_not_copied() {
    let (name, tags) = (String::from("Ana"), vec![String::from("new")]);
    let params = params! { name: &name, tags: &tags, option: name.as_str().into_option() };
    let place = |value: Val<'_>| value.as_str().unwrap().as_ptr();
    let map = Map::Params(&params);
    assert_eq!(place(map.get_str("name").unwrap()), name.as_ptr());
    assert_eq!(place(map.get_str("option").unwrap()), name.as_ptr());
    let Some(Val::List(list)) = map.get_str("tags") else {
        panic!("a list");
    };
    assert_eq!(place(list.get(0).unwrap()), tags[0].as_ptr());
}

trait IntoOption: Sized {
    fn into_option(self) -> Option<Self> {
        Some(self)
    }
}

impl IntoOption for &str {}

#[test]
fn names_are_identifiers_or_texts() {
    let (b, made) = (2, || String::from("temporary"));
    let params = params! {
        a: 1,
        "a key": b,
        "": "empty",
        "ü.ß": 'c',
        type: true,
        r#loop: false,
        text: made().as_str().len(),
        a: "again",
    };
    let json =
        json!({"a": "again", "a key": 2, "": "empty", "ü.ß": "c", "type": true, "loop": false, "text": 9});
    assert_eq!(serde_json::to_value(&params).unwrap(), json);
    assert_eq!(params.entries()[0].0, "a");
    assert!(params! {}.is_empty());
    assert_eq!(params! { one: 1 }.len(), 1);
    // A temporary lives as long as the call that takes the parameters.
    assert_eq!(
        serde_json::to_string(&params! { text: made().as_str() }).unwrap(),
        r#"{"text":"temporary"}"#
    );
}

#[test]
fn setting_a_name_again_replaces_it_in_its_place_however_many_there_are() {
    for many in [0, 1, 31, 32, 33, 34, 100, 5000] {
        let mut params: Params<'_> = (0..many).map(|i| (i.to_string(), i)).collect();
        for i in (0..many).step_by(3) {
            params.set(i.to_string(), -1);
        }
        params = params.with("new", "last");
        assert_eq!(params.len(), many as usize + 1);
        let names: Vec<_> = params.entries().iter().map(|(name, _)| name.clone()).collect();
        let expected = (0..many).map(|i| i.to_string()).chain(["new".to_owned()]);
        assert_eq!(names, expected.collect::<Vec<_>>());
        for i in 0..many {
            let value = params.get(&i.to_string()).unwrap();
            assert_eq!(
                printed(&value.val()),
                if i % 3 == 0 {
                    "-1".to_owned()
                } else {
                    i.to_string()
                }
            );
        }
        assert!(params.get("newer").is_none());
        assert!(params.clone().get("new").is_some());
    }
}

#[test]
fn debug_shows_names_alone() {
    let params = params! { name: "secret", nested: params! { inner: "secret" }, list: ["secret"] };
    assert_eq!(format!("{params:?}"), r#"{"name", "nested", "list"}"#);
    assert_eq!(format!("{:?}", params.get("name").unwrap()), "Param(string)");
    assert_eq!(format!("{:?}", params.get("nested").unwrap()), r#"{"inner"}"#);
    assert_eq!(format!("{:?}", params.get("list").unwrap()), "Param(array)");
    let of = Param::of(&json!({"key": "secret"})).unwrap();
    assert_eq!(format!("{of:?}"), "Param(map)");
    let captured = Captured::whole("secret").unwrap();
    assert!(!format!("{captured:?}").contains("secret"));
    let many: Params<'_> = (0..100).map(|i| (i.to_string(), i)).collect();
    assert!(format!("{many:?}").ends_with(r#""19", ..}"#), "{many:?}");
}

#[test]
fn parameters_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<Params<'_>>();
    crosses::<Param<'_>>();
}

#[test]
fn parameters_of_any_lifetime_are_read_where_they_are() {
    let text = String::from("Ana");
    let params = params! { name: &text };
    let Some(Ok(Map::Params(found))) = borrowed(&params) else {
        panic!("parameters");
    };
    assert!(std::ptr::eq(found, &params));
    let json = json!({"a": 1});
    let Some(Ok(Map::Json(found))) = borrowed(&json) else {
        panic!("an object");
    };
    assert!(std::ptr::eq(found, json.as_object().unwrap()));
    let Some(Ok(Map::Json(found))) = borrowed(json.as_object().unwrap()) else {
        panic!("an object");
    };
    assert!(std::ptr::eq(found, json.as_object().unwrap()));
    let Some(Ok(empty)) = borrowed(&Value::Null) else {
        panic!("a map");
    };
    assert!(empty.get_str("a").is_none());
    for json in [json!(1), json!("a"), json!([]), json!(true)] {
        let error = borrowed(&json).unwrap().unwrap_err();
        assert!(error.to_string().contains("not a struct or a map"), "{error}");
    }
    assert!(borrowed(&text).is_none());
    assert!(borrowed("Ana").is_none());
    assert!(borrowed(&[&json] as &[&Value]).is_none());
    assert!(borrowed(&&params).is_none());
    assert!(borrowed(&()).is_none());
}

#[test]
fn json_is_borrowed_where_it_is_json() {
    let value = json!({"a": 1});
    assert!(matches!(json(&value).unwrap(), Cow::Borrowed(found) if std::ptr::eq(found, &value)));
    assert_eq!(*json(&Value::Null).unwrap(), json!({}));
    assert_eq!(*json(&()).unwrap(), json!({}));
    assert_eq!(
        *json(&params! { a: 1, b: u64::MAX }).unwrap(),
        json!({"a": 1, "b": u64::MAX})
    );
    assert!(json(&json!([1])).is_err());
    assert!(json(&"text").is_err());
}
