//! The attributes that an account has defined for its contacts and conversations.

use super::{audit, convert};
use crate::*;
use domain::Timestamp;
use domain::audit::{AuditAction, AuditSubject};
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

#[derive(Debug, FromQueryResult)]
struct DefinitionRow {
    id: i64,
    attribute_model: String,
    attribute_key: String,
    attribute_display_name: String,
    attribute_display_type: String,
    attribute_description: Option<String>,
    attribute_values: String,
    regex_pattern: Option<String>,
    regex_cue: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl AccountScope {
    /// All of them, in the order in which they were made.
    pub async fn attribute_definitions(&self) -> Result<Vec<AttributeDefinition>> {
        let rows: Vec<DefinitionRow> = self
            .sql("SELECT * FROM custom_attribute_definitions WHERE account_id = :account ORDER BY id")
            .all(&self.inner.read)
            .await?;
        rows.into_iter().map(definition).collect()
    }

    /// `Conflict` when the key is taken, `LimitReached` when there are as many as there may be.
    pub async fn create_attribute_definition(&self, new: &AttributeDefinition) -> Result<AttributeDefinition> {
        let tx = self.inner.begin().await?;
        let counted = self.sql("SELECT COUNT(*) FROM custom_attribute_definitions WHERE account_id = :account");
        self.make_room(&tx, "attribute definitions", counted, MOST_ATTRIBUTE_DEFINITIONS).await?;
        let now = self.inner.now().0;
        let row: Option<DefinitionRow> = self
            .sql(
                "INSERT INTO custom_attribute_definitions (account_id, attribute_model, attribute_key, attribute_display_name, \
                 attribute_display_type, attribute_description, attribute_values, regex_pattern, regex_cue, created_at, updated_at) \
                 VALUES (:account, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
            )
            .bind(new.model.as_str())
            .bind(new.key.as_str())
            .bind(new.display_name.as_str())
            .bind(new.display_type.as_str())
            .bind(new.description.clone())
            .bind(convert::to_json(&new.values))
            .bind(new.regex_pattern.clone())
            .bind(new.regex_cue.clone())
            .bind(now)
            .bind(now)
            .one(&tx)
            .await?;
        let made = definition(row.ok_or(StoreError::NotFound("attribute definition"))?)?;
        self.audit(&tx, AuditAction::Create, SUBJECT, made.id, audit::fields(told(&made))).await?;
        tx.commit().await?;
        Ok(made)
    }

    /// Everything but its model and key, which values are stored under. `None`: there is none.
    pub async fn update_attribute_definition(
        &self,
        changed: &AttributeDefinition,
    ) -> Result<Option<AttributeDefinition>> {
        let tx = self.inner.begin().await?;
        let before: Option<DefinitionRow> = self
            .sql("SELECT * FROM custom_attribute_definitions WHERE account_id = :account AND id = ?{lock}")
            .bind(changed.id)
            .one(&tx)
            .await?;
        let row: Option<DefinitionRow> = self
            .sql(
                "UPDATE custom_attribute_definitions SET attribute_display_name = ?, attribute_display_type = ?, attribute_description = ?, \
                 attribute_values = ?, regex_pattern = ?, regex_cue = ?, updated_at = ? WHERE account_id = :account AND id = ? RETURNING *",
            )
            .bind(changed.display_name.as_str())
            .bind(changed.display_type.as_str())
            .bind(changed.description.clone())
            .bind(convert::to_json(&changed.values))
            .bind(changed.regex_pattern.clone())
            .bind(changed.regex_cue.clone())
            .bind(self.inner.now().0)
            .bind(changed.id)
            .one(&tx)
            .await?;
        let after = row.map(definition).transpose()?;
        if let (Some(before), Some(after)) = (before.map(definition).transpose()?, &after) {
            self.audit_update(&tx, SUBJECT, changed.id, told(&before), told(after)).await?;
        }
        tx.commit().await?;
        Ok(after)
    }

    pub async fn delete_attribute_definition(&self, id: i64) -> Result<bool> {
        let tx = self.inner.begin().await?;
        let row: Option<DefinitionRow> = self
            .sql("DELETE FROM custom_attribute_definitions WHERE account_id = :account AND id = ? RETURNING *")
            .bind(id)
            .one(&tx)
            .await?;
        let deleted = row.map(definition).transpose()?;
        if let Some(gone) = &deleted {
            self.audit(&tx, AuditAction::Destroy, SUBJECT, id, audit::fields(told(gone))).await?;
        }
        tx.commit().await?;
        Ok(deleted.is_some())
    }
}

const SUBJECT: AuditSubject = AuditSubject::CustomAttributeDefinition;

fn told(definition: &AttributeDefinition) -> Value {
    json!({
        "attribute_key": definition.key,
        "attribute_display_name": definition.display_name,
        "attribute_description": definition.description,
        "attribute_values": definition.values,
        "regex_pattern": definition.regex_pattern,
        "regex_cue": definition.regex_cue,
    })
}

fn definition(row: DefinitionRow) -> Result<AttributeDefinition> {
    Ok(AttributeDefinition {
        id: row.id,
        model: convert::code("attribute model", &row.attribute_model, AttributeModel::parse)?,
        key: row.attribute_key,
        display_name: row.attribute_display_name,
        display_type: convert::code("attribute type", &row.attribute_display_type, AttributeType::parse)?,
        description: row.attribute_description,
        values: convert::json("attribute values", &row.attribute_values)?,
        regex_pattern: row.regex_pattern,
        regex_cue: row.regex_cue,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    })
}
