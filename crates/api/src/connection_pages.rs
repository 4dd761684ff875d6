//! The pages at the end of a sign-in: connected, still being proved, to be confirmed, failed.
//!
//! None of them is ever a silent redirect: each says what happened and what is next.

use crate::failure_page::{self, WaysOut, who};
use crate::html::{Page, Tone};
use app::channels::callback::CallbackPage;
use domain::Failure;

/// How often a page that follows the proof asks again.
const REFRESH_SECONDS: u32 = 3;

pub fn page(shown: CallbackPage) -> Page {
    match shown {
        CallbackPage::Connected { inbox_id, mailbox, sending, .. } => {
            connected(&mailbox, &inbox_id.to_string(), sending.as_ref())
        }
        CallbackPage::Proving { follow, trouble, .. } => proving(&follow, trouble.as_ref()),
        CallbackPage::Confirm { token, account_name, mailbox, .. } => confirm(token.expose(), &account_name, &mailbox),
        CallbackPage::Failed { failure, admin_consent_url, .. } => {
            let ways_out = WaysOut { admin_consent_url: admin_consent_url.map(String::from), start_again: None };
            failure_page::page(&failure, &ways_out)
        }
        CallbackPage::ConsentReturned { declined } => consent_returned(declined),
    }
}

fn connected(mailbox: &str, inbox: &str, sending: Option<&Failure>) -> Page {
    let Some(failure) = sending else {
        return Page::new("Connected", Tone::Good)
            .text("The mailbox is connected, and mail of the last days is being brought in.")
            .fact("Mailbox", mailbox)
            .fact("Inbox", inbox)
            .link("Go to Postroom", "/");
    };
    let mut page = Page::new("Connected for reading; sending is refused", Tone::Waiting)
        .text("The mailbox is connected and its mail is being brought in. Answers cannot leave through it yet.")
        .fact("Mailbox", mailbox)
        .fact("Inbox", inbox)
        .fact("What happened", failure.class.text())
        .fact("Who must act", who(failure.class.actor()))
        .fact("What to do", failure.class.cure());
    if let Some(said) = &failure.server_said {
        page = page.fact("The server said", said);
    }
    page.fact("Code", failure.class.code())
        .aside("When it is done, press \"Try again\" in the inbox's settings.")
        .link("Go to Postroom", "/")
}

fn proving(follow: &str, trouble: Option<&Failure>) -> Page {
    let mut page = Page::new("Signed in; the mailbox is being opened", Tone::Waiting)
        .refreshing_at(REFRESH_SECONDS, &status_path(follow))
        .text("A first sign-in to a mailbox can take a minute or two. This page follows by itself; you may also close it.");
    if let Some(failure) = trouble {
        page = page.fact("The last try", failure.class.text()).fact("What happens now", failure.class.cure());
        if let Some(said) = &failure.server_said {
            page = page.fact("The server said", said);
        }
    }
    page.link("Look again now", &status_path(follow))
}

/// Where the page that follows lives.
pub fn status_path(token: &str) -> String {
    // Tokens are base64url; anything else was never one, and leads nowhere.
    let clean: String = token.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    format!("/microsoft/connections/{clean}")
}

fn confirm(token: &str, account: &str, mailbox: &str) -> Page {
    Page::new("Is this what you want?", Tone::Waiting)
        .text("You signed in with Microsoft. If you go on, everybody in the account below can read the mail of this mailbox and answer from it.")
        .fact("Mailbox", mailbox)
        .fact("Account", account)
        .form("/microsoft/callback/confirm", &[("token", token)], "Connect this mailbox")
        .aside("If you do not know this account, close this page: nothing is connected without you.")
}

fn consent_returned(declined: bool) -> Page {
    if declined {
        return Page::new("The approval was not given", Tone::Bad)
            .text("You came back from Microsoft's approval page without approving the application.")
            .fact("Who must act", "An administrator of your Microsoft 365 organisation.")
            .fact(
                "What to do",
                "Open the approval link again and accept, or tell the person who asked that it stays like this.",
            );
    }
    Page::new("Thank you", Tone::Good)
        .text("You came back from Microsoft's approval page. Whether the approval stands shows at the next sign-in.")
        .fact("Who must act", "The person whose mailbox it is.")
        .fact("What to do", "Sign in with Microsoft again from the link or the inbox settings.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{FailureClass, Secret};

    #[test]
    fn the_confirmation_page_names_the_account_and_has_one_form_of_hidden_fields() {
        let html = page(CallbackPage::Confirm {
            token: Secret::new("t.k"),
            account_name: "Contoso <b>".to_owned(),
            mailbox: "ada@contoso.example".to_owned(),
            connection_id: domain::ConnectionId(1),
        })
        .render();
        assert!(html.contains("Contoso &lt;b&gt;") && html.contains("ada@contoso.example"));
        assert_eq!(html.matches("<form").count(), 1);
        assert_eq!(html.matches("<input").count(), html.matches("type=\"hidden\"").count());
    }

    #[test]
    fn a_mailbox_that_cannot_send_says_who_must_act() {
        let failure = Failure::new(FailureClass::SmtpAuthDisabled).said("535 5.7.139");
        let html = connected("ada@contoso.example", "7", Some(&failure)).render();
        assert!(html.contains("535 5.7.139") && html.contains("administrator") && html.contains("smtp_auth_disabled"));
    }

    #[test]
    fn a_status_address_holds_nothing_but_the_token() {
        assert_eq!(status_path("aB-_9\"><script>/../"), "/microsoft/connections/aB-_9script");
    }
}
