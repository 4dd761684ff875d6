//! The JSON types that Chatwoot's clients read, held field by field: a wrong one fails a whole call of the CLI.

use domain::account::{Account, AccountStatus, Availability, Role};
use domain::channel::{EmailChannel, Health, HealthState, ImportProgress, ImportState, Provider};
use domain::contact::Contact;
use domain::conversation::{Conversation, ConversationStatus, Priority};
use domain::inbox::{Inbox, InboxSettings};
use domain::message::{
    Attachment, ContentType, Delivery, DeliveryState, Message, MessageType, Recipients, RefusedRecipient, Sender,
};
use domain::user::{Agent, Membership, User};
use domain::*;
use serde_json::{Value, json};
use std::time::Duration;
use wire::conversation::ConversationParts;
use wire::{Links, to_value};

const NOW: Timestamp = Timestamp(1_760_000_000_250_000);

struct TestLinks;

impl Links for TestLinks {
    fn attachment(&self, attachment: &Attachment) -> String {
        format!("https://desk.example/attachments/{}", attachment.id)
    }
}

fn contact() -> Contact {
    Contact {
        id: ContactId(5),
        account_id: AccountId(1),
        name: "Ada".into(),
        email: Some("ada@customer.example".into()),
        phone_number: None,
        identifier: None,
        blocked: false,
        additional_attributes: Value::Null,
        custom_attributes: json!({}),
        last_activity_at: None,
        created_at: NOW,
    }
}

fn agent() -> Agent {
    Agent {
        account_id: AccountId(1),
        user: User {
            id: UserId(3),
            email: "grace@desk.example".into(),
            name: "Grace Hopper".into(),
            display_name: Some("Grace".into()),
            message_signature: None,
            created_at: NOW,
        },
        role: Role::Administrator,
        availability: Availability::Busy,
        auto_offline: true,
        confirmed: true,
    }
}

fn message(sender: Sender, delivery: Option<Delivery>) -> Message {
    Message {
        id: MessageId(9),
        account_id: AccountId(1),
        inbox_id: InboxId(2),
        conversation_id: ConversationId(77),
        display_id: DisplayId(4),
        message_type: if delivery.is_some() { MessageType::Outgoing } else { MessageType::Incoming },
        private: false,
        content: Some("Hello".into()),
        content_type: ContentType::Text,
        content_attributes: Value::Null,
        source_id: None,
        sender,
        sent_at: NOW,
        created_at: NOW,
        updated_at: NOW,
        deleted: false,
        attachments: Vec::new(),
        delivery,
    }
}

fn conversation() -> Conversation {
    Conversation {
        id: ConversationId(77),
        account_id: AccountId(1),
        display_id: DisplayId(4),
        uuid: "0b9a".into(),
        inbox_id: InboxId(2),
        contact_id: ContactId(5),
        status: ConversationStatus::Open,
        priority: None,
        assignee_id: None,
        team_id: None,
        subject: Some("Invoice".into()),
        muted: false,
        additional_attributes: Value::Null,
        custom_attributes: Value::Null,
        snoozed_until: None,
        waiting_since: None,
        first_reply_at: None,
        last_activity_at: NOW,
        agent_last_seen_at: None,
        assignee_last_seen_at: None,
        contact_last_seen_at: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn parts<'a>(conversation: &'a Conversation, contact: &'a Contact, last: Option<&'a Message>) -> ConversationParts<'a> {
    ConversationParts {
        conversation,
        contact,
        assignee: None,
        team: None,
        unread_count: 2,
        last_message: last,
        last_non_activity_message: last,
        labels: &[],
    }
}

fn inbox() -> Inbox {
    let address = EmailAddress::parse("support@contoso.example").expect("an address");
    Inbox {
        id: InboxId(2),
        account_id: AccountId(1),
        name: "Support".into(),
        settings: InboxSettings::default(),
        channel: EmailChannel {
            id: ChannelId(8),
            account_id: AccountId(1),
            inbox_id: InboxId(2),
            provider: Provider::Microsoft,
            service: domain::channel::Service::Microsoft365,
            grant_id: Some(GrantId(1)),
            principal: "support@contoso.example".into(),
            mailbox_address: address.clone(),
            from_address: address,
            from_accepted_at: None,
            smtp_user: "support@contoso.example".into(),
            send_transport: domain::channel::SendTransport::Smtp,
            fetch_health: Health::default().worked(NOW),
            send_health: Health::default().failed(FailureClass::SmtpAuthDisabled.into(), NOW, None),
            sending_limits: domain::channel::SendingLimits::default(),
            import: ImportProgress { state: ImportState::Running, total: Some(10), done: 3 },
            created_at: NOW,
        },
        created_at: NOW,
    }
}

#[test]
fn a_conversation_has_whole_numbers_objects_and_no_null_assignee() {
    let (conversation, contact) = (conversation(), contact());
    let last = message(Sender::Contact(Box::new(contact.clone())), None);
    let shown =
        to_value(&wire::conversation::Conversation::new(&parts(&conversation, &contact, Some(&last)), &TestLinks));
    assert_eq!(shown["id"], json!(4), "the display id, not the row's");
    for field in ["created_at", "timestamp", "last_activity_at"] {
        assert_eq!(shown[field], json!(1_760_000_000), "{field}");
    }
    for never in [
        "agent_last_seen_at",
        "assignee_last_seen_at",
        "contact_last_seen_at",
        "waiting_since",
        "first_reply_created_at",
    ] {
        assert_eq!(shown[never], json!(0), "{never}");
    }
    assert_eq!(shown["updated_at"], json!(1_760_000_000.25));
    assert_eq!(shown["labels"], json!([]));
    assert_eq!(shown["additional_attributes"], json!({"mail_subject": "Invoice"}));
    assert_eq!(shown["custom_attributes"], json!({}));
    for null in ["priority", "snoozed_until", "sla_policy_id"] {
        assert_eq!(shown.get(null), Some(&Value::Null), "{null} is there and null");
    }
    let meta = shown["meta"].as_object().expect("an object");
    assert!(!meta.contains_key("assignee") && !meta.contains_key("assignee_type"), "{meta:?}");
    assert_eq!(meta["channel"], json!("Channel::Email"));
    assert_eq!(meta["sender"]["id"], json!(5));
    assert!(meta["sender"].get("last_activity_at").is_none());
    assert_eq!(meta["sender"]["additional_attributes"], json!({}));
    let last = &shown["messages"][0];
    assert_eq!((&last["message_type"], &last["conversation_id"]), (&json!(0), &json!(4)));
    assert_eq!((&last["sender_type"], &last["created_at"]), (&json!("Contact"), &json!(1_760_000_000)));
    assert_eq!(last["updated_at"], json!("2025-10-09T08:53:20.250Z"));
    assert_eq!(last["conversation"]["contact_inbox"]["source_id"], json!("ada@customer.example"));
}

#[test]
fn an_assignee_and_a_priority_are_shown_when_they_are_there() {
    let contact = contact();
    let conversation = Conversation { priority: Some(Priority::Urgent), ..conversation() };
    let agent = agent();
    let parts = ConversationParts { assignee: Some(&agent), ..parts(&conversation, &contact, None) };
    let shown = to_value(&wire::conversation::Conversation::new(&parts, &TestLinks));
    assert_eq!(shown["priority"], json!("urgent"));
    assert_eq!(shown["meta"]["assignee"]["availability_status"], json!("busy"));
    assert_eq!(shown["meta"]["assignee_type"], json!("User"));
    assert_eq!(shown["messages"], json!([]));
    assert_eq!(shown.get("last_non_activity_message"), Some(&Value::Null));
}

#[test]
fn a_mails_bodies_are_shown_under_all_three_names_also_where_the_row_keeps_one() {
    let mut mail = message(Sender::Contact(Box::new(contact())), None);
    mail.content_attributes = json!({ "email": { "text_content": { "full": "Hello\n" }, "html_content": null } });
    let shown = to_value(&wire::message::Message::new(&mail, &TestLinks));
    let text = json!({ "full": "Hello\n", "reply": "Hello\n", "quoted": "Hello" });
    assert_eq!(shown["content_attributes"]["email"], json!({ "text_content": text, "html_content": null }));
    // What an agent wrote has no history, and clients know it under two names.
    let mut reply = mail.clone();
    reply.message_type = MessageType::Outgoing;
    let shown = to_value(&wire::message::Message::new(&reply, &TestLinks));
    assert_eq!(shown["content_attributes"], reply.content_attributes);
}

#[test]
fn an_incoming_message_says_who_it_is_from_and_nothing_of_a_delivery() {
    let shown =
        to_value(&wire::message::Message::new(&message(Sender::Contact(Box::new(contact())), None), &TestLinks));
    assert_eq!(shown["sender"]["type"], json!("contact"));
    assert_eq!((&shown["message_type"], &shown["status"]), (&json!(0), &json!("sent")));
    assert_eq!(shown["content_attributes"], json!({}));
    assert_eq!(shown.get("source_id"), Some(&Value::Null));
    for absent in ["delivery", "echo_id", "attachments"] {
        assert!(shown.get(absent).is_none(), "{absent}");
    }
}

/// One has it, one was refused, one was put off, and one was not asked for yet.
fn recipients() -> Recipients {
    let all =
        ["a@b.example", "b@b.example", "c@b.example", "d@b.example"].map(|a| EmailAddress::parse(a).expect("one"));
    let refused = |at: usize, class, said: &str| RefusedRecipient::new(&all[at], &Failure::new(class).said(said));
    let mut recipients = Recipients::new(all.to_vec());
    recipients.accept(&all[..1], &["1@us.example".to_owned()]);
    recipients.hear(&[
        refused(1, FailureClass::RecipientRefused, "550 unknown"),
        refused(2, FailureClass::Throttled, "450 later"),
    ]);
    recipients
}

#[test]
fn an_outgoing_message_tells_how_its_delivery_is_doing() {
    let delivery = Delivery {
        id: DeliveryId(6),
        message_id: MessageId(9),
        state: DeliveryState::OutcomeUnknown,
        attempts: 2,
        queued_at: NOW,
        sent_at: None,
        next_try_at: None,
        failure: Some(Failure::new(FailureClass::OutcomeUnknown).said("gone")),
        failing_since: None,
        waits_alone: false,
        recipients: recipients(),
    };
    let mut outgoing = message(Sender::User(Box::new(agent().user)), Some(delivery));
    outgoing.attachments.push(Attachment {
        id: AttachmentId(1),
        account_id: AccountId(1),
        message_id: MessageId(9),
        blob_id: BlobId(1),
        file_name: "offer.pdf".into(),
        content_type: "application/pdf".into(),
        size_bytes: 1234,
        content_id: None,
        inline: false,
    });
    let shown = to_value(&wire::message::Message::new(&outgoing, &TestLinks).with_echo_id(Some("e1".into())));
    assert_eq!((&shown["message_type"], &shown["echo_id"]), (&json!(1), &json!("e1")));
    assert_eq!(shown["sender"]["type"], json!("user"));
    assert_eq!(shown["sender"]["available_name"], json!("Grace"));
    assert_eq!(
        shown["delivery"],
        json!({
            "id": 6, "state": "outcome_unknown", "attempts": 2, "queued_at": 1_760_000_000,
            "sent_at": null, "next_try_at": null,
            "failure": {
                "code": "outcome_unknown", "cause": FailureClass::OutcomeUnknown.text(), "who_must_act": "agent",
                "cure": FailureClass::OutcomeUnknown.cure(), "server_said": "gone", "detail": null, "correlation_id": null,
            },
            "accepted_recipients": ["a@b.example"],
            "waiting_recipients": [
                {"address": "c@b.example", "server_said": "450 later"}, {"address": "d@b.example", "server_said": null},
            ],
            "refused_recipients": [{
                "address": "b@b.example", "code": "recipient_refused", "cause": FailureClass::RecipientRefused.text(),
                "server_said": "550 unknown", "bounced": false,
            }],
        })
    );
    let file = &shown["attachments"][0];
    assert_eq!(
        (&file["file_type"], &file["extension"], &file["file_size"]),
        (&json!("file"), &json!("pdf"), &json!(1234))
    );
    assert_eq!((&file["data_url"], &file["thumb_url"]), (&json!("https://desk.example/attachments/1"), &json!("")));
}

#[test]
fn only_administrators_see_the_mailbox_and_nobody_sees_a_password() {
    let servers = wire::inbox::MailServers {
        imap_address: "outlook.office365.com".into(),
        imap_port: 993,
        imap_implicit_tls: true,
        smtp_address: "smtp.office365.com".into(),
        smtp_port: 587,
        smtp_implicit_tls: false,
    };
    let member = to_value(&wire::inbox::Inbox::for_member(&inbox()));
    assert_eq!((&member["channel_type"], &member["provider"]), (&json!("Channel::Email"), &json!("microsoft")));
    assert_eq!(member["avatar_url"], json!(""));
    assert_eq!(member.get("greeting_message"), Some(&Value::Null));
    for hidden in ["imap_login", "imap_password", "smtp_login", "fetch_health", "reauthorization_required"] {
        assert!(member.get(hidden).is_none(), "{hidden}");
    }
    assert_eq!((&member["send_state"], &member["send_state_since"].is_i64()), (&json!("blocked"), &true), "{member}");
    let admin = to_value(&wire::inbox::Inbox::for_administrator(&inbox(), &servers));
    assert_eq!((&admin["imap_port"], &admin["smtp_port"]), (&json!(993), &json!(587)));
    assert_eq!(admin.get("imap_password"), Some(&Value::Null));
    assert_eq!(admin.get("smtp_password"), Some(&Value::Null));
    assert_eq!(admin["reauthorization_required"], json!(false));
    assert_eq!(admin["send_health"]["state"], json!("blocked"));
    assert_eq!(admin["send_health"]["failure"]["who_must_act"], json!("tenant_admin"));
    assert_eq!(admin["import"], json!({"state": "running", "total": 10, "done": 3}));
}

#[test]
fn an_inbox_whose_owner_must_sign_in_again_says_so() {
    let mut inbox = inbox();
    inbox.channel.fetch_health = Health { state: HealthState::NeedsReauth, ..Health::default() };
    let health = to_value(&wire::health::InboxHealth::new(
        inbox.id,
        &inbox.channel,
        None,
        (Some(Duration::from_secs(7)), Duration::ZERO),
        &|class| class.code().to_owned(),
    ));
    assert_eq!(health["reauthorization_required"], json!(true));
    assert_eq!(health["fetch"]["last_ok_at"], Value::Null);
}

#[test]
fn a_profile_lists_its_accounts_and_shows_no_token() {
    let membership = |id, active_at| Membership {
        account: Account {
            id: AccountId(id),
            name: format!("Account {id}"),
            locale: "en".into(),
            status: AccountStatus::Active,
            created_at: NOW,
        },
        role: Role::Agent,
        availability: Availability::Online,
        auto_offline: true,
        active_at,
    };
    let user = agent().user;
    let shown = to_value(&wire::profile::Profile::new(&user, &[membership(1, None), membership(2, Some(NOW))]));
    assert_eq!((&shown["id"], &shown["account_id"]), (&json!(3), &json!(2)), "the account used last");
    assert_eq!(shown["accounts"][0]["permissions"], json!(["agent"]));
    assert_eq!(shown["accounts"][1]["active_at"], json!("2025-10-09T08:53:20.250Z"));
    assert_eq!(shown["ui_settings"], json!({}));
    for null in ["access_token", "pubsub_token", "type"] {
        assert_eq!(shown.get(null), Some(&Value::Null), "{null}");
    }
    let first = to_value(&wire::profile::Profile::new(&user, &[membership(1, None), membership(2, None)]));
    assert_eq!(first["account_id"], json!(1), "the first, when none was used yet");
}

#[test]
fn the_list_of_messages_carries_iso_times_and_the_contact_in_its_meta() {
    let (conversation, contact) = (Conversation { agent_last_seen_at: Some(NOW), ..conversation() }, contact());
    let meta = to_value(&wire::message::MessageListMeta::new(&parts(&conversation, &contact, None)));
    assert_eq!(meta["agent_last_seen_at"], json!("2025-10-09T08:53:20.250Z"));
    assert_eq!(meta.get("assignee_last_seen_at"), Some(&Value::Null));
    assert!(meta.get("assignee").is_none());
    assert_eq!(meta["contact"]["email"], json!("ada@customer.example"));
}
