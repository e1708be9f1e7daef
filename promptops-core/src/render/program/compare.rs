use super::budget::{Budget, Faulty};
use super::value::Val;
pub(super) fn equal(_: &Val<'_>, _: &Val<'_>, _: &mut Budget) -> Faulty<bool> {
    Ok(true)
}
pub(super) fn contains(_: &Val<'_>, _: &Val<'_>, _: &mut Budget) -> Faulty<bool> {
    Ok(true)
}
pub(super) fn order(_: &Val<'_>, _: &Val<'_>, _: &mut Budget) -> Faulty<Option<std::cmp::Ordering>> {
    Ok(None)
}
