//! The contract of every store, as the owner of the tables and as a role that row-level security binds.

use promptops_core::Stores;
use promptops_core::conformance::Harness;
use promptops_store_pg::PgBackend;

use crate::databases::{Database, pool};

struct Pg {
    database: Database,
    is_owner: bool,
}

#[async_trait::async_trait]
impl Harness for Pg {
    async fn open(&self) -> Stores {
        let options = if self.is_owner {
            self.database.owner()
        } else {
            self.database.app()
        };
        PgBackend::new(pool(options)).into()
    }

    async fn tamper_with_content(&self, tenant: &str, prompt: &str, number: u32) -> bool {
        let sql = format!(
            "ALTER TABLE promptops.version DISABLE TRIGGER version_update;
            UPDATE promptops.version SET content =
                jsonb_set(content::jsonb, '{{settings,model}}', '\"another\"')::text
            WHERE number = {number} AND prompt = (
                SELECT p.id FROM promptops.prompt p JOIN promptops.tenant t ON t.id = p.tenant
                WHERE t.name = '{tenant}' AND p.name = '{prompt}'
            );"
        );
        self.database.execute(&sql).await.unwrap();
        true
    }
}

mod as_owner {
    use super::Pg;
    use crate::databases::Database;

    promptops_core::conformance::suite!(Pg {
        database: Database::new().await,
        is_owner: true,
    });
}

mod as_bound_role {
    use super::Pg;
    use crate::databases::Database;

    promptops_core::conformance::suite!(Pg {
        database: Database::new().await,
        is_owner: false,
    });
}
