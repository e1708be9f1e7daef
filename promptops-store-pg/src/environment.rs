//! Environments: pointers, history, policies, approvals.

mod moving;
mod rows;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::stored::{corrupt, integer, to_json, unsigned};
use promptops_core::base::{EnvironmentName, Page, PageRequest, PromptName, TenantId};
use promptops_core::environment::{
    ApprovalEntry, EnvironmentStore, HistoryRecord, Pointer, PointerMove, PolicyChange, PolicyRecord, Slots,
    refusal,
};
use sqlx::Row;

pub(crate) use self::moving::{Statement as MoveStatement, move_within, revision};
use crate::backend::PgBackend;
use crate::connection::Transaction;
use crate::tenancy::Tenant;
use crate::{audit, error, tenancy};

/// Everything about one prompt's environments in one view: a kind, and the columns of all kinds. Approvals are read by
/// what is live, so that those which were spent long ago cost nothing.
const SLOTS: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        WITH live AS (
            SELECT o.* FROM promptops.prompt p JOIN promptops.pointer o ON o.prompt = p.id
            WHERE p.tenant = n.id AND p.name = $2
        )
        SELECT 0 AS kind, NULL AS environment, NULL::bigint AS version, NULL::bytea AS closure_hash,
            n.policy_revision AS revision, NULL AS by_id, NULL AS by_role, NULL::bigint AS at, NULL AS text,
            NULL AS prompt, NULL::bigint AS id WHERE n.id IS NOT NULL
        UNION ALL
        SELECT 1, o.environment, o.version, o.closure_hash, o.revision, o.moved_by_id, o.moved_by_role, o.moved_at,
            NULL, NULL, NULL FROM live o
        UNION ALL
        SELECT 2, y.environment, NULL, NULL, NULL, NULL, NULL, NULL, y.policy, y.prompt, (y.prompt IS NOT NULL)::int
            FROM promptops.policy y WHERE y.tenant = n.id AND (y.prompt IS NULL OR y.prompt = $2)
        UNION ALL
        SELECT 3, a.environment, a.version, a.closure_hash, a.base_revision, a.approved_by_id, a.approved_by_role, a.at,
            a.note, NULL, a.id FROM promptops.approval a
            WHERE a.tenant = n.id AND a.prompt = $2 AND a.base_revision = 0
                AND NOT EXISTS (SELECT FROM live o WHERE o.environment = a.environment)
        UNION ALL
        SELECT 3, a.environment, a.version, a.closure_hash, a.base_revision, a.approved_by_id, a.approved_by_role, a.at,
            a.note, NULL, a.id FROM live o JOIN promptops.approval a
            ON a.tenant = n.id AND a.prompt = $2 AND a.base_revision = o.revision AND a.environment = o.environment
        OFFSET 0
    ) x
    ORDER BY x.kind, CASE WHEN x.kind = 2 THEN x.id END, x.environment COLLATE \"C\", x.id";
const POLICIES: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT y.environment, y.prompt, y.policy FROM promptops.policy y WHERE y.tenant = n.id OFFSET 0
    ) x ORDER BY x.prompt IS NOT NULL, x.environment, x.prompt";
const HISTORY: &str = "SELECT x.* FROM promptops.entered($1) n, LATERAL (
        SELECT h.revision, h.kind, h.from_version, h.to_version, h.closure_hash, h.actor_id, h.actor_role, h.reason,
            h.waiver, h.at
        FROM promptops.prompt p JOIN promptops.history h
            ON h.prompt = p.id AND h.environment = $3 AND h.revision < $4
        WHERE p.tenant = n.id AND p.name = $2 ORDER BY h.revision DESC LIMIT $5
    ) x ORDER BY x.revision DESC";
const REVISION: &str = "SELECT o.revision FROM promptops.prompt p
    JOIN promptops.pointer o ON o.prompt = p.id AND o.environment = $3
    WHERE p.tenant = $1 AND p.name = $2";
const SET_POLICY_FOR_ALL: &str = "INSERT INTO promptops.policy (tenant, prompt, environment, policy)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant, environment) WHERE prompt IS NULL DO UPDATE SET policy = excluded.policy
    RETURNING 1";
const SET_POLICY_OF_PROMPT: &str = "INSERT INTO promptops.policy (tenant, prompt, environment, policy)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant, prompt, environment) WHERE prompt IS NOT NULL DO UPDATE SET policy = excluded.policy
    RETURNING 1";
const REMOVE_POLICY: &str = "DELETE FROM promptops.policy
    WHERE tenant = $1 AND prompt IS NOT DISTINCT FROM $2 AND environment = $3 RETURNING 1";
const BUMP_POLICIES: &str = "UPDATE promptops.tenant SET policy_revision = policy_revision + 1 WHERE id = $1";
const APPROVE: &str =
    "INSERT INTO promptops.approval (tenant, prompt, environment, base_revision, closure_hash, version,
        approved_by_id, approved_by_role, note, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING 1";

/// What [`SLOTS`] says a row is.
const TENANT: i32 = 0;
const POINTER: i32 = 1;
const POLICY: i32 = 2;
const APPROVAL: i32 = 3;

async fn slots(backend: &PgBackend, tenant: &TenantId, prompt: &PromptName) -> error::Result<Slots> {
    let rows = backend
        .read(SLOTS, |query| {
            query.bind(tenant.to_string()).bind(prompt.to_string())
        })
        .await?;
    let mut slots = Slots {
        pointers: Vec::new(),
        policies: Vec::new(),
        policy_revision: 0,
        approvals: Vec::new(),
    };
    for row in &rows {
        match row.try_get(0)? {
            TENANT => slots.policy_revision = unsigned("policy revision", row.try_get(4)?)?,
            POINTER => slots.pointers.push(rows::pointer(row, 1, prompt)?),
            POLICY => slots.policies.push(rows::policy(row, [1, 9, 8])?),
            APPROVAL => slots.approvals.push(rows::approval(row, 1, prompt)?),
            _ => return Err(corrupt("view of a prompt's environments").into()),
        }
    }
    Ok(slots)
}

/// Refuses what was decided on another revision of a pointer. The tenant's row is locked.
pub(crate) async fn check_revision(
    tx: &mut Transaction,
    tenant: Tenant,
    prompt: &PromptName,
    environment: &EnvironmentName,
    expected: u64,
) -> error::Result<()> {
    let current = tx
        .row(REVISION, |query| {
            query
                .bind(tenant.id)
                .bind(prompt.to_string())
                .bind(environment.to_string())
        })
        .await?;
    let current = unsigned("revision", current.map_or(Ok(0), |row| row.try_get(0))?)?;
    if current == expected {
        Ok(())
    } else {
        Err(refusal::revision_conflict(prompt, environment, expected, current).into())
    }
}

async fn set_policy(tx: &mut Transaction, change: PolicyChange) -> error::Result<()> {
    let tenant = tenancy::lock(tx, &change.tenant).await?;
    let prompt = change.prompt.as_ref().map(ToString::to_string);
    let environment = change.environment.to_string();
    let changed = match &change.policy {
        Some(policy) => {
            let policy = to_json("policy", policy)?;
            let sql = match prompt {
                None => SET_POLICY_FOR_ALL,
                Some(_) => SET_POLICY_OF_PROMPT,
            };
            tx.row(sql, |query| {
                query.bind(tenant.id).bind(prompt).bind(environment).bind(policy)
            })
            .await?
        }
        None => {
            tx.row(REMOVE_POLICY, |query| {
                query.bind(tenant.id).bind(prompt).bind(environment)
            })
            .await?
        }
    };
    if changed.is_none() {
        return Err(refusal::unknown_policy(&change.environment, change.prompt.as_ref()).into());
    }
    tx.rows(BUMP_POLICIES, |query| query.bind(tenant.id)).await?;
    audit::append(tx, tenant, &change.audit, Some(&change.change())).await
}

async fn approve(tx: &mut Transaction, entry: ApprovalEntry) -> error::Result<()> {
    let approval = &entry.approval;
    let tenant = tenancy::lock(tx, &entry.tenant).await?;
    let (prompt, environment) = (&approval.prompt, &approval.environment);
    check_revision(tx, tenant, prompt, environment, approval.base_revision).await?;
    let base_revision = integer(approval.base_revision)?;
    let added = tx
        .row(APPROVE, |query| {
            query
                .bind(tenant.id)
                .bind(approval.prompt.to_string())
                .bind(approval.environment.to_string())
                .bind(base_revision)
                .bind(approval.closure_hash.as_bytes().to_vec())
                .bind(i64::from(approval.version.get()))
                .bind(&approval.approved_by.id)
                .bind(approval.approved_by.role.as_str())
                .bind(&approval.note)
                .bind(approval.at.timestamp_micros())
        })
        .await?;
    match added {
        None => Ok(()),
        Some(_) => audit::append(tx, tenant, &entry.audit, None).await,
    }
}

#[async_trait]
impl EnvironmentStore for PgBackend {
    async fn slots(&self, tenant: &TenantId, prompt: &PromptName) -> Result<Slots> {
        Ok(slots(self, tenant, prompt).await?)
    }

    async fn move_pointer(&self, change: PointerMove) -> Result<Pointer> {
        moving::move_pointer(self, change).await
    }

    async fn history(
        &self,
        tenant: &TenantId,
        prompt: &PromptName,
        environment: &EnvironmentName,
        page: &PageRequest,
    ) -> Result<Page<HistoryRecord>> {
        let before = page.number_cursor()?.map_or(Ok(i64::MAX), integer)?;
        let limit = page.limit();
        let rows = self
            .read(HISTORY, |query| {
                query
                    .bind(tenant.to_string())
                    .bind(prompt.to_string())
                    .bind(environment.to_string())
                    .bind(before)
                    .bind(limit as i64 + 1)
            })
            .await?;
        let records = rows
            .iter()
            .map(|row| rows::history(row, prompt, environment))
            .collect::<error::Result<Vec<_>>>()?;
        Ok(Page::from_surplus(records, limit, |last| {
            last.revision.to_string()
        }))
    }

    async fn set_policy(&self, change: PolicyChange) -> Result<()> {
        let mut tx = self.begin().await?;
        let result = set_policy(&mut tx, change).await;
        tx.finish(result).await
    }

    async fn policies(&self, tenant: &TenantId) -> Result<Vec<PolicyRecord>> {
        let rows = self
            .read(POLICIES, |query| query.bind(tenant.to_string()))
            .await?;
        Ok(rows
            .iter()
            .map(|row| rows::policy(row, [0, 1, 2]))
            .collect::<error::Result<_>>()?)
    }

    async fn approve(&self, entry: ApprovalEntry) -> Result<()> {
        let mut tx = self.begin().await?;
        let result = approve(&mut tx, entry).await;
        tx.finish(result).await
    }
}
