//! What is read and made is paid for before it can hurt; what cannot be done is told without the values.

use std::time::{Duration, Instant};

use super::*;
use crate::render::program::access::{item, slice};
use crate::render::program::checks::Check;
use crate::render::program::compare::{contains, equal, order};
use crate::render::program::filters::Filter;
use crate::render::program::number::{arithmetic, negate};
use crate::template::{BinaryOp, known_filters, known_tests};

/// Far above what any of it takes, and far below what it would take unbounded.
const QUICK: Duration = Duration::from_secs(20);

fn apply<'a>(
    name: &str,
    input: Val<'a>,
    arguments: &[(&str, Val<'a>)],
    budget: &mut Budget,
) -> Faulty<Val<'a>> {
    let filter = Filter::of(name).unwrap();
    let mut given = [const { None }; 4];
    for (name, value) in arguments {
        let at = filter.arguments().iter().position(|known| known == name).unwrap();
        given[at] = Some(value.clone());
    }
    filter.apply(input, given, budget)
}

fn refused<'a>(name: &str, input: Val<'a>, arguments: &[(&str, Val<'a>)]) -> Fault {
    let start = Instant::now();
    let fault = apply(name, input, arguments, &mut budget())
        .map(|_| ())
        .unwrap_err();
    assert!(start.elapsed() < QUICK, "{name}: {:?}", start.elapsed());
    fault
}

/// Making costs steps too, so that those may be the first to be used up.
fn spent(fault: Fault) {
    assert!(matches!(fault, Fault::Scratch | Fault::Steps), "{fault:?}");
}

#[test]
fn what_would_grow_beyond_the_scratch_memory_is_refused() {
    let million = "a".repeat(1 << 20);
    let lines = "\n".repeat(1 << 20);
    let text = |text| Val::Str(text);
    let wide = [("width", Val::Int(1000)), ("blank", Val::Bool(true))];
    spent(refused("indent", text(&lines), &wide));
    let each = [("from", text("")), ("to", text(&million))];
    spent(refused("replace", text(&million), &each));
    let each = [("from", text("a")), ("to", text("twelve bytes"))];
    spent(refused("replace", text(&million), &each));
    let empty = Val::list(vec![Val::Str(""); 10_000]);
    spent(refused("join", empty, &[("sep", text(&million))]));
    let four = "a".repeat(4 << 20);
    spent(refused("split", text(&four), &[("pat", text(""))]));
    let quotes = "\"".repeat(2 << 20);
    spent(refused("escape_html", text(&quotes), &[]));
    let greek = "ΐ".repeat(2 << 20);
    spent(refused("upper", text(&greek), &[]));
    spent(refused("newlines_to_br", text(&"\n".repeat(3 << 20)), &[]));
}

#[test]
fn unique_takes_no_more_than_reading_does() {
    let numbers = |n: i128| Val::list((0..n).map(|i| Val::Int(i % 15_000)).collect());
    let start = Instant::now();
    let Ok(Val::List(kept)) = apply("unique", numbers(20_000), &[], &mut budget()) else {
        panic!("refused")
    };
    assert_eq!(kept.len(), 15_000);
    assert!(start.elapsed() < QUICK);
    assert_eq!(refused("unique", numbers(300_000), &[]), Fault::Scratch);
    let long = "a".repeat(1 << 20);
    let long = Val::list(vec![Val::Str(&long); 1_000]);
    assert_eq!(refused("unique", long, &[]), Fault::Steps);
}

#[test]
fn a_long_sort_is_bounded() {
    let numbers = |n: i128| Val::list((0..n).map(|i| Val::Int(i * 7_919 % 100_003)).collect());
    let start = Instant::now();
    let sorted = apply("sort", numbers(100_000), &[], &mut budget());
    assert!(matches!(sorted, Ok(Val::List(list)) if list.len() == 100_000));
    assert!(start.elapsed() < QUICK);
    assert_eq!(refused("sort", numbers(1_000_000), &[]), Fault::Scratch);
    let long = "a".repeat(1 << 16);
    let long = Val::list(vec![Val::Str(&long); 1_000]);
    assert_eq!(refused("sort", long, &[]), Fault::Steps);
}

#[test]
fn comparing_and_looking_for_is_paid_for() {
    let long = "a".repeat(1 << 20);
    let other = "a".repeat(1 << 20);
    let lists = |text| Val::list(vec![Val::Str(text); 1_000]);
    let (left, right) = (lists(&long), lists(&other));
    assert_eq!(equal(&left, &right, &mut budget()), Err(Fault::Steps));
    assert_eq!(order(&left, &right, &mut budget()), Err(Fault::Steps));
    assert_eq!(contains(&left, &Val::Str("b"), &mut budget()), Ok(false));
    let nearly = format!("{}b", &other[1..]);
    assert_eq!(
        contains(&left, &Val::Str(&nearly), &mut budget()),
        Err(Fault::Steps)
    );
    let text = Val::Str(&long);
    let mut budget = budget();
    let times = (0..100_000).take_while(|_| contains(&text, &Val::Str("b"), &mut budget).is_ok());
    assert!(times.count() < 100);
}

#[test]
fn walking_through_texts_is_paid_for() {
    let long = "é".repeat(1 << 20);
    let text = Val::Str(&long);
    for index in [500_000, -500_000] {
        let mut budget = budget();
        let times = (0..100_000).take_while(|_| item(&text, &Val::Int(index), &mut budget).is_ok());
        assert!(times.count() < 100);
    }
    let mut budget = budget();
    let times = (0..100_000).take_while(|_| slice(&text, Some(500_000), None, None, &mut budget).is_ok());
    assert!(times.count() < 100);
    let every = slice(
        &text,
        None,
        None,
        Some(-1),
        &mut Budget::new(&RenderLimits {
            scratch_bytes: 1 << 20,
            ..RenderLimits::default()
        }),
    );
    assert_eq!(every.map(|_| ()), Err(Fault::Scratch));
}

/// With nothing to spend, nothing is made and nothing long is read.
#[test]
fn every_filter_pays() {
    let broke = |steps, scratch_bytes| {
        Budget::new(&RenderLimits {
            steps,
            scratch_bytes,
            ..RenderLimits::default()
        })
    };
    let text = "Some <text>\n of several words; ".repeat(1_000);
    let json: serde_json::Value = serde_json::to_value(
        (0..1_000)
            .map(|i| (format!("k{i}"), i))
            .collect::<BTreeMap<_, _>>(),
    )
    .unwrap();
    let list = Val::list((0..1_000).map(Val::Int).collect());
    let cases: Vec<(&str, Val<'_>, Vec<(&str, Val<'_>)>)> = vec![
        ("capitalize", Val::Str(&text), vec![]),
        ("escape_html", Val::Str(&text), vec![]),
        ("escape_xml", Val::Str(&text), vec![]),
        ("indent", Val::Str(&text), vec![]),
        ("join", list.clone(), vec![]),
        ("keys", Val::from(&json), vec![]),
        ("lower", Val::Str(&text), vec![]),
        ("newlines_to_br", Val::Str(&text), vec![]),
        (
            "replace",
            Val::Str(&text),
            vec![("from", Val::Str("of")), ("to", Val::Str("for"))],
        ),
        ("reverse", Val::Str(&text), vec![]),
        ("reverse", list.clone(), vec![]),
        ("sort", list.clone(), vec![]),
        ("split", Val::Str(&text), vec![("pat", Val::Str(" "))]),
        ("str", list.clone(), vec![]),
        ("title", Val::Str(&text), vec![]),
        ("trim", Val::text(format!(" {text}").as_str()), vec![]),
        ("truncate", Val::Str(&text), vec![("length", Val::Int(20_000))]),
        ("unique", list, vec![]),
        ("upper", Val::Str(&text), vec![]),
        ("values", Val::from(&json), vec![]),
    ];
    for (name, input, arguments) in cases {
        let none = apply(name, input.clone(), &arguments, &mut broke(1_000_000, 500));
        assert_eq!(none.map(|_| ()), Err(Fault::Scratch), "{name}");
        let none = apply(name, input.clone(), &arguments, &mut broke(5, 1 << 30));
        assert_eq!(none.map(|_| ()), Err(Fault::Steps), "{name}");
        assert!(apply(name, input, &arguments, &mut budget()).is_ok(), "{name}");
    }
    for name in ["length", "wordcount", "int", "float"] {
        let none = apply(name, Val::Str(&text), &[], &mut broke(5, 0));
        assert_eq!(none.map(|_| ()), Err(Fault::Steps), "{name}");
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let nested = (0..200).fold(Val::None, |inner, _| Val::list(vec![inner]));
    let other = (0..200).fold(Val::None, |inner, _| Val::list(vec![inner]));
    assert_eq!(equal(&nested, &other, &mut budget()), Err(Fault::Depth));
    assert_eq!(order(&nested, &other, &mut budget()), Err(Fault::Depth));
    let both = Val::list(vec![nested, other]);
    for name in ["unique", "sort", "join", "str"] {
        assert_eq!(refused(name, both.clone(), &[]), Fault::Depth, "{name}");
    }
}

#[test]
fn no_error_repeats_a_value() {
    let texts = ["canary", "9.876543", "canary.canary"];
    let numbers = [
        Val::Int(987_654_321),
        Val::Float(98_765.432),
        Val::Int(i128::MAX),
        Val::Huge(u128::MAX),
        Val::Int(0),
    ];
    let json = serde_json::json!({"canary": "canary", "a": 987_654_321});
    let mut values: Vec<Val<'_>> = texts.map(Val::Str).to_vec();
    values.extend(numbers);
    values.extend([Val::None, Val::Bool(true), Val::from(&json)]);
    values.push(Val::list(vec![
        Val::Str("canary"),
        Val::Int(987_654_321),
        Val::from(&json),
    ]));
    let mut errors = 0;
    let mut check = |fault: Option<Fault>| {
        let Some(Fault::Input(what) | Fault::Call(what)) = fault else {
            return;
        };
        errors += 1;
        let shown = ["canary", "9876", "98_765", "98765", "17014118", "34028236"];
        assert!(!shown.iter().any(|value| what.contains(value)), "{what}");
    };
    for left in &values {
        check(negate(left).err());
        for right in &values {
            for op in [
                BinaryOp::Add,
                BinaryOp::Divide,
                BinaryOp::Multiply,
                BinaryOp::Power,
                BinaryOp::Remainder,
            ] {
                check(arithmetic(op, left, right).err().map(|(_, fault)| fault));
            }
            check(contains(left, right, &mut budget()).err());
            check(item(left, right, &mut budget()).err());
            check(slice(left, None, None, Some(0), &mut budget()).err());
            for name in known_tests().filter_map(Check::of) {
                check(name.holds(left, Some(right), &mut budget()).err());
            }
            for filter in known_filters().filter_map(Filter::of) {
                for other in &values {
                    for at in 0..4 {
                        let mut arguments = [const { None }; 4];
                        arguments[at] = Some(right.clone());
                        arguments[(at + 1) % 4] = Some(other.clone());
                        check(filter.apply(left.clone(), arguments, &mut budget()).err());
                    }
                }
            }
        }
    }
    assert!(errors > 10_000, "{errors}");
}
