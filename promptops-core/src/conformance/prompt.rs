//! The contract of [`Store`](crate::prompt::Store), but for what spans tenants.

use super::Harness;
use super::fixture::*;
use crate::prompt::Status;

/// A save makes the prompt if it is not there.
pub async fn first_save_makes_the_prompt(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    let prompts = &desk.stores.prompts;
    assert_eq!(prompts.prompt(&desk.tenant, &name("triage")).await.unwrap(), None);
    let version = desk.save_draft("triage", "one").await;
    assert_eq!(version.number, number(1), "the first version is v1");
    let record = prompts.prompt(&desk.tenant, &name("triage")).await.unwrap();
    let record = record.expect("the prompt is there after its first save");
    assert_eq!(record.tenant, desk.tenant);
    assert_eq!(record.name, name("triage"));
    assert_eq!(record.status, Status::Draft);
    assert_eq!(record.latest, number(1));
    assert_eq!(record.latest_active, None);
    assert_eq!((record.created_at, record.updated_at), (at(0), at(0)));
}

/// A version's number is one more than the prompt's largest.
pub async fn versions_are_numbered_from_one_in_each_prompt(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for expected in 1..=4 {
        for prompt in ["a", "b"] {
            let version = desk.save_draft(prompt, &format!("text {expected}")).await;
            assert_eq!(version.number, number(expected), "of {prompt}");
        }
    }
}

/// Racing saves of one content make one version.
pub async fn racing_saves_of_one_content_make_one_version(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    for round in 1..=5 {
        let text = format!("round {round}");
        let saved = race(8, |_| {
            let (desk, text) = (desk.clone(), text.clone());
            async move {
                desk.stores
                    .prompts
                    .save_version(desk.draft("triage", &text))
                    .await
                    .unwrap()
            }
        })
        .await;
        let created = saved.iter().filter(|saved| saved.created).count();
        assert_eq!(created, 1, "exactly one save makes the version");
        for saved in saved {
            assert_eq!(saved.version.number, number(round), "all get the one version");
        }
        assert_eq!(
            desk.audited().await,
            round as usize,
            "one record for each version"
        );
    }
}
