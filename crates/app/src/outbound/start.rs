//! An agent begins a conversation: it, its first message, the delivery and the owed work are one transaction.

use super::Draft;
use super::reply::{self, Ready, ReplyError};
use crate::accounts::Member;
use crate::conversations::assign::assignable;
use crate::conversations::change::set_status;
use crate::conversations::marks::MAX_ATTRIBUTES_BYTES;
use crate::conversations::{AssignError, new_uuid, snapshot};
use crate::notifications::Notices;
use crate::{App, Hint};
use domain::contact::Contact;
use domain::conversation::{Conversation, ConversationStatus};
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::{ContactId, ConversationId, DisplayId, InboxId, MessageId, TeamId, Timestamp, UserId};
use serde_json::{Map, Value, json};
use store::{ConversationView, KillPoint, NewConversation, NewMessage, People, StoreError, TokenHash};

/// As long as a subject may be.
pub const MAX_SUBJECT_CHARS: usize = 998;

/// What an agent begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    pub inbox_id: InboxId,
    pub contact_id: Option<ContactId>,
    /// The contact's address, where `contact_id` is not known.
    pub source_id: Option<String>,
    pub subject: Option<String>,
    pub status: ConversationStatus,
    pub snoozed_until: Option<Timestamp>,
    pub assignee_id: Option<UserId>,
    pub team_id: Option<TeamId>,
    pub additional_attributes: Map<String, Value>,
    pub custom_attributes: Map<String, Value>,
    /// `None`: nothing is said yet.
    pub message: Option<Draft>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No such inbox, or not one the member sees.
    #[error("the inbox could not be found")]
    InboxNotFound,
    #[error("the contact could not be found")]
    ContactNotFound,
    #[error("the subject is too long")]
    SubjectTooLong,
    #[error("the attributes are too long")]
    AttributesTooLong,
    #[error("snoozed_until must be in the future")]
    SnoozeOver,
    #[error(transparent)]
    Assign(#[from] AssignError),
    #[error(transparent)]
    Message(#[from] ReplyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// With its message, as committed. The same idempotency key and request give the same conversation.
pub async fn start(app: &App, member: &Member, mut beginning: Beginning) -> Result<ConversationView, StartError> {
    let now = app.now();
    if !member.visibility.sees(beginning.inbox_id) {
        return Err(StartError::InboxNotFound);
    }
    let inbox = member.scope.inbox(beginning.inbox_id).await?.ok_or(StartError::InboxNotFound)?;
    let contact = who(member, &beginning).await?;
    check(&beginning, now)?;
    assignable(member, inbox.id, beginning.assignee_id).await?;
    if let Some(team) = beginning.team_id {
        member.scope.team(team).await?.ok_or(AssignError::NoSuchTeam)?;
    }
    // Whoever reads it learns from the subject who writes; a number to put there is not known yet.
    let subject = beginning.subject.take().map(|subject| subject.trim().to_owned()).filter(|s| !s.is_empty());
    let sender = inbox.settings.business_name.as_ref().unwrap_or(&inbox.name);
    beginning.subject = Some(subject.unwrap_or_else(|| format!("Message from {sender}")));
    let conversation = planned(app, member, &inbox, &contact, &beginning);
    let ready = match beginning.message.take() {
        None => None,
        Some(mut draft) => {
            let key = draft.idempotency.take();
            let key = key.map(|key| (key, request(&draft, &inbox, &contact, &beginning)));
            Some(reply::prepare(app, member, (&conversation, &contact), &inbox, draft, key).await?)
        }
    };
    let (display_id, leaves) = match write(app, member, &inbox, &contact, conversation, ready.as_ref()).await? {
        Written::New(display_id) => (display_id, ready.is_some_and(|ready| ready.leaves.is_some())),
        Written::Before(message) => {
            let message = member.scope.message_by_id(message).await?.ok_or(ReplyError::MessageGone)?;
            (message.display_id, false)
        }
    };
    app.passes(KillPoint::ReplyCommitted);
    app.wake(Hint::Account(member.scope.account_id()));
    if leaves {
        app.wake(Hint::Owed);
    }
    Ok(member.scope.conversation(display_id).await?.ok_or(ReplyError::NotFound)?)
}

/// The contact, by id or by the address they are known under in the inbox.
async fn who(member: &Member, beginning: &Beginning) -> Result<Contact, StartError> {
    let id = match (beginning.contact_id, &beginning.source_id) {
        (Some(id), _) => Some(id),
        (None, Some(source)) => member.scope.contact_by_source(beginning.inbox_id, source).await?,
        (None, None) => None,
    };
    let contact = match id {
        Some(id) => member.scope.contact(id).await?,
        None => None,
    };
    contact.ok_or(StartError::ContactNotFound)
}

fn check(beginning: &Beginning, now: Timestamp) -> Result<(), StartError> {
    let long = |attributes: &Map<String, Value>| json!(attributes).to_string().len() > MAX_ATTRIBUTES_BYTES;
    if long(&beginning.custom_attributes) || long(&beginning.additional_attributes) {
        return Err(StartError::AttributesTooLong);
    }
    if beginning.subject.as_ref().is_some_and(|subject| subject.chars().nth(MAX_SUBJECT_CHARS).is_some()) {
        return Err(StartError::SubjectTooLong);
    }
    let is_snoozed = beginning.status == ConversationStatus::Snoozed;
    if is_snoozed && beginning.snoozed_until.is_some_and(|until| until <= now) {
        return Err(StartError::SnoozeOver);
    }
    Ok(())
}

/// The conversation as it is to be, but for its ids.
fn planned(app: &App, member: &Member, inbox: &Inbox, contact: &Contact, beginning: &Beginning) -> Conversation {
    let now = app.now();
    let mut attributes = beginning.additional_attributes.clone();
    attributes.insert("mail_subject".to_owned(), json!(beginning.subject));
    let mut conversation = Conversation {
        id: ConversationId(0),
        account_id: member.scope.account_id(),
        display_id: DisplayId(0),
        uuid: new_uuid(app.entropy(), now),
        inbox_id: inbox.id,
        contact_id: contact.id,
        status: ConversationStatus::Open,
        priority: None,
        assignee_id: beginning.assignee_id,
        team_id: beginning.team_id,
        subject: beginning.subject.clone(),
        muted: false,
        additional_attributes: Value::Object(attributes),
        custom_attributes: Value::Object(beginning.custom_attributes.clone()),
        snoozed_until: None,
        waiting_since: None,
        first_reply_at: None,
        last_activity_at: now,
        agent_last_seen_at: None,
        assignee_last_seen_at: None,
        contact_last_seen_at: None,
        created_at: now,
        updated_at: now,
    };
    set_status(&mut conversation, beginning.status, beginning.snoozed_until);
    conversation
}

/// What makes two requests the same.
fn request(draft: &Draft, inbox: &Inbox, contact: &Contact, beginning: &Beginning) -> TokenHash {
    let content = format!("start\0{}\0{}\0{beginning:?}\0{}", inbox.id, contact.id, draft.content);
    Draft { content, ..draft.clone() }.request_hash(0)
}

enum Written {
    New(DisplayId),
    /// By the same request, earlier.
    Before(MessageId),
}

async fn write(
    app: &App,
    member: &Member,
    inbox: &Inbox,
    contact: &Contact,
    planned: Conversation,
    ready: Option<&Ready>,
) -> Result<Written, StartError> {
    let now = app.now();
    let mut tx = member.scope.begin().await?;
    if let Some(ready) = ready
        && let Some(message) = reply::made_before(&mut tx, ready, now).await?
    {
        return Ok(Written::Before(message));
    }
    // The contact before the conversation, as everybody locks them. Whoever was deleted meanwhile is not there.
    tx.lock_contacts_by_id(&[contact.id]).await?.pop().ok_or(StartError::ContactNotFound)?;
    tx.touch_contact(contact.id, inbox.id, now).await?;
    let made = tx
        .create_conversation(&NewConversation {
            uuid: planned.uuid.clone(),
            inbox_id: inbox.id,
            contact_id: contact.id,
            status: planned.status,
            priority: None,
            assignee_id: planned.assignee_id,
            subject: planned.subject.clone(),
            additional_attributes: planned.additional_attributes.clone(),
            waiting_since: None,
            last_activity_at: now,
        })
        .await;
    let made = match made {
        // The assignee left for good, or the inbox went.
        Err(StoreError::Conflict(_)) => return Err(StartError::InboxNotFound),
        made => made?,
    };
    let planned = Conversation { id: made.id, display_id: made.display_id, ..planned };
    let conversation = match tx.update_conversation(&planned).await {
        // The team was deleted meanwhile.
        Err(StoreError::Conflict(_)) => return Err(AssignError::NoSuchTeam.into()),
        updated => updated?,
    };
    if let Some(assignee) = conversation.assignee_id {
        tx.change_participants(conversation.id, &[assignee], People::Add).await?;
    }
    // It is there before what is said in it.
    let payload = tx.conversation_view(conversation.id).await?.map(|view| snapshot::conversation(&view));
    tx.append_event(EventKind::ConversationCreated, Some(inbox.id), Some(conversation.id), payload.unwrap_or_default());
    if let Some(ready) = ready {
        let new = NewMessage { conversation_id: conversation.id, ..ready.new.clone() };
        let mut notices = Notices::default();
        let message = reply::say(&mut tx, &conversation, inbox, ready, &new, now, &mut notices).await?;
        notices.said(&conversation, &message);
        notices.assigned(&conversation, Some(member.agent.user.id));
        notices.tell(app, &mut tx).await?;
        if let Some(view) = tx.conversation_view_with(conversation.id, &message).await? {
            let payload = snapshot::conversation(&view);
            tx.append_event(EventKind::ConversationUpdated, Some(inbox.id), Some(conversation.id), payload);
        }
    }
    let committed = tx.commit().await?;
    let display_id = committed.display_ids.get(&conversation.id).copied();
    Ok(Written::New(display_id.ok_or(StoreError::NotFound("conversation"))?))
}
