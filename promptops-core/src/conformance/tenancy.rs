//! What spans tenants: inheritance, and that nothing else does.

use super::Harness;
use super::fixture::*;
use crate::base::ErrorKind;
use crate::environment::Policy;
use crate::evaluation::run::RunFilter;
use crate::experiment::{ExperimentFilter, ExperimentStatus};
use crate::observation::{Resolution, TraceVerdict};
use crate::prompt::{Missing, NewVersion, Status, refusal};

/// A prompt that the tenant does not have is looked up in its parent, with the parent's numbers, hashes, statuses
/// and environments.
pub async fn inherited_prompt_is_found_in_the_parent(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let parent = child.of("shared");
    let v1 = parent.save_active("safety", "be kind").await;
    let v2 = parent.save_draft("safety", "be kinder").await;
    parent.promote(&v1, "production").await;
    assert_eq!(
        missing(&child.find_one("safety").await),
        Missing::Prompt,
        "before it inherits"
    );
    child.set_parent(Some("shared")).await.unwrap();
    for (selector, n, revision) in [
        ("safety".to_owned(), 1, None),
        ("safety@v2".into(), 2, None),
        (format!("safety@{}", v2.hash), 2, None),
        ("safety@production".into(), 1, Some(1)),
    ] {
        let lookup = child.find_one(&selector).await;
        let found = found(&lookup);
        assert_eq!(
            found.version.tenant, parent.tenant,
            "{selector}: the owner is told"
        );
        assert_eq!(found.version.number, number(n), "{selector}");
        assert_eq!(found.revision, revision, "{selector}");
    }
    assert_eq!(missing(&child.find_one("safety@dev").await), Missing::Promotion);
    assert_eq!(missing(&child.find_one("safety@v3").await), Missing::Version);
    assert_eq!(missing(&child.find_one("unknown").await), Missing::Prompt);
    let child = child.reopen(harness).await;
    assert_eq!(found(&child.find_one("safety").await).version.number, number(1));
    child.set_parent(None).await.unwrap();
    assert_eq!(
        missing(&child.find_one("safety").await),
        Missing::Prompt,
        "when it no longer inherits"
    );
}

/// By version and hash, a prompt that the tenant has itself is looked up there alone; by anything else where it can
/// answer.
pub async fn own_prompt_hides_the_parents(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let parent = child.of("shared");
    let theirs = parent.save_active("safety", "one").await;
    let newest = parent.save_active("safety", "two").await;
    parent.promote(&newest, "production").await;
    child.set_parent(Some("shared")).await.unwrap();
    let own = child.save_active("safety", "own").await;
    child.promote(&own, "production").await;
    for selector in ["safety", "safety@v1", "safety@production"] {
        let lookup = child.find_one(selector).await;
        assert_eq!(found(&lookup).version.tenant, child.tenant, "{selector}");
        assert_eq!(found(&lookup).version.hash, own.hash, "{selector}");
    }
    for selector in ["safety@v2".to_owned(), format!("safety@{}", theirs.hash)] {
        assert_eq!(
            missing(&child.find_one(&selector).await),
            Missing::Version,
            "{selector}"
        );
    }
    // The same content is another version, whose number is the tenant's.
    let same = child.save_draft("safety", "two").await;
    let lookup = child.find_one(&format!("safety@{}", newest.hash)).await;
    assert_eq!(*found(&lookup).version, same);
    let lookup = parent.find_one("safety@production").await;
    assert_eq!(
        found(&lookup).version.number,
        number(2),
        "the parent's own is as it was"
    );
}

/// A draft answers to its number and hash alone: what the parent has live stays as it was until an own version is.
pub async fn draft_does_not_hide_the_parents(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let parent = child.of("shared");
    let theirs = parent.save_active("safety", "be kind").await;
    parent.promote(&theirs, "production").await;
    child.set_parent(Some("shared")).await.unwrap();
    let live = ["safety", "safety@production"];
    let inherited = async |child: &Desk, when: &str| {
        for lookup in child.find(&live).await {
            assert_eq!(*found(&lookup).version, theirs, "{when}");
        }
        let lookup = child.find_one("safety@production").await;
        assert_eq!(
            found(&lookup).revision,
            Some(1),
            "{when}: the revision is the parent's"
        );
    };
    inherited(&child, "without an own prompt").await;
    let own = child.save_draft("safety", "own").await;
    inherited(&child, "beside an own draft").await;
    for selector in ["safety@v1".to_owned(), format!("safety@{}", own.hash)] {
        let lookup = child.find_one(&selector).await;
        assert_eq!(*found(&lookup).version, own, "{selector}");
    }
    child
        .set_status("safety", own.number, Status::Archived)
        .await
        .unwrap();
    inherited(&child, "beside an own archived version").await;
    let child = child.reopen(harness).await;
    inherited(&child, "after reopening").await;

    let second = child.save_active("safety", "own again").await;
    assert_eq!(*found(&child.find_one("safety").await).version, second);
    child
        .set_status("safety", second.number, Status::Archived)
        .await
        .unwrap();
    inherited(&child, "when no own version is active any more").await;
}

/// An active version answers to the bare name, and leaves each environment to the parent until it is live there.
pub async fn unpromoted_own_prompt_does_not_hide_the_parents_environment(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let parent = child.of("shared");
    let theirs = parent.save_active("safety", "be kind").await;
    for environment in ["dev", "production"] {
        parent.promote(&theirs, environment).await;
    }
    // Its revision tells it from the child's pointer.
    parent.promote(&theirs, "production").await;
    child.set_parent(Some("shared")).await.unwrap();
    let own = child.save_active("safety", "own").await;
    assert_eq!(*found(&child.find_one("safety").await).version, own);
    let lookup = child.find_one("safety@production").await;
    assert_eq!(found(&lookup).version.tenant, parent.tenant);
    assert_eq!(found(&lookup).revision, Some(2));

    child.promote(&own, "production").await;
    for (selector, tenant, revision) in [
        ("safety@production", &child.tenant, 1),
        ("safety@dev", &parent.tenant, 1),
    ] {
        let lookup = child.find_one(selector).await;
        assert_eq!(found(&lookup).version.tenant, *tenant, "{selector}");
        assert_eq!(found(&lookup).revision, Some(revision), "{selector}");
    }
    // A draft on top changes nothing that is live.
    child.save_draft("safety", "own draft").await;
    for selector in ["safety", "safety@production"] {
        assert_eq!(
            found(&child.find_one(selector).await).version.number,
            own.number,
            "{selector}"
        );
    }
    // The parent's environments are not the child's to see but through a lookup.
    assert_eq!(child.slots("safety").await.pointers.len(), 1);
}

/// When neither can answer, the tenant's own prompt says what is missing, if there is one; else the parent's.
pub async fn missing_describes_the_own_prompt_first(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let parent = child.of("shared");
    child.set_parent(Some("shared")).await.unwrap();
    let absent = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    for (prompt, own, parents) in [
        ("neither", false, false),
        ("own", true, false),
        ("parents", false, true),
        ("both", true, true),
    ] {
        for (has, desk) in [(own, &child), (parents, &parent)] {
            if has {
                desk.save_draft(prompt, "draft").await;
            }
        }
        for (selector, lacks) in [
            (prompt.to_owned(), Missing::ActiveVersion),
            (format!("{prompt}@production"), Missing::Promotion),
            (format!("{prompt}@v7"), Missing::Version),
            (format!("{prompt}@{absent}"), Missing::Version),
        ] {
            let expected = if own || parents { lacks } else { Missing::Prompt };
            assert_eq!(missing(&child.find_one(&selector).await), expected, "{selector}");
        }
    }
}

/// Inheritance is for looking up alone: lists, records, environments and changes are of the tenant's own.
pub async fn only_lookups_see_what_is_inherited(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let parent = child.of("shared");
    let safety = parent
        .save(NewVersion {
            includes: vec![("base".into(), name("base"))],
            status: Status::Active,
            ..parent.draft("safety", "be kind")
        })
        .await;
    parent.promote(&safety, "dev").await;
    parent
        .set_policy("dev", None, Some(Policy::open()))
        .await
        .unwrap();
    child.set_parent(Some("shared")).await.unwrap();
    let before = parent.everything().await;
    assert_eq!(child.prompt("safety").await, None);
    assert_eq!(child.prompts("").await, []);
    assert_eq!(child.versions("safety").await, []);
    assert_eq!(child.dependents("base").await, []);
    assert_eq!(child.history("safety", "dev").await, []);
    let slots = child.slots("safety").await;
    assert!(slots.pointers.is_empty() && slots.policies.is_empty() && slots.policy_revision == 0);
    let result = child.set_status("safety", number(1), Status::Archived).await;
    fails(result, ErrorKind::NotFound, "the status of an inherited version");
    let result = child
        .stores
        .prompts
        .set_tags(child.tagging("safety", &["a"]))
        .await;
    fails(result, ErrorKind::NotFound, "the tags of an inherited prompt");
    let unknown = NewVersion {
        parents: Some(numbers(&[1])),
        ..child.draft("safety", "own")
    };
    let result = child.stores.prompts.save_version(unknown).await;
    fails(result, ErrorKind::Invalid, "a version made from an inherited one");
    let own = child.save_draft("safety", "be kind").await;
    assert_eq!(
        own.number,
        number(1),
        "the same content is the tenant's own version"
    );
    assert_eq!(parent.everything().await, before, "the parent is as it was");
}

/// A parent does not see what is its children's, nor does a sibling.
pub async fn parents_and_siblings_see_nothing_of_a_child(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let (parent, sibling) = (child.of("shared"), child.of("sibling"));
    for desk in [&child, &sibling] {
        desk.set_parent(Some("shared")).await.unwrap();
    }
    child.save_active("secret", "text").await;
    for desk in [&parent, &sibling] {
        assert_eq!(missing(&desk.find_one("secret").await), Missing::Prompt);
        assert_eq!(desk.prompts("").await, []);
    }
}

/// A parent can be set, replaced and cleared, each with a record of the tenant's.
pub async fn parent_is_kept_as_set(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    assert_eq!(desk.parent().await, None);
    for parent in [Some("shared"), Some("common"), None, Some("shared")] {
        desk.set_parent(parent).await.unwrap();
        assert_eq!(desk.parent().await, parent.map(tenant_id));
    }
    assert_eq!(desk.audited().await, 4);
    for parent in ["shared", "common"] {
        assert_eq!(desk.of(parent).audited().await, 0, "nothing changed for {parent}");
    }
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.parent().await, Some(tenant_id("shared")));
}

/// Inheritance has one level.
pub async fn inheritance_has_one_level(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let (parent, third) = (child.of("shared"), child.of("third"));
    let refused = async |desk: &Desk, to: &str, what: &str| {
        let before = desk.everything().await;
        fails(desk.set_parent(Some(to)).await, ErrorKind::Invalid, what);
        assert_eq!(desk.everything().await, before, "nothing changes");
    };
    refused(&child, "acme", "a tenant as its own parent").await;
    child.set_parent(Some("shared")).await.unwrap();
    refused(&child, "acme", "a tenant as its own parent").await;
    refused(&third, "acme", "a parent that has a parent").await;
    refused(&parent, "third", "a parent of a parent").await;
    refused(&parent, "acme", "a child as the parent of its parent").await;
    third.set_parent(Some("shared")).await.unwrap();
    child.set_parent(None).await.unwrap();
    refused(&parent, "acme", "a parent of one that still has a child").await;
    third.set_parent(Some("acme")).await.unwrap();
    parent.set_parent(Some("acme")).await.unwrap();
    refused(&child, "other", "a parent of one that became a parent").await;
}

/// A parent that is refused for several reasons is refused for the first of them.
pub async fn parent_is_refused_for_the_first_reason(harness: &dyn Harness) {
    let child = Desk::open(harness).await;
    let parent = child.of("shared");
    child.set_parent(Some("shared")).await.unwrap();
    for (desk, to, expected) in [
        (&child, "acme", refusal::own_parent(&child.tenant)),
        (&parent, "shared", refusal::own_parent(&parent.tenant)),
        (&parent, "acme", refusal::parent_inherits(&child.tenant)),
        (&parent, "third", refusal::tenant_is_a_parent(&parent.tenant)),
    ] {
        let result = desk.set_parent(Some(to)).await;
        let error = fails(result, expected.kind(), expected.message());
        assert_eq!(error.message(), expected.message());
    }
}

/// Racing changes of parents never make a second level.
pub async fn racing_parents_never_make_a_second_level(harness: &dyn Harness) {
    let desks = Desk::open_two(harness).await;
    for round in 0..8 {
        let ids = [format!("a{round}"), format!("b{round}")];
        let results = race(2, |i| {
            let (desk, parent) = (desks[i].of(&ids[i]), ids[1 - i].clone());
            async move { desk.set_parent(Some(&parent)).await }
        })
        .await;
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "exactly one of two tenants becomes the other's parent");
    }
}

/// Tenants with the same names see nothing of each other through any method, nor change it.
pub async fn tenants_are_isolated_in_every_method(harness: &dyn Harness) {
    let acme = Desk::open(harness).await;
    let empty = acme.of("empty").everything().await;
    acme.work().await;
    let before = acme.everything().await;
    // Names that a careless comparison would take for the same.
    for id in ["Acme", "ACME", "acme-", "acme.", "acm_", "a", "acme:x"] {
        let other = acme.of(id);
        assert_eq!(other.everything().await, empty, "{id} begins with nothing");
        assert_eq!(missing(&other.find_one("triage@dev").await), Missing::Prompt);
        assert_eq!(other.history("triage", "dev").await, []);
        assert_eq!(other.dependents("safety").await, []);
        assert_eq!(other.slots("triage").await.approvals, []);
        let version = &acme.versions("triage").await[0];
        let hash = closure_of(version);
        assert_eq!(other.metrics("triage", &hash, None).await.usage_count, 0);
        assert_eq!(other.latest_evidence("triage", &hash, "golden").await, None);
        assert_eq!(other.latest_evidence_on("triage", "one", "golden", 1).await, None);
        assert_eq!(other.dataset_versions("golden").await, []);
        assert_eq!(other.runs(&RunFilter::default()).await, []);
        assert_eq!(other.completion(1).await, None);
        assert_eq!(other.forget(1_000).await.unwrap(), 0);
        let golden = acme.dataset("golden", None).await.unwrap();
        let kind = ErrorKind::NotFound;
        fails(
            other.dataset("golden", None).await,
            kind,
            "another tenant's dataset",
        );
        fails(
            other.dataset("golden", Some(1)).await,
            kind,
            "another tenant's dataset",
        );
        let (datasets, evaluations) = (&other.stores.datasets, &other.stores.evaluations);
        let result = datasets
            .entries(&other.tenant, &golden.name, golden.version, &page(1))
            .await;
        fails(result, kind, "another tenant's entries");
        let result = other.create_run(other.new_run("run-1", &golden, 1)).await;
        fails(result, kind, "a run on another tenant's dataset");
        let what = "another tenant's run";
        fails(other.run("run-1").await, kind, what);
        fails(other.count("run-1").await, kind, what);
        let result = evaluations
            .results(&other.tenant, &run_id("run-1"), &page(1))
            .await;
        fails(result, kind, what);
        let claim = other.claim("run-1", "w", 1, at(0), at(1));
        fails(evaluations.claim_tasks(claim).await, kind, what);
        fails(other.renew("run-1", "w", 1).await, kind, what);
        fails(other.release("run-1", "w").await, kind, what);
        fails(other.record("run-1", results([0])).await, kind, what);
        fails(other.change_run("run-1", completed()).await, kind, what);
        let what = "another tenant's experiment";
        let experiment = acme.experiment("exp-2").await.unwrap();
        assert_eq!(other.experiment("exp-2").await, None, "{what}");
        assert_eq!(other.open_experiment("tone", "production").await, None, "{what}");
        assert_eq!(
            other.experiments(&ExperimentFilter::default()).await,
            [],
            "{what}"
        );
        assert_eq!(other.tallies("exp-1").await, [], "{what}");
        fails(other.outcomes("exp-2", &[outcome(1, 0)]).await, kind, what);
        fails(other.lose("exp-2", &[]).await, kind, what);
        let change = other.experiment_change(&experiment, ExperimentStatus::Completed);
        fails(other.try_change(change).await, kind, what);
        let mut theirs = experiment.clone();
        theirs.pointer_revision = 0;
        fails(
            other.create_experiment(theirs).await,
            kind,
            "another tenant's variants",
        );
        assert_eq!(other.trace(trace(2).id).await, None, "another tenant's trace");
        assert_eq!(other.all_traces().await, []);
        let annotated = other.try_annotate(&[(trace(2).id, judged(false))]).await;
        assert_eq!(annotated.unwrap(), [TraceVerdict::Unknown]);
        for resolution in Resolution::ALL {
            assert_eq!(other.rollups("triage", resolution).await, []);
        }
        assert_eq!(other.prune_traces(second(1_000), 9).await, 0);
        assert_eq!(other.prune_minutes(second(1_000), 9).await, 0);
        let result = other.set_status("triage", number(1), Status::Active).await;
        fails(result, ErrorKind::NotFound, "another tenant's version");
        let result = other
            .stores
            .prompts
            .set_tags(other.tagging("triage", &["a"]))
            .await;
        fails(result, ErrorKind::NotFound, "another tenant's prompt");
        let result = other.try_promote(version, "dev", 0).await;
        fails(result, ErrorKind::NotFound, "another tenant's version");
        let result = other.set_policy("dev", None, None).await;
        fails(result, ErrorKind::NotFound, "another tenant's policy");
        assert_eq!(other.everything().await, empty, "{id} still has nothing");

        // The same work under the same names is the other's own.
        other.work().await;
        assert_eq!(acme.everything().await, before, "{id} changed what is acme's");
        assert_eq!(
            mask(&other.everything().await),
            mask(&before),
            "{id} has made the same"
        );
    }
}

/// What tells two tenants' equal work apart: their ids, and the hashes over them.
fn mask(everything: &str) -> Vec<&str> {
    everything
        .lines()
        .map(str::trim)
        .filter(|line| {
            let by_tenant = ["tenant:", "subject:"]
                .iter()
                .any(|field| line.starts_with(field));
            let byte = line.trim_end_matches(',').parse::<u8>().is_ok();
            !by_tenant && !byte
        })
        .collect()
}

/// All that every store was given is there after reopening.
pub async fn everything_is_there_after_reopening(harness: &dyn Harness) {
    let desk = Desk::open(harness).await;
    desk.work().await;
    let before = desk.everything().await;
    let desk = desk.reopen(harness).await;
    assert_eq!(desk.everything().await, before);
    let another = Desk::open(harness).await;
    assert_eq!(another.everything().await, before, "another handle sees the same");
}
