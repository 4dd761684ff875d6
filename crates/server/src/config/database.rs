//! Where things are kept: POSTROOM_DATA_DIR, DATABASE_URL, DATABASE_CONNECTIONS, REDIS_URL.

use super::reader::Reader;
use domain::Secret;
use net::{Endpoint, TlsMode};
use std::path::PathBuf;
use url::Url;

#[derive(Clone, Debug)]
pub struct Database {
    pub data_dir: PathBuf,
    /// May hold a password.
    pub url: Secret,
    pub is_sqlite: bool,
    pub connections: u32,
    pub redis_url: Option<Secret>,
}

impl Database {
    /// The file, where it is SQLite.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        let url = self.url.expose();
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
        Some(PathBuf::from(path.split('?').next().unwrap_or_default()))
    }

    /// Where the server listens, where there is one and it is reached over TCP.
    pub fn server(&self) -> Option<Endpoint> {
        let url = Url::parse(self.url.expose()).ok().filter(|_| !self.is_sqlite)?;
        // A socket's folder is named in the query.
        let host =
            url.host_str().filter(|host| !host.is_empty() && !url.query_pairs().any(|(name, _)| name == "host"))?;
        Some(Endpoint::new(host, url.port().unwrap_or(5432), TlsMode::None))
    }

    pub fn read(reader: &mut Reader) -> Self {
        let data_dir = PathBuf::from(reader.text("POSTROOM_DATA_DIR").unwrap_or_else(|| "./data".to_owned()));
        let default = format!("sqlite://{}", data_dir.join("postroom.sqlite3").display());
        let url = reader.text("DATABASE_URL").unwrap_or(default);
        let is_sqlite = url.starts_with("sqlite:");
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        if is_sqlite && url.trim_start_matches("sqlite:").trim_start_matches("//").is_empty() {
            reader.problem(
                "DATABASE_URL",
                "it names no file",
                "Write sqlite://PATH, or remove it for a file in POSTROOM_DATA_DIR.",
            );
        }
        // The value may hold a password and is not shown.
        if is_postgres && Url::parse(&url).is_err() {
            reader.problem(
                "DATABASE_URL",
                "it is no URL",
                "Write postgres://USER:PASSWORD@HOST:5432/NAME; escape special characters in the password (%40 for @).",
            );
        }
        if !is_sqlite && !is_postgres {
            reader.problem(
                "DATABASE_URL",
                "it starts with neither sqlite:// nor postgres://",
                "Write sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME.",
            );
        }
        let redis_url = reader.text("REDIS_URL");
        if let Some(url) = &redis_url
            && !["redis://", "rediss://", "redis+unix://", "unix://"].iter().any(|scheme| url.starts_with(scheme))
        {
            reader.problem(
                "REDIS_URL",
                "it does not start with redis:// or rediss://",
                "Write redis://HOST:6379/0, or remove it to do without Redis.",
            );
        }
        Self {
            data_dir,
            url: Secret::new(url),
            is_sqlite,
            connections: reader.number("DATABASE_CONNECTIONS", 10, 1, 1000),
            redis_url: redis_url.map(Secret::new),
        }
    }
}
