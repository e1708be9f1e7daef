//! `unique`: every element that is equal to none before it.
//!
//! Elements are put together by a hash that is the same for equal ones, so that only those are compared, and a list
//! costs what reading it does. The hash has a random key, which shows in nothing but time.

use std::hash::{BuildHasher as _, Hasher, RandomState};

use crate::render::program::arguments::{list, whole};
use crate::render::program::budget::{Budget, Fault, Faulty};
use crate::render::program::compare::equal;
use crate::render::program::value::{MAX_DEPTH, Val};

pub(super) fn unique<'a>(input: &Val<'a>, budget: &mut Budget) -> Faulty<Val<'a>> {
    let list = list(input)?;
    budget.make_list(list.len())?;
    budget.make(list.len().saturating_mul(size_of::<(u64, usize)>()))?;
    let state = RandomState::new();
    let mut items = Vec::with_capacity(list.len());
    let mut hashes = Vec::with_capacity(list.len());
    for (i, item) in list.iter().enumerate() {
        hashes.push((hash_of(&item, &state, 0, budget)?, i));
        items.push(Some(item));
    }
    hashes.sort_unstable();
    for alike in hashes.chunk_by(|left, right| left.0 == right.0) {
        let mut kept: Vec<Val<'a>> = Vec::new();
        for (_, i) in alike {
            let Some(slot) = items.get_mut(*i) else { continue };
            let Some(item) = slot else { continue };
            if is_among(item, &kept, budget)? {
                *slot = None;
            } else if alike.len() > 1 {
                kept.push(item.clone());
            }
        }
    }
    Ok(Val::list(items.into_iter().flatten().collect()))
}

fn is_among(item: &Val<'_>, kept: &[Val<'_>], budget: &mut Budget) -> Faulty<bool> {
    for before in kept {
        budget.step(1)?;
        if equal(before, item, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn hash_of(value: &Val<'_>, state: &RandomState, depth: usize, budget: &mut Budget) -> Faulty<u64> {
    let mut hasher = state.build_hasher();
    hash(value, state, &mut hasher, depth, budget)?;
    Ok(hasher.finish())
}

fn hash(
    value: &Val<'_>,
    state: &RandomState,
    hasher: &mut impl Hasher,
    depth: usize,
    budget: &mut Budget,
) -> Faulty<()> {
    if depth > MAX_DEPTH {
        return Err(Fault::Depth);
    }
    if let Some(text) = value.as_str() {
        budget.read(text.len())?;
        hasher.write_u8(1);
        hasher.write(text.as_bytes());
        hasher.write_u8(0xff);
        return Ok(());
    }
    budget.step(1)?;
    match value {
        Val::Bool(value) => hasher.write_u8(if *value { 2 } else { 3 }),
        Val::Int(value) => integer(*value, hasher),
        Val::Huge(value) => huge(*value, hasher),
        Val::Float(value) => match whole(*value) {
            Some(value) => integer(value, hasher),
            None if value.is_nan() => hasher.write_u8(4),
            None if value.fract() == 0.0 && (0.0..u128::MAX as f64).contains(value) => {
                huge(*value as u128, hasher);
            }
            None => hasher.write_u64(value.to_bits()),
        },
        Val::List(list) => {
            hasher.write_usize(list.len());
            for item in list.iter() {
                hash(&item, state, hasher, depth + 1, budget)?;
            }
        }
        Val::Map(map) => {
            // The same in whatever order.
            let mut entries = 0_u64;
            for (key, value) in map.iter() {
                let mut entry = state.build_hasher();
                hash(&Val::from(key), state, &mut entry, depth + 1, budget)?;
                hash(&value, state, &mut entry, depth + 1, budget)?;
                entries = entries.wrapping_add(entry.finish());
            }
            hasher.write_usize(map.len());
            hasher.write_u64(entries);
        }
        _ => hasher.write_u8(0),
    }
    Ok(())
}

fn integer(value: i128, hasher: &mut impl Hasher) {
    hasher.write_u8(5);
    hasher.write_i128(value);
}

fn huge(value: u128, hasher: &mut impl Hasher) {
    hasher.write_u8(6);
    hasher.write_u128(value);
}
