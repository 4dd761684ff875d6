//! Mail as bytes, and the servers it travels through: the only crate that knows MIME, IMAP and SMTP.
//!
//! - [`parse`]: bytes → [`parse::InboundEmail`]; never fails, never panics.
//! - [`quote`]: where the new words end and the quoted history begins.
//! - [`sanitize`]: HTML from strangers → HTML that can be shown.
//! - [`compose`]: a reply → the bytes that leave.
//! - [`message_token`]: the signed token in our Message-IDs.
//! - [`imap`] and [`smtp`]: one session with one server; every answer is checked. [`graph`]: sending over Microsoft's HTTP.
//!
//! What a server's words mean stands in `imap/answers.rs`, `smtp/answers.rs` and `graph/answers.rs`, as [`domain::FailureClass`]; each quirk has its entry in
//! docs/COMPATIBILITY.md. This crate never touches the database, reads no clock and opens no socket by itself (`net` does).

pub mod compose;
pub mod graph;
pub mod imap;
pub mod message_token;
pub mod parse;
pub mod quote;
pub mod sanitize;
pub mod smtp;
mod stated_wait;

/// The XOAUTH2 answer before base64 (Microsoft: "Authenticate an IMAP, POP or SMTP connection using OAuth").
fn xoauth2(user: &str, token: &domain::Secret) -> String {
    // A control character would begin another field.
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    format!("user={}\u{1}auth=Bearer {}\u{1}\u{1}", clean(user), clean(token.expose()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_xoauth2_answer_is_microsofts_own_example() {
        use base64::Engine;
        let token = domain::Secret::new("EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA");
        assert_eq!(
            base64::engine::general_purpose::STANDARD.encode(super::xoauth2("test@contoso.onmicrosoft.com", &token)),
            "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ=="
        );
    }
}
