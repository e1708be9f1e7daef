//! The parameters that a prompt takes, those of its snippets among them.

use std::collections::{HashMap, HashSet};

use super::closure::{Closure, Snippet};
use crate::base::Location;
use crate::prompt::{ContentAnalysis, VariableUse};

/// A parameter that a prompt takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Whether rendering fails without it.
    pub required: bool,
    /// Whether it is the list of messages of a placeholder.
    pub is_placeholder: bool,
    /// Where it is used first, in the prompt or one of its snippets; `None` for a placeholder.
    pub location: Option<Location>,
}

/// Variables by name, in the order in which they were found.
#[derive(Default)]
struct Found<'a> {
    variables: Vec<&'a VariableUse>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Found<'a> {
    /// Where one is needed is what is worth telling.
    fn add(&mut self, variable: &'a VariableUse) {
        let place = *self.places.entry(&variable.name).or_insert(self.variables.len());
        match self.variables.get_mut(place) {
            None => self.variables.push(variable),
            Some(known) if variable.required && !known.required => *known = variable,
            Some(_) => {}
        }
    }
}

/// What templates take from outside, what they include among it; `done` has what is known of snippets.
fn free<'a>(
    analysis: &'a ContentAnalysis,
    snippets: &'a [Snippet],
    done: &mut HashMap<&'a str, Vec<&'a VariableUse>>,
) -> Vec<&'a VariableUse> {
    let mut found = Found::default();
    for variable in analysis.variables() {
        found.add(variable);
    }
    // Each snippet once, however often it is included, with the names that are bound wherever that is.
    let mut included: Vec<(&str, HashSet<&str>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for include in analysis.includes() {
        let place = *places.entry(&include.written).or_insert(included.len());
        match included.get_mut(place) {
            None => included.push((
                &include.written,
                include.bound.iter().map(String::as_str).collect(),
            )),
            Some((_, bound)) => bound.retain(|name| {
                let here = |known: &String| known.as_str().cmp(name);
                include.bound.binary_search_by(here).is_ok()
            }),
        }
    }
    for (reference, bound) in included {
        if !done.contains_key(reference) {
            let Some(snippet) = snippets.iter().find(|snippet| snippet.reference == reference) else {
                continue;
            };
            let inner = free(&snippet.analysis, snippets, done);
            done.insert(reference, inner);
        }
        for variable in done.get(reference).into_iter().flatten() {
            if !bound.contains(variable.name.as_str()) {
                found.add(variable);
            }
        }
    }
    found.variables
}

/// The variables of the prompt and of its snippets that nothing binds on the way.
pub(super) fn variables(closure: &Closure) -> Vec<VariableUse> {
    let found = free(&closure.analysis, &closure.snippets, &mut HashMap::new());
    found.into_iter().cloned().collect()
}

/// The parameters of a closure, in order of first use, placeholders last.
pub(super) fn parameters(closure: &Closure) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = variables(closure)
        .into_iter()
        .map(|variable| Parameter {
            name: variable.name,
            required: variable.required,
            is_placeholder: false,
            location: Some(variable.location),
        })
        .collect();
    for (_, name) in closure.analysis.placeholders() {
        match parameters.iter_mut().find(|parameter| parameter.name == *name) {
            Some(parameter) => parameter.is_placeholder = true,
            None => parameters.push(Parameter {
                name: name.clone(),
                required: true,
                is_placeholder: true,
                location: None,
            }),
        }
    }
    parameters
}
