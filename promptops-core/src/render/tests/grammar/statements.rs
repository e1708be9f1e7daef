//! Texts, tags and blocks.

use super::paths::quoted;
use super::types::Ty;
use super::{Grammar, Kind, NAMES, Need, Part, SET_NAMES, Tree, Var, pick};

const TEXTS: &[&str] = &[
    "a",
    " ",
    "\n",
    " text ",
    "\n\n  - ",
    "é日本🙂",
    "{ ",
    "}",
    "{ % }",
    "%}",
    "}}",
    "\r\n",
    "\t",
    "# Title\n",
    "{\"k\": 1}",
    ". ",
    "\u{a0}",
];

fn node(parts: Vec<Part>) -> Tree {
    Tree::new(Kind::Node, parts)
}

fn optional(parts: Vec<Part>) -> Part {
    Part::Tree(Tree::new(Kind::Optional, parts))
}

impl Grammar<'_> {
    fn dash(&mut self) -> Part {
        match self.choices.chance(15) {
            true => Part::Tree(Tree::text(Kind::Optional, "-")),
            false => "".into(),
        }
    }

    /// `{% … %}`.
    fn tag(&mut self, inside: Vec<Part>) -> Vec<Part> {
        let mut parts = vec!["{%".into(), self.dash(), " ".into()];
        parts.extend(inside);
        parts.extend([" ".into(), self.dash(), "%}".into()]);
        parts
    }

    pub(super) fn body(&mut self, depth: usize) -> Tree {
        let mut parts = Vec::new();
        for _ in 0..1 + self.choices.below(4) {
            let node = self.node(depth);
            parts.push(Part::Tree(node));
        }
        Tree::new(Kind::Body, parts)
    }

    /// A body whose bindings end with it.
    fn enclosed(&mut self, depth: usize) -> Tree {
        let mark = self.vars.len();
        let body = self.body(depth);
        // What was set for all stays, unless the body was not reached.
        let global: Vec<Var> = self.vars.drain(mark..).filter(|var| var.global).collect();
        self.keep(global);
        body
    }

    /// Bindings that may have been made.
    fn keep(&mut self, vars: Vec<Var>) {
        for var in vars {
            let known = self.vars.iter().rev().find(|known| known.name == var.name);
            let (ty, sure) = match known {
                Some(known) => (known.ty.join(&var.ty), known.sure),
                None => (var.ty, false),
            };
            self.vars.push(Var { ty, sure, ..var });
        }
    }

    fn branch(&mut self, depth: usize) -> Tree {
        let mark = self.vars.len();
        let body = self.body(depth);
        let made: Vec<Var> = self.vars.drain(mark..).collect();
        self.keep(made);
        body
    }

    fn node(&mut self, depth: usize) -> Tree {
        let choice = if self.nodes == 0 {
            self.choices.below(6)
        } else {
            self.nodes -= 1;
            self.choices.below(if depth == 0 { 12 } else { 30 })
        };
        match choice {
            0 | 1 => Tree::text(Kind::Node, *pick(self.choices, TEXTS)),
            2..=5 => self.output(),
            6 | 7 => self.set(),
            8 => {
                let text = *pick(self.choices, &["{{ raw }}", " {% if %} ", "{# no #}", ""]);
                let (a, b, c, d) = (self.dash(), self.dash(), self.dash(), self.dash());
                node(vec![
                    "{%".into(),
                    a,
                    " raw ".into(),
                    b,
                    "%}".into(),
                    text.into(),
                    "{%".into(),
                    c,
                    " endraw ".into(),
                    d,
                    "%}".into(),
                ])
            }
            9 => {
                let (a, b) = (self.dash(), self.dash());
                node(vec!["{#".into(), a, " c ".into(), b, "#}".into()])
            }
            10 | 11 => self.include(depth).unwrap_or_else(|| self.output()),
            12..=17 => self.conditional(depth - 1),
            18..=24 if self.loops < 3 => self.repeated(depth - 1),
            25 | 26 => self.set_block(depth - 1),
            27 | 28 => {
                let mut parts = vec!["filter ".into()];
                parts.extend(self.text_filters());
                let mut parts = self.tag(parts);
                let can_break = std::mem::replace(&mut self.can_break, false);
                parts.push(self.branch(depth - 1).into());
                self.can_break = can_break;
                parts.extend(self.tag(vec!["endfilter".into()]));
                node(parts)
            }
            29 if self.can_break => {
                let condition = self.truth(1);
                let mut parts = self.tag(vec!["if ".into(), condition.into()]);
                let what = *pick(self.choices, &["break", "continue"]);
                parts.extend(self.tag(vec![what.into()]));
                parts.extend(self.tag(vec!["endif".into()]));
                node(parts)
            }
            _ => self.output(),
        }
    }

    fn text_filters(&mut self) -> Vec<Part> {
        let mut parts = self.text_filter();
        if self.choices.chance(30) {
            parts.push(" | ".into());
            parts.extend(self.text_filter());
        }
        parts
    }

    fn output(&mut self) -> Tree {
        let expression = match self.choices.below(9) {
            0..=2 => match self.path(&Ty::Any) {
                Some((path, _)) => path,
                None => Tree::text(Kind::Atom, "1"),
            },
            3 => self.string(2),
            4 => self.int(2),
            5 if self.choices.chance(self.mistakes * 5) => self.nowhere(),
            _ => self.any(2).0,
        };
        let (left, right) = (self.dash(), self.dash());
        node(vec![
            "{{".into(),
            left,
            " ".into(),
            expression.into(),
            " ".into(),
            right,
            "}}".into(),
        ])
    }

    fn set_name(&mut self) -> String {
        if self.choices.chance(30) && !self.vars.is_empty() {
            let at = self.choices.below(self.vars.len());
            self.vars[at].name.clone()
        } else {
            (*pick(self.choices, SET_NAMES)).to_owned()
        }
    }

    fn bind(&mut self, name: String, ty: Ty, global: bool) {
        // Within a loop its own variables hide what is set for all.
        let hidden = global && self.loops > 0;
        let sure = !hidden;
        let ty = if hidden { Ty::Any } else { ty };
        if hidden {
            let known = self.vars.iter().rev().find(|known| known.name == name).cloned();
            let sure = known.as_ref().is_some_and(|known| known.sure);
            self.vars.push(Var {
                name,
                ty,
                sure,
                global,
            });
        } else {
            self.vars.push(Var {
                name,
                ty,
                sure,
                global: global || self.loops == 0,
            });
        }
    }

    fn set(&mut self) -> Tree {
        let name = self.set_name();
        let known = self
            .vars
            .iter()
            .rev()
            .find(|var| var.name == name)
            .map(|var| var.ty.clone());
        let (value, ty) = match known {
            // Of the same type, mostly: what reads it later knows no better.
            Some(ty) if !matches!(ty, Ty::Any) && !self.choices.chance(25) => {
                let (value, ty) = match ty {
                    Ty::List(of, _) => {
                        let (value, of) = self.list(&of, 2);
                        (value, Ty::list(of))
                    }
                    Ty::Map(_) => self.map(2),
                    ty => (self.of(&ty, 2), ty),
                };
                (value, ty)
            }
            _ => self.any(2),
        };
        let global = self.choices.chance(25);
        let word = if global { "set_global" } else { "set" };
        let parts = self.tag(vec![format!("{word} {name} = ").into(), value.into()]);
        self.bind(name, ty, global);
        node(parts)
    }

    fn set_block(&mut self, depth: usize) -> Tree {
        let name = self.set_name();
        let global = self.choices.chance(25);
        let word = if global { "set_global" } else { "set" };
        let mut head: Vec<Part> = vec![format!("{word} {name}").into()];
        if self.choices.chance(40) {
            let mut filters = vec![" | ".into()];
            filters.extend(self.text_filters());
            head.push(optional(filters));
        }
        let mut parts = self.tag(head);
        let can_break = std::mem::replace(&mut self.can_break, false);
        parts.push(self.branch(depth).into());
        self.can_break = can_break;
        parts.extend(self.tag(vec!["endset".into()]));
        self.bind(name, Ty::Text, global);
        node(parts)
    }

    fn conditional(&mut self, depth: usize) -> Tree {
        let condition = self.condition(2);
        let mut parts = self.tag(vec!["if ".into(), condition.into()]);
        parts.push(self.branch(depth).into());
        for _ in 0..*pick(self.choices, &[0, 0, 1, 2]) {
            let condition = self.condition(1);
            let mut elif = self.tag(vec!["elif ".into(), condition.into()]);
            elif.push(self.branch(depth).into());
            parts.push(optional(elif));
        }
        if self.choices.chance(40) {
            let mut otherwise = self.tag(vec!["else".into()]);
            otherwise.push(self.branch(depth).into());
            parts.push(optional(otherwise));
        }
        parts.extend(self.tag(vec!["endif".into()]));
        node(parts)
    }

    fn repeated(&mut self, depth: usize) -> Tree {
        let (over, bindings): (Tree, Vec<(String, Ty)>) = match self.choices.below(12) {
            0..=6 => {
                let (list, of) = self.list(&Ty::Any, 1);
                (list, vec![((*pick(self.choices, NAMES)).to_owned(), of)])
            }
            7 | 8 => {
                let (map, _) = self.map(1);
                let (k, v) = *pick(self.choices, &[("k", "v"), ("key", "item"), ("x", "row")]);
                (map, vec![(k.to_owned(), Ty::Text), (v.to_owned(), Ty::Any)])
            }
            9 => {
                let (map, _) = self.map(1);
                (map, vec![((*pick(self.choices, NAMES)).to_owned(), Ty::Any)])
            }
            10 => {
                let text = self.string(1);
                (text, vec![((*pick(self.choices, NAMES)).to_owned(), Ty::Text)])
            }
            _ if self.mistakes > 0 => {
                let (over, _) = self.any(1);
                (over, vec![((*pick(self.choices, NAMES)).to_owned(), Ty::Any)])
            }
            _ => {
                let (list, of) = self.list(&Ty::Any, 1);
                (list, vec![((*pick(self.choices, NAMES)).to_owned(), of)])
            }
        };
        self.loop_over(over, bindings, depth, Vec::new())
    }

    fn loop_over(&mut self, over: Tree, bindings: Vec<(String, Ty)>, depth: usize, first: Vec<Part>) -> Tree {
        let names: Vec<&str> = bindings.iter().map(|(name, _)| name.as_str()).collect();
        let mut parts = self.tag(vec![format!("for {} in ", names.join(", ")).into(), over.into()]);
        let mark = self.vars.len();
        for (name, ty) in bindings {
            self.vars.push(Var {
                name,
                ty,
                sure: true,
                global: false,
            });
        }
        self.loops += 1;
        self.open_loops += 1;
        let can_break = std::mem::replace(&mut self.can_break, true);
        parts.extend(first);
        parts.push(self.enclosed(depth).into());
        self.can_break = can_break;
        self.open_loops -= 1;
        self.loops -= 1;
        let global: Vec<Var> = self.vars.drain(mark..).filter(|var| var.global).collect();
        self.keep(global);
        if self.choices.chance(25) {
            let mut otherwise = self.tag(vec!["else".into()]);
            otherwise.push(self.branch(depth).into());
            parts.push(optional(otherwise));
        }
        parts.extend(self.tag(vec!["endfor".into()]));
        node(parts)
    }

    /// What a snippet may take from where it is included.
    pub(super) fn needs(&mut self) -> Vec<Need> {
        let mut needs = Vec::new();
        if self.choices.chance(50) {
            let lists: Vec<(String, Ty)> = self
                .vars
                .iter()
                .filter_map(|var| match &var.ty {
                    Ty::List(of, _) => Some((var.name.clone(), (**of).clone())),
                    _ => None,
                })
                .collect();
            if !lists.is_empty() {
                let (list, ty) = pick(self.choices, &lists).clone();
                let name = (*pick(self.choices, &NAMES[..3])).to_owned();
                needs.push(Need::Element { name, list, ty });
            }
        }
        if self.choices.chance(30) {
            let ty = pick(self.choices, &[Ty::Int, Ty::Text]).clone();
            needs.push(Need::Set {
                name: "acc".into(),
                ty,
            });
        }
        needs
    }

    fn met(&self, name: &str, ty: &Ty) -> bool {
        let known = self.vars.iter().rev().find(|var| var.name == name);
        known.is_some_and(|var| var.sure && var.ty.fits(ty) && !matches!(ty, Ty::Any))
    }

    /// An include of a snippet, with what it needs around it.
    fn include(&mut self, depth: usize) -> Option<Tree> {
        if self.snippets.is_empty() {
            return None;
        }
        let (name, needs) = pick(self.choices, &self.snippets).clone();
        let quote = *pick(self.choices, &["'", "\""]);
        let include = self.tag(vec![format!("include {quote}{name}{quote}").into()]);
        let mut tree = node(include);
        let careless = self.choices.chance(self.mistakes * 3);
        for need in needs {
            match need {
                _ if careless => {}
                Need::Set { name, ty } if !self.met(&name, &ty) => {
                    let value = self.of(&ty, 1);
                    let mut parts = self.tag(vec![format!("set {name} = ").into(), value.into()]);
                    self.bind(name, ty, false);
                    parts.push(tree.into());
                    tree = node(parts);
                }
                Need::Element { name, list, ty } if !self.met(&name, &ty) => {
                    if self.loops >= 3 {
                        return None;
                    }
                    let over = Tree::text(Kind::Atom, list);
                    tree = self.loop_over(over, vec![(name, ty)], depth.saturating_sub(2), vec![tree.into()]);
                }
                _ => {}
            }
        }
        // What it set is not for the text around it; reads that would show otherwise.
        if self.choices.chance(20) {
            let name = *pick(self.choices, SET_NAMES);
            let default = quoted("-");
            let read = format!("{{{{ {name} | default(value={default}) }}}}");
            tree = node(vec![tree.into(), Part::Tree(Tree::text(Kind::Node, read))]);
        }
        Some(tree)
    }
}
