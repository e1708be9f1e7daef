use super::budget::{Budget, Faulty};
use super::value::Val;
pub(super) fn item<'a>(_: &Val<'a>, _: &Val<'_>, _: &mut Budget) -> Faulty<Val<'a>> {
    Ok(Val::Undefined)
}
pub(super) fn slice<'a>(
    _: &Val<'a>,
    _: Option<i128>,
    _: Option<i128>,
    _: Option<i128>,
    _: &mut Budget,
) -> Faulty<Val<'a>> {
    Ok(Val::Undefined)
}
