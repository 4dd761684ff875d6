//! The same done to many conversations: each is changed, told and committed by itself.

use super::activity::By;
use super::assign::{self, WithMembers};
use super::change::{self, set_status};
use super::status::not_over;
use super::{AssignError, MarkError, ReadError, StatusError, list, marks};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::conversation::{ConversationStatus, Priority};
use domain::organising::MAX_LABELS_OF_ONE;
use domain::user::Agent;
use domain::{DisplayId, TeamId, Timestamp, UserId};
use std::collections::BTreeSet;
use store::{ConversationView, StoreError};

/// As many conversations one call may change.
pub const MOST_AT_ONCE: usize = 100;

/// `None` leaves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkChange {
    pub status: Option<ConversationStatus>,
    pub snoozed_until: Option<Timestamp>,
    pub priority: Option<Option<Priority>>,
    pub assignee: Option<Option<UserId>>,
    pub team: Option<Option<TeamId>>,
    pub add_labels: Vec<String>,
    pub remove_labels: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error(transparent)]
    Assign(#[from] AssignError),
    #[error(transparent)]
    Mark(#[from] MarkError),
    #[error(transparent)]
    Status(#[from] StatusError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Those that the member does not see are passed by, as are labels beyond what a conversation may have. What cannot be done to all of
/// them when it is asked for is done to none; a team that is deleted meanwhile ends it where it is.
pub async fn change_many(
    app: &App,
    member: &Member,
    conversations: &[DisplayId],
    wanted: &BulkChange,
) -> Result<(), BulkError> {
    not_over(app.now(), wanted.status, wanted.snoozed_until)?;
    let add = marks::label_titles(&wanted.add_labels)?;
    // What can be no label is marked nowhere.
    let remove: Vec<String> = wanted.remove_labels.iter().map(|title| title.trim().to_lowercase()).collect();
    let places = member.scope.conversation_places(&list::viewer(member), conversations).await?;
    let team = match wanted.team {
        Some(team) => Some(assign::team_with_members(member, team).await?),
        None => None,
    };
    let assignee: Option<Option<Agent>> = match wanted.assignee {
        None => None,
        Some(user) => {
            let mut agent = None;
            for inbox in places.iter().map(|place| place.inbox_id).collect::<BTreeSet<_>>() {
                agent = assign::assignable(member, inbox, user).await?;
            }
            Some(agent)
        }
    };
    for place in places {
        let mut tx = member.scope.begin().await?;
        let before = match change::lock(&mut tx, place.id).await {
            Ok(before) => before,
            // Somebody deleted it meanwhile.
            Err(ReadError::NotFound) => continue,
            Err(ReadError::Store(error)) => return Err(error.into()),
        };
        let mut after = before.clone();
        apply(&mut after, wanted, assignee.as_ref(), team.as_ref(), &add, &remove);
        let by = By::User(&member.agent.user);
        let written = match change::write(app, &mut tx, &before, &after, by).await {
            Err(StoreError::Conflict(_)) => return Err(AssignError::NoSuchTeam.into()),
            written => written?,
        };
        if written.is_some() {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
    }
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(())
}

fn apply(
    view: &mut ConversationView,
    wanted: &BulkChange,
    assignee: Option<&Option<Agent>>,
    team: Option<&Option<WithMembers>>,
    add: &[String],
    remove: &[String],
) {
    if let Some(status) = wanted.status {
        set_status(&mut view.conversation, status, wanted.snoozed_until);
    }
    if let Some(priority) = wanted.priority {
        view.conversation.priority = priority;
    }
    if let Some(team) = team {
        assign::give_to_team(view, team.clone());
    }
    if let Some(assignee) = assignee {
        assign::give(view, assignee.clone());
    }
    let mut labels: BTreeSet<String> = view.labels.drain(..).filter(|title| !remove.contains(title)).collect();
    for title in add {
        if labels.len() < MAX_LABELS_OF_ONE {
            labels.insert(title.clone());
        }
    }
    view.labels = labels.into_iter().collect();
}
