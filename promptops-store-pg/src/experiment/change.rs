//! Beginning and changing experiments.

use std::collections::BTreeMap;

use promptops_core::base::stored::{hash_bytes, integer, stored, to_json, unsigned, version_number};
use promptops_core::base::{ContentHash, VersionNumber};
use promptops_core::environment::refusal as environment_refusal;
use promptops_core::experiment::{Experiment, ExperimentChange, NewExperiment, experiment_changed, refusal};
use promptops_core::prompt::{Status, refusal as prompt_refusal};
use sqlx::Row;

use super::read;
use crate::connection::Transaction;
use crate::tenancy::Tenant;
use crate::{audit, environment, error, tenancy};

const VERSIONS: &str = "SELECT v.number, v.hash, v.status FROM promptops.prompt p
    JOIN promptops.version v ON v.prompt = p.id AND v.number = ANY ($3) WHERE p.tenant = $1 AND p.name = $2";
const RIVAL: &str = "SELECT e.record FROM promptops.experiment e
    WHERE e.tenant = $1 AND e.prompt = $2 AND e.environment = $3 AND e.status <> 'completed'";
/// As [`Experiment::shares_buckets`] has it.
const NEIGHBOUR: &str = "SELECT e.record FROM promptops.experiment e
    WHERE e.tenant = $1 AND e.namespace = $2 AND e.first_bucket < $4 AND $3 < e.end_bucket AND e.status <> 'completed'
    ORDER BY e.name LIMIT 1";
const EXISTS: &str = "SELECT FROM promptops.experiment e WHERE e.tenant = $1 AND e.name = $2";
const ADD: &str = "INSERT INTO promptops.experiment
        (tenant, name, prompt, environment, namespace, first_bucket, end_bucket, status, revision, record)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const LOCK: &str = "SELECT e.id, e.record FROM promptops.experiment e
    WHERE e.tenant = $1 AND e.name = $2 FOR NO KEY UPDATE";
const PUT: &str = "UPDATE promptops.experiment SET status = $2, revision = $3, record = $4 WHERE id = $1";

pub(super) async fn create(tx: &mut Transaction, new: NewExperiment) -> error::Result<Experiment> {
    let tenant = tenancy::lock(tx, &new.tenant).await?;
    let experiment = new.experiment;
    let (prompt, place) = (&experiment.prompt, &experiment.environment);
    environment::check_revision(tx, tenant, prompt, place, experiment.pointer_revision).await?;
    let policies = unsigned("policy revision", tenant.policy_revision)?;
    if policies != new.policy_revision {
        return Err(environment_refusal::policy_conflict(new.policy_revision, policies).into());
    }
    check_variants(tx, tenant, &experiment).await?;
    check_room(tx, tenant, &experiment).await?;
    let revision = integer(experiment.revision)?;
    let record = to_json("experiment", &experiment)?;
    tx.rows(ADD, |query| {
        let namespace = experiment.namespace.as_ref();
        query
            .bind(tenant.id)
            .bind(experiment.id.to_string())
            .bind(prompt.to_string())
            .bind(place.to_string())
            .bind(namespace.map(|namespace| namespace.name.to_string()))
            .bind(namespace.map(|namespace| i32::from(namespace.from)))
            .bind(namespace.map(|namespace| i32::from(namespace.to)))
            .bind(experiment.status.as_str())
            .bind(revision)
            .bind(record)
    })
    .await?;
    audit::append(tx, tenant, &new.audit, Some(&experiment_changed(&experiment))).await?;
    Ok(experiment)
}

async fn check_variants(tx: &mut Transaction, tenant: Tenant, experiment: &Experiment) -> error::Result<()> {
    let prompt = &experiment.prompt;
    let numbers: Vec<i64> = experiment
        .variants
        .iter()
        .map(|variant| variant.version.get().into())
        .collect();
    let rows = tx
        .rows(VERSIONS, |query| {
            query.bind(tenant.id).bind(prompt.to_string()).bind(&numbers)
        })
        .await?;
    let mut versions: BTreeMap<VersionNumber, (ContentHash, Status)> = BTreeMap::new();
    for row in &rows {
        let hash = ContentHash::from_bytes(hash_bytes(row.try_get(1)?)?);
        let status = stored("status", row.try_get::<&str, _>(2)?.parse())?;
        versions.insert(version_number(row.try_get::<i64, _>(0)?)?, (hash, status));
    }
    for variant in &experiment.variants {
        let Some((hash, status)) = versions.get(&variant.version) else {
            return Err(prompt_refusal::unknown_version(prompt, variant.version).into());
        };
        if *hash != variant.content_hash {
            let wanted = &variant.content_hash;
            return Err(prompt_refusal::other_content(prompt, variant.version, wanted).into());
        }
        if *status == Status::Archived {
            return Err(refusal::variant_is_archived(prompt, variant).into());
        }
    }
    Ok(())
}

/// Whether the place, the buckets and the id are free.
async fn check_room(tx: &mut Transaction, tenant: Tenant, experiment: &Experiment) -> error::Result<()> {
    let rival = tx
        .row(RIVAL, |query| {
            query
                .bind(tenant.id)
                .bind(experiment.prompt.to_string())
                .bind(experiment.environment.to_string())
        })
        .await?;
    if let Some(row) = rival {
        return Err(refusal::slot_is_taken(experiment, &read(&row, 0)?.id).into());
    }
    if let Some(namespace) = &experiment.namespace {
        let neighbour = tx
            .row(NEIGHBOUR, |query| {
                query
                    .bind(tenant.id)
                    .bind(namespace.name.to_string())
                    .bind(i32::from(namespace.from))
                    .bind(i32::from(namespace.to))
            })
            .await?;
        if let Some(row) = neighbour {
            return Err(refusal::namespace_is_taken(experiment, &read(&row, 0)?.id).into());
        }
    }
    let id = experiment.id.to_string();
    let taken = tx.row(EXISTS, |query| query.bind(tenant.id).bind(id)).await?;
    match taken {
        None => Ok(()),
        Some(_) => Err(refusal::id_is_taken(&experiment.id).into()),
    }
}

pub(super) async fn change(
    tx: &mut Transaction,
    change: ExperimentChange,
    lock_timeout: &str,
) -> error::Result<Experiment> {
    let tenant = tenancy::lock(tx, &change.tenant).await?;
    let id = &change.experiment.id;
    let row = tx
        .row(LOCK, |query| query.bind(tenant.id).bind(id.to_string()))
        .await?;
    let row = row.ok_or_else(|| refusal::unknown_experiment(id))?;
    let (key, present): (i64, _) = (row.try_get(0)?, read(&row, 1)?);
    let expected = change.experiment.revision.saturating_sub(1);
    if present.revision != expected {
        return Err(refusal::experiment_conflict(id, expected, present.revision).into());
    }
    if !present.status.is_open() {
        return Err(refusal::experiment_is_completed(id).into());
    }
    if let Some(promotion) = change.promotion {
        environment::move_within(tx, promotion, lock_timeout).await?;
    }
    let experiment = change.experiment;
    let revision = integer(experiment.revision)?;
    let record = to_json("experiment", &experiment)?;
    tx.rows(PUT, |query| {
        query
            .bind(key)
            .bind(experiment.status.as_str())
            .bind(revision)
            .bind(record)
    })
    .await?;
    let told = experiment_changed(&experiment);
    audit::append(tx, tenant, &change.audit, Some(&told)).await?;
    Ok(experiment)
}
