//! Fields that an account defines for its contacts and conversations.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::contacts::attributes;
use app::contacts::{AttributeDefinition, AttributeModel, AttributeType};
use domain::Timestamp;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use wire::custom_attribute as shown;
use wire::custom_attribute::{CustomAttribute, CustomAttributeChange, NewCustomAttribute};

pub struct CustomAttributesApi;

#[OpenApi(tag = "Tag::Contacts")]
impl CustomAttributesApi {
    /// List the fields that the account has defined
    ///
    /// 200 at most.
    #[oai(
        path = "/api/v1/accounts/:account_id/custom_attribute_definitions",
        method = "get",
        operation_id = "list_custom_attribute_definitions"
    )]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// Those of one kind: `conversation_attribute` or 0, `contact_attribute` or 1.
        #[oai(validator(max_length = 32))]
        attribute_model: Query<Option<String>>,
    ) -> Result<Json<Vec<CustomAttribute>>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let only = match attribute_model.0.as_deref().unwrap_or_default() {
            "" => None,
            "0" | "conversation_attribute" => Some(AttributeModel::Conversation),
            "1" | "contact_attribute" => Some(AttributeModel::Contact),
            _ => return Err(crate::error::Problem::bad_request("attribute_model: no such kind").into()),
        };
        let mut definitions = attributes::list(auth.app(), &member).await?;
        definitions.retain(|definition| only.is_none_or(|only| definition.model == only));
        Ok(Json(definitions.iter().map(show).collect()))
    }

    /// Show a field that the account has defined
    #[oai(
        path = "/api/v1/accounts/:account_id/custom_attribute_definitions/:definition_id",
        method = "get",
        operation_id = "get_custom_attribute_definition"
    )]
    async fn get(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        definition_id: Path<i64>,
    ) -> Result<Json<CustomAttribute>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        Ok(Json(show(&attributes::show(auth.app(), &member, definition_id.0).await?)))
    }

    /// Define a field
    ///
    /// Administrators only.
    #[oai(
        path = "/api/v1/accounts/:account_id/custom_attribute_definitions",
        method = "post",
        operation_id = "create_custom_attribute_definition"
    )]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<NewCustomAttribute>,
    ) -> Result<Json<CustomAttribute>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let new = body.0;
        let new = AttributeDefinition {
            id: 0,
            model: match new.attribute_model {
                Some(shown::AttributeModel::ContactAttribute) => AttributeModel::Contact,
                Some(shown::AttributeModel::ConversationAttribute) | None => AttributeModel::Conversation,
            },
            key: new.attribute_key,
            display_name: new.attribute_display_name,
            display_type: new.attribute_display_type.map_or(AttributeType::Text, kind),
            description: new.attribute_description,
            values: new.attribute_values.unwrap_or_default(),
            regex_pattern: new.regex_pattern,
            regex_cue: new.regex_cue,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        };
        Ok(Json(show(&attributes::create(auth.app(), &member, &new).await?)))
    }

    /// Change a field
    ///
    /// Administrators only.
    #[oai(
        path = "/api/v1/accounts/:account_id/custom_attribute_definitions/:definition_id",
        method = "patch",
        operation_id = "update_custom_attribute_definition"
    )]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        definition_id: Path<i64>,
        body: Json<CustomAttributeChange>,
    ) -> Result<Json<CustomAttribute>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let old = attributes::show(auth.app(), &member, definition_id.0).await?;
        let change = body.0;
        let changed = AttributeDefinition {
            display_name: change.attribute_display_name.unwrap_or(old.display_name),
            display_type: change.attribute_display_type.map_or(old.display_type, kind),
            description: text(old.description, change.attribute_description),
            values: change.attribute_values.unwrap_or(old.values),
            regex_pattern: text(old.regex_pattern, change.regex_pattern),
            regex_cue: text(old.regex_cue, change.regex_cue),
            ..old
        };
        Ok(Json(show(&attributes::update(auth.app(), &member, &changed).await?)))
    }

    /// Remove a field
    ///
    /// Administrators only. Values that stand under its key stay.
    #[oai(
        path = "/api/v1/accounts/:account_id/custom_attribute_definitions/:definition_id",
        method = "delete",
        operation_id = "delete_custom_attribute_definition"
    )]
    async fn delete(&self, auth: Auth, account_id: Path<i64>, definition_id: Path<i64>) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        attributes::delete(auth.app(), &member, definition_id.0).await?;
        Ok(())
    }
}

fn text(old: Option<String>, change: MaybeUndefined<String>) -> Option<String> {
    match change {
        MaybeUndefined::Undefined => old,
        MaybeUndefined::Null => None,
        MaybeUndefined::Value(text) => Some(text),
    }
}

fn kind(kind: shown::AttributeType) -> AttributeType {
    match kind {
        shown::AttributeType::Text => AttributeType::Text,
        shown::AttributeType::Number => AttributeType::Number,
        shown::AttributeType::Currency => AttributeType::Currency,
        shown::AttributeType::Percent => AttributeType::Percent,
        shown::AttributeType::Link => AttributeType::Link,
        shown::AttributeType::Date => AttributeType::Date,
        shown::AttributeType::List => AttributeType::List,
        shown::AttributeType::Checkbox => AttributeType::Checkbox,
    }
}

fn show(definition: &AttributeDefinition) -> CustomAttribute {
    CustomAttribute {
        id: definition.id,
        attribute_display_name: definition.display_name.clone(),
        attribute_display_type: match definition.display_type {
            AttributeType::Text => shown::AttributeType::Text,
            AttributeType::Number => shown::AttributeType::Number,
            AttributeType::Currency => shown::AttributeType::Currency,
            AttributeType::Percent => shown::AttributeType::Percent,
            AttributeType::Link => shown::AttributeType::Link,
            AttributeType::Date => shown::AttributeType::Date,
            AttributeType::List => shown::AttributeType::List,
            AttributeType::Checkbox => shown::AttributeType::Checkbox,
        },
        attribute_description: definition.description.clone(),
        attribute_key: definition.key.clone(),
        regex_pattern: definition.regex_pattern.clone(),
        regex_cue: definition.regex_cue.clone(),
        attribute_values: definition.values.clone(),
        attribute_model: match definition.model {
            AttributeModel::Conversation => shown::AttributeModel::ConversationAttribute,
            AttributeModel::Contact => shown::AttributeModel::ContactAttribute,
        },
        created_at: definition.created_at.to_iso(),
        updated_at: definition.updated_at.to_iso(),
    }
}
