//! Labels, teams, participants, drafts, and the list with all of it.

use crate::world::{START, World, each, new_message};
use domain::conversation::ConversationStatus;
use domain::message::MessageType;
use domain::organising::{LABEL_COLOR, Label, Team};
use domain::{ConversationId, Timestamp, UserId};
use std::collections::HashSet;
use store::*;

async fn label(scope: &AccountScope, title: &str) -> Result<Label, StoreError> {
    let new =
        NewLabel { title: title.to_owned(), description: None, color: LABEL_COLOR.to_owned(), show_on_sidebar: true };
    let mut tx = scope.begin().await?;
    let label = tx.create_label(&new, 3).await?;
    tx.commit().await?;
    Ok(label)
}

async fn mark(scope: &AccountScope, conversation: ConversationId, titles: &[&str]) {
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let mut tx = scope.begin().await.unwrap();
    tx.set_conversation_labels(conversation, &titles).await.unwrap();
    tx.commit().await.unwrap();
}

async fn team(scope: &AccountScope, name: &str, users: &[UserId]) -> Team {
    let new = NewTeam {
        name: name.to_owned(),
        description: None,
        allow_auto_assign: true,
        icon: String::new(),
        icon_color: String::new(),
    };
    let mut tx = scope.begin().await.unwrap();
    let team = tx.create_team(&new, 100).await.unwrap();
    tx.change_team_members(team.id, users, People::Add).await.unwrap();
    tx.commit().await.unwrap();
    team
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_is_renamed_or_deleted_takes_its_marks_along_and_no_other_accounts() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let one = w.ours.conversation(&inbox, contact).await.id;
        let both = w.ours.conversation(&inbox, contact).await.id;
        let their_inbox = w.theirs.inbox("support@theirs.example").await;
        let their_contact = w.theirs.contact("cy@customer.example").await;
        let strange = w.theirs.conversation(&their_inbox, their_contact).await.id;
        let scope = &w.ours.scope;
        let billing = label(scope, "billing").await.unwrap();
        assert!(matches!(label(scope, "billing").await, Err(StoreError::Conflict(_))));
        label(&w.theirs.scope, "billing").await.unwrap();
        mark(scope, one, &["billing", "vip"]).await;
        mark(scope, both, &["billing", "money"]).await;
        mark(&w.theirs.scope, strange, &["billing"]).await;

        let rename = LabelChange { title: Some("money".to_owned()), ..LabelChange::default() };
        let mut tx = w.theirs.scope.begin().await.unwrap();
        assert_eq!(tx.update_label(billing.id, &rename).await.unwrap(), None, "another account's");
        assert_eq!(tx.delete_label(billing.id).await.unwrap(), None);
        tx.rollback().await.unwrap();
        let mut tx = scope.begin().await.unwrap();
        assert_eq!(tx.update_label(billing.id, &rename).await.unwrap().unwrap().title, "money");
        tx.commit().await.unwrap();
        assert_eq!(scope.conversation_labels(one).await.unwrap(), ["money", "vip"]);
        assert_eq!(scope.conversation_labels(both).await.unwrap(), ["money"], "marked once");
        assert_eq!(w.theirs.scope.conversation_labels(strange).await.unwrap(), ["billing"]);

        let mut tx = scope.begin().await.unwrap();
        tx.delete_label(billing.id).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        assert_eq!(scope.conversation_labels(one).await.unwrap(), ["vip"]);
        mark(scope, one, &[]).await;
        assert!(scope.conversation_labels(one).await.unwrap().is_empty());
        for title in ["a", "b", "c"] {
            label(scope, title).await.unwrap();
        }
        assert!(matches!(label(scope, "d").await, Err(StoreError::LimitReached(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_given_to_no_team_of_another_account_and_a_team_that_goes_leaves_none_behind() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let conversation = w.ours.conversation(&inbox, contact).await;
        let scope = &w.ours.scope;
        let (me, bob) = (w.ours.admin.id, w.ours.agent("bob@ours.example").await.id);
        let ours = team(scope, "sales", &[me, bob]).await;
        let theirs = team(&w.theirs.scope, "sales", &[]).await;
        let give = async |team| {
            let mut tx = scope.begin().await?;
            let mut locked = tx.lock_conversation(conversation.id).await?.unwrap();
            locked.team_id = Some(team);
            tx.update_conversation(&locked).await?;
            tx.commit().await.map(drop)
        };
        assert!(matches!(give(theirs.id).await, Err(StoreError::Conflict(_))), "a reference across accounts");
        give(ours.id).await.unwrap();
        let viewer = Viewer { visibility: Visibility::All, user_id: me };
        let asked = ConversationFilter { team_id: Some(ours.id), ..ConversationFilter::default() };
        let page = scope.conversations(&viewer, &asked).await.unwrap();
        assert_eq!((page.counts.all, page.items[0].team.as_ref()), (1, Some(&ours)));
        let other = ConversationFilter { team_id: Some(theirs.id), ..ConversationFilter::default() };
        assert_eq!(scope.conversation_counts(&viewer, &other).await.unwrap().all, 0);

        assert_eq!(scope.teams_of(bob).await.unwrap(), HashSet::from([ours.id]));
        let mut tx = scope.begin().await.unwrap();
        tx.change_team_members(ours.id, &[me], People::Remove).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(scope.team_members(ours.id).await.unwrap().len(), 1);
        scope.remove_agent(bob).await.unwrap();
        assert!(scope.team_members(ours.id).await.unwrap().is_empty() && scope.teams_of(bob).await.unwrap().is_empty());
        let stranger = w.theirs.admin.id;
        let mut tx = scope.begin().await.unwrap();
        let added = tx.change_team_members(ours.id, &[stranger], People::Add).await;
        assert!(matches!(added, Err(StoreError::Conflict(_))), "nobody of ours");
        drop(tx);

        let mut tx = scope.begin().await.unwrap();
        assert_eq!((tx.leave_team(theirs.id, 10).await.unwrap(), tx.leave_team(ours.id, 10).await.unwrap()), (0, 1));
        assert_eq!(tx.delete_team(theirs.id).await.unwrap(), None);
        assert_eq!(tx.delete_team(ours.id).await.unwrap(), Some(ours));
        tx.commit().await.unwrap();
        let view = scope.conversation(conversation.display_id).await.unwrap().unwrap();
        assert_eq!((view.conversation.team_id, view.team), (None, None));
    })
    .await;
}

/// What a page of 25 asks, with all that stands on it.
async fn asked_for_a_page(w: &World, viewer: &Viewer) -> (u64, usize) {
    let filter = ConversationFilter::default();
    let before = w.store.statements().count();
    let page = w.ours.scope.conversations(viewer, &filter).await.unwrap();
    let whole = |view: &ConversationView| {
        !view.labels.is_empty() && view.team.is_some() && view.assignee.is_some() && view.last_message.is_some()
    };
    assert!(page.items.iter().all(whole));
    (w.store.statements().count() - before, page.items.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_conversations_costs_the_same_few_statements_however_many_stand_on_it() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let scope = &w.ours.scope;
        let me = w.ours.admin.id;
        let viewer = Viewer { visibility: Visibility::All, user_id: me };
        let mut costs = Vec::new();
        for n in 0..25_i64 {
            let made = w.ours.conversation(&inbox, contact).await;
            let team = team(scope, &format!("team-{n}"), &[me]).await.id;
            let person = w.ours.agent(&format!("agent-{n}@ours.example")).await.id;
            mark(scope, made.id, &["vip", &format!("label-{n}")]).await;
            let mut tx = scope.begin().await.unwrap();
            let mut locked = tx.lock_conversation(made.id).await.unwrap().unwrap();
            (locked.team_id, locked.assignee_id) = (Some(team), Some(person));
            tx.update_conversation(&locked).await.unwrap();
            let at = Timestamp(START.0 + n);
            tx.insert_message(&new_message(made.id, MessageType::Incoming, NewSender::Contact(contact), at))
                .await
                .unwrap();
            tx.commit().await.unwrap();
            if n == 0 || n == 24 {
                costs.push(asked_for_a_page(&w, &viewer).await);
            }
        }
        let [(one, 1), (many, 25)] = costs[..] else { panic!("{costs:?}") };
        assert_eq!(one, many, "statements for one and for 25");
        assert!((4..=7).contains(&many), "{many} statements");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snoozed_conversations_are_due_by_time_in_active_accounts_only_and_one_is_passed_by() {
    each(async |w| {
        let mut ids = Vec::new();
        for tenant in [&w.ours, &w.theirs] {
            let inbox = tenant.inbox("support@shared.example").await;
            let contact = tenant.contact("cy@customer.example").await;
            for until in [Some(20), Some(10), Some(99), None] {
                let made = tenant.conversation(&inbox, contact).await;
                let mut tx = tenant.scope.begin().await.unwrap();
                let mut locked = tx.lock_conversation(made.id).await.unwrap().unwrap();
                locked.status = ConversationStatus::Snoozed;
                locked.snoozed_until = until.map(|n| Timestamp(START.0 + n));
                tx.update_conversation(&locked).await.unwrap();
                tx.commit().await.unwrap();
                ids.push(made.id);
            }
        }
        let relay = w.store.relay();
        let now = Timestamp(START.0 + 20);
        let due = async |after, limit| -> Vec<(i64, ConversationId)> {
            let due = relay.due_snoozes(now, after, limit).await.unwrap();
            due.iter().map(|s| (s.scope.account_id().0, s.conversation_id)).collect()
        };
        let (we, they) = (w.ours.scope.account_id(), w.theirs.scope.account_id());
        assert_eq!(due(None, 10).await, [(we.0, ids[1]), (they.0, ids[5]), (we.0, ids[0]), (they.0, ids[4])]);
        let last = relay.due_snoozes(now, None, 2).await.unwrap().pop().unwrap();
        let after = Some((last.snoozed_until, last.conversation_id));
        assert_eq!(due(after, 10).await, [(we.0, ids[0]), (they.0, ids[4])]);
        w.store.operator().set_account_status(they, domain::account::AccountStatus::Suspended).await.unwrap();
        assert_eq!(due(None, 10).await, [(we.0, ids[1]), (we.0, ids[0])]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_sees_an_inbox_takes_part_or_is_spoken_to_and_lists_follow() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let one = w.ours.conversation(&inbox, contact).await;
        let two = w.ours.conversation(&inbox, contact).await;
        let scope = &w.ours.scope;
        let (me, inside) = (w.ours.admin.id, w.ours.agent("in@ours.example").await.id);
        let outside = w.ours.agent("out@ours.example").await.id;
        scope.add_inbox_members(inbox.id, &[inside]).await.unwrap();
        let everybody = [me, inside, outside, w.theirs.admin.id];
        let mut tx = scope.begin().await.unwrap();
        let seen = tx.who_sees(inbox.id, &everybody).await.unwrap();
        assert_eq!(seen, [me, inside]);
        assert_eq!(scope.who_sees(inbox.id, &everybody).await.unwrap(), seen);
        tx.change_participants(one.id, &seen, People::Add).await.unwrap();
        tx.change_participants(one.id, &[me], People::Replace).await.unwrap();
        tx.record_mentions(two.id, &[me], START).await.unwrap();
        tx.record_mentions(two.id, &[me], START).await.unwrap();
        let mut answered = tx.lock_conversation(two.id).await.unwrap().unwrap();
        (answered.first_reply_at, answered.waiting_since) = (Some(START), None);
        tx.update_conversation(&answered).await.unwrap();
        tx.commit().await.unwrap();
        let viewer = |user_id| Viewer { visibility: Visibility::All, user_id };
        let list = async |user, kind| -> Vec<ConversationId> {
            let filter = ConversationFilter { kind: Some(kind), ..ConversationFilter::default() };
            let page = scope.conversations(&viewer(user), &filter).await.unwrap();
            page.items.into_iter().map(|view| view.conversation.id).collect()
        };
        assert_eq!(list(me, ConversationKind::Participating).await, [one.id]);
        assert_eq!(list(me, ConversationKind::Mention).await, [two.id]);
        assert_eq!(list(me, ConversationKind::Unattended).await, [one.id]);
        assert!(list(inside, ConversationKind::Participating).await.is_empty(), "replaced");
        assert!(list(inside, ConversationKind::Mention).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_one_persons_in_one_conversation_and_goes_with_it() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let conversation = w.ours.conversation(&inbox, contact).await.id;
        let scope = &w.ours.scope;
        let (me, bob) = (w.ours.admin.id, w.ours.agent("bob@ours.example").await.id);
        let recipients = DraftRecipients { cc: vec!["b@x".to_owned()], ..DraftRecipients::default() };
        let draft = SavedDraft { message: "Dear".to_owned(), private: true, recipients, updated_at: START };
        for message in ["D", "Dear"] {
            let mut tx = scope.begin().await.unwrap();
            let draft = SavedDraft { message: message.to_owned(), ..draft.clone() };
            tx.keep_draft(conversation, me, &draft).await.unwrap();
            tx.commit().await.unwrap();
        }
        assert_eq!(scope.draft(conversation, me).await.unwrap(), Some(draft.clone()));
        assert_eq!(scope.draft(conversation, bob).await.unwrap(), None);
        assert_eq!(w.theirs.scope.draft(conversation, me).await.unwrap(), None);
        let mut tx = scope.begin().await.unwrap();
        tx.delete_conversation(conversation).await.unwrap();
        assert!(matches!(tx.keep_draft(conversation, me, &draft).await, Err(StoreError::Conflict(_))));
    })
    .await;
}
