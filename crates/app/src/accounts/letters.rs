//! What the installation's own mails say. Pure: words in, text and HTML out.
//!
//! Names of people and accounts are anybody's words, and these mails go to strangers: a name is cut, stands on one line, holds no address of
//! a page, and is escaped in HTML.

use super::health_letters::health_letter;
use domain::notification::NotificationKind;
use domain::webhook::DisabledReason;
use std::time::Duration;
use store::{SystemMail, SystemMailKind, SystemMailSender};

const LONGEST_NAME_CHARS: usize = 80;

/// A mail in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// `link`: what to press. `lasts`: how long it works, where it ends. `help`: where more is said about it.
pub fn letter(mail: &SystemMail, link: &str, lasts: Option<Duration>, help: &str) -> Letter {
    if let Some(health) = &mail.health {
        return health_letter(mail, health, link, help);
    }
    let account = name(&mail.account_name);
    let by = mail.by.as_ref().map_or_else(|| "An administrator".to_owned(), sender);
    let until = lasts.map(|lasts| format!("The link works once, within {}.", in_words(lasts)));
    let (subject, first, press, last) = match mail.kind {
        SystemMailKind::Invitation => (
            format!("You are invited to {account}"),
            format!("{by} invites you to work in the account \u{201c}{account}\u{201d}. Choose a password to begin."),
            "Choose a password",
            "If you do not know who this is, do nothing: without the link nobody comes in with your address.",
        ),
        SystemMailKind::Added => (
            format!("You are now in {account}"),
            format!(
                "{by} has added you to the account \u{201c}{account}\u{201d}. You sign in with the password that you have already."
            ),
            "Open it",
            "If you do not know who this is, you need not do anything: nothing has changed for your other accounts.",
        ),
        SystemMailKind::PasswordReset => (
            "Set a new password".to_owned(),
            "Somebody, probably you, asked for a new password for your address.".to_owned(),
            "Set a new password",
            "If it was not you, do nothing: your password stays as it is.",
        ),
        SystemMailKind::WebhookDisabled => (
            format!("A webhook of {account} is disabled"),
            webhook_disabled(mail),
            "Open it",
            "Enable it in the settings when its address takes events again.",
        ),
        SystemMailKind::OauthAppFailing => (
            format!("An OAuth app of {account} does not work"),
            oauth_app_failing(mail),
            "Open it",
            "Its mailboxes stay connected and are tried again by themselves. You are told once, until the app works again.",
        ),
        SystemMailKind::OauthAppEnding => (
            format!("A credential of an OAuth app of {account} expires soon"),
            oauth_app_ending(mail),
            "Open it",
            "An app may have two credentials at the same time: add the next one, verify the app, and then remove this one.",
        ),
        // Without mailboxes there is nothing to say, and nothing is sent.
        SystemMailKind::HealthNotice | SystemMailKind::HealthRestored => {
            (account.clone(), String::new(), "Open it", "")
        }
        SystemMailKind::Notification => {
            let (which, what) = notification(mail);
            (
                format!("{account}: {which}"),
                what,
                "Open it",
                "You asked to be told of this by mail. Your profile's page says of what you are told.",
            )
        }
    };
    let hello = format!("Hello {},", name(mail.user.available_name()));
    let text = [
        Some(hello.clone()),
        Some(first.clone()),
        until.clone(),
        Some(format!("{press}:\n{link}")),
        Some(last.to_owned()),
    ];
    let text = text.into_iter().flatten().collect::<Vec<_>>().join("\n\n") + "\n";
    let button = format!("<a href=\"{}\">{}</a>", escaped(link), escaped(press));
    let html = [
        Some(escaped(&hello)),
        Some(escaped(&first)),
        until.as_deref().map(escaped),
        Some(button),
        Some(escaped(last)),
    ];
    let html = html.into_iter().flatten().map(|line| format!("<p>{line}</p>\n")).collect();
    Letter { subject, text, html }
}

fn webhook_disabled(mail: &SystemMail) -> String {
    let Some(webhook) = &mail.webhook else { return String::new() };
    let address = webhook.name.as_deref().map_or_else(|| line(&webhook.url), name);
    let why = match webhook.reason {
        DisabledReason::Failing => "because it has taken nothing for days",
        DisabledReason::Gone => "because its address answered that it is gone for good (410)",
        DisabledReason::ByPerson => "by an administrator",
    };
    format!("The webhook \u{201c}{address}\u{201d} is told of nothing any more, {why}.")
}

fn oauth_app_failing(mail: &SystemMail) -> String {
    let Some((app, failure)) = mail.oauth_app.as_ref().and_then(|app| Some((app, app.failure.as_ref()?))) else {
        return String::new();
    };
    let (text, cure) = (failure.class.text(), failure.class.cure());
    format!("The OAuth app \u{201c}{}\u{201d} cannot sign in to its mailboxes. {text} {cure}", name(&app.name))
}

fn oauth_app_ending(mail: &SystemMail) -> String {
    let Some((app, (hint, at))) = mail.oauth_app.as_ref().and_then(|app| Some((app, app.ending.as_ref()?))) else {
        return String::new();
    };
    let day = at.to_iso();
    let day = day.split('T').next().unwrap_or_default();
    let which = if hint.is_empty() { String::new() } else { format!(" ({}\u{2026})", line(hint)) };
    format!(
        "A credential{which} of the OAuth app \u{201c}{}\u{201d} expires on {day}. After that none of its mailboxes can be signed in to.",
        name(&app.name)
    )
}

/// Which conversation, and what is new in it. What was said is read where it was said.
fn notification(mail: &SystemMail) -> (String, String) {
    let Some(about) = &mail.about else { return Default::default() };
    let number = about.display_id;
    let which = match about.subject.as_deref().map(name).filter(|subject| !subject.is_empty()) {
        Some(subject) => format!("conversation {number}, \u{201c}{subject}\u{201d}"),
        None => format!("conversation {number}"),
    };
    let what = match about.kind {
        NotificationKind::ConversationMention => format!("A note in {which} names you."),
        NotificationKind::ConversationAssignment => format!("You were given {which}."),
        NotificationKind::AssignedConversationNewMessage => {
            format!("There is a new message in {which}, which is yours.")
        }
        NotificationKind::ParticipatingConversationNewMessage => {
            format!("There is a new message in {which}, in which you take part.")
        }
        NotificationKind::ConversationCreation => format!("Somebody began {which}."),
    };
    (which, what)
}

fn sender(by: &SystemMailSender) -> String {
    format!("{} ({})", name(&by.name), line(&by.email))
}

/// Somebody's words on one line, without an address that a mail program would make a link of: no dot is followed by a letter or digit.
pub(super) fn name(text: &str) -> String {
    let plain = line(text);
    let mut spaced = String::with_capacity(plain.len());
    let mut after_dot = false;
    for c in plain.chars() {
        if after_dot && c.is_alphanumeric() {
            spaced.push(' ');
        }
        after_dot = matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
        spaced.push(c);
    }
    spaced.chars().take(LONGEST_NAME_CHARS).collect()
}

/// On one line, and no link by its beginning.
fn line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = clean.split_whitespace().collect();
    let plain = words.join(" ").replace("://", " ").replace("www.", "www ");
    plain.chars().take(LONGEST_NAME_CHARS).collect()
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn in_words(lasts: Duration) -> String {
    let hours = lasts.as_secs() / 3600;
    if hours >= 48 { format!("{} days", hours / 24) } else { format!("{hours} hours") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::user::User;
    use domain::{EmailAddress, SystemMailId, Timestamp, UserId};
    use store::{Needs, SystemMailState};

    fn mail(kind: SystemMailKind, account: &str) -> SystemMail {
        let email = "ada@contoso.example";
        SystemMail {
            id: SystemMailId(1),
            kind,
            state: SystemMailState::Waiting,
            user: User {
                id: UserId(1),
                email: email.to_owned(),
                name: "Ada".to_owned(),
                display_name: None,
                message_signature: None,
                created_at: Timestamp(0),
            },
            address: EmailAddress::parse(email).expect("an address"),
            account_name: account.to_owned(),
            by: Some(SystemMailSender { name: "Bob".to_owned(), email: "bob@contoso.example".to_owned() }),
            created_at: Timestamp(0),
            is_member: true,
            needs: Needs::Password,
            webhook: None,
            oauth_app: None,
            about: None,
            health: None,
            is_fetched: false,
            is_proved: true,
        }
    }

    #[test]
    fn an_invitation_says_who_invites_and_into_which_account_and_how_long_the_link_works() {
        let letter = letter(
            &mail(SystemMailKind::Invitation, "Contoso"),
            "https://desk.example/x?t=1&u=2",
            Some(Duration::from_secs(7 * 24 * 3600)),
            "",
        );
        for words in ["Bob (bob@contoso.example)", "Contoso", "7 days", "https://desk.example/x?t=1&u=2"] {
            assert!(letter.text.contains(words), "{words}: {}", letter.text);
        }
        assert!(letter.html.contains("<a href=\"https://desk.example/x?t=1&amp;u=2\">"), "{}", letter.html);
    }

    #[test]
    fn a_name_is_no_markup_no_link_and_no_line_of_its_own() {
        let hostile = "<b>x</b>\r\nVisit https://evil.example \"now\"";
        let letter = letter(&mail(SystemMailKind::Added, hostile), "https://desk.example/app", None, "");
        assert!(!letter.html.contains("<b>") && !letter.html.contains("https://evil"), "{}", letter.html);
        assert!(!letter.text.contains("https://evil") && !letter.subject.contains('\n'), "{}", letter.text);
        assert!(letter.subject.chars().count() < 100);
        // Mail programs make a link of a bare host, too.
        let letter = super::letter(
            &mail(SystemMailKind::Added, "evil.example/login St. Pauli Inc."),
            "https://desk.example/app",
            None,
            "",
        );
        for part in [&letter.subject, &letter.text, &letter.html] {
            assert!(!part.contains("evil.example") && part.contains("evil. example/login St. Pauli Inc."), "{part}");
        }
    }
}
