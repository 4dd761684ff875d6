//! The pages at the end of a sign-in: connected, still being proved, to be confirmed, failed.
//!
//! None of them is ever a silent redirect: each says what happened and what is next.

use crate::error::Problem;
use crate::failure_page::{self, FOR_SUPPORT, who};
use crate::help;
use crate::html::{Field, Page, Tone};
use crate::waiting_pages;
use app::channels::callback::{AskAddress, CallbackPage};
use domain::channel::{Health, HealthState, ImportProgress, ImportState};
use domain::inbox::Inbox;
use domain::{Failure, FailureClass};
use poem::Response;
use poem::http::StatusCode;
use url::Url;

/// How often a page that follows the proof asks again.
const REFRESH_SECONDS: u32 = 3;

pub fn page(shown: CallbackPage) -> Page {
    match shown {
        CallbackPage::Connected { inbox, account_name, token, back, .. } => {
            connected(&inbox, &account_name, token.expose(), back.as_ref())
        }
        CallbackPage::AtMicrosoft { follow, token, .. } => waiting_pages::at_microsoft(&follow, token.expose()),
        CallbackPage::AwaitingApproval { account_name, admin_consent_url, came_back, until, follow, token, .. } => {
            let url = admin_consent_url.as_ref().map(Url::as_str);
            waiting_pages::awaiting_approval(&account_name, url, came_back, until, (&follow, token.expose()))
        }
        CallbackPage::AwaitingAdministrator { account_name, failure, until, follow, .. } => {
            waiting_pages::awaiting_administrator(&account_name, &failure, until, &follow)
        }
        CallbackPage::Proving { follow, trouble, .. } => proving(&follow, trouble.as_ref()),
        CallbackPage::Confirm { token, account_name, mailbox, .. } => confirm(token.expose(), &account_name, &mailbox),
        CallbackPage::AskAddress(ask) => ask_address(&ask),
        CallbackPage::Failed { failure, admin_consent_url, ask_approval, back, .. } => {
            failure_page::page_with(&failure, admin_consent_url.as_ref().map(Url::as_str), |page| {
                let page = match &ask_approval {
                    Some(token) => waiting_pages::ask_approval(page, token.expose()),
                    None => page,
                };
                with_way_back(page, back.as_ref())
            })
        }
        CallbackPage::ConsentReturned { declined } => waiting_pages::consent_returned(declined),
    }
}

/// A database that is down, or what failed inside, as a page: a person stands before it.
pub fn unavailable(problem: &Problem) -> Response {
    let class = if problem.status == StatusCode::SERVICE_UNAVAILABLE {
        FailureClass::ServerUnavailable
    } else {
        FailureClass::Internal
    };
    failure_page::page(&class.into(), None).status(problem.status).into_response()
}

/// Where whoever sent the person here wants them to go on.
fn with_way_back(page: Page, back: Option<&Url>) -> Page {
    match back {
        Some(url) => page.link(&format!("Back to {}", url.host_str().unwrap_or_default()), url.as_str()),
        None => page,
    }
}

fn connected(inbox: &Inbox, account: &str, token: &str, back: Option<&Url>) -> Page {
    let channel = &inbox.channel;
    let sends = sends(&channel.send_health);
    let mut troubles: Vec<_> = [&channel.fetch_health, &channel.send_health]
        .into_iter()
        .filter_map(|health| health.failure.as_ref())
        .collect();
    // A permission that has ended is one trouble of both.
    troubles.dedup_by_key(|failure| failure.class);
    let mut page = if sends {
        Page::new("Connected", Tone::Good)
            .text("Mail that arrives in this mailbox is answered in Postroom from now on.")
    } else {
        Page::new("Connected for reading; sending is refused", Tone::Waiting)
            .text("Mail that arrives in this mailbox is in Postroom from now on. Answers cannot leave through it yet.")
    };
    for failure in &troubles {
        page = trouble(page, failure);
    }
    if !sends {
        page = page
            .form("/microsoft/callback/try_again", &[("token", token)], "Try sending again")
            .aside("Press it when somebody has done what is asked above; it takes a few seconds.");
    }
    for failure in &troubles {
        page = page.second("How to mend it, step by step", &help::path_of(failure.class));
    }
    if !troubles.is_empty() {
        page = page.heading("What is connected");
    }
    page = page.fact("Inbox", &inbox.name).fact("Account", account).fact("Mailbox", channel.mailbox_address.as_str());
    if !channel.from_address.same_as(&channel.mailbox_address) {
        page = page.fact("Answers come from", channel.from_address.as_str());
    }
    page = page
        .fact("Reading", words(&channel.fetch_health))
        .fact("Sending", words(&channel.send_health))
        .fact("Earlier mail", &import(&channel.import));
    page = match back {
        Some(_) => with_way_back(page, back),
        None => page.link("Go to Postroom", "/"),
    };
    if sends {
        page = page.aside("Nothing more is needed here: this page can be closed.");
    }
    if !troubles.is_empty() {
        page = page.heading(FOR_SUPPORT);
    }
    for failure in troubles {
        page = page.fact("Code", failure.class.code());
        if let Some(said) = &failure.server_said {
            page = page.fact("The server said", said);
        }
    }
    page
}

fn sends(health: &Health) -> bool {
    match health.state {
        HealthState::Connected | HealthState::Unknown => true,
        HealthState::Failing | HealthState::NeedsReauth | HealthState::Blocked => false,
    }
}

fn words(health: &Health) -> &'static str {
    match health.state {
        HealthState::Unknown => "about to be tried",
        HealthState::Connected => "works",
        HealthState::Failing => "does not work at the moment; it is tried again by itself",
        HealthState::NeedsReauth => "waits until somebody signs in again",
        HealthState::Blocked => "waits until somebody changes something (see above)",
    }
}

fn import(import: &ImportProgress) -> String {
    match (import.state, import.total) {
        (ImportState::Waiting, _) => "about to be brought in".to_owned(),
        (ImportState::Running, Some(total)) => format!("{} of {total} brought in so far", import.done),
        (ImportState::Running, None) => "being looked for".to_owned(),
        (ImportState::Done, Some(0)) => "none that is recent enough".to_owned(),
        (ImportState::Done, _) => format!("{} brought in", import.done),
        (ImportState::Failed, _) => format!("{} brought in, then it failed inside Postroom", import.done),
    }
}

/// What happened, who must act, and what to do.
fn trouble(page: Page, failure: &Failure) -> Page {
    page.fact("What happened", failure.class.text())
        .fact("Who must act", who(failure.class.actor()))
        .fact("What to do", failure.class.cure())
}

fn ask_address(ask: &AskAddress) -> Page {
    let mut page = Page::new("Which mailbox is it?", Tone::Waiting);
    match &ask.trouble {
        Some(failure) if failure.class == FailureClass::AddressUnknown => {
            page = page.text("That is not an e-mail address. One looks like support@example.com.");
        }
        Some(failure) => {
            page = page.text("The mail server did not open that mailbox for you. Perhaps its address is another one?");
            page = page.fact("What happened", failure.class.text());
            if let Some(said) = &failure.server_said {
                page = page.fact("The server said", said);
            }
        }
        None => {
            page = page.text(
                "You signed in with Microsoft, and none of your account's names is an e-mail address. Type the address of the mailbox; \
                 the mail server then says whether you may open it.",
            );
        }
    }
    let field =
        Field { name: "mailbox", label: "Address of the mailbox", value: ask.proposed.as_deref().unwrap_or("") };
    page.text("If you go on, everybody in the account below can read the mail of this mailbox and answer from it.")
        .fact("Account", &ask.account_name)
        .asking("/microsoft/callback/address", &[("token", ask.token.expose())], &field, "Connect this mailbox")
        .aside("If you do not know this account, close this page: nothing is connected without you.")
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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Secret;

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

    fn inbox() -> Inbox {
        let address = |text: &str| domain::EmailAddress::parse(text).expect("an address");
        let now = domain::Timestamp::from_seconds(1_760_000_000);
        Inbox {
            id: domain::InboxId(7),
            account_id: domain::AccountId(1),
            name: "Contoso <Support>".to_owned(),
            settings: domain::inbox::InboxSettings::default(),
            channel: domain::channel::EmailChannel {
                id: domain::ChannelId(9),
                account_id: domain::AccountId(1),
                inbox_id: domain::InboxId(7),
                provider: domain::channel::Provider::Microsoft,
                service: domain::channel::Service::Microsoft365,
                grant_id: None,
                principal: "ada@contoso.example".to_owned(),
                mailbox_address: address("ada@contoso.example"),
                from_address: address("support@contoso.example"),
                from_accepted_at: None,
                smtp_user: "ada@contoso.example".to_owned(),
                send_transport: domain::channel::SendTransport::Smtp,
                fetch_health: Health::default().worked(now),
                send_health: Health::default().worked(now),
                sending_limits: domain::channel::SendingLimits::default(),
                import: ImportProgress { state: ImportState::Running, total: Some(40), done: 12 },
                created_at: now,
            },
            created_at: now,
        }
    }

    #[test]
    fn the_page_at_the_end_names_the_inbox_and_says_how_it_is_doing() {
        let html = connected(&inbox(), "Contoso", "t.k", None).render();
        assert!(!html.contains("<form"), "nothing needs to be tried");
        for told in ["Contoso &lt;Support&gt;", "ada@contoso.example", "support@contoso.example", "12 of 40", "works"] {
            assert!(html.contains(told), "{told}: {html}");
        }
    }

    #[test]
    fn a_mailbox_that_cannot_send_says_who_must_act_and_has_a_button_to_try_again() {
        let mut inbox = inbox();
        let failure = Failure::new(FailureClass::SmtpAuthDisabled).said("535 5.7.139");
        inbox.channel.send_health = inbox.channel.send_health.failed(failure, inbox.created_at, None);
        let html = connected(&inbox, "Contoso", "t.k", None).render();
        for told in ["535 5.7.139", "administrator", "smtp_auth_disabled", "/microsoft/callback/try_again", "t.k"] {
            assert!(html.contains(told), "{told}: {html}");
        }
        // First what to do, then what to press, and last what only support asks for.
        let told = ["What to do", "Try sending again", "step by step", "<dt>Inbox", "Go to Postroom", "535 5.7.139"];
        let places = told.map(|words| html.find(words));
        assert!(places.is_sorted() && places[0].is_some(), "{html}");
    }

    #[test]
    fn the_page_that_asks_for_the_address_keeps_what_was_typed_as_text() {
        let ask = AskAddress {
            token: Secret::new("t.k"),
            account_name: "Contoso".to_owned(),
            connection_id: domain::ConnectionId(1),
            proposed: Some("\"><script>".to_owned()),
            trouble: Some(FailureClass::AddressUnknown.into()),
        };
        let html = page(CallbackPage::AskAddress(ask)).render();
        assert!(html.contains("Contoso") && html.contains("&quot;&gt;&lt;script&gt;") && !html.contains("<script"));
        assert_eq!(html.matches("<form").count(), 1);
    }

    #[test]
    fn a_status_address_holds_nothing_but_the_token() {
        assert_eq!(status_path("aB-_9\"><script>/../"), "/microsoft/connections/aB-_9script");
    }
}
