//! What the mail says that tells of mailboxes that do not work, or work again. Pure: words in, text and HTML out.
//!
//! The server's own words stay out, and so does every address of a server: what is said is the catalogue's. Names of inboxes are anybody's words,
//! as in [`super::letters`].

use super::letters::{Letter, escaped, name};
use domain::channel::notice::Parts;
use domain::{Actor, Timestamp};
use store::{MailedHealth, SystemMail, SystemMailKind};

/// `page`: where the inbox, or all of them, are looked after. `help`: where more is said about the failure.
pub(super) fn health_letter(mail: &SystemMail, health: &MailedHealth, page: &str, help: &str) -> Letter {
    let account = name(&mail.account_name);
    let inboxes: Vec<String> = health.inboxes.iter().map(|inbox| name(&inbox.name)).collect();
    let count = inboxes.len() as u64 + health.more;
    let one = inboxes.first().filter(|_| count == 1).map(|inbox| format!("\u{201c}{inbox}\u{201d}"));
    let which = one.unwrap_or_else(|| format!("{count} inboxes"));
    let plural = count != 1;
    let restored = mail.kind == SystemMailKind::HealthRestored;
    let subject = match restored {
        true => format!("{account}: {which} {} again", if plural { "work" } else { "works" }),
        false => format!("{account}: {which} {}", cannot(health.parts, plural)),
    };
    let listed = plural.then(|| {
        let mut lines = inboxes.clone();
        if health.more > 0 {
            lines.push(format!("and {} more", health.more));
        }
        lines
    });
    let class = health.failure.class;
    let mut paragraphs = vec![format!("Hello {},", name(mail.user.available_name()))];
    if restored {
        paragraphs.push(format!(
            "{which} of the account \u{201c}{account}\u{201d} {} again, after what was told you of: {} Nobody needs to act any more.",
            if plural { "work" } else { "works" },
            class.text()
        ));
    } else {
        paragraphs.push(format!(
            "{which} of the account \u{201c}{account}\u{201d} {}, since {}. {}",
            cannot(health.parts, plural),
            when(health.since),
            class.text()
        ));
        paragraphs.push(format!("Who must act: {}.", who(class.actor())));
        paragraphs.push(class.cure().to_owned());
    }
    let press = if plural { "Open the inboxes" } else { "Open the inbox's settings" };
    let last = match restored {
        true => "What came in meanwhile is fetched now, and what waited to be sent goes out.",
        false => {
            "Nothing is lost: mail that comes in waits in the mailbox, and answers wait here. You get one mail for this, and one when it works again."
        }
    };
    let text = text_of(&paragraphs, listed.as_deref(), [(press, page), ("More about it", help)], last);
    let html = html_of(&paragraphs, listed.as_deref(), [(press, page), ("More about it", help)], last);
    Letter { subject, text, html }
}

fn cannot(parts: Parts, plural: bool) -> &'static str {
    match (parts.fetch, parts.send, plural) {
        (true, true, _) => "can neither fetch nor send mail",
        (false, true, _) => "cannot send mail",
        (_, false, _) => "cannot fetch mail",
    }
}

fn who(actor: Actor) -> &'static str {
    match actor {
        Actor::Nobody => "nobody, it is tried again by itself",
        Actor::Owner => "whoever signs in to the mailbox",
        Actor::TenantAdmin => "an administrator of your organisation's Microsoft 365",
        Actor::Operator => "whoever runs this installation of Postroom",
        Actor::Agent => "whoever wrote the message",
    }
}

/// To the minute, as nobody reads seconds.
fn when(at: Timestamp) -> String {
    let iso = at.to_iso();
    let minutes = iso.get(..16).unwrap_or(&iso);
    format!("{} UTC", minutes.replace('T', " "))
}

fn text_of(paragraphs: &[String], listed: Option<&[String]>, links: [(&str, &str); 2], last: &str) -> String {
    let mut parts = paragraphs.to_vec();
    if let Some(listed) = listed {
        parts.push(listed.iter().map(|inbox| format!("- {inbox}")).collect::<Vec<_>>().join("\n"));
    }
    parts.extend(links.map(|(label, link)| format!("{label}:\n{link}")));
    parts.push(last.to_owned());
    parts.join("\n\n") + "\n"
}

fn html_of(paragraphs: &[String], listed: Option<&[String]>, links: [(&str, &str); 2], last: &str) -> String {
    let mut html: String = paragraphs.iter().map(|words| format!("<p>{}</p>\n", escaped(words))).collect();
    if let Some(listed) = listed {
        let items: String = listed.iter().map(|inbox| format!("<li>{}</li>", escaped(inbox))).collect();
        html.push_str(&format!("<ul>{items}</ul>\n"));
    }
    for (label, link) in links {
        html.push_str(&format!("<p><a href=\"{}\">{}</a></p>\n", escaped(link), escaped(label)));
    }
    html.push_str(&format!("<p>{}</p>\n", escaped(last)));
    html
}
