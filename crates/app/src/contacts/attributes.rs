//! Fields that an account defines for its contacts and conversations. Everybody sees them; administrators change them.

use super::{AttributeDefinition, ContactError};
use crate::App;
use crate::accounts::Member;
use store::StoreError;

const MAX_TEXT_CHARS: usize = 255;
const MAX_VALUES: usize = 500;

pub async fn list(_app: &App, member: &Member) -> Result<Vec<AttributeDefinition>, StoreError> {
    member.scope.attribute_definitions().await
}

pub async fn show(app: &App, member: &Member, id: i64) -> Result<AttributeDefinition, ContactError> {
    list(app, member).await?.into_iter().find(|definition| definition.id == id).ok_or(ContactError::NotFound)
}

pub async fn create(
    _app: &App,
    member: &Member,
    new: &AttributeDefinition,
) -> Result<AttributeDefinition, ContactError> {
    may_manage(member)?;
    check(new)?;
    member.scope.create_attribute_definition(new).await.map_err(|error| match error {
        StoreError::Conflict(_) => ContactError::invalid("attribute_key", "Attribute key has already been taken"),
        StoreError::LimitReached(_) => ContactError::Full,
        error => error.into(),
    })
}

/// Its model and key stay: values are stored under them.
pub async fn update(
    _app: &App,
    member: &Member,
    changed: &AttributeDefinition,
) -> Result<AttributeDefinition, ContactError> {
    may_manage(member)?;
    check(changed)?;
    member.scope.update_attribute_definition(changed).await?.ok_or(ContactError::NotFound)
}

/// What was stored under its key stays where it is.
pub async fn delete(_app: &App, member: &Member, id: i64) -> Result<(), ContactError> {
    may_manage(member)?;
    member.scope.delete_attribute_definition(id).await?.then_some(()).ok_or(ContactError::NotFound)
}

fn may_manage(member: &Member) -> Result<(), ContactError> {
    if member.may_manage_people() { Ok(()) } else { Err(ContactError::Forbidden) }
}

fn check(definition: &AttributeDefinition) -> Result<(), ContactError> {
    let too_long = |text: &str| text.chars().count() > MAX_TEXT_CHARS;
    if definition.display_name.trim().is_empty() || too_long(&definition.display_name) {
        return Err(ContactError::invalid(
            "attribute_display_name",
            "Attribute display name needs 1 to 255 characters",
        ));
    }
    if !is_key(&definition.key) {
        return Err(ContactError::invalid(
            "attribute_key",
            "Attribute key needs 1 to 255 letters, digits, '_', '-' or '.'",
        ));
    }
    if definition.values.len() > MAX_VALUES || definition.values.iter().any(|value| too_long(value)) {
        return Err(ContactError::invalid("attribute_values", "Attribute values are too many or too long"));
    }
    let texts = [&definition.description, &definition.regex_pattern, &definition.regex_cue];
    if texts.into_iter().flatten().any(|text| too_long(text)) {
        return Err(ContactError::invalid("attribute_description", "A text is too long (maximum is 255 characters)"));
    }
    Ok(())
}

/// What may stand as a name within a path of JSON in either database.
pub(super) fn is_key(key: &str) -> bool {
    (1..=MAX_TEXT_CHARS).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}
