//! Which place a name means, by Tera's rules.
//!
//! A name is looked for in the loops around it, from the innermost one (first what `set` made in this round, then the
//! loop's variables), then among what `set` and `set_global` made in the template, then in the including template in the
//! same way, then among the parameters. Loops' variables always have a value; what `set` makes may not have been reached,
//! so that the places are tried when the template runs.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::code::Place;
use crate::template::{For, Node, NodeKind, SetScope};

/// Names that a snippet takes from whoever includes it, with its slots for them.
pub(super) type Imports<'t> = Rc<[(&'t str, u32)]>;

/// The names of one template.
#[derive(Debug, Default)]
pub(super) struct Scope<'t> {
    /// What `set` makes outside of loops, and `set_global` anywhere; sorted.
    globals: Vec<(&'t str, u32)>,
    /// From the outermost one.
    loops: Vec<Loop<'t>>,
    /// What is taken from the including template, for snippets.
    imports: BTreeMap<&'t str, u32>,
    slots: u32,
}

#[derive(Debug)]
struct Loop<'t> {
    /// Sorted.
    sets: Vec<(&'t str, u32)>,
    variables: Vec<(&'t str, u32)>,
    counters: u32,
}

/// The slots of a loop.
#[derive(Debug)]
pub(super) struct LoopSlots {
    pub(super) key: Option<u32>,
    pub(super) value: u32,
    pub(super) counters: u32,
    pub(super) sets: Box<[u32]>,
}

/// Where to look for a name: slots that may have a value, then one that has, or what is outside of the template.
pub(super) struct Found {
    pub(super) maybe: Vec<u32>,
    pub(super) certain: Option<u32>,
}

impl Found {
    /// The place, given where a name is that nothing in the template has set.
    pub(super) fn place(self, outside: impl FnOnce() -> Place) -> Place {
        let last = self.certain.map_or_else(outside, Place::Slot);
        if self.maybe.is_empty() {
            last
        } else {
            Place::FirstOf(Box::new((self.maybe.into(), last)))
        }
    }
}

fn find(names: &[(&str, u32)], name: &str) -> Option<u32> {
    names
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, slot)| *slot)
}

/// The same among sorted names, of which there may be many.
fn find_sorted(names: &[(&str, u32)], name: &str) -> Option<u32> {
    let at = names.binary_search_by_key(&name, |(known, _)| known).ok()?;
    names.get(at).map(|(_, slot)| *slot)
}

impl<'t> Scope<'t> {
    pub(super) fn new(nodes: &'t [Node]) -> Self {
        let mut scope = Self::default();
        scope.globals = scope.fresh(set_in_template(nodes));
        scope
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.slots as usize
    }

    fn slot(&mut self) -> u32 {
        let slot = self.slots;
        self.slots += 1;
        slot
    }

    fn fresh(&mut self, names: BTreeSet<&'t str>) -> Vec<(&'t str, u32)> {
        names.into_iter().map(|name| (name, self.slot())).collect()
    }

    /// Enters the body of a loop.
    pub(super) fn enter(&mut self, block: &'t For) -> LoopSlots {
        let sets = self.fresh(set_in_round(&block.body));
        let value = self.slot();
        let key = block.key.as_ref().map(|_| self.slot());
        let counters = self.slot();
        self.slot();
        let slots = LoopSlots {
            key,
            value,
            counters,
            sets: sets.iter().map(|(_, slot)| *slot).collect(),
        };
        // The value comes first: it is what one name for both means.
        let mut variables = vec![(block.value.name.as_str(), value)];
        variables.extend(
            block
                .key
                .as_ref()
                .zip(key)
                .map(|(key, slot)| (key.name.as_str(), slot)),
        );
        self.loops.push(Loop {
            sets,
            variables,
            counters,
        });
        slots
    }

    /// Leaves the body of a loop.
    pub(super) fn leave(&mut self) {
        self.loops.pop();
    }

    /// Where the innermost loop counts.
    pub(super) fn counters(&self) -> Option<u32> {
        self.loops.last().map(|inner| inner.counters)
    }

    /// The slot that a `set` writes to.
    pub(super) fn target(&self, scope: SetScope, name: &str) -> Option<u32> {
        match (scope, self.loops.last()) {
            (SetScope::Local, Some(inner)) => find_sorted(&inner.sets, name),
            _ => find_sorted(&self.globals, name),
        }
    }

    pub(super) fn find(&self, name: &str) -> Found {
        let mut maybe = Vec::new();
        for inner in self.loops.iter().rev() {
            maybe.extend(find_sorted(&inner.sets, name));
            if let Some(slot) = find(&inner.variables, name) {
                return Found {
                    maybe,
                    certain: Some(slot),
                };
            }
        }
        maybe.extend(find_sorted(&self.globals, name));
        Found { maybe, certain: None }
    }

    /// The slot for what the including template has under this name.
    pub(super) fn import(&mut self, name: &'t str) -> u32 {
        match self.imports.get(name) {
            Some(slot) => *slot,
            None => {
                let slot = self.slot();
                self.imports.insert(name, slot);
                slot
            }
        }
    }

    pub(super) fn into_imports(self) -> Imports<'t> {
        self.imports.into_iter().collect()
    }
}

/// How a name gets a value.
enum Binding {
    Set(SetScope),
    /// By a loop.
    Variable,
}

/// Every name that gets a value in these nodes, with how many loops' bodies it is in.
fn bindings<'t>(nodes: &'t [Node], loops: usize, found: &mut impl FnMut(Binding, &'t str, usize)) {
    for node in nodes {
        match &node.kind {
            NodeKind::Set { scope, target, .. } => found(Binding::Set(*scope), &target.name, loops),
            NodeKind::SetBlock {
                scope, target, body, ..
            } => {
                bindings(body, loops, found);
                found(Binding::Set(*scope), &target.name, loops);
            }
            NodeKind::FilterSection { body, .. } => bindings(body, loops, found),
            NodeKind::If(block) => {
                let branches = block.branches.iter().map(|branch| &branch.body);
                for body in branches.chain(block.else_branch.iter().map(|branch| &branch.body)) {
                    bindings(body, loops, found);
                }
            }
            NodeKind::For(block) => {
                for variable in block.key.iter().chain([&block.value]) {
                    found(Binding::Variable, &variable.name, loops + 1);
                }
                bindings(&block.body, loops + 1, found);
                if let Some(branch) = &block.else_branch {
                    bindings(&branch.body, loops, found);
                }
            }
            _ => {}
        }
    }
}

/// What keeps its value for the rest of the template.
fn set_in_template(nodes: &[Node]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    bindings(nodes, 0, &mut |binding, name, loops| {
        if matches!(binding, Binding::Set(scope) if loops == 0 || scope == SetScope::Global) {
            names.insert(name);
        }
    });
    names
}

/// What keeps its value for the rest of a round of the loop with this body.
fn set_in_round(body: &[Node]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    bindings(body, 0, &mut |binding, name, loops| {
        if matches!(binding, Binding::Set(SetScope::Local)) && loops == 0 {
            names.insert(name);
        }
    });
    names
}

/// Every name that a template may give a value to.
pub(super) fn bound<'t>(nodes: &'t [Node], names: &mut BTreeSet<&'t str>) {
    bindings(nodes, 0, &mut |_, name, _| {
        names.insert(name);
    });
}
