//! More of what is stored: the rows of mails that the product took in, copied under other ids, so that a database of a hundred thousand
//! mails is there in seconds.
//!
//! The copies are conversations of the same people in the same inbox. What must be one of its kind gets an ending of its own; nothing that
//! arrives afterwards refers to a copy.

use super::Connection;
use anyhow::Result;

/// What a stored mail consists of, in the order of insertion. People and events are not copied.
const TABLES: [&str; 7] =
    ["blobs", "blob_chunks", "conversations", "messages", "message_ids", "attachments", "raw_emails"];
/// Ids of a copy begin here, times its number.
const STRIDE: i64 = 10_000_000;

/// What is read of a conversation; the bytes of the mails stay those of the originals.
const SAID: [&str; 2] = ["conversations", "messages"];

impl Connection {
    /// Copies every stored mail so many times.
    pub async fn copy_mails(&mut self, times: i64) -> Result<()> {
        self.copy(&TABLES, times).await?;
        self.settle().await
    }

    /// Copies what was said, without the mails that it was said in: a million of them are a few gigabytes.
    pub async fn copy_messages(&mut self, times: i64) -> Result<()> {
        self.copy(&SAID, times).await
    }

    async fn copy(&mut self, tables: &[&str], times: i64) -> Result<()> {
        let known = self.tables().await?;
        for table in tables.iter().filter(|table| known.iter().any(|name| name == *table)) {
            let columns = self.columns(table).await?;
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let key = if names.contains(&"id") { "id" } else { "blob_id" };
            for copy in 1..=times {
                let values: Vec<String> = names.iter().map(|name| value(table, name, copy)).collect();
                self.run(&format!(
                    "INSERT INTO {table} ({}) SELECT {} FROM {table} WHERE {key} < {STRIDE}",
                    names.join(", "),
                    values.join(", ")
                ))
                .await?;
            }
            if matches!(self, Self::Postgres(_)) && names.contains(&"id") {
                let sequence = format!("pg_get_serial_sequence('{table}', 'id')");
                self.run(&format!("SELECT setval({sequence}, (SELECT MAX(id) FROM {table}))")).await?;
            }
        }
        self.run("UPDATE account_counters SET next_display_id = (SELECT MAX(display_id) + 1 FROM conversations)")
            .await?;
        Ok(())
    }

    /// Lets the database do what it would have done by the time there are so many.
    pub async fn settle(&mut self) -> Result<()> {
        match self {
            // Its autovacuum.
            Self::Postgres(_) => self.run("VACUUM ANALYZE").await,
            Self::Sqlite(_) => Ok(()),
        }
    }
}

fn value(table: &str, column: &str, copy: i64) -> String {
    let own_id = match column {
        "id" | "blob_id" | "message_id" | "conversation_id" | "last_message_id" | "last_non_activity_message_id" => {
            true
        }
        "display_id" => table == "conversations",
        _ => false,
    };
    let of_its_kind = ["sha256", "uuid", "header", "message_id_header", "fingerprint"].contains(&column);
    if own_id {
        format!("{column} + {}", copy * STRIDE)
    } else if of_its_kind {
        format!("{column} || '-{copy}'")
    } else if (table, column) == ("raw_emails", "uidvalidity") {
        // Another life of the folder: its UIDs are not those that the server has now.
        format!("{column} + {copy}")
    } else {
        column.to_owned()
    }
}
