//! Labels, teams, canned responses and saved views.

use crate::JsonObject;
use domain::organising as kept;
use poem_openapi::types::MaybeUndefined;
use poem_openapi::{Enum, Object};

#[derive(Clone, Debug, Object)]
pub struct Label {
    pub id: i64,
    pub title: String,
    #[oai(nullable)]
    pub description: Option<String>,
    pub color: String,
    pub show_on_sidebar: bool,
}

impl From<&kept::Label> for Label {
    fn from(label: &kept::Label) -> Self {
        Self {
            id: label.id.0,
            title: label.title.clone(),
            description: label.description.clone(),
            color: label.color.clone(),
            show_on_sidebar: label.show_on_sidebar,
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct LabelList {
    pub payload: Vec<Label>,
}

#[derive(Clone, Debug, Object)]
pub struct NewLabel {
    /// One word: letters and digits, with `-` and `_` behind the first. Kept in lower case.
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 1, max_length = 255))]
    pub title: String,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 1000))]
    pub description: Option<String>,
    /// `#1f93ff` when absent.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 7))]
    pub color: Option<String>,
    pub show_on_sidebar: Option<bool>,
}

/// What is absent stays as it is.
#[derive(Clone, Debug, Object)]
pub struct LabelUpdate {
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 255))]
    pub title: Option<String>,
    #[oai(nullable, deserialize_with = "crate::json::changed_text", validator(max_length = 1000))]
    pub description: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 7))]
    pub color: Option<String>,
    pub show_on_sidebar: Option<bool>,
}

#[derive(Clone, Debug, Object)]
pub struct Team {
    pub id: i64,
    pub name: String,
    #[oai(nullable)]
    pub description: Option<String>,
    /// Kept; nothing is assigned by itself here.
    pub allow_auto_assign: bool,
    pub icon: String,
    pub icon_color: String,
    pub account_id: i64,
    /// Whether the caller is in it.
    pub is_member: bool,
}

impl Team {
    pub fn new(team: &kept::Team, is_member: bool) -> Self {
        Self {
            id: team.id.0,
            name: team.name.clone(),
            description: team.description.clone(),
            allow_auto_assign: team.allow_auto_assign,
            icon: team.icon.clone(),
            icon_color: team.icon_color.clone(),
            account_id: team.account_id.0,
            is_member,
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct NewTeam {
    /// Kept in lower case.
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 1, max_length = 255))]
    pub name: String,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 1000))]
    pub description: Option<String>,
    /// True when absent.
    pub allow_auto_assign: Option<bool>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub icon: Option<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub icon_color: Option<String>,
}

/// What is absent stays as it is.
#[derive(Clone, Debug, Object)]
pub struct TeamUpdate {
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 255))]
    pub name: Option<String>,
    #[oai(nullable, deserialize_with = "crate::json::changed_text", validator(max_length = 1000))]
    pub description: MaybeUndefined<String>,
    pub allow_auto_assign: Option<bool>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub icon: Option<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub icon_color: Option<String>,
}

/// People of the account, by id.
#[derive(Clone, Debug, Object)]
pub struct UserIds {
    #[oai(validator(max_items = 1000))]
    pub user_ids: Vec<i64>,
}

#[derive(Clone, Debug, Object)]
pub struct CannedResponse {
    pub id: i64,
    pub account_id: i64,
    pub short_code: String,
    pub content: String,
    pub created_at: String,
    pub updated_at: String,
}

impl From<&kept::CannedResponse> for CannedResponse {
    fn from(canned: &kept::CannedResponse) -> Self {
        Self {
            id: canned.id.0,
            account_id: canned.account_id.0,
            short_code: canned.short_code.clone(),
            content: canned.content.clone(),
            created_at: canned.created_at.to_iso(),
            updated_at: canned.updated_at.to_iso(),
        }
    }
}

#[derive(Clone, Debug, Default, Object)]
pub struct CannedResponseFields {
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 255))]
    pub short_code: Option<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 20_000))]
    pub content: Option<String>,
}

/// The fields, by themselves or inside of `canned_response`, as clients send either.
#[derive(Clone, Debug, Object)]
pub struct CannedResponseBody {
    pub canned_response: Option<CannedResponseFields>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 255))]
    pub short_code: Option<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 20_000))]
    pub content: Option<String>,
}

impl CannedResponseBody {
    pub fn fields(self) -> CannedResponseFields {
        let inside = self.canned_response.unwrap_or_default();
        CannedResponseFields {
            short_code: inside.short_code.or(self.short_code),
            content: inside.content.or(self.content),
        }
    }
}

/// What a saved view is a view of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum FilterType {
    Conversation,
    Contact,
}

impl From<FilterType> for kept::FilterType {
    fn from(kind: FilterType) -> Self {
        match kind {
            FilterType::Conversation => Self::Conversation,
            FilterType::Contact => Self::Contact,
        }
    }
}

impl From<kept::FilterType> for FilterType {
    fn from(kind: kept::FilterType) -> Self {
        match kind {
            kept::FilterType::Conversation => Self::Conversation,
            kept::FilterType::Contact => Self::Contact,
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct CustomFilter {
    pub id: i64,
    pub name: String,
    pub filter_type: FilterType,
    pub query: JsonObject,
    pub created_at: String,
    pub updated_at: String,
}

impl From<&kept::CustomFilter> for CustomFilter {
    fn from(filter: &kept::CustomFilter) -> Self {
        Self {
            id: filter.id.0,
            name: filter.name.clone(),
            filter_type: filter.filter_type.into(),
            query: (&filter.query).into(),
            created_at: filter.created_at.to_iso(),
            updated_at: filter.updated_at.to_iso(),
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct NewCustomFilter {
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 1, max_length = 255))]
    pub name: String,
    /// `conversation` when absent.
    pub filter_type: Option<FilterType>,
    /// What the client asks for when it shows the view; at most 16 kB of JSON.
    pub query: JsonObject,
}

/// What is absent stays as it is.
#[derive(Clone, Debug, Object)]
pub struct CustomFilterUpdate {
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 255))]
    pub name: Option<String>,
    pub query: Option<JsonObject>,
}
