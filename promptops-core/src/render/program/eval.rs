//! Evaluating expressions.

use std::cmp::Ordering;

use super::access;
use super::budget::{Fault, Faulty};
use super::code::{At, Attribute, Call, Checked, Expr, Filtered, Index, Kind, Slice};
use super::compare::{contains, equal, order};
use super::filters::Filter;
use super::number::{Side, arithmetic, negate};
use super::print::{Scratch, print};
use super::range::range;
use super::run::{Outcome, Run, find};
use super::value::{MAX_DEPTH, Val};
use crate::template::{BinaryOp, LoopField};

impl<'a> Run<'a> {
    /// The value of an expression; undefined only where it is not needed.
    pub(super) fn eval(&mut self, expr: &'a Expr) -> Outcome<Val<'a>> {
        self.step()?;
        let value = match &expr.kind {
            Kind::Text(text) => Val::Str(self.program.text(*text)),
            Kind::Int(value) => Val::Int((*value).into()),
            Kind::Float(value) => Val::Float(*value),
            Kind::Bool(value) => Val::Bool(*value),
            Kind::None => Val::None,
            Kind::Name(place) => find(&self.values, self.base, place)
                .cloned()
                .unwrap_or(Val::Undefined),
            Kind::Loop(field, counters) => self.counter(*field, *counters),
            Kind::Attribute(attribute) => self.attribute(attribute)?,
            Kind::Index(index) => self.index(index)?,
            Kind::Slice(slice) => self.slice(slice, expr.at)?,
            Kind::List(items) => self.list(items, expr.at)?,
            Kind::Filter(filtered) => self.filter(filtered)?,
            Kind::Check(checked) => Val::Bool(self.check(checked)?),
            Kind::Ternary(ternary) => {
                if self.eval(&ternary.condition)?.is_truthy() {
                    self.eval(&ternary.then)?
                } else {
                    self.eval(&ternary.otherwise)?
                }
            }
            Kind::Not(operand) => Val::Bool(!self.eval(operand)?.is_truthy()),
            Kind::Negate(operand) => {
                let value = self.eval(operand)?;
                negate(&value).map_err(|fault| self.failure(fault, Some(operand.at)))?
            }
            Kind::And(pair) => {
                let left = self.eval(&pair.0)?;
                if left.is_truthy() {
                    self.eval(&pair.1)?
                } else {
                    left
                }
            }
            Kind::Or(pair) => {
                let left = self.eval(&pair.0)?;
                if left.is_truthy() {
                    left
                } else {
                    self.eval(&pair.1)?
                }
            }
            Kind::Equal(pair) => Val::Bool(self.equal(pair)?),
            Kind::NotEqual(pair) => Val::Bool(!self.equal(pair)?),
            Kind::Order(op, pair) => Val::Bool(self.order(*op, pair, expr.at)?),
            Kind::In(pair) => Val::Bool(self.contains(pair)?),
            Kind::NotIn(pair) => Val::Bool(!self.contains(pair)?),
            Kind::Arithmetic(op, pair) => self.arithmetic(*op, pair, expr.at)?,
            Kind::Concat(operands) => self.concat(operands)?,
            Kind::Range(parts) => self.range(parts, expr.at)?,
        };
        if expr.needed && value.is_undefined() {
            return self.fail(Fault::Missing, expr.at);
        }
        Ok(value)
    }

    fn place<T>(&self, result: Faulty<T>, at: At) -> Outcome<T> {
        result.map_err(|fault| self.failure(fault, Some(at)))
    }

    fn counter(&self, field: LoopField, counters: u32) -> Val<'a> {
        let at = self.base + counters as usize;
        let counter = |at: usize| match self.values.get(at) {
            Some(Some(Val::Int(value))) => *value,
            _ => 0,
        };
        let (index, length) = (counter(at), counter(at + 1));
        match field {
            LoopField::Index => Val::Int(index + 1),
            LoopField::Index0 => Val::Int(index),
            LoopField::First => Val::Bool(index == 0),
            LoopField::Last => Val::Bool(index + 1 == length),
            LoopField::Length => Val::Int(length),
        }
    }

    #[inline]
    fn attribute(&mut self, attribute: &'a Attribute) -> Outcome<Val<'a>> {
        let name = self.program.text(attribute.name);
        let object = match &attribute.object.kind {
            // Nearly always, and not cloned.
            Kind::Name(place) if !attribute.object.needed => {
                self.step()?;
                match find(&self.values, self.base, place) {
                    Some(Val::Undefined) | None => Val::Undefined,
                    Some(object) => {
                        return match object.attribute(name, &mut self.out.budget) {
                            Ok(found) => Ok(found.unwrap_or(Val::Undefined)),
                            Err(fault) => Err(self.failure(fault, Some(attribute.object.at))),
                        };
                    }
                }
            }
            _ => self.eval(&attribute.object)?,
        };
        if object.is_undefined() && !attribute.optional {
            return self.fail(Fault::Missing, attribute.object.at);
        }
        let found = object.attribute(name, &mut self.out.budget);
        Ok(self.place(found, attribute.object.at)?.unwrap_or(Val::Undefined))
    }

    #[inline(never)]
    fn index(&mut self, index: &'a Index) -> Outcome<Val<'a>> {
        let object = self.eval(&index.object)?;
        let place = self.eval(&index.index)?;
        if index.optional && matches!(object, Val::Undefined | Val::None) {
            return Ok(Val::Undefined);
        }
        if object.is_undefined() {
            return self.fail(Fault::Missing, index.object.at);
        }
        let item = access::item(&object, &place, &mut self.out.budget);
        self.place(item, index.index.at)
    }

    #[inline(never)]
    fn slice(&mut self, slice: &'a Slice, at: At) -> Outcome<Val<'a>> {
        let object = self.eval(&slice.object)?;
        let mut parts = [None; 3];
        let mut wrong = None;
        for ((written, part), name) in slice.parts.iter().zip(&mut parts).zip(["start", "end", "step"]) {
            let Some(written) = written else { continue };
            *part = match self.eval(written)? {
                Val::Int(value) => Some(value),
                Val::None => None,
                value => {
                    wrong = wrong.or(Some((name, value.type_name(), written.at)));
                    None
                }
            };
        }
        if slice.optional && matches!(object, Val::Undefined | Val::None) {
            return Ok(Val::Undefined);
        }
        if object.is_undefined() {
            return self.fail(Fault::Missing, slice.object.at);
        }
        if let Some((name, found, at)) = wrong {
            let what = format!("Slice {name} must be an integer, got `{found}`");
            return self.fail(Fault::Input(what.into()), at);
        }
        let [start, end, step] = parts;
        let sliced = access::slice(&object, start, end, step, &mut self.out.budget);
        self.place(
            sliced,
            At {
                end: slice.object.at.end,
                ..at
            },
        )
    }

    #[inline(never)]
    fn list(&mut self, items: &'a [Expr], at: At) -> Outcome<Val<'a>> {
        let paid = self.out.budget.make_list(items.len());
        self.place(paid, at)?;
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            let item = self.eval(item)?;
            if item.made_depth() >= MAX_DEPTH {
                return self.fail(Fault::Depth, at);
            }
            list.push(item);
        }
        Ok(Val::list(list))
    }

    #[inline(never)]
    fn filter(&mut self, filtered: &'a Filtered) -> Outcome<Val<'a>> {
        let input = self.eval(&filtered.input)?;
        self.apply(input, &filtered.call, filtered.input.at)
    }

    /// Applies a filter to a value from this place.
    pub(super) fn apply(&mut self, input: Val<'a>, call: &'a Call, at: At) -> Outcome<Val<'a>> {
        let mut arguments = [const { None }; 4];
        for (place, argument) in &call.arguments {
            let value = self.eval(argument)?;
            if let Some(slot) = arguments.get_mut(usize::from(*place)) {
                *slot = Some(value);
            }
        }
        if input.is_undefined() && call.filter != Filter::Default {
            return self.fail(Fault::Missing, at);
        }
        let result = call.filter.apply(input, arguments, &mut self.out.budget);
        result.map_err(|fault| {
            let at = if matches!(fault, Fault::Call(_)) {
                call.at
            } else {
                at
            };
            self.failure(fault, Some(at))
        })
    }

    #[inline(never)]
    fn check(&mut self, checked: &'a Checked) -> Outcome<bool> {
        let input = self.eval(&checked.input)?;
        let argument = match &checked.argument {
            Some(argument) => Some(self.eval(argument)?),
            None => None,
        };
        let holds = checked
            .check
            .holds(&input, argument.as_ref(), &mut self.out.budget);
        let holds = holds.map_err(|fault| {
            let at = if matches!(fault, Fault::Call(_)) {
                checked.at
            } else {
                checked.input.at
            };
            self.failure(fault, Some(at))
        })?;
        Ok(holds != checked.negated)
    }

    fn both(&mut self, pair: &'a (Expr, Expr)) -> Outcome<(Val<'a>, Val<'a>)> {
        Ok((self.eval(&pair.0)?, self.eval(&pair.1)?))
    }

    #[inline(never)]
    fn equal(&mut self, pair: &'a (Expr, Expr)) -> Outcome<bool> {
        let (left, right) = self.both(pair)?;
        let equal = equal(&left, &right, &mut self.out.budget);
        self.place(equal, pair.0.at)
    }

    #[inline(never)]
    fn order(&mut self, op: BinaryOp, pair: &'a (Expr, Expr), at: At) -> Outcome<bool> {
        let (left, right) = self.both(pair)?;
        let found = order(&left, &right, &mut self.out.budget);
        let Some(found) = self.place(found, at)? else {
            let what = format!(
                "Cannot compare `{}` with `{}`",
                left.type_name(),
                right.type_name()
            );
            return self.fail(Fault::Input(what.into()), at);
        };
        Ok(match op {
            BinaryOp::Less => found == Ordering::Less,
            BinaryOp::LessOrEqual => found != Ordering::Greater,
            BinaryOp::Greater => found == Ordering::Greater,
            _ => found != Ordering::Less,
        })
    }

    #[inline(never)]
    fn contains(&mut self, pair: &'a (Expr, Expr)) -> Outcome<bool> {
        let (needle, container) = self.both(pair)?;
        let contains = contains(&container, &needle, &mut self.out.budget);
        self.place(contains, pair.1.at)
    }

    #[inline(never)]
    fn arithmetic(&mut self, op: BinaryOp, pair: &'a (Expr, Expr), at: At) -> Outcome<Val<'a>> {
        let (left, right) = self.both(pair)?;
        arithmetic(op, &left, &right).map_err(|(side, fault)| {
            let at = match side {
                Side::Left => pair.0.at,
                Side::Right => pair.1.at,
                Side::Both => at,
            };
            self.failure(fault, Some(at))
        })
    }

    #[inline(never)]
    fn concat(&mut self, operands: &'a [Expr]) -> Outcome<Val<'a>> {
        let mut text = String::new();
        for operand in operands {
            let value = self.eval(operand)?;
            let mut scratch = Scratch::onto(text, &mut self.out.budget);
            let printed = print(&value, &mut scratch);
            text = scratch.text;
            self.place(printed, operand.at)?;
        }
        Ok(Val::text(text))
    }

    #[inline(never)]
    fn range(&mut self, parts: &'a [Option<Expr>; 3], at: At) -> Outcome<Val<'a>> {
        let mut values = [const { None }; 3];
        for (written, value) in parts.iter().zip(&mut values) {
            if let Some(written) = written {
                *value = Some(self.eval(written)?);
            }
        }
        let [end, start, step] = values;
        self.place(range(end, start, step), at)
    }
}
