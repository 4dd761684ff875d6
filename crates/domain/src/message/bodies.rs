//! A mail's bodies in `content_attributes.email`, under Chatwoot's names: `full` is the body as it came, `reply` all of it as text, and
//! `quoted` the visible reply. The names mislead, but clients read them so.
//!
//! Most mails say the same in two or three of them, so a row keeps what differs: [`kept`] leaves out, [`Message::shown_attributes`] puts
//! back. Rows that have everything are shown as they are.

use super::{Message, MessageType};
use serde_json::{Map, Value};

/// The bodies of a mail that came with text, and with HTML.
pub const BODIES: [&str; 2] = ["text_content", "html_content"];

/// What a row keeps of one body. `reply`: its text, where it is not text itself; `visible`: what is left of that without the history.
pub fn kept(full: String, reply: Option<String>, visible: String) -> Value {
    let says_the_same = visible == reply.as_deref().unwrap_or(&full).trim();
    let mut body = Map::from_iter([("full".to_owned(), Value::String(full))]);
    body.extend(reply.map(|reply| ("reply".to_owned(), Value::String(reply))));
    if !says_the_same {
        body.insert("quoted".to_owned(), Value::String(visible));
    }
    Value::Object(body)
}

impl Message {
    /// `content_attributes` as clients see them.
    pub fn shown_attributes(&self) -> Value {
        let mut attributes = self.content_attributes.clone();
        if self.message_type == MessageType::Incoming {
            for name in BODIES {
                if let Some(Value::Object(body)) = attributes.get_mut("email").and_then(|email| email.get_mut(name)) {
                    complete(body);
                }
            }
        }
        attributes
    }
}

fn complete(body: &mut Map<String, Value>) {
    if !body.contains_key("reply") {
        let full = body.get("full").cloned().unwrap_or_default();
        body.insert("reply".to_owned(), full);
    }
    if !body.contains_key("quoted") {
        let reply = body.get("reply").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        body.insert("quoted".to_owned(), Value::String(reply));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(kept: Value) -> Value {
        let Value::Object(mut body) = kept else { panic!("an object") };
        complete(&mut body);
        Value::Object(body)
    }

    #[test]
    fn what_is_kept_once_is_shown_in_all_places() {
        let text = kept("Hello\n".to_owned(), None, "Hello".to_owned());
        assert_eq!(text, json!({ "full": "Hello\n" }));
        assert_eq!(shown(text), json!({ "full": "Hello\n", "reply": "Hello\n", "quoted": "Hello" }));
        let html = kept("<p>Hello".to_owned(), Some("Hello ".to_owned()), "Hello".to_owned());
        assert_eq!(html, json!({ "full": "<p>Hello", "reply": "Hello " }));
        assert_eq!(shown(html), json!({ "full": "<p>Hello", "reply": "Hello ", "quoted": "Hello" }));
    }

    #[test]
    fn a_visible_reply_that_is_shorter_than_the_mail_is_kept() {
        let text = kept("Yes\n> No?\n".to_owned(), None, "Yes".to_owned());
        assert_eq!(shown(text), json!({ "full": "Yes\n> No?\n", "reply": "Yes\n> No?\n", "quoted": "Yes" }));
        let empty = kept("<img>".to_owned(), Some(String::new()), String::new());
        assert_eq!(shown(empty), json!({ "full": "<img>", "reply": "", "quoted": "" }));
    }
}
