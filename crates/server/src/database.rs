//! Beginning on the database: its schema fits, and it is the one that was meant.
//!
//! On PostgreSQL no command but `postroom migrate` makes or changes a schema: the database behind the URL may be an empty standby that took
//! over, and making a schema there would begin anew without anybody noticing.

use crate::commands::keys;
use crate::parts::Parts;
use anyhow::{Result, bail};
use store::StoreError;
use tracing::warn;
use worker::INSTALLATION_KEY;

impl Parts {
    /// Checks the schema, and that Redis knows this installation; from here on no other database is worked with.
    pub async fn recognise(&self) -> Result<()> {
        let store = self.app.store();
        let known = self.known_to_redis().await;
        match store.check_schema().await {
            Err(StoreError::SchemaTooOld { found: 0, .. }) if known.is_some() => bail!(
                "DATABASE_URL: the database is empty, and REDIS_URL has carried jobs for installation {} until now. Is it the database that was meant, and not an empty standby or a copy? If it is meant to be empty: `postroom migrate`, delete the key {INSTALLATION_KEY} in Redis, and start again.",
                known.unwrap_or_default()
            ),
            checked => checked?,
        }
        let installation = store.recognise().await?;
        keys::warn_of_missing(store).await;
        let Some(redis) = &self.config.database.redis_url else { return Ok(()) };
        match worker::remember_installation(redis.expose(), &installation).await {
            Ok(known) if known != installation => bail!(
                "DATABASE_URL: the database belongs to installation {installation}, and REDIS_URL has carried jobs for installation {known} until now. Either this is not the database that was meant (another one, a standby, a copy), or this Redis belongs to another installation. If it is meant to be so, delete the key {INSTALLATION_KEY} in Redis and start again."
            ),
            Ok(_) => {}
            Err(error) => warn!(%error, "Redis cannot be asked which installation it knows; going on without"),
        }
        Ok(())
    }

    async fn known_to_redis(&self) -> Option<String> {
        let redis = self.config.database.redis_url.as_ref()?;
        worker::known_installation(redis.expose()).await.ok().flatten()
    }
}
