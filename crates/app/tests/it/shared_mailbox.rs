//! A mailbox that the person who signed in was given access to: replies leave as it, and its own Sent folder has them.

use crate::support::{World, connected, world};
use app::channels::{SwitchError, switch_send_transport};
use domain::channel::{EmailChannel, SendTransport};
use domain::message::{DeliveryState, Message};
use domain::{DisplayId, EmailAddress, FailureClass};
use sandbox::{INBOX, ImapFault};
use std::time::Duration;
use store::{OwedKind, OwedPriority, SignedInAgain};

const SUPPORT: &str = "support@contoso.example";
const SALES: &str = "sales@contoso.example";
const ADA: &str = "ada@customer.example";

/// Sales' mailbox, opened by Support, with a mail of Ada's.
struct Shared {
    world: World,
    channel: EmailChannel,
    conversation: DisplayId,
}

impl Shared {
    async fn new() -> Self {
        let world = world().await;
        world.sandbox.update_user(SUPPORT, |user| {
            user.full_access.push(SALES.to_owned());
            user.send_as.push(SALES.to_owned());
        });
        let inbox = connected(&world.connect(SUPPORT, None).await);
        world.stop_proving();
        let scope = world.admin().await.scope;
        let own = scope.inbox(inbox).await.expect("answers").expect("an inbox").channel;
        let sales = EmailAddress::parse(SALES).expect("an address");
        let names = SignedInAgain {
            service: own.service,
            grant_id: own.grant_id.expect("a grant"),
            principal: SUPPORT.to_owned(),
            mailbox_address: sales.clone(),
            from_address: sales,
            smtp_user: SUPPORT.to_owned(),
        };
        let mut tx = scope.begin().await.expect("a transaction");
        tx.reconnect_channel(own.id, &names).await.expect("written");
        tx.commit().await.expect("committed");
        let channel = scope.channel(own.id).await.expect("answers").expect("there");
        assert!(channel.lacks_sent_copies() && !own.lacks_sent_copies());
        let conversation = world.first_conversation(SALES).await;
        Self { world, channel, conversation }
    }

    async fn reply(&self) -> Message {
        self.world.reply(self.conversation).await
    }

    async fn is_sent(&self, of: &Message) -> bool {
        self.world.delivery(of).await.state == DeliveryState::Sent
    }

    /// The copy is owed and not due yet: it is made so.
    async fn copy_is_due(&self, of: &Message) {
        let delivery = self.world.delivery(of).await.id;
        let mut tx = self.world.admin().await.scope.begin().await.expect("a transaction");
        assert!(tx.hasten_owed(OwedKind::FileSentCopy, delivery.0).await.expect("answers"), "a copy is owed");
        tx.commit().await.expect("committed");
        self.world.works().await;
    }

    async fn owes_a_copy(&self, of: &Message) -> bool {
        let delivery = self.world.delivery(of).await.id;
        let mut tx = self.world.admin().await.scope.begin().await.expect("a transaction");
        tx.is_owed(OwedKind::FileSentCopy, delivery.0).await.expect("answers")
    }

    fn sent(&self, whose: &str) -> Vec<String> {
        let mails = self.world.sandbox.mailbox(whose).messages("Sent Items");
        mails.iter().map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()).collect()
    }
}

#[tokio::test]
async fn a_reply_leaves_as_the_shared_mailbox_and_its_sent_folder_has_one_copy() {
    let desk = Shared::new().await;
    let reply = desk.reply().await;
    desk.world.works().await;
    assert!(desk.is_sent(&reply).await);
    let got = desk.world.sandbox.mailbox(ADA).messages(INBOX);
    assert!(String::from_utf8_lossy(&got[0].bytes).contains("<sales@contoso.example>"));
    assert_eq!((desk.sent(SALES).len(), desk.sent(SUPPORT).len()), (0, 1), "Exchange files it with whoever signed in");
    desk.copy_is_due(&reply).await;
    let copies = desk.sent(SALES);
    assert_eq!(copies.len(), 1);
    assert!(copies[0].contains(reply.source_id.as_deref().expect("an id")));
    assert!(!desk.owes_a_copy(&reply).await);
}

#[tokio::test]
async fn a_copy_that_is_there_already_is_not_put_there_again() {
    let desk = Shared::new().await;
    desk.world.sandbox.update_user(SALES, |user| user.keeps_sent_as_copy = true);
    let reply = desk.reply().await;
    desk.world.works().await;
    assert_eq!(desk.sent(SALES).len(), 1, "the organisation has Exchange file it there as well");
    desk.copy_is_due(&reply).await;
    assert_eq!(desk.sent(SALES).len(), 1);
    assert!(!desk.owes_a_copy(&reply).await);
}

#[tokio::test]
async fn a_copy_survives_a_lost_answer_and_a_mailbox_that_is_away_and_is_there_once() {
    let desk = Shared::new().await;
    let reply = desk.reply().await;
    desk.world.works().await;
    let faults = desk.world.sandbox.faults();
    faults.once(ImapFault::ServerUnavailable);
    desk.copy_is_due(&reply).await;
    assert!(desk.sent(SALES).is_empty() && desk.owes_a_copy(&reply).await, "it is tried again later");
    assert!(desk.is_sent(&reply).await, "the message was sent all the same");
    desk.copy_is_due(&reply).await;
    assert_eq!(desk.sent(SALES).len(), 1);
    // As if whoever put it there had died before they said so.
    let scope = desk.world.admin().await.scope;
    let record = scope.delivery_of_message(reply.id).await.expect("answers").expect("a delivery");
    let payload = serde_json::json!({"message_id": record.message_id_header, "blob_id": record.composed_blob_id.expect("kept").0});
    let mut tx = scope.begin().await.expect("a transaction");
    tx.owe(OwedKind::FileSentCopy, record.delivery.id.0, payload, OwedPriority::Normal, None).await.expect("owed");
    tx.commit().await.expect("committed");
    desk.world.works().await;
    assert_eq!((desk.sent(SALES).len(), desk.owes_a_copy(&reply).await), (1, false));
}

#[tokio::test]
async fn the_shared_mailbox_sends_through_graph_with_the_shared_permissions_and_needs_no_copy_of_ours() {
    let desk = Shared::new().await;
    let (app, admin, inbox) = (&desk.world.app, desk.world.admin().await, desk.channel.inbox_id);
    let refused = switch_send_transport(app, &admin, inbox, SendTransport::Graph).await;
    assert!(
        matches!(&refused, Err(SwitchError::Refused(failure)) if failure.class == FailureClass::GraphConsentMissing),
        "{refused:?}"
    );
    desk.world.sandbox.withdraw_consent(SUPPORT);
    // Whoever signs in for it is asked for the permissions on shared mailboxes as well.
    let ask = app::channels::connect::Begin {
        inbox_id: Some(inbox),
        send_transport: Some(SendTransport::Graph),
        ..app::channels::connect::Begin::default()
    };
    let attempt = desk.world.begin_with(ask).await;
    let authorize = attempt.open_in(&attempt.browser).await.expect("a link that opens");
    assert!(authorize.as_str().contains("Mail.Send.Shared"), "{authorize}");
    desk.world.sandbox.sign_in(authorize.as_str(), SUPPORT).await.expect("a sign-in");
    let switched = switch_send_transport(app, &admin, inbox, SendTransport::Graph).await.expect("switched");
    assert_eq!(switched.channel.send_transport, SendTransport::Graph);
    let reply = desk.reply().await;
    desk.world.works().await;
    tokio::time::timeout(Duration::from_secs(10), async {
        while !desk.is_sent(&reply).await {
            desk.world.works().await;
        }
    })
    .await
    .expect("sent");
    assert_eq!((desk.sent(SALES).len(), desk.sent(SUPPORT).len()), (1, 0));
    assert!(!desk.owes_a_copy(&reply).await);
}
