//! Who works on which slot.

use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::improvement::SlotLease;

/// A lease is given when nobody has it, prolonged by who has it, and kept from others until it has run out.
pub async fn lease_is_given_prolonged_and_runs_out(harness: &dyn Harness) {
    let [here, there] = Desk::open_two(harness).await;
    let mine = here.lease("triage", "w-1", at(100));
    assert_eq!(here.take_lease(mine.clone(), at(0)).await, mine, "nobody had it");
    let theirs = there.lease("triage", "w-2", at(900));
    for now in [0, 50, 99] {
        let found = there.take_lease(theirs.clone(), at(now)).await;
        assert_eq!(found, mine, "it is another's at {now}");
    }
    let longer = here.lease("triage", "w-1", at(200));
    assert_eq!(here.take_lease(longer.clone(), at(50)).await, longer, "prolonged");
    assert_eq!(there.take_lease(theirs.clone(), at(199)).await, longer);
    // Whoever has it may also make it shorter, and take it again after its end.
    let shorter = here.lease("triage", "w-1", at(150));
    assert_eq!(here.take_lease(shorter.clone(), at(60)).await, shorter);
    let again = here.lease("triage", "w-1", at(300));
    assert_eq!(here.take_lease(again.clone(), at(290)).await, again);
    assert_eq!(there.take_lease(theirs.clone(), at(299)).await, again);
    assert_eq!(
        there.take_lease(theirs.clone(), at(300)).await,
        theirs,
        "it has run out to the microsecond"
    );
    assert_eq!(here.take_lease(again, at(300)).await, theirs);
    // It is remembered.
    let awkward = SlotLease {
        worker: "it's \"a\" n\u{e4}me \u{1f984} 100%\n".into(),
        until: timestamp(-1),
        ..there.lease("tone", "", at(0))
    };
    assert_eq!(here.take_lease(awkward.clone(), timestamp(-9)).await, awkward);
    let here = here.reopen(harness).await;
    assert_eq!(
        here.take_lease(here.lease("triage", "w-1", at(999)), at(899))
            .await,
        theirs
    );
    let other = here.lease("tone", "w-1", at(9));
    assert_eq!(here.take_lease(other.clone(), timestamp(-2)).await, awkward);
    assert_eq!(here.take_lease(other.clone(), timestamp(-1)).await, other);
}

/// A lease that is given back is anybody's; nobody gives back what another has.
pub async fn lease_is_given_back_by_who_has_it(harness: &dyn Harness) {
    let [here, there] = Desk::open_two(harness).await;
    let mine = here.lease("triage", "w-1", at(100));
    // There is nothing to give back.
    here.give_back(&mine).await;
    here.take_lease(mine.clone(), at(0)).await;
    let theirs = there.lease("triage", "w-2", at(100));
    for worker in ["w-2", "w-", "W-1", "w-1 ", ""] {
        there.give_back(&there.lease("triage", worker, at(100))).await;
    }
    assert_eq!(there.take_lease(theirs.clone(), at(0)).await, mine);
    // Whatever end it is thought to have.
    there.give_back(&there.lease("triage", "w-1", at(7))).await;
    assert_eq!(there.take_lease(theirs.clone(), at(0)).await, theirs);
    here.give_back(&mine).await;
    assert_eq!(
        here.take_lease(mine.clone(), at(0)).await,
        theirs,
        "it was not theirs any more"
    );
    there.give_back(&theirs).await;
    there.give_back(&theirs).await;
    assert_eq!(here.take_lease(mine.clone(), at(0)).await, mine);
}

/// Leases of other prompts, environments and tenants are others.
pub async fn leases_are_of_their_own_slot_and_tenant(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let mut given = Vec::new();
    for (n, desk) in [&desk, &desk.of("other"), &desk.of("Acme")]
        .into_iter()
        .enumerate()
    {
        for prompt in ["triage", "triage/short", "tria"] {
            for place in ["production", "staging"] {
                let lease = SlotLease {
                    environment: environment(place),
                    ..desk.lease(prompt, &format!("{n} {prompt} {place}"), at(100))
                };
                assert_eq!(desk.take_lease(lease.clone(), at(0)).await, lease);
                given.push((desk.clone(), lease));
            }
        }
    }
    let (desk, first) = given.remove(0);
    desk.give_back(&first).await;
    for (desk, lease) in given {
        let another = SlotLease {
            worker: "another".into(),
            ..lease.clone()
        };
        assert_eq!(desk.take_lease(another, at(0)).await, lease);
    }
}

/// Of many that ask at once for what nobody has, or for what has run out, exactly one gets it, and all are told who.
pub async fn racing_workers_get_one_lease(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..8 {
        let now = round * 100;
        let taken = race(8, |i| {
            let desk = desks[i % 2].clone();
            async move {
                let worker = format!("w-{i}");
                let until = at(now + 100 - i as i64);
                let lease = desk
                    .take_lease(desk.lease("triage", &worker, until), at(now))
                    .await;
                (lease.worker == worker, lease)
            }
        })
        .await;
        let won = taken.iter().filter(|(has_won, _)| *has_won).count();
        assert_eq!(won, 1, "{taken:?}");
        for (_, lease) in &taken {
            assert_eq!(lease, &taken[0].1);
        }
    }
}
