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
        "integer" | "number" => number().boxed(),
        "array" | "bool" | "iterable" | "map" | "none" | "string" => tree().boxed(),
        "indent" | "newlines_to_br" => lines().prop_map(Tree::Text).boxed(),
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

/// What is seldom generated.
#[test]
fn edges_of_filters_equal_those_of_tera() {
    let mut plain = Plain::default();
    let mut check = |name: &str, input: Tree, arguments: &[Tree]| {
        let mut given = [const { None }; 4];
        for (slot, argument) in given.iter_mut().zip(arguments) {
            *slot = Some(argument.clone());
        }
        check_filter(&mut plain, name, Some(&input), &given).unwrap();
    };
    let entries = [(Tree::text("a"), Tree::I64(1)), (Tree::text("b"), Tree::F64(0.0))];
    let mut other = entries.clone();
    other.reverse();
    let maps = [entries.to_vec(), other.to_vec()].map(Tree::Map).to_vec();
    check("unique", Tree::List(maps), &[]);
    let equal = vec![
        Tree::I64(1),
        Tree::F64(1.0),
        Tree::U128(1),
        Tree::F64(-0.0),
        Tree::U64(0),
        Tree::Bool(true),
    ];
    check("unique", Tree::List(equal), &[]);
    let huge = vec![
        Tree::U128(1 << 127),
        Tree::F64(2_f64.powi(127)),
        Tree::F64(f64::NAN),
        Tree::F64(-f64::NAN),
    ];
    check("unique", Tree::List(huge), &[]);
    for text in ["0x0xFF", "0xff", "-0xff", "0b1", "ff", "FF.", "+0xff"] {
        check("int", Tree::text(text), &[Tree::I64(16)]);
    }
    check("int", Tree::text("0b0b11"), &[Tree::I64(2)]);
    check("int", Tree::text("0o0o17"), &[Tree::I64(8)]);
    for text in ["a\n\n b\n", "\n\na", "a\r\n\r\nb\r", "a\r\r\nb", "\n"] {
        check("indent", Tree::text(text), &[]);
        check("indent", Tree::text(text), &[Tree::Bool(true)]);
        check("indent", Tree::text(text), &[Tree::Bool(false), Tree::Bool(true)]);
        check("newlines_to_br", Tree::text(text), &[]);
    }
    let map = Tree::Map(entries.to_vec());
    check(
        "sort",
        Tree::List(vec![map.clone(), Tree::None, map]),
        &[Tree::text("a")],
    );
    // An empty list is not looked at any further.
    check("sort", Tree::List(vec![]), &[Tree::I64(1)]);
    check("abs", Tree::I128(i128::MIN), &[]);
    check("abs", Tree::I64(i64::MIN), &[]);
}

#[test]
fn edges_of_tests_equal_those_of_tera() {
    let divisible = |number: i128, divisor: i128| {
        let source = "{{ v is divisible_by(divisor=p) }}";
        let values = [Tree::I128(number), Tree::I128(divisor)];
        let said = Plain::default().say(source, &[("v", Some(&values[0])), ("p", Some(&values[1]))]);
        let ours = Check::DivisibleBy.holds(&Val::Int(number), Some(&Val::Int(divisor)), &mut budget());
        assert_eq!(said, Ok(ours.unwrap().to_string()), "{number} by {divisor}");
    };
    for (number, divisor) in [
        (i128::MIN, -1),
        (i128::MIN, i128::MIN),
        (-6, 3),
        (7, -7),
        (7, 0),
        (0, 5),
    ] {
        divisible(number, divisor);
    }
    for huge in [1 << 127, u128::MAX] {
        assert_eq!(
            Check::Integer.holds(&Val::Huge(huge), None, &mut budget()),
            Ok(true)
        );
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
