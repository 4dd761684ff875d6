//! Labels. A new title is the title of every mark, and a label that goes takes its marks along.

use super::{KeepError, Kept, MAX_LABELS, administers, commit, described, refused};
use crate::App;
use crate::accounts::Member;
use domain::LabelId;
use domain::organising::{self, LABEL_COLOR, Label};
pub use store::LabelChange;
use store::{NewLabel, StoreError};

const TITLE: &str = "Title must begin with a letter or digit and hold only letters, digits, hyphens and underscores";

pub async fn list(_app: &App, member: &Member) -> Result<Vec<Label>, StoreError> {
    member.scope.labels().await
}

pub async fn show(_app: &App, member: &Member, id: LabelId) -> Result<Label, KeepError> {
    member.scope.label(id).await?.ok_or(KeepError::NotFound)
}

pub async fn create(
    app: &App,
    member: &Member,
    title: &str,
    description: Option<String>,
    color: Option<String>,
    show_on_sidebar: bool,
) -> Result<Label, KeepError> {
    administers(member)?;
    let title = title_of(title)?;
    let color = color_of(color.unwrap_or_else(|| LABEL_COLOR.to_owned()))?;
    let new = NewLabel { title, description: described(description), color, show_on_sidebar };
    let mut tx = member.scope.begin().await?;
    let label = tx.create_label(&new, MAX_LABELS).await.map_err(|error| refused(error, "title", MAX_LABELS))?;
    commit(app, member, tx, Kept::Label).await?;
    Ok(label)
}

pub async fn update(app: &App, member: &Member, id: LabelId, change: LabelChange) -> Result<Label, KeepError> {
    administers(member)?;
    let change = LabelChange {
        title: change.title.as_deref().map(title_of).transpose()?,
        description: change.description.map(described),
        color: change.color.map(color_of).transpose()?,
        show_on_sidebar: change.show_on_sidebar,
    };
    let mut tx = member.scope.begin().await?;
    let label = tx.update_label(id, &change).await.map_err(|error| refused(error, "title", MAX_LABELS))?;
    let label = label.ok_or(KeepError::NotFound)?;
    commit(app, member, tx, Kept::Label).await?;
    Ok(label)
}

pub async fn delete(app: &App, member: &Member, id: LabelId) -> Result<(), KeepError> {
    administers(member)?;
    let mut tx = member.scope.begin().await?;
    tx.delete_label(id).await?.ok_or(KeepError::NotFound)?;
    Ok(commit(app, member, tx, Kept::Label).await?)
}

fn title_of(text: &str) -> Result<String, KeepError> {
    organising::label_title(text).ok_or(KeepError::Invalid { field: "title", words: TITLE })
}

fn color_of(text: String) -> Result<String, KeepError> {
    let words = "Color must be written like #1f93ff";
    if organising::is_color(&text) { Ok(text) } else { Err(KeepError::Invalid { field: "color", words }) }
}
