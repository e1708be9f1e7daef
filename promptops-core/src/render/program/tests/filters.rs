//! Every filter and every test, with every combination of right and wrong arguments.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::sample::select;

use super::tree::*;
use super::*;
use crate::render::program::checks::Check;
use crate::render::program::filters::Filter;
use crate::template::{known_filters, known_tests};

/// What the arguments of this name are meant to be.
fn fitting_argument(name: &str) -> BoxedStrategy<Tree> {
    let texts = |texts: &[&'static str]| select(texts.to_vec()).prop_map(Tree::text);
    match name {
        "boolean" | "first" | "blank" => any::<bool>().prop_map(Tree::Bool).boxed(),
        "key" => key().boxed(),
        "indentation" => texts(&["\t", "é", "👩", ">", "", "ab", "e\u{301}"]).boxed(),
        "method" => texts(&["ceil", "floor", "round", ""]).boxed(),
        "attribute" => texts(&["a", "b", "a.0", "a.b", "", "0", "+1", "0.a", "a.", "c"]).boxed(),
        "width" | "length" | "n" | "precision" | "divisor" => number().boxed(),
        "base" => prop_oneof![
            4 => select(vec![2, 8, 10, 16, 36, 1, 37, 0]).prop_map(Tree::I64),
            1 => small_number()
        ]
        .boxed(),
        "pat" | "sep" | "from" | "to" | "end" | "plural" | "singular" => text().prop_map(Tree::Text).boxed(),
        _ => tree().boxed(),
    }
}

fn argument(name: &str) -> impl Strategy<Value = Option<Tree>> + use<> {
    prop_oneof![
        2 => Just(None),
        6 => fitting_argument(name).prop_map(Some),
        1 => tree().prop_map(Some),
    ]
}

fn fitting_input(name: &str) -> BoxedStrategy<Tree> {
    match name {
        "abs" | "round" | "pluralize" | "even" | "odd" | "divisible_by" => number().boxed(),
        "int" | "float" => prop_oneof![number(), numeric_text().prop_map(Tree::Text)].boxed(),
        "first" | "last" | "nth" | "join" | "unique" | "reverse" => list().boxed(),
        "sort" => prop_oneof![list(), records()].boxed(),
        "get" | "keys" | "values" => map_of(tree()).boxed(),
        "default" | "str" | "safe" | "length" => tree().boxed(),
        _ => text().prop_map(Tree::Text).boxed(),
    }
}

fn input(name: &str) -> impl Strategy<Value = Tree> + use<> {
    prop_oneof![4 => fitting_input(name), 1 => tree()]
}

const VALUE: (usize, usize) = (4, 5);
const NAMES: [&str; 4] = ["p", "q", "r", "s"];

fn call(name: &str, known: &[&str], arguments: &[Option<Tree>; 4]) -> String {
    let given = known.iter().zip(arguments).zip(NAMES);
    let given: Vec<String> = given
        .filter(|((_, argument), _)| argument.is_some())
        .map(|((argument, _), name)| format!("{argument}={name}"))
        .collect();
    if given.is_empty() {
        name.to_owned()
    } else {
        format!("{name}({})", given.join(", "))
    }
}

/// The places of both kinds of errors, whatever exactly the place of the call is.
fn told(said: &Said) -> impl Fn(&Fault) -> (usize, usize) {
    let call = match said {
        Err(place) if *place != VALUE => *place,
        _ => (0, 0),
    };
    move |fault| match fault {
        Fault::Input(_) => VALUE,
        _ => call,
    }
}

pub(super) fn check_filter(
    plain: &mut Plain,
    name: &str,
    input: Option<&Tree>,
    arguments: &[Option<Tree>; 4],
) -> Result<(), String> {
    let filter = Filter::of(name).unwrap();
    let source = format!("{{{{ [v | {}] }}}}", call(name, filter.arguments(), arguments));
    let mut values = vec![("v", input)];
    values.extend(NAMES.into_iter().zip(arguments.iter().map(Option::as_ref)));
    let said = plain.say(&source, &values);

    let params = arguments
        .each_ref()
        .map(|argument| argument.as_ref().map(Tree::param));
    let input_param = input.map(Tree::param);
    let given = || {
        params
            .each_ref()
            .map(|param| param.as_ref().map(|param| param.val()))
    };
    let value = || input_param.as_ref().map_or(Val::Undefined, |param| param.val());
    let ours = filter.apply(value(), given(), &mut budget()).and_then(printed);
    same(&said, &ours, told(&said)).map_err(|why| format!("{source}: {why}"))?;
    let given = || given().map(|argument| argument.map(made));
    let ours = filter
        .apply(made(value()), given(), &mut budget())
        .and_then(printed);
    same(&said, &ours, told(&said)).map_err(|why| format!("{source}, made on the way: {why}"))?;
    if let Some(json) = input.and_then(Tree::json) {
        let ours = filter
            .apply(Val::from(&json), given(), &mut budget())
            .and_then(printed);
        same(&said, &ours, told(&said)).map_err(|why| format!("{source}, of JSON: {why}"))?;
    }
    Ok(())
}

/// Cases for each filter and test.
const CASES: u32 = 250;

#[test]
fn every_filter_is_known_but_those_that_stay_with_tera() {
    let unknown: Vec<&str> = known_filters()
        .filter(|name| Filter::of(name).is_none())
        .collect();
    assert_eq!(unknown, ["escape", "group_by", "pairs"]);
    for filter in known_filters().filter_map(Filter::of) {
        assert!(
            filter.arguments().is_sorted() && filter.arguments().len() <= 4,
            "{filter:?}"
        );
    }
    assert!(known_tests().all(|name| Check::of(name).is_some()));
}

#[test]
fn filters_equal_those_of_tera() {
    let mut differences = Vec::new();
    for name in known_filters() {
        let Some(filter) = Filter::of(name) else { continue };
        let plain = RefCell::new(Plain::default());
        let known = |at: usize| filter.arguments().get(at).copied();
        let given = |at: usize| match known(at) {
            Some(name) => argument(name).boxed(),
            None => Just(None).boxed(),
        };
        let missing = if name == "default" { 1 } else { 0 };
        let input = prop_oneof![missing => Just(None), 5 => input(name).prop_map(Some)];
        let cases = CASES * (1 + filter.arguments().len() as u32);
        let same = differing(
            cases,
            &(input, [given(0), given(1), given(2), given(3)]),
            |(input, arguments)| check_filter(&mut plain.borrow_mut(), name, input.as_ref(), &arguments),
        );
        differences.extend(same.err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn tests_equal_those_of_tera() {
    let mut differences = Vec::new();
    for name in known_tests() {
        let check = Check::of(name).unwrap();
        let plain = RefCell::new(Plain::default());
        let given = match check.argument() {
            Some("pat") if name == "containing" => {
                prop_oneof![1 => Just(None), 3 => leaf().prop_map(Some), 3 => key().prop_map(Some)].boxed()
            }
            Some(name) => argument(name).boxed(),
            None => Just(None).boxed(),
        };
        let input = match name {
            "containing" => prop_oneof![input(name), list(), map_of(leaf())].boxed(),
            "defined" | "undefined" => tree().boxed(),
            _ => input(name).boxed(),
        };
        let same = differing(CASES, &(input, given), |(input, argument)| {
            let known: Vec<&str> = check.argument().into_iter().collect();
            let arguments = [argument, None, None, None];
            let source = format!("{{{{ [v is {}] }}}}", call(name, &known, &arguments));
            let [argument, ..] = &arguments;
            let said = plain
                .borrow_mut()
                .say(&source, &[("v", Some(&input)), ("p", argument.as_ref())]);
            let (input, argument) = (input.param(), argument.as_ref().map(Tree::param));
            let argument = argument.as_ref().map(|argument| argument.val());
            let ours = check.holds(&input.val(), argument.as_ref(), &mut budget());
            let ours = ours.and_then(|holds| printed(Val::Bool(holds)));
            same(&said, &ours, told(&said)).map_err(|why| format!("{source}: {why}"))
        });
        differences.extend(same.err());
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn what_is_missing_is_undefined_and_not_defined() {
    for (name, holds) in [("defined", false), ("undefined", true)] {
        let said = Plain::default().say(&format!("{{{{ [v is {name}] }}}}"), &[]);
        assert_eq!(said, Ok(format!("[{holds}]")));
        let check = Check::of(name).unwrap();
        assert_eq!(check.holds(&Val::Undefined, None, &mut budget()), Ok(holds));
    }
}

#[test]
fn a_long_sort_is_stable() {
    let record = |i: i64| {
        Tree::Map(vec![
            (Tree::text("a"), Tree::I64(i * 7919 % 5)),
            (Tree::text("b"), Tree::I64(i)),
        ])
    };
    let records = Tree::List((0..500).map(record).collect());
    let by = [Some(Tree::text("a")), None, None, None];
    check_filter(&mut Plain::default(), "sort", Some(&records), &by).unwrap();
}

/// A part of the caller's text is not copied.
#[test]
fn parts_of_texts_are_borrowed() {
    let text = Val::Str("  one, two ");
    let mut nothing = Budget::new(&RenderLimits {
        scratch_bytes: 3 * size_of::<Val<'_>>(),
        ..RenderLimits::default()
    });
    let with = |value: Val<'static>| [Some(value), None, None, None];
    for (name, arguments, expected) in [
        ("trim", with(Val::Str(" ")), "one, two"),
        ("trim_start", [const { None }; 4], "one, two "),
        ("trim_end", [const { None }; 4], "  one, two"),
        (
            "replace",
            [Some(Val::Str("x")), Some(Val::Str("y")), None, None],
            "  one, two ",
        ),
        (
            "truncate",
            [Some(Val::Str("")), Some(Val::Int(3)), None, None],
            "  o",
        ),
        ("truncate", [None, Some(Val::Int(30)), None, None], "  one, two "),
        ("escape_xml", [const { None }; 4], "  one, two "),
        ("lower", [const { None }; 4], "  one, two "),
        ("str", [const { None }; 4], "  one, two "),
    ] {
        let result = Filter::of(name)
            .unwrap()
            .apply(text.clone(), arguments, &mut nothing);
        assert!(
            matches!(result, Ok(Val::Str(part)) if part == expected),
            "{name}: {result:?}"
        );
    }
    let parts = Filter::Split
        .apply(text, with(Val::Str(",")), &mut nothing)
        .unwrap();
    let Val::List(parts) = parts else {
        panic!("{parts:?}")
    };
    assert!(parts.iter().all(|part| matches!(part, Val::Str(_))));
}
