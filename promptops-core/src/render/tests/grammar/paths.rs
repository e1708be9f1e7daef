//! Ways to a value through the variables that are bound.

use super::types::{Ty, is_name};
use super::{Grammar, Kind, Tree, pick};

#[derive(Clone)]
enum Step {
    Key(String),
    Index(i64),
}

type Path = (String, Vec<Step>, Ty);

fn walk(from: &Path, wanted: &Ty, depth: usize, out: &mut Vec<Path>) {
    let (name, steps, ty) = from;
    if ty.fits(wanted) {
        out.push(from.clone());
    }
    if depth == 0 {
        return;
    }
    let mut further = |step: Step, ty: &Ty| {
        let mut steps = steps.clone();
        steps.push(step);
        walk(&(name.clone(), steps, ty.clone()), wanted, depth - 1, out);
    };
    match ty {
        Ty::Map(fields) => {
            for (key, ty) in fields.iter() {
                further(Step::Key(key.clone()), ty);
            }
        }
        Ty::List(of, least) if *least > 0 => {
            further(Step::Index(0), of);
            further(Step::Index(-1), of);
        }
        _ => {}
    }
}

/// A text as a literal.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Grammar<'_> {
    /// The variables that are surely bound, each by its last binding.
    fn bound(&self) -> Vec<Path> {
        let mut seen: Vec<&str> = Vec::new();
        let mut bound = Vec::new();
        for var in self.vars.iter().rev() {
            if !seen.contains(&var.name.as_str()) {
                seen.push(&var.name);
                if var.sure {
                    bound.push((var.name.clone(), Vec::new(), var.ty.clone()));
                }
            }
        }
        bound
    }

    /// A path to a value of this type, if there is any.
    pub(super) fn path(&mut self, wanted: &Ty) -> Option<(Tree, Ty)> {
        let mut found = Vec::new();
        for path in self.bound() {
            walk(&path, wanted, 3, &mut found);
        }
        if found.is_empty() {
            return None;
        }
        // Longer paths are the more, and variables of loops the last.
        let at = self.choices.below(found.len());
        let (name, steps, ty) = found.swap_remove(at);
        let text = self.written(name, &steps);
        Some((Tree::text(Kind::Atom, text), ty))
    }

    fn written(&mut self, name: String, steps: &[Step]) -> String {
        let mut text = name;
        for step in steps {
            if self.choices.chance(4) {
                text.push('?');
            }
            match step {
                Step::Key(key) if is_name(key) && !self.choices.chance(20) => {
                    text.push('.');
                    text.push_str(key);
                }
                Step::Key(key) => {
                    text.push_str(&format!("[{}]", quoted(key)));
                }
                Step::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }

    /// A path whose last step leads nowhere, most likely.
    pub(super) fn nowhere(&mut self) -> Tree {
        let bound = self.bound();
        let objects: Vec<&Path> = bound
            .iter()
            .filter(|(_, _, ty)| matches!(ty, Ty::Map(_) | Ty::List(..)))
            .collect();
        let text = match objects.is_empty() || self.choices.chance(30) {
            true => (*pick(self.choices, &["nothing", "v", "acc", "w", "item", "total"])).to_owned(),
            false => {
                let (name, _, ty) = *pick(self.choices, &objects);
                match ty {
                    Ty::Map(_) => {
                        let step = *pick(
                            self.choices,
                            &[".nope", "['nope']", "?.nope", "[t]", ".k", ".nope?.more"],
                        );
                        format!("{name}{step}")
                    }
                    _ => format!("{name}{}", pick(self.choices, &["[99]", "[-99]", "?[99]", "[5]"])),
                }
            }
        };
        Tree::text(Kind::Atom, text)
    }
}
