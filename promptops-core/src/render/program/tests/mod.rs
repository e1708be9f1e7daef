//! Tests of what the compiled form does with values, against Tera itself.

mod filters;
mod limits;
mod operators;
mod tree;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use tera::{Context, ErrorKind, Tera};

use self::tree::Tree;
use super::budget::{Budget, Fault, Faulty};
use super::print::{Scratch, print};
use super::value::Val;
use crate::render::limits::RenderLimits;
use crate::template::tests::fuzz;

/// Text, or between which offsets of the template the error is told.
type Said = Result<String, (usize, usize)>;

/// Templates of Tera, compiled once each.
#[derive(Default)]
struct Plain(BTreeMap<String, Tera>);

impl Plain {
    fn say(&mut self, source: &str, values: &[(&str, Option<&Tree>)]) -> Said {
        let tera = self.0.entry(source.to_owned()).or_insert_with(|| {
            let mut tera = Tera::default();
            tera.autoescape_on(Vec::<&str>::new());
            tera.add_raw_template("t", source).unwrap();
            tera
        });
        let mut context = Context::new();
        for (name, value) in values {
            if let Some(value) = value {
                context.insert((*name).to_owned(), *value);
            }
        }
        tera.render("t", &context).map_err(|error| match error.kind() {
            ErrorKind::RenderingError(report) => (report.span().range.start, report.span().range.end),
            other => panic!("{other}"),
        })
    }
}

fn budget() -> Budget {
    Budget::new(&RenderLimits::default())
}

fn printed(value: Val<'_>) -> Faulty<String> {
    let mut budget = budget();
    let mut text = Scratch::new(&mut budget);
    print(&Val::list(vec![value]), &mut text)?;
    Ok(text.text)
}

/// Goes through so many cases, always the same.
fn for_all<S: Strategy>(cases: u32, strategy: &S, check: impl Fn(S::Value) -> Result<(), String>) {
    differing(cases, strategy, check).unwrap();
}

fn differing<S: Strategy>(
    cases: u32,
    strategy: &S,
    check: impl Fn(S::Value) -> Result<(), String>,
) -> Result<(), String> {
    let config = ProptestConfig {
        cases,
        ..fuzz::config()
    };
    TestRunner::new(config)
        .run(strategy, |case| check(case).map_err(TestCaseError::fail))
        .map_err(|error| error.to_string())
}

/// Whether both say the same, `told` being where an error is.
fn same(plain: &Said, ours: &Faulty<String>, told: impl Fn(&Fault) -> (usize, usize)) -> Result<(), String> {
    match (plain, ours) {
        (Ok(plain), Ok(ours)) if plain == ours => Ok(()),
        (Err(plain), Err(fault @ (Fault::Input(_) | Fault::Call(_)))) if *plain == told(fault) => Ok(()),
        _ => Err(format!("Tera: {plain:?}, ours: {ours:?}")),
    }
}
