//! The contract of every store, on a file that is really closed and opened again.

use std::path::PathBuf;

use promptops_core::Stores;
use promptops_core::conformance::{Harness, suite};
use promptops_store_sqlite::SqliteBackend;
use tempfile::TempDir;

struct Sqlite(TempDir);

impl Sqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("prompts.db")
    }
}

#[async_trait::async_trait]
impl Harness for Sqlite {
    async fn open(&self) -> Stores {
        SqliteBackend::open(self.path()).await.unwrap().into()
    }

    async fn tamper_with_content(&self, tenant: &str, prompt: &str, number: u32) -> bool {
        let raw = rusqlite::Connection::open(self.path()).unwrap();
        raw.execute_batch("DROP TRIGGER promptops_version_update")
            .unwrap();
        let changed = raw
            .execute(
                "UPDATE promptops_version SET content = json_set(content, '$.settings.model', 'another')
                WHERE number = ?3 AND prompt = (
                    SELECT p.id FROM promptops_prompt p JOIN promptops_tenant t ON t.id = p.tenant
                    WHERE t.name = ?1 AND p.name = ?2
                )",
                (tenant, prompt, number),
            )
            .unwrap();
        assert_eq!(changed, 1);
        true
    }
}

suite!(Sqlite::new());
