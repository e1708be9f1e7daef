//! Prompts made by choices, rendered by both engines: the same messages, or errors at the same place.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::{NewTree, ValueTree};
use proptest::test_runner::{TestError, TestRunner};

use super::both::{Agreed, Pair};
use super::grammar::{Case, Choices, Item, V, case};
use super::*;
use crate::prompt::{ChatItem, placeholder, system, user};
use crate::template::tests::fuzz::config;

struct Random(proptest::test_runner::TestRng);

impl Choices for Random {
    fn below(&mut self, n: usize) -> usize {
        usize::try_from((u64::from(self.0.next_u32()) * n as u64) >> 32).unwrap()
    }
}

/// Cases that shrink by what they are made of: a node or an expression at a time.
#[derive(Debug)]
struct Cases;

struct Shrinking {
    /// The simplest that fails.
    failing: Case,
    simpler: std::vec::IntoIter<Case>,
    current: Case,
}

impl Strategy for Cases {
    type Tree = Shrinking;
    type Value = Case;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let made = case(&mut Random(runner.new_rng()));
        Ok(Shrinking {
            failing: made.clone(),
            simpler: Vec::new().into_iter(),
            current: made,
        })
    }
}

impl ValueTree for Shrinking {
    type Value = Case;

    fn current(&self) -> Case {
        self.current.clone()
    }

    fn simplify(&mut self) -> bool {
        self.failing = self.current.clone();
        self.simpler = self.failing.simpler().into_iter();
        self.complicate()
    }

    fn complicate(&mut self) -> bool {
        match self.simpler.next() {
            Some(case) => {
                self.current = case;
                true
            }
            None => {
                self.current = self.failing.clone();
                false
            }
        }
    }
}

pub(super) fn content(case: &Case) -> Content {
    let mut templates = case.templates();
    if !case.is_chat() {
        return Content::text(templates.next().unwrap_or_default());
    }
    let items: Vec<ChatItem> = case
        .items
        .iter()
        .enumerate()
        .map(|(at, item)| match item {
            Item::History => placeholder("history"),
            Item::Template(tree) if at == 0 => system(tree.to_string()),
            Item::Template(tree) => user(tree.to_string()),
        })
        .collect();
    Content::chat(items)
}

/// The value put together by hand.
fn param(value: &V) -> Param<'_> {
    match value {
        V::Null => ().into(),
        V::Bool(value) => (*value).into(),
        V::Int(value) => (*value).into(),
        V::Big(value) => (*value).into(),
        V::Float(value) => (*value).into(),
        V::Text(value) => value.as_str().into(),
        V::List(items) => items.iter().map(param).collect::<Vec<_>>().into(),
        V::Map(_) => params(value).into(),
    }
}

fn params(value: &V) -> Params<'_> {
    let V::Map(entries) = value else {
        unreachable!("parameters are a map");
    };
    entries.iter().fold(Params::new(), |params, (key, value)| {
        params.with(key.as_str(), param(value))
    })
}

/// What both engines say, and whether one of them was the compiled form; parameters as they are serialized, put together
/// by hand, and as JSON where they have that form.
fn check(case: &Case) -> Result<(Agreed, bool), String> {
    let texts: Vec<(&str, String)> = case
        .snippets
        .iter()
        .map(|(name, tree)| (name.as_str(), tree.to_string()))
        .collect();
    let snippets: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let closure = match resolve(content(case), &snippets) {
        Ok(closure) => closure,
        Err(error) => {
            if std::env::var_os("TEMPLATE_FUZZ_SHOWN").is_some() {
                eprintln!("refused: {error} {:?}", case.templates().collect::<Vec<_>>());
            }
            return Ok((Agreed::Refused, false));
        }
    };
    let Some(pair) = Pair::of(&closure, RenderLimits::default())? else {
        return Ok((Agreed::Refused, false));
    };
    let serialized = pair.compare(&case.parameters)?;
    if serialized == Agreed::FailedElsewhere && std::env::var_os("TEMPLATE_FUZZ_SHOWN").is_some() {
        eprintln!("elsewhere: {}\n{case:?}", pair.errors(&case.parameters));
    }
    let by_hand = pair.compare(&params(&case.parameters))?;
    if by_hand != serialized {
        return Err(format!(
            "{serialized:?} as serialized, {by_hand:?} put together by hand"
        ));
    }
    if case.parameters.is_json() {
        let json = serde_json::to_value(&case.parameters).unwrap();
        // Its maps may be in another order, so that it need not go as before.
        pair.compare(&json)?;
    }
    Ok((serialized, pair.is_compiled()))
}

#[test]
fn generated_prompts_render_as_in_tera() {
    let config = ProptestConfig {
        max_shrink_iters: 20_000,
        ..config()
    };
    let cases = config.cases;
    let counts: Cell<BTreeMap<String, u32>> = Cell::default();
    let result = TestRunner::new(config).run(&Cases, |case| {
        let (agreed, is_compiled) = check(&case).map_err(TestCaseError::fail)?;
        let mut map = counts.take();
        *map.entry(format!("{agreed:?}")).or_default() += 1;
        *map.entry("in the compiled form".to_owned()).or_default() += u32::from(is_compiled);
        counts.set(map);
        Ok(())
    });
    let counts = counts.take();
    eprintln!("{counts:?}");
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => panic!("{reason}\n{case:?}"),
        Err(error) => panic!("{error}"),
    }
    let share = |name: &str| f64::from(*counts.get(name).unwrap_or(&0)) / f64::from(cases);
    assert!(
        share("Text") > 0.6,
        "most must render, or little is compared: {counts:?}"
    );
    assert!(
        share("in the compiled form") > 0.5,
        "Tera is compared with itself: {counts:?}"
    );
    assert!(share("Refused") < 0.15, "{counts:?}");
    assert!(share("Limited") < 0.02, "{counts:?}");
}
