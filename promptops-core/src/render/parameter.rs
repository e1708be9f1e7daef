//! The parameters that a prompt takes, those of its snippets among them.

use super::closure::Closure;
use crate::base::Location;
use crate::prompt::VariableUse;

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

/// The variables of the prompt and of its snippets that nothing binds on the way.
pub(super) fn variables(closure: &Closure) -> Vec<VariableUse> {
    let mut found: Vec<VariableUse> = Vec::new();
    let mut add = |variable: &VariableUse| match found.iter_mut().find(|known| known.name == variable.name) {
        None => found.push(variable.clone()),
        Some(known) if variable.required && !known.required => *known = variable.clone(),
        Some(_) => {}
    };
    for variable in closure.analysis.variables() {
        add(variable);
    }
    // Snippets with the names bound around them; the same snippet may be included in several places.
    let mut open: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    for include in closure.analysis.includes() {
        open.push((
            &include.written,
            include.bound.iter().map(String::as_str).collect(),
        ));
    }
    while let Some((reference, bound)) = open.pop() {
        if seen
            .iter()
            .any(|(name, names)| *name == reference && *names == bound)
        {
            continue;
        }
        let Some(snippet) = closure
            .snippets
            .iter()
            .find(|snippet| snippet.reference == reference)
        else {
            continue;
        };
        for variable in snippet.analysis.variables() {
            if !bound.contains(&variable.name.as_str()) {
                add(variable);
            }
        }
        for include in snippet.analysis.includes() {
            let mut inner = bound.clone();
            inner.extend(include.bound.iter().map(String::as_str));
            inner.sort_unstable();
            inner.dedup();
            open.push((&include.written, inner));
        }
        seen.push((reference, bound));
    }
    found
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
