//! Parameters three ways, held against what Tera and JSON make of the same values.

mod bounds;
mod building;
mod capturing;
mod same;

use serde::Serialize;

use super::*;
use crate::render::program::value::{Val, printed};

/// All of the entries.
fn all(_: &str) -> bool {
    true
}

fn captured<T: Serialize + ?Sized>(value: &T) -> Captured {
    Captured::of(value, &all).unwrap()
}

/// What is printed of a value that is captured whole.
fn print_captured<T: Serialize + ?Sized>(value: &T) -> String {
    printed(&Captured::whole(value).unwrap().value())
}

/// What Tera prints of it.
fn print_tera<T: Serialize + ?Sized>(value: &T) -> String {
    tera::Value::try_from_serializable(value).unwrap().to_string()
}

/// What is printed of the parameter of this name.
fn print_entry(map: &Map<'_>, name: &str) -> Option<String> {
    map.get_str(name).map(|value| printed(&value))
}

#[test]
fn values_stay_small() {
    assert_eq!(size_of::<Val<'_>>(), 32);
    assert_eq!(size_of::<Param<'_>>(), 32);
}
