use super::budget::{Fault, Faulty};
use super::value::Val;
use crate::template::BinaryOp;
pub(super) enum Side {
    Left,
    Right,
    Both,
}
pub(super) fn arithmetic(_: BinaryOp, _: &Val<'_>, _: &Val<'_>) -> Result<Val<'static>, (Side, Fault)> {
    Ok(Val::None)
}
pub(super) fn negate(_: &Val<'_>) -> Faulty<Val<'static>> {
    Ok(Val::None)
}
