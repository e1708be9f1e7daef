//! The queue alone: generated operations, and the counts after each.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::super::queue::{Chunk, State, Step, Waited};
use super::*;

#[derive(Debug, Clone)]
enum Operation {
    Push(usize),
    Take,
    PutBack,
    Settle(bool),
    Hurry,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (0usize..30).prop_map(Operation::Push),
        2 => Just(Operation::Take),
        1 => Just(Operation::PutBack),
        2 => any::<bool>().prop_map(Operation::Settle),
        1 => Just(Operation::Hurry),
    ]
}

proptest! {
    #[test]
    fn counts_agree_and_order_holds_whatever_happens(
        operations in prop::collection::vec(operation(), 1..200),
        batch in 1usize..8,
        max_batch in 1usize..20,
        batch_bytes in 1usize..80,
    ) {
        let limits = RecordingSettings { capacity: 40, max_bytes: 100, batch, max_batch, batch_bytes, ..settings() }.clamped();
        let mut state: State<(u64, usize)> = State::new(limits);
        let mut model: VecDeque<(u64, usize)> = VecDeque::new();
        let mut with_writer: Option<Chunk<(u64, usize)>> = None;
        let mut next = 0;
        for operation in operations {
            match operation {
                Operation::Push(weight) => {
                    let bytes: usize = model.iter().map(|(_, weight)| weight).sum();
                    let has_room = model.len() < 40 && bytes + weight <= 100;
                    prop_assert_eq!(state.refusal(weight).is_none(), has_room);
                    if has_room {
                        model.push_back((next, weight));
                        state.push((next, weight), weight, None);
                        next += 1;
                    } else {
                        state.count_dropped();
                    }
                }
                Operation::Take if with_writer.is_none() => {
                    if let Step::Write(chunks) = state.step(Waited::Enough) {
                        let taken = Chunk::merged(chunks);
                        prop_assert!(taken.items.iter().eq(model.iter().take(taken.items.len())));
                        prop_assert!(taken.items.len() == 1 || taken.bytes <= limits.batch_bytes);
                        prop_assert!(taken.items.len() <= limits.max_batch);
                        prop_assert!(!taken.items.is_empty());
                        with_writer = Some(taken);
                    } else {
                        prop_assert!(model.is_empty());
                    }
                }
                Operation::Settle(is_well) => if let Some(chunk) = with_writer.take() {
                    let result = match is_well {
                        true => Ok(Verdict::Written),
                        false => Err(Error::new(ErrorKind::Backend, "as told")),
                    };
                    state.settle(&chunk, &vec![result; chunk.items.len()]);
                    model.drain(..chunk.items.len());
                },
                Operation::PutBack => if let Some(mut chunk) = with_writer.take() {
                    chunk.was_tried = true;
                    state.put_back(chunk);
                },
                Operation::Hurry => drop(state.hurry()),
                Operation::Take => {}
            }
            let stats = state.stats();
            assert_balanced(&stats);
            prop_assert_eq!(stats.queued, model.len() as u64);
            prop_assert_eq!(stats.queued_bytes as usize, model.iter().map(|(_, weight)| weight).sum::<usize>());
        }
        let left = state.end();
        let in_hand = with_writer.map_or(0, |chunk| chunk.items.len());
        prop_assert_eq!(left.iter().map(|chunk| chunk.items.len()).sum::<usize>() + in_hand, model.len());
        let stats = state.stats();
        prop_assert_eq!(stats.queued, 0);
        assert_balanced(&stats);
    }
}
