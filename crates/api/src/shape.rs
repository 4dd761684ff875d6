//! From what the use cases give to what the wire shows: the last step that still needs the account's links.

use crate::error::Problem;
use app::App;
use app::accounts::Member;
use app::attachments::{self, Signer};
use app::conversations::{ConversationCounts, ConversationView};
use domain::message::Attachment;
use wire::Links;
use wire::conversation::{self, Conversation, ConversationParts};

/// The account's signed links.
#[derive(Debug)]
pub struct SignedLinks(pub Signer);

impl Links for SignedLinks {
    fn attachment(&self, attachment: &Attachment) -> String {
        self.0.url(attachment)
    }
}

/// One for a whole answer: it reads the account's key once.
pub async fn links(app: &App, member: &Member) -> Result<SignedLinks, Problem> {
    Ok(SignedLinks(attachments::signer(app, &member.scope).await?))
}

pub fn parts(view: &ConversationView) -> ConversationParts<'_> {
    ConversationParts {
        conversation: &view.conversation,
        contact: &view.contact,
        assignee: view.assignee.as_ref(),
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
