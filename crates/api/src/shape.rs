//! From what the use cases give to what the wire shows: the last step that still needs the account's links.

use crate::error::Problem;
use app::App;
use app::accounts::Member;
use app::attachments::{self, Signer};
use app::conversations::{ConversationCounts, ConversationView};
use app::organising::teams;
use domain::TeamId;
use domain::message::Attachment;
use std::collections::HashSet;
use wire::Links;
use wire::conversation::{self, Conversation, ConversationParts};

/// The account's signed links, and what else an answer says of the caller.
#[derive(Debug)]
pub struct SignedLinks {
    signer: Signer,
    /// Those that the caller is in.
    teams: HashSet<TeamId>,
}

impl SignedLinks {
    /// For whoever asks nothing about themself.
    pub fn of(signer: Signer) -> Self {
        Self { signer, teams: HashSet::new() }
    }
}

impl Links for SignedLinks {
    fn attachment(&self, attachment: &Attachment) -> String {
        self.signer.url(attachment)
    }

    fn is_in_team(&self, team: TeamId) -> bool {
        self.teams.contains(&team)
    }
}

/// One for a whole answer: it reads the account's key once.
pub async fn links(app: &App, member: &Member) -> Result<SignedLinks, Problem> {
    Ok(SignedLinks { signer: attachments::signer(app, &member.scope).await?, teams: teams::of_member(member).await? })
}

pub fn parts(view: &ConversationView) -> ConversationParts<'_> {
    ConversationParts {
        conversation: &view.conversation,
        contact: &view.contact,
        assignee: view.assignee.as_ref(),
        team: view.team.as_ref(),
        unread_count: view.unread_count,
        last_message: view.last_message.as_ref(),
        last_non_activity_message: view.last_non_activity_message.as_ref(),
        labels: &view.labels,
    }
}

pub fn conversation(view: &ConversationView, links: &SignedLinks) -> Conversation {
    Conversation::new(&parts(view), links)
}

pub fn counts(counts: ConversationCounts) -> conversation::ConversationCounts {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    conversation::ConversationCounts {
        mine_count: whole(counts.mine),
        assigned_count: whole(counts.assigned),
        unassigned_count: whole(counts.unassigned),
        all_count: whole(counts.all),
    }
}
