//! What may be spent on a day, and what was.

use chrono::NaiveDate;

use crate::conformance::Harness;
use crate::conformance::fixture::*;
use crate::improvement::{DailyBudget, Spending};
use crate::llm::Cost;

fn limits(calls: Option<u64>, tokens: Option<u64>, nano_usd: Option<u64>) -> DailyBudget {
    DailyBudget {
        calls,
        tokens,
        cost: nano_usd.map(Cost::from_nano_usd),
    }
}

/// What is set aside stays within each limit, and up to it; what would not stay within one changes nothing.
pub async fn spending_stays_within_each_limit(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let today = day(2026, 2, 28);
    assert_eq!(desk.spending(today).await, Spending::NONE);
    let all = limits(Some(10), Some(100), Some(1_000));
    // Also what is spent first.
    for over in [spent(11, 0, 0), spent(0, 101, 0), spent(0, 0, 1_001)] {
        assert_eq!(desk.reserve(today, over, &all).await, None, "{over:?}");
        assert_eq!(desk.spending(today).await, Spending::NONE);
    }
    let first = spent(4, 40, 400);
    assert_eq!(desk.reserve(today, first, &all).await, Some(first));
    for over in [
        spent(7, 0, 0),
        spent(0, 61, 0),
        spent(0, 0, 601),
        spent(7, 61, 601),
    ] {
        assert_eq!(desk.reserve(today, over, &all).await, None, "{over:?}");
        assert_eq!(desk.spending(today).await, first, "nothing changes");
    }
    let rest = spent(6, 60, 600);
    let most = spent(10, 100, 1_000);
    assert_eq!(
        desk.reserve(today, rest, &all).await,
        Some(most),
        "up to the limits"
    );
    assert_eq!(desk.reserve(today, Spending::NONE, &all).await, Some(most));
    // Limits that are below what is spent allow nothing more, not even nothing.
    let lower = limits(Some(9), None, None);
    assert_eq!(desk.reserve(today, Spending::NONE, &lower).await, None);
    // Without a limit there is none; each figure has its own.
    let calls = limits(Some(10), None, None);
    assert_eq!(desk.reserve(today, spent(1, 0, 0), &calls).await, None);
    let more = spent(10, 200, 1_000);
    assert_eq!(desk.reserve(today, spent(0, 100, 0), &calls).await, Some(more));
    let tokens = limits(None, Some(200), None);
    let more = spent(11, 200, 1_009);
    assert_eq!(desk.reserve(today, spent(1, 0, 9), &tokens).await, Some(more));
    let cost = limits(None, None, Some(1_009));
    let more = spent(12, 201, 1_009);
    assert_eq!(desk.reserve(today, spent(1, 1, 0), &cost).await, Some(more));
    assert_eq!(desk.reserve(today, spent(0, 0, 1), &cost).await, None);
    let none = limits(Some(0), Some(0), Some(0));
    assert_eq!(desk.reserve(today, Spending::NONE, &none).await, None);
    let another = Desk::open(harness).await;
    assert_eq!(
        another.spending(today).await,
        more,
        "another handle sees the same"
    );
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.spending(today).await, more);
}

/// What was set aside is replaced by what was spent, more or less of it; no figure falls below 0.
pub async fn settled_spending_is_what_was_spent(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let today = day(2026, 3, 1);
    let reserved = spent(10, 100, 1_000);
    desk.reserve(today, reserved, &DailyBudget::UNLIMITED)
        .await
        .unwrap();
    let less = spent(7, 70, 700);
    assert_eq!(desk.settle(today, reserved, less).await, less);
    assert_eq!(desk.spending(today).await, less);
    desk.reserve(today, spent(1, 1, 1), &DailyBudget::UNLIMITED)
        .await
        .unwrap();
    // More than was set aside, whatever the limits were.
    let more = spent(12, 271, 700);
    assert_eq!(desk.settle(today, spent(1, 1, 1), spent(5, 201, 0)).await, more);
    // Each figure by itself, what was spent before what was set aside.
    assert_eq!(
        desk.settle(today, spent(100, 1, 701), spent(90, 0, 0)).await,
        spent(2, 270, 0)
    );
    assert_eq!(
        desk.settle(today, spent(100, 271, u64::MAX), Spending::NONE)
            .await,
        Spending::NONE
    );
    assert_eq!(desk.spending(today).await, Spending::NONE);
    // On a day of which nothing is known as well.
    let unknown = day(2026, 3, 2);
    assert_eq!(
        desk.settle(unknown, reserved, spent(11, 0, 1_001)).await,
        spent(1, 0, 1)
    );
    assert_eq!(
        desk.settle(day(2026, 3, 3), reserved, Spending::NONE).await,
        Spending::NONE
    );
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.spending(unknown).await, spent(1, 0, 1));
}

/// Each day and each tenant has its own.
pub async fn days_and_tenants_spend_apart(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let days = [
        day(2026, 1, 1),
        day(2026, 1, 2),
        day(2025, 12, 31),
        day(2028, 2, 29),
        day(1, 1, 1),
        day(9_999, 12, 31),
        NaiveDate::MIN,
        NaiveDate::MAX,
    ];
    let limits = limits(Some(20), None, None);
    let mut reserved = Vec::new();
    for desk in [&desk, &desk.of("other"), &desk.of("Acme")] {
        for day in days {
            let amount = spent(1 + reserved.len() as u64 % 20, 7, 8);
            assert_eq!(desk.reserve(day, amount, &limits).await, Some(amount), "{day}");
            reserved.push((desk.clone(), day, amount));
        }
    }
    for (desk, day, amount) in reserved {
        assert_eq!(desk.spending(day).await, amount, "{} {day}", desk.tenant);
    }
    assert_eq!(desk.of("nobody").spending(days[0]).await, Spending::NONE);
    assert_eq!(desk.spending(day(2026, 1, 3)).await, Spending::NONE);
}

/// Figures that are more than can be counted stay at the most, which is 2^63 - 1 at least, and never begin anew.
pub async fn largest_spending_stays_the_most(harness: &dyn Harness) {
    const MOST: u64 = i64::MAX as u64;
    let desk = Desk::open(harness).await;
    let (today, most) = (day(2026, 4, 1), spent(MOST, MOST, MOST));
    let all = limits(Some(MOST), Some(MOST), Some(MOST));
    let too_much = spent(u64::MAX, u64::MAX, u64::MAX);
    assert_eq!(desk.reserve(today, too_much, &all).await, None);
    assert_eq!(desk.reserve(today, most, &all).await, Some(most));
    for more in [spent(1, 0, 0), spent(0, 1, 0), spent(0, 0, 1), too_much] {
        assert_eq!(desk.reserve(today, more, &all).await, None, "{more:?}");
    }
    assert_eq!(desk.spending(today).await, most);
    for more in [spent(1, 1, 1), too_much, too_much] {
        let after = desk.reserve(today, more, &DailyBudget::UNLIMITED).await.unwrap();
        let is_most = |figure: u64| figure >= MOST;
        assert!(
            is_most(after.calls) && is_most(after.tokens) && is_most(after.cost.nano_usd()),
            "{after:?}"
        );
        assert_eq!(desk.spending(today).await, after);
        let settled = desk.settle(today, Spending::NONE, more).await;
        assert!(settled.calls >= MOST, "{settled:?}");
        assert_eq!(desk.spending(today).await, settled);
    }
    assert_eq!(desk.settle(today, too_much, Spending::NONE).await, Spending::NONE);
}

/// However many ask at once, what they are given stays within the limits, and none of it is lost.
pub async fn racing_reservations_stay_within_the_limits(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let amount = spent(3, 10, 7);
    for (n, limits) in [
        limits(Some(15), None, None),
        limits(None, Some(59), None),
        limits(Some(100), Some(1_000), Some(41)),
    ]
    .into_iter()
    .enumerate()
    {
        let today = day(2026, 5, 1 + n as u32);
        let given = race(8, |i| {
            let desk = desks[i % 2].clone();
            async move {
                let first = desk.reserve(today, amount, &limits).await;
                [first, desk.reserve(today, amount, &limits).await]
            }
        })
        .await;
        let mut given: Vec<_> = given.into_iter().flatten().flatten().collect();
        given.sort_by_key(|after| after.calls);
        let expected: Vec<_> = (1..=5).map(|n| spent(3 * n, 10 * n, 7 * n)).collect();
        assert_eq!(given, expected, "5 fit, each after the other");
        assert_eq!(desks[0].spending(today).await, expected[4]);
    }
}

/// Reservations and settlements that race lose nothing of each other.
pub async fn racing_settlements_lose_nothing(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    let today = day(2026, 6, 1);
    race(8, |i| {
        let desk = desks[i % 2].clone();
        async move {
            let budget = DailyBudget::UNLIMITED;
            for n in 0..8 {
                let reserved = spent(2, 20, 200);
                desk.reserve(today, reserved, &budget).await.unwrap();
                desk.settle(today, reserved, spent(1, i as u64, n)).await;
            }
        }
    })
    .await;
    let tokens = 8 * (0..8).sum::<u64>();
    assert_eq!(desks[1].spending(today).await, spent(64, tokens, 8 * 28));
}
