//! Environments: pointers, history, policies, approvals.

mod rows;

use async_trait::async_trait;
use promptops_core::Result;
use promptops_core::base::{
    ContentHash, EnvironmentName, Page, PageRequest, PromptName, TenantId, VersionNumber,
};
use promptops_core::environment::{
    ApprovalEntry, EnvironmentStore, HistoryRecord, Pointer, PointerMove, PolicyChange, PolicyRecord, Slots,
    refusal,
};
use promptops_core::prompt::{Status, refusal as prompt_refusal};
use rusqlite::{Connection, OptionalExtension};

use self::rows::{ApprovalRow, HistoryRow, PointerRow, PolicyRow};
use crate::backend::{Durability, SqliteBackend};
use crate::{audit, error, feed, prompt, tenancy};
use promptops_core::base::stored::{integer, stored, to_json, unsigned, version_number};

statements! {
    TENANT = "SELECT id, policy_revision FROM promptops_tenant WHERE name = ?1";
    POINTERS = "SELECT o.environment, o.version, o.closure_hash, o.revision, o.moved_by_id, o.moved_by_role,
            o.moved_at
        FROM promptops_prompt p JOIN promptops_pointer o ON o.prompt = p.id
        WHERE p.tenant = ?1 AND p.name = ?2 ORDER BY o.environment";
    POLICIES_FOR = "SELECT environment, prompt, policy FROM promptops_policy
        WHERE tenant = ?1 AND prompt IN ('', ?2) ORDER BY prompt, environment";
    POLICIES = "SELECT environment, prompt, policy FROM promptops_policy WHERE tenant = ?1
        ORDER BY prompt <> '', environment, prompt";
    APPROVALS = "SELECT environment, version, closure_hash, base_revision, approved_by_id, approved_by_role, note, at
        FROM promptops_approval
        WHERE tenant = ?1 AND prompt = ?2 AND base_revision = ?3 AND environment = ?4 ORDER BY id";
    APPROVALS_OF_FIRST = "SELECT environment, version, closure_hash, base_revision, approved_by_id, approved_by_role,
            note, at
        FROM promptops_approval
        WHERE tenant = ?1 AND prompt = ?2 AND base_revision = 0 ORDER BY environment, id";
    CURRENT = "SELECT o.revision, o.version FROM promptops_prompt p
        JOIN promptops_pointer o ON o.prompt = p.id AND o.environment = ?3
        WHERE p.tenant = ?1 AND p.name = ?2";
    TARGET = "SELECT p.id, v.status, v.hash FROM promptops_prompt p
        JOIN promptops_version v ON v.prompt = p.id AND v.number = ?3
        WHERE p.tenant = ?1 AND p.name = ?2";
    MOVE = "INSERT INTO promptops_pointer
            (prompt, environment, version, closure_hash, revision, moved_by_id, moved_by_role, moved_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (prompt, environment) DO UPDATE SET
            version = excluded.version, closure_hash = excluded.closure_hash, revision = excluded.revision,
            moved_by_id = excluded.moved_by_id, moved_by_role = excluded.moved_by_role, moved_at = excluded.moved_at";
    ADD_HISTORY = "INSERT INTO promptops_history (prompt, environment, revision, kind, from_version, to_version,
            closure_hash, actor_id, actor_role, reason, waiver, at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    HISTORY = "SELECT revision, kind, from_version, to_version, closure_hash, actor_id, actor_role, reason, waiver, at
        FROM promptops_history WHERE prompt = ?1 AND environment = ?2 AND revision < ?3
        ORDER BY revision DESC LIMIT ?4";
    SET_POLICY = "INSERT INTO promptops_policy (tenant, prompt, environment, policy) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (tenant, prompt, environment) DO UPDATE SET policy = excluded.policy";
    REMOVE_POLICY = "DELETE FROM promptops_policy WHERE tenant = ?1 AND prompt = ?2 AND environment = ?3";
    BUMP_POLICIES = "UPDATE promptops_tenant SET policy_revision = policy_revision + 1 WHERE id = ?1";
    APPROVE = "INSERT INTO promptops_approval (tenant, prompt, environment, base_revision, closure_hash, version,
            approved_by_id, approved_by_role, note, at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    APPROVED = "SELECT EXISTS (SELECT 1 FROM promptops_approval
        WHERE tenant = ?1 AND prompt = ?2 AND base_revision = ?3 AND environment = ?4 AND closure_hash = ?5
            AND approved_by_id = ?6)";
}

/// The prompt's column of a policy.
fn policy_prompt(prompt: Option<&PromptName>) -> &str {
    prompt.map_or("", PromptName::as_str)
}

fn slots(connection: &Connection, tenant: &TenantId, prompt: &PromptName) -> error::Result<Slots> {
    let view = connection.unchecked_transaction()?;
    let known: Option<(i64, i64)> = view
        .prepare_cached(TENANT)?
        .query_row([tenant.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((tenant, policy_revision)) = known else {
        return Ok(Slots {
            pointers: Vec::new(),
            policies: Vec::new(),
            policy_revision: 0,
            approvals: Vec::new(),
        });
    };
    let of_prompt = (tenant, prompt.as_str());
    let mut slots = Slots {
        pointers: view
            .prepare_cached(POINTERS)?
            .query_map(of_prompt, PointerRow::read)?
            .map(|row| Ok(row?.into_pointer(prompt)?))
            .collect::<error::Result<_>>()?,
        policies: view
            .prepare_cached(POLICIES_FOR)?
            .query_map(of_prompt, PolicyRow::read)?
            .map(|row| Ok(row?.into_record()?))
            .collect::<error::Result<_>>()?,
        policy_revision: unsigned("policy revision", policy_revision)?,
        approvals: Vec::new(),
    };
    // Read by what is live, so that approvals which were spent long ago cost nothing.
    for row in view
        .prepare_cached(APPROVALS_OF_FIRST)?
        .query_map(of_prompt, ApprovalRow::read)?
    {
        let approval = row?.into_approval(prompt)?;
        if slots.pointer(&approval.environment).is_none() {
            slots.approvals.push(approval);
        }
    }
    let mut statement = view.prepare_cached(APPROVALS)?;
    for pointer in &slots.pointers {
        let of_slot = (
            tenant,
            prompt.as_str(),
            integer(pointer.revision)?,
            pointer.environment.as_str(),
        );
        for row in statement.query_map(of_slot, ApprovalRow::read)? {
            slots.approvals.push(row?.into_approval(prompt)?);
        }
    }
    // Keeps those for one environment as they came.
    slots.approvals.sort_by(|a, b| a.environment.cmp(&b.environment));
    Ok(slots)
}

/// The pointer's revision (0 when nothing is live) and its version.
fn current(
    tx: &Connection,
    tenant: i64,
    prompt: &PromptName,
    environment: &EnvironmentName,
) -> error::Result<(u64, Option<VersionNumber>)> {
    let found: Option<(i64, u32)> = tx
        .prepare_cached(CURRENT)?
        .query_row((tenant, prompt.as_str(), environment.as_str()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match found {
        None => Ok((0, None)),
        Some((revision, version)) => Ok((unsigned("revision", revision)?, Some(version_number(version)?))),
    }
}

/// Checks the pointer's revision, and returns its version.
pub(crate) fn check_revision(
    tx: &Connection,
    tenant: i64,
    prompt: &PromptName,
    environment: &EnvironmentName,
    expected: u64,
) -> error::Result<Option<VersionNumber>> {
    let (revision, version) = current(tx, tenant, prompt, environment)?;
    if revision == expected {
        Ok(version)
    } else {
        Err(refusal::revision_conflict(prompt, environment, expected, revision).into())
    }
}

/// A version that is to be served.
pub(crate) struct Target {
    prompt: i64,
    pub(crate) status: Status,
}

/// Finds a version of the tenant's own prompt that must have this content.
pub(crate) fn target(
    tx: &Connection,
    tenant: i64,
    prompt: &PromptName,
    number: VersionNumber,
    hash: &ContentHash,
) -> error::Result<Target> {
    let found: Option<(i64, String, [u8; 32])> = tx
        .prepare_cached(TARGET)?
        .query_row((tenant, prompt.as_str(), number.get()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let (prompt_id, status, found) = found.ok_or_else(|| prompt_refusal::unknown_version(prompt, number))?;
    if found != *hash.as_bytes() {
        return Err(prompt_refusal::other_content(prompt, number, hash).into());
    }
    Ok(Target {
        prompt: prompt_id,
        status: stored("status", status.parse())?,
    })
}

/// Moves a pointer, with all that belongs to the move: on its own, or in the commit that it is a part of.
pub(crate) fn move_pointer(tx: &Connection, change: PointerMove) -> error::Result<Pointer> {
    let tenant = tenancy::ensure_tenant(tx, &change.tenant)?;
    let from = check_revision(
        tx,
        tenant,
        &change.prompt,
        &change.environment,
        change.expected_revision,
    )?;
    check_grounds(tx, tenant, &change)?;
    let target = target(tx, tenant, &change.prompt, change.to, &change.hash)?;
    let prompt_id = target.prompt;
    match target.status {
        Status::Active => {}
        Status::Draft => {
            prompt::put_status(tx, prompt_id, change.to, Status::Active)?;
            feed::tell(tx, &change.tenant, &change.activation())?;
        }
        Status::Archived => {
            return Err(refusal::version_is_archived(&change.prompt, change.to, &change.environment).into());
        }
    }

    let waiver = change.waiver.as_ref().map(|waiver| to_json("waiver", waiver));
    let next = integer(change.expected_revision + 1)?;
    let (closure_hash, at) = (change.closure_hash.as_bytes(), change.at.timestamp_micros());
    tx.prepare_cached(MOVE)?.execute((
        prompt_id,
        change.environment.as_str(),
        change.to.get(),
        closure_hash,
        next,
        &change.actor.id,
        change.actor.role.as_str(),
        at,
    ))?;
    tx.prepare_cached(ADD_HISTORY)?.execute((
        prompt_id,
        change.environment.as_str(),
        next,
        change.kind.as_str(),
        from.map(VersionNumber::get),
        change.to.get(),
        closure_hash,
        &change.actor.id,
        change.actor.role.as_str(),
        &change.reason,
        waiver.transpose()?,
        at,
    ))?;
    feed::tell(tx, &change.tenant, &change.change())?;
    audit::append(tx, change.audit.clone())?;
    Ok(change.into_pointer())
}

/// Checks the revision of a tenant's policies, whose row is there.
pub(crate) fn check_policies(tx: &Connection, tenant: &TenantId, expected: u64) -> error::Result<()> {
    let revision: i64 = tx
        .prepare_cached(TENANT)?
        .query_row([tenant.as_str()], |row| row.get(1))?;
    let revision = unsigned("policy revision", revision)?;
    if revision == expected {
        Ok(())
    } else {
        Err(refusal::policy_conflict(expected, revision).into())
    }
}

/// Checks that the policy and the source environment are those that the move was decided on.
fn check_grounds(tx: &Connection, tenant: i64, change: &PointerMove) -> error::Result<()> {
    check_policies(tx, &change.tenant, change.policy_revision)?;
    if let Some(source) = &change.source {
        let (revision, _) = current(tx, tenant, &change.prompt, &source.environment)?;
        if revision != source.revision {
            return Err(refusal::source_conflict(
                &change.prompt,
                &source.environment,
                source.revision,
                revision,
            )
            .into());
        }
    }
    Ok(())
}

fn set_policy(tx: &Connection, change: PolicyChange) -> error::Result<()> {
    let tenant = tenancy::ensure_tenant(tx, &change.tenant)?;
    let slot = (
        tenant,
        policy_prompt(change.prompt.as_ref()),
        change.environment.as_str(),
    );
    let changed = match &change.policy {
        Some(policy) => {
            let policy = to_json("policy", policy)?;
            tx.prepare_cached(SET_POLICY)?
                .execute((slot.0, slot.1, slot.2, policy))?
        }
        None => tx.prepare_cached(REMOVE_POLICY)?.execute(slot)?,
    };
    if changed == 0 {
        return Err(refusal::unknown_policy(&change.environment, change.prompt.as_ref()).into());
    }
    tx.prepare_cached(BUMP_POLICIES)?.execute([tenant])?;
    feed::tell(tx, &change.tenant, &change.change())?;
    audit::append(tx, change.audit)
}

fn approve(tx: &Connection, entry: ApprovalEntry) -> error::Result<()> {
    let approval = &entry.approval;
    let tenant = tenancy::ensure_tenant(tx, &entry.tenant)?;
    check_revision(
        tx,
        tenant,
        &approval.prompt,
        &approval.environment,
        approval.base_revision,
    )?;
    let (prompt, environment) = (approval.prompt.as_str(), approval.environment.as_str());
    let (base, closure_hash) = (integer(approval.base_revision)?, approval.closure_hash.as_bytes());
    let by = approval.approved_by.id.as_str();
    let approved: bool = tx
        .prepare_cached(APPROVED)?
        .query_row((tenant, prompt, base, environment, closure_hash, by), |row| {
            row.get(0)
        })?;
    if approved {
        return Ok(());
    }
    tx.prepare_cached(APPROVE)?.execute((
        tenant,
        prompt,
        environment,
        base,
        closure_hash,
        approval.version.get(),
        by,
        approval.approved_by.role.as_str(),
        &approval.note,
        approval.at.timestamp_micros(),
    ))?;
    audit::append(tx, entry.audit)
}

#[async_trait]
impl EnvironmentStore for SqliteBackend {
    async fn slots(&self, tenant: &TenantId, prompt: &PromptName) -> Result<Slots> {
        let (tenant, prompt) = (tenant.clone(), prompt.clone());
        self.read(move |connection| slots(connection, &tenant, &prompt))
            .await
    }

    async fn move_pointer(&self, change: PointerMove) -> Result<Pointer> {
        self.write(Durability::Machine, move |tx| move_pointer(tx, change))
            .await
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
        let (tenant, prompt, environment) = (tenant.clone(), prompt.clone(), environment.clone());
        self.read(move |connection| {
            let records = match tenancy::own_prompt(connection, &tenant, &prompt)? {
                None => Vec::new(),
                Some(id) => connection
                    .prepare_cached(HISTORY)?
                    .query_map(
                        (id, environment.as_str(), before, limit as i64 + 1),
                        HistoryRow::read,
                    )?
                    .map(|row| Ok(row?.into_record(&prompt, &environment)?))
                    .collect::<error::Result<_>>()?,
            };
            Ok(Page::from_surplus(records, limit, |last| {
                last.revision.to_string()
            }))
        })
        .await
    }

    async fn set_policy(&self, change: PolicyChange) -> Result<()> {
        self.write(Durability::Machine, move |tx| set_policy(tx, change))
            .await
    }

    async fn policies(&self, tenant: &TenantId) -> Result<Vec<PolicyRecord>> {
        let tenant = tenant.clone();
        self.read(move |connection| match tenancy::tenant(connection, &tenant)? {
            None => Ok(Vec::new()),
            Some(tenant) => connection
                .prepare_cached(POLICIES)?
                .query_map([tenant], PolicyRow::read)?
                .map(|row| Ok(row?.into_record()?))
                .collect(),
        })
        .await
    }

    async fn approve(&self, entry: ApprovalEntry) -> Result<()> {
        self.write(Durability::Machine, move |tx| approve(tx, entry))
            .await
    }
}
