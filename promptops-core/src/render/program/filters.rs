use super::budget::{Budget, Faulty};
use super::value::Val;
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter;
impl Filter {
    pub(super) fn of(_: &str) -> Option<Self> {
        None
    }
    pub(super) fn arguments(self) -> &'static [&'static str] {
        &[]
    }
    pub(super) fn apply<'a>(self, i: Val<'a>, _: [Option<Val<'a>>; 4], _: &mut Budget) -> Faulty<Val<'a>> {
        Ok(i)
    }
}
