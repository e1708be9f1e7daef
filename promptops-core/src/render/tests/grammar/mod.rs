//! Prompts made by choices, with parameters that fit them: most of what is made renders. A property test takes the
//! choices from its generator, a fuzzer from its bytes. Needs nothing but `std`, `serde` and `serde_json`.

mod expressions;
mod paths;
mod statements;
mod tree;
mod types;
mod values;

use std::fmt;

pub use tree::{Kind, Part, Tree};
pub use types::Ty;
pub use values::V;

/// Where choices come from.
pub trait Choices {
    /// A number below `n`, which is at least 1; 0 when there is nothing to choose from any more. 0 is always the
    /// simplest choice.
    fn below(&mut self, n: usize) -> usize;

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }
}

pub fn pick<'a, T>(choices: &mut dyn Choices, from: &'a [T]) -> &'a T {
    &from[choices.below(from.len())]
}

/// One message of a chat, or the text of a prompt of text.
#[derive(Clone)]
pub enum Item {
    Template(Tree),
    /// The history in the parameter `history`.
    History,
}

/// A prompt with its snippets and parameters.
#[derive(Clone)]
pub struct Case {
    /// One template alone is a prompt of text.
    pub items: Vec<Item>,
    /// By name; each includes only those before it.
    pub snippets: Vec<(String, Tree)>,
    pub parameters: V,
}

impl Case {
    pub fn templates(&self) -> impl Iterator<Item = String> {
        self.items.iter().filter_map(|item| match item {
            Item::Template(tree) => Some(tree.to_string()),
            Item::History => None,
        })
    }

    pub fn is_chat(&self) -> bool {
        !matches!(self.items.as_slice(), [Item::Template(_)])
    }

    /// Cases that are one step simpler, the simplest first.
    pub fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        if self.items.len() > 1 {
            for at in 0..self.items.len() {
                let mut case = self.clone();
                case.items.remove(at);
                all.push(case);
            }
        }
        for (at, item) in self.items.iter().enumerate() {
            let Item::Template(tree) = item else { continue };
            for tree in tree.simpler() {
                let mut case = self.clone();
                case.items[at] = Item::Template(tree);
                all.push(case);
            }
        }
        for (at, (_, tree)) in self.snippets.iter().enumerate() {
            for tree in tree.simpler() {
                let mut case = self.clone();
                case.snippets[at].1 = tree;
                all.push(case);
            }
        }
        for parameters in self.parameters.simpler() {
            if matches!(parameters, V::Map(_)) {
                all.push(Self {
                    parameters,
                    ..self.clone()
                });
            }
        }
        let size = |case: &Self| {
            case.templates().map(|text| text.len()).sum::<usize>()
                + case
                    .snippets
                    .iter()
                    .map(|(_, tree)| tree.to_string().len())
                    .sum::<usize>()
                + format!("{:?}", case.parameters).len()
                + case.items.len()
        };
        all.sort_by_cached_key(size);
        // What is not smaller would never end.
        let own = size(self);
        all.retain(|case| size(case) < own);
        all
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            match item {
                Item::Template(tree) => writeln!(f, "template {:?}", tree.to_string())?,
                Item::History => writeln!(f, "history")?,
            }
        }
        for (name, tree) in &self.snippets {
            writeln!(f, "snippet {name} {:?}", tree.to_string())?;
        }
        writeln!(f, "parameters {:?}", self.parameters)
    }
}

/// A variable that a template can read.
#[derive(Clone)]
struct Var {
    name: String,
    ty: Ty,
    /// Whether it is bound on every way here.
    sure: bool,
    global: bool,
}

/// What a snippet reads of the text around it.
#[derive(Clone)]
enum Need {
    /// The variable of a loop over this list of the parameters.
    Element { name: String, list: String, ty: Ty },
    /// A variable that was set.
    Set { name: String, ty: Ty },
}

struct Grammar<'c> {
    choices: &'c mut dyn Choices,
    vars: Vec<Var>,
    snippets: Vec<(String, Vec<Need>)>,
    /// Loops around, comprehensions included.
    loops: usize,
    /// Loops around whose `loop` can be read.
    open_loops: usize,
    /// Whether a `break` would be in the loop's own body.
    can_break: bool,
    /// Nodes that may still be made.
    nodes: usize,
    /// How many expressions of a hundred are of any type at all.
    mistakes: usize,
    /// Whether to do without what the compiled form leaves to Tera: maps and lists that are put together, `group_by`,
    /// `pairs`, `escape`. One of them would take a whole case with it.
    plain: bool,
}

const NAMES: &[&str] = &["item", "i", "x", "row", "k", "doc"];
const SET_NAMES: &[&str] = &["v", "acc", "w", "total"];

/// Makes a case.
pub fn case(choices: &mut dyn Choices) -> Case {
    let parameters = values::parameters(choices);
    let V::Map(entries) = &parameters else {
        return Case {
            items: Vec::new(),
            snippets: Vec::new(),
            parameters,
        };
    };
    let vars: Vec<Var> = entries
        .iter()
        .filter(|(name, _)| types::is_name(name))
        .map(|(name, value)| Var {
            name: name.clone(),
            ty: Ty::of(value),
            sure: true,
            global: true,
        })
        .collect();
    let mistakes = *pick(choices, &[0, 0, 1, 2, 3, 8]);
    let plain = !choices.chance(20);
    let mut grammar = Grammar {
        choices,
        vars: vars.clone(),
        snippets: Vec::new(),
        loops: 0,
        open_loops: 0,
        can_break: false,
        nodes: 0,
        mistakes,
        plain,
    };
    let mut snippets = Vec::new();
    for at in 0..grammar.choices.below(4) {
        let needs = grammar.needs();
        for need in &needs {
            let (name, ty) = match need {
                Need::Element { name, ty, .. } | Need::Set { name, ty } => (name, ty),
            };
            grammar.vars.push(Var {
                name: name.clone(),
                ty: ty.clone(),
                sure: true,
                global: false,
            });
        }
        grammar.nodes = 6;
        let tree = grammar.body(2);
        let name = format!("s{at}");
        snippets.push((name.clone(), tree));
        grammar.snippets.push((name, needs));
        grammar.vars.clone_from(&vars);
    }
    let mut items = Vec::new();
    let count = *pick(grammar.choices, &[1, 1, 1, 2, 3]);
    for at in 0..count {
        if at > 0 && grammar.choices.chance(20) {
            items.push(Item::History);
            continue;
        }
        grammar.nodes = 14;
        items.push(Item::Template(grammar.body(4)));
        grammar.vars.clone_from(&vars);
    }
    Case {
        items,
        snippets,
        parameters,
    }
}
