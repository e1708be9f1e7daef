//! Expressions of a type.

use std::rc::Rc;

use super::paths::quoted;
use super::types::Ty;
use super::{Grammar, Kind, Part, Tree, Var, pick};

const INTS: &[&str] = &[
    "1",
    "0",
    "2",
    "3",
    "5",
    "10",
    "64",
    "-1",
    "9223372036854775807",
    "-9223372036854775807",
];
const FLOATS: &[&str] = &["0.5", "1.5", "2.0", "100.0", "-0.25", "0.1", "3.14159", "0.0"];
const LITERALS: &[&str] = &[
    "'a'",
    "''",
    "\"b c\"",
    "`it's`",
    "', '",
    "'\\n'",
    "'日本'",
    "'{{ x }}'",
    "\"- \"",
    "'A-b_c'",
    "'%}'",
    "'12'",
    "' '",
];
const SEPARATORS: &[&str] = &["', '", "'-'", "''", "'\\n'", "t", "' und '"];
const TESTS: &[&str] = &[
    "string",
    "number",
    "map",
    "array",
    "bool",
    "none",
    "integer",
    "float",
    "iterable",
    "defined",
    "undefined",
];

const WRONG: &[&str] = &[
    "replace(from=1, to='b')",
    "replace(from='a')",
    "truncate(length='x')",
    "truncate(length=-1)",
    "truncate(length=1.0, end=2)",
    "indent(width='a')",
    "indent(indentation='ab')",
    "indent(width=100000)",
    "join(sep=1)",
    "join(sep=none)",
    "trim(pat=1)",
    "split",
    "split(pat=1)",
    "upper(x=1)",
    "int(base=99)",
    "int(base=2)",
    "int",
    "float",
    "round(method='x')",
    "round(precision=1.5)",
    "round(precision='1')",
    "nth(n=-1)",
    "nth",
    "get",
    "get(key='nope')",
    "get(key=1)",
    "default(value=none)",
    "sort(attribute='nope')",
    "sort",
    "group_by(attribute='nope')",
    "group_by(attribute='name')",
    "sort(attribute=1)",
    "unique",
    "abs",
    "first",
    "last",
    "keys",
    "values",
    "pairs",
    "length",
    "wordcount",
    "reverse",
    "pluralize",
    "pluralize(plural=1)",
    "title",
    "escape",
    "safe",
    "newlines_to_br",
];

fn atom(text: impl Into<String>) -> Tree {
    Tree::text(Kind::Atom, text)
}

fn expr(parts: Vec<Part>) -> Tree {
    Tree::new(Kind::Expr, parts)
}

fn optional(parts: Vec<Part>) -> Part {
    Part::Tree(Tree::new(Kind::Optional, parts))
}

fn filtered(input: Tree, filter: Vec<Part>) -> Tree {
    let mut parts = vec![Part::Input(input), " | ".into()];
    parts.extend(filter);
    Tree::new(Kind::Filtered, parts)
}

/// A filter with arguments that may be left out.
fn call(name: &str, arguments: Vec<(bool, Vec<Part>)>) -> Vec<Part> {
    let mut parts: Vec<Part> = vec![format!("{name}(").into()];
    for (required, mut argument) in arguments {
        argument.push(", ".into());
        if required {
            parts.extend(argument);
        } else {
            parts.push(optional(argument));
        }
    }
    parts.push(")".into());
    parts
}

impl Grammar<'_> {
    /// Two operands, sometimes without the parentheses that keep them as they were made.
    fn joined(&mut self, left: Tree, ops: &[&str], right: Tree) -> Tree {
        let op = *pick(self.choices, ops);
        let bare = self.choices.below(8);
        let part = |tree, bare| {
            if bare {
                Part::Tree(tree)
            } else {
                Part::Operand(tree)
            }
        };
        expr(vec![
            part(left, bare & 6 == 6),
            op.into(),
            part(right, bare & 5 == 5),
        ])
    }

    /// A filter with arguments that do not fit, or on what it does not fit.
    fn wrong(&mut self, depth: usize) -> Tree {
        let (of, _) = self.any(depth);
        let filter = match *pick(self.choices, WRONG) {
            rare if self.plain && ["pairs", "escape"].contains(&rare) => "keys",
            rare if self.plain && rare.starts_with("group_by") => "values",
            filter => filter,
        };
        filtered(of, vec![filter.into()])
    }

    /// An expression of this type, but for mistakes.
    pub(super) fn of(&mut self, wanted: &Ty, depth: usize) -> Tree {
        if self.choices.chance(self.mistakes) {
            return if self.choices.chance(50) {
                self.wrong(depth.min(1))
            } else {
                self.any(depth.min(1)).0
            };
        }
        match wanted {
            Ty::None => atom("none"),
            Ty::Bool => self.truth(depth),
            Ty::Int => self.int(depth),
            Ty::Float => self.float(depth),
            Ty::Text => self.string(depth),
            Ty::List(of, _) => self.list(&of.clone(), depth).0,
            Ty::Map(_) => self.map(depth).0,
            Ty::Any => self.any(depth).0,
        }
    }

    fn path_or(&mut self, wanted: &Ty, literals: &[&str]) -> Tree {
        match self.path(wanted) {
            Some((path, _)) => path,
            None => atom(*pick(self.choices, literals)),
        }
    }

    /// `a if c else b`.
    fn ternary(&mut self, then: Tree, otherwise: Tree, depth: usize) -> Tree {
        let condition = self.condition(depth);
        expr(vec![
            Part::Operand(then),
            " if ".into(),
            Part::Operand(condition),
            " else ".into(),
            Part::Operand(otherwise),
        ])
    }

    /// What may be missing, with a default.
    fn with_default(&mut self, default: Tree) -> Tree {
        let missing = self.nowhere();
        let mut arguments = vec![(true, vec!["value=".into(), default.into()])];
        if self.choices.chance(15) {
            arguments.push((false, vec!["boolean=true".into()]));
        }
        filtered(missing, call("default", arguments))
    }

    pub(super) fn int(&mut self, depth: usize) -> Tree {
        let choice = self.choices.below(if depth == 0 { 3 } else { 15 });
        let inner = depth.saturating_sub(1);
        match choice {
            0 => atom(*pick(self.choices, INTS)),
            1 => self.path_or(&Ty::Int, INTS),
            2 if self.open_loops > 0 => {
                atom(*pick(self.choices, &["loop.index", "loop.index0", "loop.length"]))
            }
            3 | 4 => {
                let (left, right) = (self.int(inner), self.int(inner));
                self.joined(left, &[" + ", " - ", " * ", "+"], right)
            }
            5 => {
                let left = self.int(inner);
                let right = if self.choices.chance(10) {
                    self.int(inner)
                } else {
                    atom(*pick(self.choices, &["2", "3", "7", "10", "-3"]))
                };
                self.joined(left, &[" // ", " % "], right)
            }
            6 => {
                let left = atom(*pick(self.choices, &["2", "3", "-2", "10", "n"]));
                let right = atom(*pick(self.choices, &["2", "0", "3", "10", "-1"]));
                self.joined(left, &[" ** "], right)
            }
            7 => {
                let (of, _) = self.list(&Ty::Any, inner);
                filtered(of, vec!["length".into()])
            }
            8 => {
                let of = self.string(inner);
                filtered(of, vec![(*pick(self.choices, &["length", "wordcount"])).into()])
            }
            9 => {
                let (of, _) = self.map(inner);
                filtered(of, vec!["length".into()])
            }
            10 => {
                let of = *pick(
                    self.choices,
                    &["'12'", "'ff'", "'-7'", "'3.0'", "2.0", "n", "'0b11'", "'z'"],
                );
                match self.choices.below(4) {
                    0 => filtered(atom(of), call("int", vec![(false, vec!["base=16".into()])])),
                    1 if self.choices.chance(20) => filtered(atom(of), vec!["int".into()]),
                    _ => filtered(atom("'12'"), vec!["int".into()]),
                }
            }
            11 => {
                let of = self.int(inner);
                filtered(of, vec!["abs".into()])
            }
            12 => {
                let of = self.int(inner);
                expr(vec!["-".into(), Part::Operand(of)])
            }
            13 => {
                let (then, otherwise) = (self.int(inner), self.int(inner));
                self.ternary(then, otherwise, inner)
            }
            14 => {
                let default = self.int(inner);
                self.with_default(default)
            }
            _ => self.path_or(&Ty::Int, INTS),
        }
    }

    fn float(&mut self, depth: usize) -> Tree {
        let choice = self.choices.below(if depth == 0 { 2 } else { 9 });
        let inner = depth.saturating_sub(1);
        match choice {
            0 => atom(*pick(self.choices, FLOATS)),
            1 => self.path_or(&Ty::Float, FLOATS),
            2 => {
                let (left, right) = (self.number(inner), self.float(inner));
                self.joined(left, &[" + ", " - ", " * "], right)
            }
            3 => {
                let left = self.number(inner);
                let right = atom(*pick(self.choices, &["2", "4.0", "3", "-8", "0.1"]));
                self.joined(left, &[" / "], right)
            }
            4 => {
                let of = self.number(inner);
                let precision = *pick(self.choices, &["2", "1", "0", "-1", "5", "400"]);
                let method = *pick(self.choices, &["'ceil'", "'floor'"]);
                let arguments = vec![
                    (false, vec![format!("precision={precision}").into()]),
                    (false, vec![format!("method={method}").into()]),
                ];
                filtered(of, call("round", arguments))
            }
            5 => {
                let of = self.float(inner);
                filtered(of, vec!["abs".into()])
            }
            6 => {
                let of = atom(*pick(
                    self.choices,
                    &["'3.25'", "n", "'1e3'", "price", "' 7 '", "'nan'"],
                ));
                filtered(of, vec!["float".into()])
            }
            7 => {
                let (left, right) = (
                    self.float(inner),
                    atom(*pick(self.choices, &["2.5", "0.3", "7", "-2.0"])),
                );
                self.joined(left, &[" % ", " // ", " ** "], right)
            }
            _ => {
                let default = self.float(inner);
                self.with_default(default)
            }
        }
    }

    fn number(&mut self, depth: usize) -> Tree {
        if self.choices.chance(30) {
            self.float(depth)
        } else {
            self.int(depth)
        }
    }

    pub(super) fn string(&mut self, depth: usize) -> Tree {
        let choice = self.choices.below(if depth == 0 { 3 } else { 15 });
        let inner = depth.saturating_sub(1);
        match choice {
            0 => atom(*pick(self.choices, LITERALS)),
            1 | 2 => self.path_or(&Ty::Text, LITERALS),
            3 | 4 => {
                let mut parts = Vec::new();
                for at in 0..2 + self.choices.below(2) {
                    if at > 0 {
                        parts.push(" ~ ".into());
                    }
                    let operand = match self.choices.below(3) {
                        0 => self.string(inner),
                        1 => self.int(inner),
                        _ => self.any(inner).0,
                    };
                    parts.push(Part::Operand(operand));
                }
                expr(parts)
            }
            5..=8 => {
                let of = self.string(inner);
                let filter = self.text_filter();
                filtered(of, filter)
            }
            9 => {
                let (then, otherwise) = (self.string(inner), self.string(inner));
                self.ternary(then, otherwise, inner)
            }
            10 => {
                let (of, _) = self.list(&Ty::Any, inner);
                let separator = *pick(self.choices, SEPARATORS);
                filtered(
                    of,
                    call("join", vec![(false, vec![format!("sep={separator}").into()])]),
                )
            }
            11 => {
                let (of, _) = self.any(inner);
                filtered(of, vec!["str".into()])
            }
            12 => {
                let of = self.string(inner);
                let slice = *pick(
                    self.choices,
                    &["[1:]", "[:3]", "[::-1]", "[-2:]", "[1:4:2]", "[:]", "[:-1]"],
                );
                expr(vec![Part::Operand(of), slice.into()])
            }
            13 => {
                let of = self.int(inner);
                let arguments = vec![
                    (false, vec!["singular='y'".into()]),
                    (false, vec!["plural='ies'".into()]),
                ];
                filtered(of, call("pluralize", arguments))
            }
            _ => {
                let default = self.string(inner);
                self.with_default(default)
            }
        }
    }

    /// A filter from text to text.
    pub(super) fn text_filter(&mut self) -> Vec<Part> {
        let choice = self.choices.below(18);
        let simple = |name: &str| vec![name.into()];
        let plain = self.plain;
        let choices = &mut *self.choices;
        match choice {
            0 => simple("upper"),
            1 => simple("lower"),
            2 => simple("trim"),
            3 => simple("title"),
            4 => simple("capitalize"),
            5 => {
                let from = *pick(choices, &["'a'", "''", "' '", "'\\n'", "t", "'ab'", "\"é\""]);
                let to = *pick(choices, &["'b'", "''", "'$1'", "'\\\\n'", "t", "'<>'"]);
                call(
                    "replace",
                    vec![
                        (true, vec![format!("from={from}").into()]),
                        (true, vec![format!("to={to}").into()]),
                    ],
                )
            }
            6 | 7 => {
                let length = *pick(choices, &["3", "0", "10", "100", "1"]);
                let end = *pick(choices, &["'...'", "''", "'[…]'", "t"]);
                call(
                    "truncate",
                    vec![
                        (true, vec![format!("length={length}").into()]),
                        (false, vec![format!("end={end}").into()]),
                    ],
                )
            }
            8 | 9 => {
                let width = *pick(choices, &["2", "0", "4", "1"]);
                call(
                    "indent",
                    vec![
                        (false, vec![format!("width={width}").into()]),
                        (false, vec!["first=true".into()]),
                        (false, vec!["blank=true".into()]),
                        (false, vec!["indentation='>'".into()]),
                    ],
                )
            }
            10 if !plain => simple("escape"),
            10 | 11 => simple("escape_html"),
            12 => simple("escape_xml"),
            13 => simple("newlines_to_br"),
            14 => simple("safe"),
            15 => call("trim", vec![(false, vec!["pat='a'".into()])]),
            16 => call("trim_start", vec![(false, vec!["pat='{'".into()])]),
            _ => call("trim_end", vec![(false, vec!["pat='\\n'".into()])]),
        }
    }

    pub(super) fn truth(&mut self, depth: usize) -> Tree {
        let choice = self.choices.below(if depth == 0 { 3 } else { 15 });
        let inner = depth.saturating_sub(1);
        match choice {
            0 => atom(*pick(self.choices, &["true", "false"])),
            1 => self.path_or(&Ty::Bool, &["flag"]),
            2 if self.open_loops > 0 => atom(*pick(self.choices, &["loop.first", "loop.last"])),
            3 | 4 => {
                let (left, right) = (self.number(inner), self.number(inner));
                self.joined(left, &[" < ", " == ", " <= ", " > ", " >= ", " != "], right)
            }
            5 => {
                let (left, right) = (self.string(inner), self.string(inner));
                self.joined(left, &[" == ", " != ", " < ", " >= "], right)
            }
            6 => {
                let (left, right) = (self.any(inner).0, self.any(inner).0);
                self.joined(left, &[" == ", " != "], right)
            }
            7 => {
                let (left, right) = (self.condition(inner), self.condition(inner));
                self.joined(left, &[" and ", " or "], right)
            }
            8 => {
                let of = self.condition(inner);
                expr(vec!["not ".into(), Part::Operand(of)])
            }
            9 => {
                let op = &[" in ", " not in "];
                match self.choices.below(3) {
                    0 => {
                        let (list, of) = self.list(&Ty::Any, inner);
                        let item = match of {
                            Ty::Any => self.any(0).0,
                            of => self.of(&of, 0),
                        };
                        self.joined(item, op, list)
                    }
                    1 => {
                        let (part, text) = (self.string(0), self.string(inner));
                        self.joined(part, op, text)
                    }
                    _ => {
                        let key = atom(*pick(self.choices, &["'name'", "'k'", "t", "'nope'", "1"]));
                        let (map, _) = self.map(inner);
                        self.joined(key, op, map)
                    }
                }
            }
            10 => {
                let of = self.nowhere();
                let test = *pick(self.choices, &[" is defined", " is undefined", " is not defined"]);
                expr(vec![Part::Operand(of), test.into()])
            }
            11 => {
                let (of, _) = self.any(inner);
                let not = if self.choices.chance(25) { "not " } else { "" };
                expr(vec![
                    Part::Operand(of),
                    format!(" is {not}{}", pick(self.choices, TESTS)).into(),
                ])
            }
            12 => {
                let of = self.int(inner);
                let test = *pick(
                    self.choices,
                    &[
                        "odd",
                        "even",
                        "divisible_by(divisor=3)",
                        "not even",
                        "divisible_by(divisor=0)",
                    ],
                );
                expr(vec![Part::Operand(of), format!(" is {test}").into()])
            }
            13 => {
                let of = match self.choices.below(3) {
                    0 => self.list(&Ty::Any, inner).0,
                    _ => self.string(inner),
                };
                let test = *pick(self.choices, &["containing(pat='a')", "containing(pat=t)"]);
                expr(vec![Part::Operand(of), format!(" is {test}").into()])
            }
            14 => {
                let of = self.string(inner);
                let test = *pick(
                    self.choices,
                    &[
                        "starting_with(pat='a')",
                        "ending_with(pat=t)",
                        "starting_with(pat='')",
                    ],
                );
                expr(vec![Part::Operand(of), format!(" is {test}").into()])
            }
            _ => self.path_or(&Ty::Bool, &["true", "false"]),
        }
    }

    /// What `if` takes: anything.
    pub(super) fn condition(&mut self, depth: usize) -> Tree {
        if self.choices.chance(25) {
            self.any(depth).0
        } else {
            self.truth(depth)
        }
    }

    /// A list of such elements, and what they are.
    pub(super) fn list(&mut self, of: &Ty, depth: usize) -> (Tree, Ty) {
        let wanted = Ty::list(of.clone());
        let choice = self.choices.below(if depth == 0 { 4 } else { 14 });
        let inner = depth.saturating_sub(1);
        match choice {
            0..=3 => match self.path(&wanted) {
                Some((path, Ty::List(of, _))) => (path, (*of).clone()),
                _ => self.literal_list(of),
            },
            4 => self.literal_list(of),
            5 => {
                let (list, of) = self.list(of, inner);
                let filter = if matches!(of, Ty::Int | Ty::Text | Ty::Float | Ty::Bool) {
                    *pick(self.choices, &["sort", "reverse", "unique"])
                } else {
                    *pick(self.choices, &["reverse", "unique"])
                };
                (filtered(list, vec![filter.into()]), of)
            }
            6 => {
                let (list, of) = self.list(of, inner);
                let slice = *pick(
                    self.choices,
                    &[
                        "[1:]", "[:2]", "[::-1]", "[-2:]", "[-5:]", "[::2]", "[1:1]", "[n:]", "[:n]",
                    ],
                );
                (expr(vec![Part::Operand(list), slice.into()]), of)
            }
            7 if Ty::Text.fits(of) => {
                let text = self.string(inner);
                let pat = *pick(self.choices, &["','", "' '", "''", "'\\n'", "t"]);
                (
                    filtered(
                        text,
                        call("split", vec![(true, vec![format!("pat={pat}").into()])]),
                    ),
                    Ty::Text,
                )
            }
            8 if Ty::Text.fits(of) => {
                let (map, _) = self.map(inner);
                (filtered(map, vec!["keys".into()]), Ty::Text)
            }
            9 if *of == Ty::Any => {
                let (map, _) = self.map(inner);
                let filter = *pick(
                    self.choices,
                    if self.plain {
                        &["values"]
                    } else {
                        &["values", "pairs"]
                    },
                );
                (filtered(map, vec![filter.into()]), Ty::Any)
            }
            10 if Ty::Int.fits(of) => {
                let range = match self.choices.below(5) {
                    0 => "range(end=3)".to_owned(),
                    1 => "range(start=1, end=4)".to_owned(),
                    2 => "range(start=5, end=0, step_by=-2)".to_owned(),
                    3 => "range(end=nums | length)".to_owned(),
                    _ => "range(start=2, end=9, step_by=3)".to_owned(),
                };
                (atom(range), Ty::Int)
            }
            11 if self.loops < 3 && !self.plain => self.comprehension(of, inner),
            12 if !self.plain => {
                let (list, of) = self.list(of, inner);
                let item = self.of(&of, 0);
                (
                    Tree::new(
                        Kind::Atom,
                        vec![
                            "[...".into(),
                            list.into(),
                            optional(vec![", ".into(), item.into()]),
                            "]".into(),
                        ],
                    ),
                    of,
                )
            }
            13 if *of == Ty::Any || matches!(of, Ty::Map(_)) => {
                match self.path(&Ty::list(Ty::Map(Rc::default()))) {
                    Some((path, Ty::List(fields, _))) => {
                        let Ty::Map(names) = &*fields else {
                            return (path, Ty::Any);
                        };
                        let sortable: Vec<&String> = names
                            .iter()
                            .filter(|(_, ty)| matches!(ty, Ty::Int | Ty::Text | Ty::Float | Ty::Bool))
                            .map(|(name, _)| name)
                            .filter(|name| !name.contains('.'))
                            .collect();
                        if sortable.is_empty() {
                            return (path, (*fields).clone());
                        }
                        let name = (*pick(self.choices, &sortable)).clone();
                        let sort = call(
                            "sort",
                            vec![(true, vec![format!("attribute={}", quoted(&name)).into()])],
                        );
                        (filtered(path, sort), (*fields).clone())
                    }
                    _ => self.literal_list(of),
                }
            }
            _ => {
                let (list, of) = self.literal_list(of);
                (self.with_default(list), of)
            }
        }
    }

    fn literal_list(&mut self, of: &Ty) -> (Tree, Ty) {
        let of = if *of == Ty::Any {
            pick(self.choices, &[Ty::Int, Ty::Text, Ty::Any]).clone()
        } else {
            of.clone()
        };
        let mut parts: Vec<Part> = vec!["[".into()];
        for _ in 0..self.choices.below(4) {
            let item = if matches!(of, Ty::List(..)) {
                atom("[]")
            } else if of == Ty::Any {
                atom(*pick(
                    self.choices,
                    &["1", "'a'", "none", "true", "0.5", "t", "n", "user"],
                ))
            } else {
                self.of(&of, 0)
            };
            parts.push(optional(vec![item.into(), ", ".into()]));
        }
        parts.push("]".into());
        (Tree::new(Kind::Atom, parts), of)
    }

    fn comprehension(&mut self, of: &Ty, depth: usize) -> (Tree, Ty) {
        let (list, element) = self.list(&Ty::Any, depth);
        let name = *pick(self.choices, super::NAMES);
        let mark = self.vars.len();
        self.vars.push(Var {
            name: name.to_owned(),
            ty: element,
            sure: true,
            global: false,
        });
        self.loops += 1;
        let (item, ty) = if *of == Ty::Any {
            self.any(depth)
        } else {
            (self.of(of, depth), of.clone())
        };
        let condition = self.truth(depth.min(1));
        self.loops -= 1;
        self.vars.truncate(mark);
        let parts = vec![
            "[".into(),
            Part::Operand(item),
            format!(" for {name} in ").into(),
            Part::Operand(list),
            optional(vec![" if ".into(), Part::Operand(condition)]),
            "]".into(),
        ];
        (Tree::new(Kind::Atom, parts), ty)
    }

    pub(super) fn map(&mut self, depth: usize) -> (Tree, Ty) {
        let wanted = Ty::Map(Rc::default());
        let choice = match self.choices.below(if depth == 0 { 2 } else { 6 }) {
            3 | 4 if self.plain => 0,
            choice => choice,
        };
        let inner = depth.saturating_sub(1);
        match choice {
            0..=2 => match self.path(&wanted) {
                Some(found) => found,
                None => (atom("user"), wanted),
            },
            3 => {
                let (value, ty) = self.any(inner);
                let key = *pick(self.choices, &["k", "name", "with space"]);
                let fields = Rc::new(vec![(key.to_owned(), ty)]);
                let spread = self
                    .choices
                    .chance(30)
                    .then(|| optional(vec!["...user, ".into()]));
                let mut parts: Vec<Part> = vec!["{".into()];
                parts.extend(spread);
                parts.extend([format!("'{key}': ").into(), Part::Operand(value), " }".into()]);
                (Tree::new(Kind::Atom, parts), Ty::Map(fields))
            }
            4 => match self.path(&Ty::list(Ty::Map(Rc::default()))) {
                Some((path, Ty::List(fields, _))) => {
                    let names: Vec<String> = match &*fields {
                        Ty::Map(names) => names
                            .iter()
                            .filter(|(name, ty)| {
                                matches!(ty, Ty::Int | Ty::Text | Ty::Bool) && !name.contains('.')
                            })
                            .map(|(name, _)| name.clone())
                            .collect(),
                        _ => Vec::new(),
                    };
                    if names.is_empty() {
                        return (atom("user"), wanted);
                    }
                    let name = pick(self.choices, &names).clone();
                    let group = call(
                        "group_by",
                        vec![(true, vec![format!("attribute={}", quoted(&name)).into()])],
                    );
                    (filtered(path, group), wanted)
                }
                _ => (atom("user"), wanted),
            },
            _ => (self.with_default(atom("user")), wanted),
        }
    }

    /// An expression of any type, and which.
    pub(super) fn any(&mut self, depth: usize) -> (Tree, Ty) {
        match self.choices.below(12) {
            11 => {
                let (map, _) = self.map(depth.saturating_sub(1));
                let key = *pick(self.choices, &["'name'", "'nope'", "t"]);
                let default = self.any(0).0;
                let arguments = vec![
                    (true, vec![format!("key={key}").into()]),
                    (true, vec!["default=".into(), default.into()]),
                ];
                (filtered(map, call("get", arguments)), Ty::Any)
            }
            0..=3 => match self.path(&Ty::Any) {
                Some(found) => found,
                None => (atom("1"), Ty::Int),
            },
            4 => (self.int(depth), Ty::Int),
            5 => (self.string(depth), Ty::Text),
            6 => (self.truth(depth), Ty::Bool),
            7 => (self.float(depth), Ty::Float),
            8 => {
                let (list, of) = self.list(&Ty::Any, depth);
                (list, Ty::list(of))
            }
            9 => self.map(depth),
            _ => {
                // What is taken from a list, or none where it is empty.
                let (list, _) = self.list(&Ty::Any, depth.saturating_sub(1));
                let filter = *pick(self.choices, &["first", "last", "nth(n=1)"]);
                (filtered(list, vec![filter.into()]), Ty::Any)
            }
        }
    }
}
