//! Committing what happens to deployments: one statement, which a ship waits for as long as a promotion waits for its
//! move.

use promptops_core::base::audit::AuditEntry;
use promptops_core::base::stored::{corrupt, to_json, unsigned};
use promptops_core::deployment::{
    Deployment, DeploymentCommit, Document, SlotControl, Transition, deployment_changed, from_stored, refusal,
};
use promptops_core::environment::refusal as environment_refusal;
use promptops_core::prompt::refusal as prompt_refusal;
use promptops_core::{Error, Result};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::backend::PgBackend;
use crate::connection::Query;
use crate::environment::{MoveStatement, revision};
use crate::{audit, error};

macro_rules! commit {
    ($pointer:literal) => {
        concat!(
            "SELECT c.outcome, c.place, c.actual, c.present FROM promptops.commit_deployments($1, $2, $3, $4, $5, $6, $7,
            $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29,
            $30, $31, $32, $33, $34, $35, ",
            $pointer,
            ") c"
        )
    };
}
const COMMIT: &str = commit!("NULL");
const COMMIT_WITH_MOVE: &str = commit!(
    "ROW($36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51, $52, $53, $54, $55, $56, $57,
    $58, $59, $60, $61, $62)::promptops.pointer_move"
);

/// Deployments in columns: the one that comes to be first, and then those that change.
#[derive(Default)]
struct Columns {
    ids: Vec<String>,
    prompts: Vec<String>,
    environments: Vec<String>,
    closure_hashes: Vec<Vec<u8>>,
    states: Vec<&'static str>,
    have_slots: Vec<bool>,
    bases: Vec<i64>,
    revisions: Vec<i64>,
    records: Vec<String>,
}

impl Columns {
    fn of<'a>(deployments: impl Iterator<Item = &'a Deployment>) -> Result<Self> {
        let mut columns = Self::default();
        for deployment in deployments {
            columns.ids.push(deployment.id.to_string());
            columns.prompts.push(deployment.prompt.to_string());
            columns.environments.push(deployment.environment.to_string());
            let closure_hash = deployment.candidate.closure_hash.as_bytes().to_vec();
            columns.closure_hashes.push(closure_hash);
            columns.states.push(deployment.state.as_str());
            columns.have_slots.push(deployment.has_slot());
            columns.bases.push(base(deployment.revision));
            columns.revisions.push(revision(deployment.revision));
            columns.records.push(to_json("deployment", deployment)?);
        }
        Ok(columns)
    }

    fn bind(&self, query: Query) -> Query {
        query
            .bind(&self.ids)
            .bind(&self.prompts)
            .bind(&self.environments)
            .bind(&self.closure_hashes)
            .bind(&self.states)
            .bind(&self.have_slots)
            .bind(&self.bases)
            .bind(&self.revisions)
            .bind(&self.records)
    }
}

/// The revision that comes before one that is to be.
fn base(to_be: u64) -> i64 {
    revision(to_be.saturating_sub(1))
}

/// A commit with what is stored of it.
struct Statement {
    tenant: String,
    slot: Option<SlotControl>,
    slot_record: Option<String>,
    created: Option<Deployment>,
    changed: Vec<Deployment>,
    columns: Columns,
    transitions: Vec<Transition>,
    steps: Vec<String>,
    documents: Vec<Document>,
    pointer: Option<MoveStatement>,
    audits: Vec<AuditEntry>,
    told: Vec<String>,
}

impl Statement {
    fn new(commit: DeploymentCommit) -> Result<Self> {
        let deployments = || commit.created.iter().chain(&commit.changed);
        // What is told of the pointer is in its move.
        let told = |deployment: &Deployment| to_json("change", &deployment_changed(deployment));
        let record = |slot: &SlotControl| to_json("slot", slot);
        let step = |transition: &Transition| to_json("transition of a deployment", transition);
        Ok(Self {
            tenant: commit.tenant.to_string(),
            slot_record: commit.slot.as_ref().map(record).transpose()?,
            slot: commit.slot,
            columns: Columns::of(deployments())?,
            told: deployments().map(told).collect::<Result<_>>()?,
            created: commit.created,
            changed: commit.changed,
            steps: commit.transitions.iter().map(step).collect::<Result<_>>()?,
            transitions: commit.transitions,
            documents: commit.documents,
            pointer: commit.pointer.map(MoveStatement::new).transpose()?,
            audits: commit.audits,
        })
    }

    fn sql(&self) -> &'static str {
        match self.pointer {
            None => COMMIT,
            Some(_) => COMMIT_WITH_MOVE,
        }
    }

    fn bind(&self, query: Query, lock_timeout: &str) -> Query {
        let query = query.bind(&self.tenant).bind(lock_timeout.to_owned());
        let query = self.bind_slot(query);
        let created = self.created.as_ref();
        let query = query
            .bind(created.is_some())
            .bind(created.map(|created| i64::from(created.candidate.version.get())))
            .bind(created.map(|created| created.candidate.content_hash.as_bytes().to_vec()))
            .bind(created.map(|created| revision(created.base.revision)));
        let query = self.columns.bind(query);
        let query = self.bind_kept(query);
        let query = audit::bind_all(query, &self.audits).bind(&self.told);
        match &self.pointer {
            None => query,
            Some(pointer) => pointer.bind(query, lock_timeout),
        }
    }

    fn bind_slot(&self, query: Query) -> Query {
        let slot = self.slot.as_ref();
        query
            .bind(slot.map(|slot| slot.prompt.to_string()))
            .bind(slot.map(|slot| slot.environment.to_string()))
            .bind(slot.map(|slot| base(slot.revision)))
            .bind(slot.map(|slot| revision(slot.revision)))
            .bind(&self.slot_record)
    }

    /// Steps and documents.
    fn bind_kept(&self, query: Query) -> Query {
        let deployments = self.transitions.iter().map(|step| step.deployment.to_string());
        let numbers = self.transitions.iter().map(|step| i64::from(step.number));
        let keys = self.transitions.iter().map(|step| step.key.as_ref());
        let keys = keys.map(|key| key.map(ToString::to_string));
        let hashes = self.documents.iter().map(Document::hash);
        let hashes = hashes.map(|hash| hash.as_bytes().to_vec());
        let texts = self.documents.iter().map(Document::json);
        query
            .bind(deployments.collect::<Vec<_>>())
            .bind(numbers.collect::<Vec<_>>())
            .bind(keys.collect::<Vec<_>>())
            .bind(&self.steps)
            .bind(hashes.collect::<Vec<_>>())
            .bind(texts.collect::<Vec<_>>())
    }

    /// What the database says that became of it.
    fn outcome(&self, rows: &[PgRow]) -> error::Result<()> {
        let row = rows.first().ok_or_else(|| corrupt("outcome of a commit"))?;
        let outcome: &str = row.try_get(0)?;
        if outcome == "committed" {
            return Ok(());
        }
        let found = Found {
            place: row.try_get(1)?,
            actual: unsigned("revision", row.try_get::<Option<i64>, _>(2)?.unwrap_or(0))?,
            present: row.try_get(3)?,
        };
        Err(self.refused(outcome, &found)?.into())
    }

    /// Why the database refused it.
    fn refused(&self, outcome: &str, found: &Found<'_>) -> Result<Error> {
        let actual = found.actual;
        match (outcome, &self.created, &self.slot, &self.pointer) {
            ("slot", _, Some(slot), _) => {
                let expected = slot.revision.saturating_sub(1);
                Ok(refusal::slot_conflict(
                    &slot.prompt,
                    &slot.environment,
                    expected,
                    actual,
                ))
            }
            ("key", ..) => {
                let step = found.at(self.transitions.iter())?;
                let key = step.key.as_ref().ok_or_else(|| corrupt("outcome of a commit"))?;
                Ok(refusal::key_is_taken(key))
            }
            ("version" | "content" | "archived" | "base" | "id", Some(created), ..) => {
                of_created(outcome, created, actual)
            }
            ("unknown", ..) => Ok(refusal::unknown_deployment(&self.meant(found)?.id)),
            ("revision", ..) => {
                let (meant, present) = (self.meant(found)?, found.present()?);
                Ok(refusal::deployment_conflict(
                    &meant.id,
                    meant.revision.saturating_sub(1),
                    present.revision,
                    present.standing(),
                ))
            }
            ("candidate", ..) => {
                let (meant, present) = (self.meant(found)?, found.present()?);
                // As it is to be, where it changes too.
                let state = self.changed.iter().find(|changed| changed.id == present.id);
                let state = state.unwrap_or(&present).state;
                let closure = &meant.candidate.closure_hash;
                Ok(refusal::candidate_is_known(closure, &present.id, state))
            }
            ("taken", ..) => {
                let (meant, present) = (self.meant(found)?, found.present()?);
                Ok(refusal::slot_is_taken(
                    &meant.prompt,
                    &meant.environment,
                    &present.id,
                ))
            }
            ("move", _, _, Some(pointer)) => Ok(pointer.refused(found.present.unwrap_or_default(), actual)),
            _ => Err(corrupt("outcome of a commit")),
        }
    }

    /// The deployment that the refusal is of.
    fn meant(&self, found: &Found<'_>) -> Result<&Deployment> {
        found.at(self.created.iter().chain(&self.changed))
    }
}

/// What is there instead of what was expected.
struct Found<'a> {
    /// Of which of several, from 1.
    place: Option<i32>,
    actual: u64,
    present: Option<&'a str>,
}

impl Found<'_> {
    fn at<T>(&self, mut of: impl Iterator<Item = T>) -> Result<T> {
        let place = self.place.and_then(|place| usize::try_from(place - 1).ok());
        let found = place.and_then(|place| of.nth(place));
        found.ok_or_else(|| corrupt("outcome of a commit"))
    }

    fn present(&self) -> Result<Deployment> {
        let present = self.present.ok_or_else(|| corrupt("outcome of a commit"))?;
        from_stored(present)
    }
}

fn of_created(outcome: &str, created: &Deployment, actual: u64) -> Result<Error> {
    let Deployment {
        prompt,
        environment,
        candidate,
        ..
    } = created;
    let version = candidate.version;
    match outcome {
        "version" => Ok(prompt_refusal::unknown_version(prompt, version)),
        "content" => Ok(prompt_refusal::other_content(
            prompt,
            version,
            &candidate.content_hash,
        )),
        "archived" => Ok(environment_refusal::version_is_archived(
            prompt,
            version,
            environment,
        )),
        "base" => {
            let expected = created.base.revision;
            Ok(environment_refusal::revision_conflict(
                prompt,
                environment,
                expected,
                actual,
            ))
        }
        "id" => Ok(refusal::id_is_taken(&created.id)),
        _ => Err(corrupt("outcome of a commit")),
    }
}

pub(super) async fn commit(backend: &PgBackend, commit: DeploymentCommit) -> Result<()> {
    let statement = Statement::new(commit)?;
    let bind = |query| statement.bind(query, backend.lock_timeout());
    let rows = backend.write(statement.sql(), bind).await?;
    Ok(statement.outcome(&rows)?)
}
