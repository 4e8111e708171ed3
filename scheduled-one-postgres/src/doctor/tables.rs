//! Tables that a start has to make or to complete.

use scheduled_one_protocol::{Finding, Severity};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::not_examined;
use crate::classify::describe;
use crate::preflight::Facts;
use crate::schema::no_tables;
use crate::shared::Shared;

const CHECK: &str = "tables";

/// What is missing, and whether a start of this user could add it.
pub(super) async fn lacking(client: &Client, shared: &Shared, facts: &Facts) -> Finding {
    let (address, lacking) = (&shared.address, &facts.lacking);
    let (schema, user) = (&address.schema, &facts.user);
    match may_make(client, schema, &lacking.altered, lacking.makes).await {
        Err(error) => not_examined(CHECK, &describe(&error)),
        Ok(false) => {
            let why = "it lacks CREATE, or is not the owner of what is there".to_owned();
            no_tables(address, &lacking.statements, why).finding()
        }
        Ok(true) => {
            let found = match lacking.is_all {
                true => format!(
                    "the schema {schema} has none yet: the first start of a scheduler makes them"
                ),
                false => format!(
                    "those in the schema {schema} are of an older version: the first start of a scheduler of this \
                     version adds what they lack"
                ),
            };
            let found = format!("{found}, and user {user} may do that");
            Finding::new(Severity::Info, CHECK, found, "")
        }
    }
}

/// Whether the user may make the schema, if it is missing; tables in it, if it has to; and change those.
async fn may_make(
    client: &Client,
    schema: &str,
    altered: &[&str],
    makes: bool,
) -> Result<bool, Error> {
    let select = "SELECT CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE') \
                  ELSE (NOT $2 OR has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE')) \
                  AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = ANY ($3) \
                  AND NOT pg_has_role(c.relowner, 'USAGE')) END \
                  FROM (SELECT 1) AS one LEFT JOIN pg_namespace n ON n.nspname = $1";
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&schema, Type::TEXT),
        (&makes, Type::BOOL),
        (&altered, Type::TEXT_ARRAY),
    ];
    client
        .query_typed_one(select, &parameters)
        .await?
        .try_get(0)
}
