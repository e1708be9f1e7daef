//! Comparison, containment, arithmetic, elements and slices.

use std::cell::RefCell;
use std::cmp::Ordering;

use proptest::option;
use proptest::sample::select;

use super::tree::*;
use super::*;
use crate::render::program::access::{item, slice};
use crate::render::program::compare::{contains, equal, order};
use crate::render::program::number::{Side, arithmetic, negate};
use crate::template::BinaryOp;

const CASES: u32 = 3_000;

/// Pairs that are often equal, or nearly.
fn pair() -> impl Strategy<Value = (Tree, Tree)> {
    prop_oneof![
        3 => (tree(), tree()),
        2 => (number(), number()),
        1 => (text().prop_map(Tree::Text), text().prop_map(Tree::Text)),
        1 => (list(), list()),
        2 => tree().prop_map(|tree| (tree.clone(), tree)),
        2 => tree().prop_map(|tree| (tree.clone(), reversed(tree))),
        1 => (map_of(small_number()), map_of(small_number())),
    ]
}

/// With its maps the other way round.
fn reversed(tree: Tree) -> Tree {
    match tree {
        Tree::List(items) => Tree::List(items.into_iter().map(reversed).collect()),
        Tree::Map(entries) => Tree::Map(
            entries
                .into_iter()
                .rev()
                .map(|(key, value)| (key, reversed(value)))
                .collect(),
        ),
        tree => tree,
    }
}

fn both(plain: &mut Plain, source: &str, left: &Tree, right: &Tree) -> Said {
    plain.say(source, &[("a", Some(left)), ("b", Some(right))])
}

#[test]
fn comparisons_equal_those_of_tera() {
    let plain = RefCell::new(Plain::default());
    for_all(CASES, &pair(), |(left, right)| {
        let mut plain = plain.borrow_mut();
        let (l, r) = (left.param(), right.param());
        for (l, r) in [(l.val(), r.val()), (made(l.val()), r.val())] {
            let said = both(&mut plain, "{{ [a == b, a != b] }}", &left, &right);
            let ours = equal(&l, &r, &mut budget()).map(|equal| format!("[{equal}, {}]", !equal));
            same(&said, &ours, |_| (0, 0))?;
            let said = both(&mut plain, "{{ [a < b, a <= b, a > b, a >= b] }}", &left, &right);
            let ours = order(&l, &r, &mut budget()).unwrap();
            match (said, ours) {
                (Ok(said), Some(ours)) => {
                    let (less, more) = (ours == Ordering::Less, ours == Ordering::Greater);
                    let ours = format!("[{less}, {}, {more}, {}]", !more, !less);
                    if said != ours {
                        return Err(format!("Tera: {said}, ours: {ours}"));
                    }
                }
                (Err(_), None) => {}
                (said, ours) => return Err(format!("Tera: {said:?}, ours: {ours:?}")),
            }
        }
        Ok(())
    });
}

#[test]
fn containment_equals_that_of_tera() {
    let plain = RefCell::new(Plain::default());
    let within = prop_oneof![
        2 => (tree(), tree()),
        2 => (key(), map_of(leaf())),
        1 => (number(), map_of(leaf())),
        2 => (number(), proptest::collection::vec(number(), 0..20).prop_map(Tree::List)),
        2 => (text().prop_map(Tree::Text), text().prop_map(Tree::Text)),
        1 => (tree(), list()),
    ];
    for_all(CASES, &within, |(needle, container)| {
        let said = both(&mut plain.borrow_mut(), "{{ [a in b] }}", &needle, &container);
        let (needle, container) = (needle.param(), container.param());
        let ours = contains(&container.val(), &needle.val(), &mut budget());
        same(&said, &ours.map(|holds| format!("[{holds}]")), |_| (9, 10))
    });
}

#[test]
fn arithmetic_equals_that_of_tera() {
    let operations = [
        ("+", BinaryOp::Add),
        ("-", BinaryOp::Subtract),
        ("*", BinaryOp::Multiply),
        ("/", BinaryOp::Divide),
        ("//", BinaryOp::FloorDivide),
        ("%", BinaryOp::Remainder),
        ("**", BinaryOp::Power),
    ];
    let plain = RefCell::new(Plain::default());
    let operands = prop_oneof![8 => (number(), number()), 1 => (tree(), number()), 1 => (number(), tree()), 1 => (tree(), tree())];
    for_all(
        CASES,
        &(operands, select(operations.to_vec())),
        |((left, right), (sign, op))| {
            let source = format!("{{{{ [a {sign} b] }}}}");
            let end = source.find('b').unwrap() + 1;
            let said = both(&mut plain.borrow_mut(), &source, &left, &right);
            let (left, right) = (left.param(), right.param());
            let (side, ours) = match arithmetic(op, &left.val(), &right.val()) {
                Ok(value) => (Side::Both, printed(value)),
                Err((side, fault)) => (side, Err(fault)),
            };
            let place = match side {
                Side::Left => (4, 5),
                Side::Right => (end - 1, end),
                Side::Both => (4, end),
            };
            same(&said, &ours, |_| place).map_err(|why| format!("{source}: {why}"))
        },
    );
}

#[test]
fn negation_equals_that_of_tera() {
    let plain = RefCell::new(Plain::default());
    for_all(1_000, &prop_oneof![4 => number(), 1 => tree()], |value| {
        let said = plain.borrow_mut().say("{{ [-a] }}", &[("a", Some(&value))]);
        let ours = negate(&value.param().val()).and_then(printed);
        match (&said, &ours) {
            (Ok(said), Ok(ours)) if said == ours => Ok(()),
            (Err(_), Err(Fault::Input(_))) => Ok(()),
            _ => Err(format!("Tera: {said:?}, ours: {ours:?}")),
        }
    });
}

#[test]
fn elements_equal_those_of_tera() {
    let plain = RefCell::new(Plain::default());
    let taken = prop_oneof![
        3 => (text().prop_map(Tree::Text), small_number()),
        3 => (list(), small_number()),
        2 => (map_of(tree()), key()),
        1 => (map_of(tree()), number()),
        2 => (tree(), tree()),
        1 => (prop_oneof![list(), text().prop_map(Tree::Text)], number()),
    ];
    for_all(CASES, &taken, |(object, index)| {
        let said = both(
            &mut plain.borrow_mut(),
            "{{ [a[b]] }}{{ a[b] is undefined }}",
            &object,
            &index,
        );
        let (object, index) = (object.param(), index.param());
        for object in [object.val(), made(object.val())] {
            let ours = item(&object, &index.val(), &mut budget()).and_then(|item| {
                let missing = item.is_undefined();
                Ok(format!("{}{missing}", printed(item)?))
            });
            same(&said, &ours, |_| (6, 7))?;
        }
        Ok(())
    });
}

#[test]
fn slices_equal_those_of_tera() {
    let plain = RefCell::new(Plain::default());
    let bound = || {
        let huge = vec![
            i128::MIN,
            i128::MAX,
            i128::MIN + 1,
            i64::MIN.into(),
            u64::MAX.into(),
        ];
        option::weighted(0.8, prop_oneof![9 => -7_i128..8, 1 => select(huge)])
    };
    let sliced = prop_oneof![
        5 => text().prop_map(Tree::Text),
        5 => list(),
        1 => tree(),
    ];
    for_all(
        CASES,
        &(sliced, bound(), bound(), bound()),
        |(object, start, end, step)| {
            let number = |bound: Option<i128>| bound.map_or(Tree::None, Tree::I128);
            let values = [number(start), number(end), number(step)];
            let [s, e, t] = values.each_ref().map(Some);
            let values = [("a", Some(&object)), ("s", s), ("e", e), ("t", t)];
            let said = plain.borrow_mut().say("{{ [a[s:e:t]] }}", &values);
            let object = object.param();
            for object in [object.val(), made(object.val())] {
                let ours = slice(&object, start, end, step, &mut budget()).and_then(printed);
                same(&said, &ours, |_| (4, 5))
                    .map_err(|why| format!("[{start:?}:{end:?}:{step:?}]: {why}"))?;
            }
            Ok(())
        },
    );
}
