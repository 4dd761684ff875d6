//! What an agent sees and does: conversations, messages, replies, and how a delivery is doing. Through the public API only.

use crate::builders::Mail;
use crate::world::{SUPPORT, World};
use anyhow::{Context, Result};
use serde_json::{Value, json};

impl World {
    /// A connected mailbox with one mail of Ada's in it; answers its conversation's id.
    pub async fn first_conversation(&mut self) -> Result<i64> {
        self.connect_and_watch(SUPPORT).await?;
        let mail = Mail::new("Ada <ada@customer.example>", "Order", "one").id("one@c");
        self.deliver(SUPPORT, &mail.bytes()).await?;
        self.conversations_are(1).await?[0]["id"].as_i64().context("id")
    }

    /// Conversations as the list shows them, newest first.
    pub async fn conversations(&self) -> Result<Vec<Value>> {
        let list = self.api.get(&self.path("/conversations?status=all&assignee_type=all")).await?;
        Ok(list["data"]["payload"].as_array().context("payload")?.clone())
    }

    /// Waits for `count` conversations.
    pub async fn conversations_are(&mut self, count: usize) -> Result<Vec<Value>> {
        self.eventually(&format!("there are {count} conversations"), async |w| {
            Ok(w.conversations().await?.len() >= count)
        })
        .await?;
        let list = self.conversations().await?;
        anyhow::ensure!(list.len() == count, "{} conversations instead of {count}", list.len());
        Ok(list)
    }

    pub async fn messages(&self, conversation: i64) -> Result<Vec<Value>> {
        let list = self.api.get(&self.path(&format!("/conversations/{conversation}/messages"))).await?;
        Ok(list["payload"].as_array().context("payload")?.clone())
    }

    /// The messages that people wrote: activity is left out.
    pub async fn said(&self, conversation: i64) -> Result<Vec<Value>> {
        Ok(self.messages(conversation).await?.into_iter().filter(|m| m["message_type"] != json!(2)).collect())
    }

    pub async fn said_are(&mut self, conversation: i64, count: usize) -> Result<Vec<Value>> {
        self.eventually(&format!("conversation {conversation} has {count} messages"), async |w| {
            Ok(w.said(conversation).await?.len() >= count)
        })
        .await?;
        let said = self.said(conversation).await?;
        anyhow::ensure!(said.len() == count, "{} messages instead of {count}: {said:#?}", said.len());
        Ok(said)
    }

    pub async fn reply(&self, conversation: i64, text: &str) -> Result<Value> {
        self.api
            .post(
                &self.path(&format!("/conversations/{conversation}/messages")),
                &json!({"content": text, "message_type": "outgoing", "private": false}),
            )
            .await
    }

    /// Waits until a message's delivery is in `state`.
    pub async fn delivery_is(&mut self, conversation: i64, message: i64, state: &str) -> Result<Value> {
        self.eventually(&format!("the delivery is {state}"), async |w| {
            let message = w.message(conversation, message).await?;
            Ok(message["delivery"]["state"] == json!(state))
        })
        .await?;
        self.message(conversation, message).await
    }

    pub async fn message(&self, conversation: i64, id: i64) -> Result<Value> {
        let list = self.messages(conversation).await?;
        list.into_iter().find(|m| m["id"] == json!(id)).with_context(|| format!("message {id}"))
    }
}
